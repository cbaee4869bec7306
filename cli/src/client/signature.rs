//! Signatures of AWS (version 4), for APIs that know their callers by IAM.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use jiff::Timestamp;

use crate::failure::Failure;

use super::credentials::Keys;

/// What a signature is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Realm {
    pub(super) service: &'static str,
    pub(super) region: String,
}

/// What names of AWS's own end with.
const OF_AWS: [&str; 4] = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws"];

impl Realm {
    /// What an address of AWS says: `a1b2c3.execute-api.eu-west-1.amazonaws.com`, `….lambda-url.us-east-1.on.aws`.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let host = host(url);
        if !OF_AWS.iter().any(|end| host.ends_with(end)) {
            return None;
        }
        let service = |name| Some((name, host.split_once(&format!(".{name}."))?.1));
        let (service, rest) = match service("execute-api") {
            Some(found) => found,
            None => ("lambda", host.split_once(".lambda-url.")?.1),
        };
        let region = rest.split_once('.')?.0.to_owned();
        Some(Self { service, region })
    }

    /// An API under a name of one's own, which API Gateway has and function URLs have not.
    pub(crate) fn named(region: &str) -> Self {
        Self {
            service: "execute-api",
            region: region.to_owned(),
        }
    }

    /// What a caller of `url` has to be allowed, as a policy says it.
    pub(super) fn right(&self, url: &str) -> String {
        let (id, region) = (
            host(url).split('.').next().unwrap_or_default(),
            &self.region,
        );
        if self.service == "lambda" {
            return "`lambda:InvokeFunctionUrl` and `lambda:InvokeFunction` on the function `api`"
                .to_owned();
        }
        let id = if Self::of(url).is_some() { id } else { "*" };
        format!("`execute-api:Invoke` on `arn:aws:execute-api:{region}:*:{id}/*`")
    }
}

/// The host in an address, without its port.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A request to be signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unsigned<'r> {
    pub(super) method: &'r str,
    pub(super) url: &'r str,
    pub(super) headers: &'r [(&'static str, String)],
    pub(super) body: &'r [u8],
}

/// The headers of its signature.
pub(super) fn signature(
    realm: &Realm,
    keys: &Keys,
    request: Unsigned<'_>,
    at: Timestamp,
) -> Result<Vec<(String, String)>, Failure> {
    let broken =
        |error: &dyn std::error::Error| Failure::broken("a request cannot be signed", error);
    let identity = Credentials::new(
        &keys.id,
        &keys.secret,
        keys.session.clone(),
        None,
        "porpoise",
    );
    let identity = identity.into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(&realm.region)
        .name(realm.service)
        .time(at.into())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| broken(&error))?;
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| (*name, value.as_str()));
    let body = SignableBody::Bytes(request.body);
    let signable = SignableRequest::new(request.method, request.url, headers, body);
    let signable = signable.map_err(|error| broken(&error))?;
    let signed = sign(signable, &parameters.into()).map_err(|error| broken(&error))?;
    let (instructions, _) = signed.into_parts();
    let headers = instructions.headers();
    Ok(headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(service: &'static str, region: &str) -> Realm {
        Realm {
            service,
            region: region.to_owned(),
        }
    }

    #[test]
    fn an_address_of_aws_says_what_is_signed_for() {
        let of = |url| Realm::of(url);
        let api = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/v1";
        assert_eq!(of(api), Some(realm("execute-api", "eu-west-1")));
        let api = "https://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn";
        assert_eq!(of(api), Some(realm("execute-api", "cn-north-1")));
        let url = "https://a1b2c3d4e5.lambda-url.us-east-1.on.aws/";
        assert_eq!(of(url), Some(realm("lambda", "us-east-1")));
        assert_eq!(of("https://porpoise.example.org"), None);
        assert_eq!(
            of("https://a.execute-api.eu-west-1.amazonaws.com.example.org"),
            None
        );
        assert_eq!(of("http://127.0.0.1:7717"), None);
    }

    /// Source: the test suite of Signature Version 4 that AWS published, `get-vanilla`.
    #[test]
    fn a_signature_is_the_one_that_aws_published() {
        let keys = Keys::of_test("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let request = Unsigned {
            method: "GET",
            url: "https://example.amazonaws.com/",
            headers: &[],
            body: &[],
        };
        let at = "2015-08-30T12:36:00Z".parse().unwrap();
        let headers = signature(&realm("service", "us-east-1"), &keys, request, at).unwrap();
        let header = |wanted| {
            headers
                .iter()
                .find(|(name, _)| name == wanted)
                .unwrap()
                .1
                .as_str()
        };
        assert_eq!(header("x-amz-date"), "20150830T123600Z");
        assert_eq!(
            header("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    #[test]
    fn a_host_is_what_stands_before_port_and_path() {
        assert_eq!(host("https://localhost:8443/v1?a=b"), "localhost");
        assert_eq!(host("https://api.example.org"), "api.example.org");
    }

    #[test]
    fn the_right_that_is_missing_is_named_as_a_policy_says_it() {
        let url = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com";
        let right = realm("execute-api", "eu-west-1").right(url);
        assert!(
            right.ends_with("on `arn:aws:execute-api:eu-west-1:*:a1b2c3/*`"),
            "{right}"
        );
        let right = Realm::named("eu-west-1").right("https://porpoise.example.org");
        assert!(
            right.ends_with("on `arn:aws:execute-api:eu-west-1:*:*/*`"),
            "{right}"
        );
    }
}
