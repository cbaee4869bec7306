//! One question and its answer: with patience where a server is busy, and clear words where it will not do.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use ureq::Body;
use ureq::http::Response;

use crate::client::Wire;
use crate::failure::{Failure, REFUSED, UNREACHABLE};
use crate::output::{note, now};

/// The most of an answer that is read: what an import reads of a file.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long an answer may take to begin, and then to end.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a question is asked while the server is busy or away.
const TRIES: u32 = 5;
const FIRST_WAIT_MILLIS: u64 = 500;
const WAIT_MILLIS_MAX: u64 = 30_000;
/// Codes of `Status` that say that the user may not do this.
const NOT_ALLOWED: [i64; 2] = [30_001, 1_300_001];

/// Asks a server.
#[derive(Debug)]
pub(super) struct Asker {
    wire: Wire,
    base: String,
    token: Token,
}

/// Shown to the server only.
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// What a question led to.
#[derive(Debug)]
pub(super) enum Answer {
    /// What the server says, as it said it, and read.
    Said(Vec<u8>, Value),
    /// It has no such path.
    NoSuchPath,
    /// The user may not ask this, or the server cannot answer it: in its own words.
    Declined(String),
}

/// What became of one try.
enum Try {
    Over(Answer),
    /// It may go well later; after a time that the server wants to be waited.
    Later(String, Option<Duration>),
}

impl Asker {
    pub(super) fn new(base: String, token: String) -> Result<Self, Failure> {
        Ok(Self {
            wire: Wire::patient(&base, PATIENCE)?,
            base,
            token: Token(token),
        })
    }

    /// `path` with its query.
    pub(super) fn ask(&self, path: &str) -> Result<Answer, Failure> {
        let mut why = String::new();
        for number in 0..TRIES {
            let (said, wanted) = match self.once(path)? {
                Try::Over(answer) => return Ok(answer),
                Try::Later(said, wanted) => (said, wanted),
            };
            why = said;
            if number + 1 < TRIES {
                let wait = wanted.unwrap_or_else(|| pause(number, now()));
                if number > 0 {
                    note(&format!(
                        "{why}; asking again in {}s",
                        wait.as_secs_f32().ceil()
                    ));
                }
                std::thread::sleep(wait);
            }
        }
        let message = format!(
            "DolphinScheduler at `{}` does not answer `{}`",
            self.base,
            bare(path)
        );
        Err(Failure::new(UNREACHABLE, message).cause(why).hint(
            "what was read so far is kept: the same command goes on from there once the server is well",
        ))
    }

    fn once(&self, path: &str) -> Result<Try, Failure> {
        let url = format!("{}/{path}", self.base);
        let mut answer = match self.wire.get(&url, &[("token", &self.token.0)]) {
            Ok(answer) => answer,
            Err(error) => return Ok(Try::Later(chain(&error), None)),
        };
        match answer.status().as_u16() {
            200 => self.read(path, &mut answer),
            401 | 403 => Err(self.unknown_token()),
            404 | 405 => Ok(Try::Over(Answer::NoSuchPath)),
            300..=399 => Err(self.redirected(&answer)),
            status @ (408 | 429 | 500..=599) => {
                let wanted = header(&answer, "retry-after").and_then(|text| text.parse().ok());
                let wanted = wanted.map(|seconds: u64| {
                    Duration::from_millis((seconds * 1_000).min(WAIT_MILLIS_MAX))
                });
                Ok(Try::Later(
                    format!("the server answers with status {status}"),
                    wanted,
                ))
            }
            status => {
                let message = format!(
                    "DolphinScheduler refuses `{}` with status {status}",
                    bare(path)
                );
                Err(Failure::new(REFUSED, message))
            }
        }
    }

    fn read(&self, path: &str, answer: &mut Response<Body>) -> Result<Try, Failure> {
        let config = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let bytes = match config.read_to_vec() {
            Ok(bytes) => bytes,
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                let message = format!(
                    "the answer to `{}` is larger than {ANSWER_BYTES_MAX} bytes",
                    bare(path)
                );
                return Err(Failure::new(REFUSED, message)
                    .hint("export these workflows into files, and import those"));
            }
            Err(error) => return Ok(Try::Later(chain(&error), None)),
        };
        let begin = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if begin == Some(&b'<') {
            return Err(self.no_api("answers with a page for a browser"));
        }
        // what breaks off in the middle may come whole the next time
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            return Ok(Try::Later("the answer is no JSON".to_owned(), None));
        };
        let Some(code) = value.get("code").and_then(Value::as_i64) else {
            return Err(self.no_api("answers with JSON that DolphinScheduler does not write"));
        };
        if code == 0 {
            return Ok(Try::Over(Answer::Said(bytes, value)));
        }
        let said = value.get("msg").and_then(Value::as_str).unwrap_or_default();
        let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
        let said = if NOT_ALLOWED.contains(&code) {
            format!("the user of the token may not read this ({code}: {said})")
        } else {
            format!("{code}: {said}")
        };
        Ok(Try::Over(Answer::Declined(said)))
    }

    fn unknown_token(&self) -> Failure {
        let message = format!(
            "DolphinScheduler at `{}` does not know the token: it has expired, was deleted, or is of another server",
            self.base
        );
        Failure::new(REFUSED, message).hint(
            "make a new one there under Security → Token Manage; what was read so far is kept, and the same command \
             with the new token goes on from there",
        )
    }

    fn redirected(&self, answer: &Response<Body>) -> Failure {
        let to = header(answer, "location").unwrap_or_default();
        let to: String = to
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect();
        let failure = self.no_api(&format!("sends on to `{to}`"));
        failure.cause("the token goes to the address that was named only, and nowhere else")
    }

    fn no_api(&self, what: &str) -> Failure {
        let message = format!(
            "`{}` {what}: it is not the REST API of DolphinScheduler",
            self.base
        );
        Failure::new(REFUSED, message).hint(
            "name the address of its API server, such as `https://HOST:12345/dolphinscheduler`, past what asks people to log in",
        )
    }
}

/// Longer each time, up to half a minute; the half of it by chance, so that many clients do not come back at once.
fn pause(number: u32, now: Timestamp) -> Duration {
    let full = FIRST_WAIT_MILLIS
        .saturating_mul(1 << number.min(16))
        .min(WAIT_MILLIS_MAX);
    let chance = u64::from(now.subsec_nanosecond().unsigned_abs() / 1_000) % 1_000;
    Duration::from_millis(full / 2 + full * chance / 2_000)
}

fn header(answer: &Response<Body>, name: &str) -> Option<String> {
    Some(answer.headers().get(name)?.to_str().ok()?.to_owned())
}

/// Without its query.
fn bare(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_somewhere() {
        let at: Timestamp = "2026-03-01T00:00:00.5Z".parse().unwrap();
        let waits: Vec<_> = (0..9).map(|number| pause(number, at)).collect();
        assert!(waits.is_sorted(), "{waits:?}");
        assert!(waits[0] >= Duration::from_millis(250) && waits[8] <= Duration::from_secs(30));
    }

    #[test]
    fn a_token_is_not_shown() {
        let asker = Asker::new("http://ds".to_owned(), "hidden".to_owned()).unwrap();
        assert!(!format!("{asker:?}").contains("hidden"));
    }
}
