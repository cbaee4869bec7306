//! The command line of AWS.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use super::variable;

/// Services that answer the same in every region.
const EVERYWHERE: [&str; 3] = ["iam", "s3api", "sts"];
/// So many calls at the same time: each is a process of its own.
const SIDE_BY_SIDE: usize = 4;

/// Answers, by their questions.
type Known = Arc<Mutex<BTreeMap<String, Value>>>;

/// `aws`, in a region. What was answered is not asked again.
#[derive(Debug, Clone)]
pub(super) struct Aws {
    pub(super) region: String,
    known: Known,
}

/// What went wrong with a call.
#[derive(Debug)]
pub(crate) enum AwsError {
    /// There is no such program, or it does not start.
    NoProgram(io::Error),
    /// It says no.
    Refused {
        /// `AccessDenied`, `ValidationError` …, where it says one.
        code: Option<String>,
        /// All of what it says.
        said: String,
    },
}

impl AwsError {
    /// What it said, on one line.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::NoProgram(error) => format!("`aws` does not start: {error}"),
            Self::Refused { said, .. } => said.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    /// Whether the caller may not ask.
    pub(super) fn is_denied(&self) -> bool {
        let Self::Refused { code, .. } = self else {
            return false;
        };
        let code = code.as_deref().unwrap_or_default();
        code.starts_with("AccessDenied") || code == "UnauthorizedOperation"
    }

    /// Whether AWS was asked, and knows no such thing.
    pub(super) fn is_absence(&self) -> bool {
        let Self::Refused { code, said } = self else {
            return false;
        };
        let code = code.as_deref().unwrap_or_default();
        code.contains("NotFound") || (code == "ValidationError" && said.contains("does not exist"))
    }
}

impl Aws {
    /// In a region.
    pub(super) fn at(region: &str) -> Self {
        Self {
            region: region.to_owned(),
            known: Known::default(),
        }
    }

    /// In another region.
    pub(super) fn also_at(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            known: Arc::clone(&self.known),
        }
    }

    /// What a command answers; nothing is null.
    pub(super) fn ask(&self, words: &[&str]) -> Result<Value, AwsError> {
        let everywhere = EVERYWHERE
            .iter()
            .any(|service| words.first() == Some(service));
        let region = if everywhere { "" } else { &self.region };
        let question = format!("{region} {}", words.join(" "));
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known().get(&question) {
            return Ok(answer.clone());
        }
        let answer = self.call(words)?;
        known().insert(question, answer.clone());
        Ok(answer)
    }

    fn call(&self, words: &[&str]) -> Result<Value, AwsError> {
        let mut command = Command::new("aws");
        command.args(words);
        command.args(["--region", &self.region, "--output", "json"]);
        // version 1 forgets it for this service
        if words.first() == Some(&"sqs")
            && let Some(url) = variable("AWS_ENDPOINT_URL")
        {
            command.args(["--endpoint-url", &url]);
        }
        let text = run(&mut command)?;
        let text = text.trim();
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(text).map_err(|error| AwsError::Refused {
            code: None,
            said: format!("`aws {}` answers no JSON: {error}", words.join(" ")),
        })
    }
}

/// The region that the environment or the configuration of `aws` says.
pub(super) fn default_region() -> Option<String> {
    let named = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    named.or_else(|| {
        let mut configured = Command::new("aws");
        configured.args(["configure", "get", "region"]);
        let region = run(&mut configured).ok()?.trim().to_owned();
        (!region.is_empty()).then_some(region)
    })
}

/// What a program prints; without a pager, and asking nobody.
pub(crate) fn run(command: &mut Command) -> Result<String, AwsError> {
    command
        .env("AWS_PAGER", "")
        .env("AWS_CLI_AUTO_PROMPT", "off");
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(AwsError::NoProgram)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(AwsError::Refused {
        code: code(&said),
        said,
    })
}

/// `An error occurred (AccessDenied) when calling the …`
fn code(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("An error occurred (")?;
    let (code, _) = rest.split_once(')')?;
    Some(code.to_owned())
}

/// Asks for each, several at the same time; answers in the order of the questions.
pub(super) fn each<Q: Sync, A: Send>(questions: &[Q], ask: impl Fn(&Q) -> A + Sync) -> Vec<A> {
    let next = Mutex::new(0..questions.len());
    let work = || {
        let mut answers = Vec::new();
        loop {
            let index = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(question) = index.and_then(|index| questions.get(index)) else {
                return answers;
            };
            answers.push((index, ask(question)));
        }
    };
    let mut answers: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..SIDE_BY_SIDE).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(thread::ScopedJoinHandle::join);
        done.flat_map(Result::unwrap_or_default).collect()
    });
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_is_read() {
        let said = "\naws: [ERROR]: An error occurred (AccessDeniedException) when calling the GetRole operation: no";
        let error = AwsError::Refused {
            code: code(said),
            said: said.to_owned(),
        };
        assert!(error.is_denied() && !error.is_absence());
        assert_eq!(code("Unable to locate credentials"), None);
    }

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let questions: Vec<u32> = (0..50).collect();
        assert_eq!(each(&questions, |question| question * 2).len(), 50);
        let doubled = questions.iter().map(|question| question * 2);
        assert_eq!(
            each(&questions, |question| question * 2),
            doubled.collect::<Vec<_>>()
        );
    }
}
