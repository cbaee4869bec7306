//! What shows a server who asks: a token, or a signature by credentials of AWS.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::cloud::variable;
use crate::failure::{Failure, REFUSED};
use crate::output::{duration, now};

use super::credentials::{self, Keys};
use super::signature::{Realm, Unsigned, signature};
use super::wire::Wire;

/// Signatures of other times than these around that of AWS are refused.
/// Source: IAM user guide, "Troubleshoot Signature Version 4".
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(5);
/// AWS is asked who somebody is only to say so in an error.
const WHO_AM_I: Duration = Duration::from_secs(5);

/// The right to use a server.
#[derive(Clone)]
pub(crate) enum Access {
    /// Of whoever has the token.
    Token(String),
    /// Of whom IAM knows by a signature.
    Iam(Signer),
}

/// Signs, with credentials that are taken again before they end.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    realm: Realm,
    keys: Arc<Mutex<Option<Keys>>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => formatter.write_str("Token(..)"),
            Self::Iam(signer) => formatter.debug_tuple("Iam").field(signer).finish(),
        }
    }
}

impl Access {
    /// Of whom IAM knows; credentials are looked for when something is asked.
    pub(crate) fn iam(realm: Realm) -> Self {
        Self::Iam(Signer {
            realm,
            keys: Arc::default(),
        })
    }

    /// The headers that show it.
    pub(super) fn headers(&self, request: Unsigned<'_>) -> Result<Vec<(String, String)>, Failure> {
        match self {
            Self::Token(token) => {
                let bearer = format!("Bearer {token}");
                Ok(vec![("authorization".to_owned(), bearer)])
            }
            Self::Iam(signer) => signature(&signer.realm, &signer.keys()?, request, now()),
        }
    }
}

impl Signer {
    fn keys(&self) -> Result<Keys, Failure> {
        let mut kept = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(keys) if !keys.ends_soon(now()) => Ok(keys.clone()),
            _ => Ok(kept.insert(Keys::find(now())?).clone()),
        }
    }

    /// Why a gateway that says no more than "forbidden" does not let the caller in: the clock, the credentials or the
    /// rights. `dated` is the time of its answer, `said` what it says.
    pub(super) fn denied(&self, url: &str, dated: Option<Timestamp>, said: &str) -> Failure {
        let ahead = dated.map_or(SignedDuration::ZERO, |dated| now().duration_since(dated));
        if ahead.abs() > SKEW_MAX {
            let side = if ahead.is_positive() {
                "ahead of"
            } else {
                "behind"
            };
            let by = duration(ahead.abs());
            let message = format!("the clock of this machine is {by} {side} that of the server");
            let failure = Failure::new(REFUSED, message).coded(porpoise_api::Code::Forbidden);
            return failure
                .cause(said)
                .hint("set the clock: a signature holds for five minutes");
        }
        let keys = match self.keys() {
            Ok(keys) => keys,
            Err(failure) => return failure,
        };
        let who = match self.who(&keys) {
            Some(Ok(arn)) => format!("`{arn}`"),
            Some(Err(why)) => return credentials::not_taken(&keys, &why),
            None => format!("whoever has the access key `{}`", keys.id),
        };
        Failure::new(REFUSED, format!("the server does not let {who} in"))
            .coded(porpoise_api::Code::Forbidden)
            .cause(said)
            .hint(format!(
                "the credentials are those of {}; who asks needs {}",
                keys.source,
                self.realm.right(url)
            ))
    }

    /// Whose the credentials are, or why AWS does not take them; `None` if AWS cannot be asked.
    fn who(&self, keys: &Keys) -> Option<Result<String, String>> {
        let region = &self.realm.region;
        let end = if region.starts_with("cn-") { ".cn" } else { "" };
        let url = variable("AWS_ENDPOINT_URL_STS").or_else(|| variable("AWS_ENDPOINT_URL"));
        let url = url.unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com{end}"));
        let url = format!(
            "{}/?Action=GetCallerIdentity&Version=2011-06-15",
            url.trim_end_matches('/')
        );
        let request = Unsigned {
            method: "GET",
            url: &url,
            headers: &[],
            body: &[],
        };
        let realm = Realm {
            service: "sts",
            region: region.clone(),
        };
        let signed = signature(&realm, keys, request, now()).ok()?;
        let sent = Wire::to(&url, WHO_AM_I).ok()?.send(request, &signed);
        let text = sent.ok()?.body_mut().read_to_string().ok()?;
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            Some(rest.split_once(&format!("</{name}>"))?.0.trim().to_owned())
        };
        if let Some(arn) = element("Arn") {
            return Some(Ok(arn));
        }
        let why = [element("Code")?, element("Message").unwrap_or_default()];
        Some(Err(why.join(": ")))
    }
}
