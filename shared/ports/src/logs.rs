//! Logs of jobs, read where the jobs are: what is asked of a place, and what it answers.
//!
//! Both travel as CBOR in base64 in JSON, as intents do. Readers of a next form come before its writers.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::BASE64_NOPAD;
use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::{ProjectId, RunId};
use serde::{Deserialize, Serialize};

use crate::Unavailable;

/// Most bytes of a log in one answer. In base64 they are 5.6 million, and a function answers with 6 MB at most.
///
/// Source: "Lambda quotas" in the Lambda developer guide.
pub const LOG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Says how the rest is written.
const FORM: u32 = 1;

/// Reads logs of jobs of other places. A place that is asked twice answers the same.
#[async_trait]
pub trait Logs: Debug + Send + Sync {
    /// A part of a log; `None` if there is none (yet), and no more is to be said of why.
    async fn read(&self, ask: &LogAsk) -> Result<Option<LogChunk>, LogError>;
}

/// Which log is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LogAsk {
    /// The place of the job.
    #[n(0)]
    pub place: String,
    /// Whose run.
    #[n(1)]
    pub project: ProjectId,
    /// Whose task.
    #[n(2)]
    pub run: RunId,
    /// Its index in the run's version.
    #[n(3)]
    pub task: u32,
    /// Map index; 0 when not mapped.
    #[n(4)]
    pub map: u32,
    /// Which attempt, from 1.
    #[n(5)]
    pub attempt: u32,
    /// What the target calls the job, if its run was told.
    #[n(6)]
    pub external_id: Option<String>,
    /// When the attempt was over, if it is.
    #[n(7)]
    #[cbor(default, with = "porpoise_model::codec::timestamp_option")]
    pub ended: Option<Timestamp>,
    /// `None`: no byte of the log is wanted, only where it is.
    #[n(8)]
    pub part: Option<LogPart>,
}

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LogPart {
    /// Its first byte.
    #[n(0)]
    pub from: u64,
    /// At most so many bytes.
    #[n(1)]
    pub limit: u32,
}

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The bytes.
    pub bytes: Bytes,
    /// Where the next piece begins.
    pub next: u64,
    /// Nothing will follow.
    pub end: bool,
}

/// Why nothing of a log can be read here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct NoLog {
    /// Why, as a sentence without its full stop.
    #[n(0)]
    pub why: String,
    /// What to do.
    #[n(1)]
    pub hint: Option<String>,
    /// Where it is, in the target's words: `s3://…`.
    #[n(2)]
    pub address: Option<String>,
    /// Where people look at the job in the target's own console.
    #[n(3)]
    pub link: Option<String>,
    /// It may be read here later, if nobody changes anything.
    #[n(4)]
    pub later: bool,
}

impl NoLog {
    /// It never can, for this reason.
    pub fn never(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            ..Self::default()
        }
    }

    /// Not yet, for this reason.
    pub fn yet(why: impl Into<String>) -> Self {
        Self {
            later: true,
            ..Self::never(why)
        }
    }

    /// With what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A log that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Asking again changes nothing, or not soon.
    #[error("{}", .0.why)]
    None(Box<NoLog>),
    /// The same call may succeed later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<NoLog> for LogError {
    fn from(none: NoLog) -> Self {
        Self::None(Box::new(none))
    }
}

/// What a place is handed: `{"log": {"form": 1, "body": "…"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCall {
    log: Letter,
}

/// What a place answers with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogReply(Letter);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Letter {
    form: u32,
    body: String,
}

