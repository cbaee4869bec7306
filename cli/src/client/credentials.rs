//! Credentials of AWS: from the environment, or from `aws`, which knows profiles, roles and single sign-on.

use std::fmt;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use porpoise_api::Code;
use serde_json::Value;

use crate::cloud::{AwsError, run, variable};
use crate::failure::{Failure, REFUSED};

/// Credentials that end so soon are not begun with.
const AHEAD: SignedDuration = SignedDuration::from_secs(30);
/// What gives credentials to somebody who has none.
const LOG_IN: &str = "log in with `aws sso login` or `aws configure`, and name a profile of yours in AWS_PROFILE; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/// An access key, and what belongs to it.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) session: Option<String>,
    /// When they end, where that is known.
    expires: Option<Timestamp>,
    /// Where they are from.
    pub(super) source: &'static str,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, source, .. } = self;
        write!(formatter, "Keys {{ id: {id:?}, source: {source:?}, .. }}")
    }
}

impl Keys {
    /// Those of the environment, or those that `aws` has.
    pub(crate) fn find(now: Timestamp) -> Result<Self, Failure> {
        let keys = match Self::of_environment() {
            Some(keys) => keys,
            None => Self::of_aws()?,
        };
        if keys.ends_soon(now) {
            let at = keys.expires.unwrap_or(now);
            return Err(none(format!("those of {} ended at {at}", keys.source)));
        }
        Ok(keys)
    }

    /// Whether it is time for others.
    pub(super) fn ends_soon(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires < now + AHEAD)
    }

    fn of_environment() -> Option<Self> {
        let expires = variable("AWS_CREDENTIAL_EXPIRATION");
        Some(Self {
            id: variable("AWS_ACCESS_KEY_ID")?,
            secret: variable("AWS_SECRET_ACCESS_KEY")?,
            session: variable("AWS_SESSION_TOKEN"),
            expires: expires.and_then(|expires| expires.parse().ok()),
            source: "the environment",
        })
    }

    fn of_aws() -> Result<Self, Failure> {
        let mut export = Command::new("aws");
        export.args(["configure", "export-credentials", "--format", "process"]);
        let exported = run(&mut export).map_err(|error| {
            none(match error {
                AwsError::NoProgram(_) => format!(
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and {}",
                    error.said()
                ),
                AwsError::Refused { .. } => error.said(),
            })
        })?;
        let exported: Value = serde_json::from_str(&exported).unwrap_or_default();
        let text = |name| exported.get(name).and_then(Value::as_str);
        let (Some(id), Some(secret)) = (text("AccessKeyId"), text("SecretAccessKey")) else {
            // not what it says: a secret may be in it
            return Err(none(
                "what `aws configure export-credentials` prints has no access key".to_owned(),
            ));
        };
        Ok(Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            session: text("SessionToken").map(str::to_owned),
            expires: text("Expiration").and_then(|expires| expires.parse().ok()),
            source: "`aws`",
        })
    }
}

fn none(why: String) -> Failure {
    Failure::new(REFUSED, "there are no credentials of AWS to sign with")
        .coded(Code::NoCredentials)
        .cause(why)
        .hint(LOG_IN)
}

/// AWS knows the credentials, or does not, and says so.
pub(super) fn not_taken(keys: &Keys, said: &str) -> Failure {
    let message = format!("AWS does not take the credentials of {}", keys.source);
    Failure::new(REFUSED, message)
        .coded(Code::NoCredentials)
        .cause(said)
        .hint(LOG_IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keys {
        pub(crate) fn of_test(id: &str, secret: &str) -> Self {
            Self {
                id: id.to_owned(),
                secret: secret.to_owned(),
                session: None,
                expires: None,
                source: "a test",
            }
        }
    }

    #[test]
    fn no_secret_is_in_what_is_written_for_debugging() {
        let keys = Keys {
            session: Some("s3ssion".to_owned()),
            ..Keys::of_test("AKIDEXAMPLE", "s3cret")
        };
        let written = format!("{keys:?}");
        assert!(written.contains("AKIDEXAMPLE"), "{written}");
        assert!(!written.contains("s3"), "{written}");
    }

    #[test]
    fn credentials_that_are_about_to_end_are_not_begun_with() {
        let now = Timestamp::UNIX_EPOCH;
        let until = |expires| Keys {
            expires,
            ..Keys::of_test("AKIDEXAMPLE", "s3cret")
        };
        assert!(!until(None).ends_soon(now));
        assert!(until(Some(now)).ends_soon(now));
        assert!(!until(Some(now + SignedDuration::from_mins(5))).ends_soon(now));
    }
}
