//! Who calls, and where: from the scope of the signature.

use crate::answer::Fault;

/// An account in a region: whatever is made there is seen there only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) region: String,
}

/// The account of access keys that are no account's number.
const ACCOUNT: &str = "000000000000";

impl Caller {
    pub(crate) fn new(account: &str, region: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
        }
    }

    /// Reads `AWS4-HMAC-SHA256 Credential=KEY/20261121/REGION/SERVICE/aws4_request, …`: who, and which service is
    /// asked.
    pub(crate) fn of_header(header: Option<&str>) -> Result<(Self, String), Fault> {
        let missing = || {
            Fault::of(403, "MissingAuthenticationTokenException")
                .saying("Request is missing Authentication Token")
        };
        let scope = header
            .and_then(|header| header.split_once("Credential="))
            .ok_or_else(missing)?;
        let scope = scope.1.split(',').next().unwrap_or_default().trim();
        let parts: Vec<&str> = scope.split('/').collect();
        let [key, _day, region, service, "aws4_request"] = parts.as_slice() else {
            return Err(Fault::of(403, "IncompleteSignatureException")
                .saying(&format!("Credential must have five parts, not `{scope}`")));
        };
        let number = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
        let caller = Self {
            account: if number {
                (*key).to_owned()
            } else {
                ACCOUNT.to_owned()
            },
            region: (*region).to_owned(),
        };
        Ok((caller, (*service).to_owned()))
    }

    pub(crate) fn partition(&self) -> &'static str {
        if self.region.starts_with("cn-") {
            "aws-cn"
        } else if self.region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }

    /// Who is said to have made things.
    pub(crate) fn arn(&self) -> String {
        format!("arn:{}:iam::{}:user/fake", self.partition(), self.account)
    }
}
