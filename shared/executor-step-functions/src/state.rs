//! The states of executions, in our words.

use aws_sdk_sfn::primitives::DateTime;
use jiff::Timestamp;
use porpoise_model::Cause;
use porpoise_ports::executor::JobState;
use serde_json::Value;

use crate::outputs::outputs;

/// The longest reason that is told: it becomes a part of the run's log.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// An instant of the client as one of ours.
pub(crate) fn instant(at: &DateTime) -> Timestamp {
    let nanos = i32::try_from(at.subsec_nanos()).unwrap_or_default();
    Timestamp::new(at.secs(), nanos).unwrap_or_default()
}

/// What is known of an execution, from whomever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) arn: &'a str,
    /// The service's word for its state.
    pub(crate) status: &'a str,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) output: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
    pub(crate) cause: Option<&'a str>,
}

impl Seen<'_> {
    pub(crate) fn state(self) -> JobState {
        let started = self.started;
        let ended = self.ended.unwrap_or(started);
        let failed = |cause: Cause| JobState::Failed {
            started: Some(started),
            ended,
            cause,
        };
        match self.status {
            "RUNNING" => JobState::Running { started },
            "SUCCEEDED" => JobState::Succeeded {
                started,
                ended,
                outputs: outputs(self.arn, self.output),
            },
            "FAILED" => failed(Cause::Failed {
                message: self.message(),
            }),
            "TIMED_OUT" => failed(Cause::Timeout),
            "ABORTED" => JobState::Canceled { ended },
            other => JobState::Waiting {
                why: Some(other.to_owned()),
            },
        }
    }

    /// A function that fails says why within the cause, as JSON.
    fn message(self) -> String {
        let cause = self.cause.unwrap_or_default();
        let inner = serde_json::from_str::<Value>(cause).ok();
        let inner = inner.as_ref().and_then(|cause| cause.get("errorMessage"));
        let cause = inner.and_then(Value::as_str).unwrap_or(cause);
        let parts = [self.error.unwrap_or_default(), cause];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let message = parts.collect::<Vec<_>>().join(": ");
        if message.is_empty() {
            return "the execution failed without a word".to_owned();
        }
        message.chars().take(MESSAGE_CHARS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_why_in_short() {
        let seen = |error, cause| Seen {
            arn: "arn",
            status: "FAILED",
            started: Timestamp::UNIX_EPOCH,
            ended: None,
            output: None,
            error,
            cause,
        };
        let long = "x".repeat(5_000);
        for (error, cause, wanted) in [
            (Some("A"), Some("b"), "A: b".to_owned()),
            (
                Some("A"),
                Some(r#"{"errorMessage": "no", "trace": []}"#),
                "A: no".to_owned(),
            ),
            (None, None, "the execution failed without a word".to_owned()),
            (None, Some(long.as_str()), "x".repeat(MESSAGE_CHARS_MAX)),
        ] {
            let state = seen(error, cause).state();
            let JobState::Failed {
                cause: Cause::Failed { message },
                ..
            } = state
            else {
                panic!("{state:?}");
            };
            assert_eq!(message, wanted);
        }
    }

    #[test]
    fn every_state_has_a_word_of_ours() {
        let state = |status| {
            let seen = Seen {
                arn: "arn",
                status,
                started: Timestamp::UNIX_EPOCH,
                ended: None,
                output: None,
                error: None,
                cause: None,
            };
            seen.state()
        };
        assert!(matches!(state("RUNNING"), JobState::Running { .. }));
        assert!(matches!(state("SUCCEEDED"), JobState::Succeeded { .. }));
        assert!(matches!(
            state("TIMED_OUT"),
            JobState::Failed {
                cause: Cause::Timeout,
                ..
            }
        ));
        assert!(matches!(state("ABORTED"), JobState::Canceled { .. }));
        for open in ["PENDING_REDRIVE", "LATER"] {
            let why = Some(open.to_owned());
            assert_eq!(state(open), JobState::Waiting { why });
        }
    }
}