/// What no release writes that this one knows.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// Of a later release.
    #[error("it is written in form {0}, this release knows form {FORM}")]
    Form(u32),
    /// Damaged.
    #[error("it is not base64")]
    Base64(#[source] data_encoding::DecodeError),
    /// Damaged, or of a later release.
    #[error("it cannot be read")]
    Content(#[source] minicbor::decode::Error),
}

impl Letter {
    fn of(content: &impl Encode<()>) -> Self {
        let content = minicbor::to_vec(content).unwrap_or_default();
        Self {
            form: FORM,
            body: BASE64_NOPAD.encode(&content),
        }
    }

    fn read<T: for<'b> Decode<'b, ()>>(&self) -> Result<T, LetterError> {
        if self.form != FORM {
            return Err(LetterError::Form(self.form));
        }
        let content = BASE64_NOPAD.decode(self.body.as_bytes());
        let content = content.map_err(LetterError::Base64)?;
        minicbor::decode(&content).map_err(LetterError::Content)
    }
}

impl LogCall {
    /// Asks this.
    pub fn of(ask: &LogAsk) -> Self {
        Self {
            log: Letter::of(ask),
        }
    }

    /// What is asked.
    ///
    /// # Errors
    /// Of a later release, or damaged.
    pub fn read(&self) -> Result<LogAsk, LetterError> {
        self.log.read()
    }
}

/// The stored form of an answer.
#[derive(Debug, Encode, Decode)]
enum Answer {
    #[n(0)]
    Chunk {
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        bytes: Vec<u8>,
        #[n(1)]
        next: u64,
        #[n(2)]
        end: bool,
    },
    #[n(1)]
    Nothing,
    #[n(2)]
    None(#[n(0)] Box<NoLog>),
}

impl LogReply {
    /// Answers this.
    pub fn of(answer: &Result<Option<LogChunk>, NoLog>) -> Self {
        let answer = match answer {
            Ok(Some(LogChunk { bytes, next, end })) => Answer::Chunk {
                bytes: bytes.to_vec(),
                next: *next,
                end: *end,
            },
            Ok(None) => Answer::Nothing,
            Err(none) => Answer::None(Box::new(none.clone())),
        };
        Self(Letter::of(&answer))
    }

    /// What is answered.
    ///
    /// # Errors
    /// Of a later release, or damaged.
    pub fn read(&self) -> Result<Result<Option<LogChunk>, NoLog>, LetterError> {
        Ok(match self.0.read()? {
            Answer::Chunk { bytes, next, end } => Ok(Some(LogChunk {
                bytes: bytes.into(),
                next,
                end,
            })),
            Answer::Nothing => Ok(None),
            Answer::None(none) => Err(*none),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a function may answer with.
    const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;

    fn ask() -> LogAsk {
        LogAsk {
            place: "aws.eu-west-1.111122223333".to_owned(),
            project: ProjectId::of_name("retail"),
            run: RunId::from_bytes([7; 16]),
            task: 3,
            map: 0,
            attempt: 2,
            external_id: Some("00f1/00r2".to_owned()),
            ended: Timestamp::from_millisecond(1_000).ok(),
            part: Some(LogPart {
                from: 5,
                limit: 1024,
            }),
        }
    }

    #[test]
    fn what_is_asked_and_answered_reads_back() {
        let bare = LogAsk {
            external_id: None,
            ended: None,
            part: None,
            ..ask()
        };
        for ask in [ask(), bare] {
            let text = serde_json::to_string(&LogCall::of(&ask)).unwrap();
            let call: LogCall = serde_json::from_str(&text).unwrap();
            assert_eq!(call.read().unwrap(), ask);
        }
        let chunk = LogChunk {
            bytes: vec![0, 255, b'a'].into(),
            next: 3,
            end: true,
        };
        let none = NoLog {
            address: Some("s3://logs/etl/".to_owned()),
            link: Some("https://x".to_owned()),
            ..NoLog::yet("it runs").hint("wait")
        };
        for answer in [Ok(Some(chunk)), Ok(None), Err(none)] {
            let text = serde_json::to_string(&LogReply::of(&answer)).unwrap();
            let reply: LogReply = serde_json::from_str(&text).unwrap();
            assert_eq!(reply.read().unwrap(), answer);
        }
    }

    #[test]
    fn the_largest_answer_is_one_that_a_function_may_give() {
        let chunk = LogChunk {
            bytes: vec![0; LOG_BYTES_MAX].into(),
            next: u64::MAX,
            end: false,
        };
        let text = serde_json::to_string(&LogReply::of(&Ok(Some(chunk)))).unwrap();
        assert!(text.len() < ANSWER_BYTES_MAX, "{}", text.len());
    }

    #[test]
    fn what_is_of_a_later_release_or_damaged_is_refused() {
        let call = |text: &str| serde_json::from_str::<LogCall>(text);
        let later = call(r#"{"log": {"form": 2, "body": ""}}"#).unwrap();
        assert!(matches!(later.read(), Err(LetterError::Form(2))));
        let damaged = call(r#"{"log": {"form": 1, "body": "*"}}"#).unwrap();
        assert!(matches!(damaged.read(), Err(LetterError::Base64(_))));
        let empty = call(r#"{"log": {"form": 1, "body": ""}}"#).unwrap();
        assert!(matches!(empty.read(), Err(LetterError::Content(_))));
        call(r#"{"log": {"form": 1, "body": ""}, "source": "aws.x"}"#).unwrap_err();
    }

    #[test]
    fn what_an_earlier_release_asked_still_reads() {
        let golden = r#"{"log":{"form":1,"body":"iXgaYXdzLmV1LXdlc3QtMS4xMTExMjIyMjMzMzNQ968KFwI2MEXU/loIjGARxFAHBwcHBwcHBwcHBwcHBwcHAwACaTAwZjEvMDByMhkD6IIFGQQA"}}"#;
        let call: LogCall = serde_json::from_str(golden).unwrap();
        assert_eq!(call.read().unwrap(), ask());
    }
}
