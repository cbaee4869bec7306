//! Configuration from the environment: read once per cold start, every mistake told at once.

use std::collections::BTreeMap;

use porpoise_model::Place;

/// What is wrong with the environment of a function.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the function is not configured: {}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

/// What a variable holds, by its name.
type Variable<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Reads variables and remembers what is wrong with them.
///
/// A reader method returns something also for a variable that is missing; nobody sees it, because [`Reader::finish`]
/// fails then.
pub struct Reader<'e> {
    variable: Box<Variable<'e>>,
    faults: Vec<String>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl Reader<'static> {
    /// Of the environment of this process.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var_os(name)?.into_string().ok())
    }
}

impl<'e> Reader<'e> {
    /// Of whatever `variable` knows. An empty variable is none.
    pub fn new(variable: impl Fn(&str) -> Option<String> + 'e) -> Self {
        Self {
            variable: Box::new(variable),
            faults: Vec::new(),
        }
    }

    /// A text that may be missing.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// A text that must be there.
    pub fn text(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.faults.push(format!("`{name}` is not set"));
            String::new()
        })
    }

    /// A place that must be there, as places print.
    pub fn place(&mut self, name: &str) -> Place {
        let text = self.text(name);
        if text.is_empty() {
            return Place::Local;
        }
        text.parse().unwrap_or_else(|error| {
            self.faults.push(format!("`{name}`: {error}"));
            Place::Local
        })
    }

    /// A JSON object of texts that must be there.
    pub fn map(&mut self, name: &str) -> BTreeMap<String, String> {
        let text = self.text(name);
        self.texts(name, &text)
    }

    /// A JSON object of texts; one that is missing is empty.
    pub fn optional_map(&mut self, name: &str) -> BTreeMap<String, String> {
        let text = self.optional(name).unwrap_or_default();
        self.texts(name, &text)
    }

    fn texts(&mut self, name: &str, text: &str) -> BTreeMap<String, String> {
        if text.is_empty() {
            return BTreeMap::new();
        }
        serde_json::from_str(text).unwrap_or_else(|error| {
            let fault = format!("`{name}` is no JSON object of texts ({error})");
            self.faults.push(fault);
            BTreeMap::new()
        })
    }

    /// The configuration that was read.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn finish<C>(self, config: C) -> Result<C, ConfigError> {
        if self.faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(self.faults))
        }
    }
}

/// What each function is told: where it is, and where it keeps things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// The place of the control plane.
    pub home: Place,
    /// The place of this function.
    pub place: Place,
    /// Its table.
    pub table: String,
    /// Its bucket.
    pub bucket: String,
}

impl Common {
    /// `PORPOISE_HOME`, `PORPOISE_PLACE`, `PORPOISE_TABLE`, `PORPOISE_BUCKET`.
    pub fn read(env: &mut Reader<'_>) -> Self {
        Self {
            home: env.place("PORPOISE_HOME"),
            place: env.place("PORPOISE_PLACE"),
            table: env.text("PORPOISE_TABLE"),
            bucket: env.text("PORPOISE_BUCKET"),
        }
    }
}

/// How wakes are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// URL of the queue of wakes.
    pub queue_url: String,
    /// ARN of the same.
    pub queue_arn: String,
    /// The group of schedules.
    pub schedule_group: String,
    /// The role with which a schedule sends.
    pub scheduler_role_arn: String,
    /// Where a schedule leaves what it could not send.
    pub dead_letters_arn: Option<String>,
}

impl Timing {
    /// `PORPOISE_TIMERS_URL`, `PORPOISE_TIMERS_ARN`, `PORPOISE_SCHEDULE_GROUP`, `PORPOISE_SCHEDULER_ROLE_ARN`,
    /// `PORPOISE_DEAD_LETTERS_ARN`.
    pub fn read(env: &mut Reader<'_>) -> Self {
        Self {
            queue_url: env.text("PORPOISE_TIMERS_URL"),
            queue_arn: env.text("PORPOISE_TIMERS_ARN"),
            schedule_group: env.text("PORPOISE_SCHEDULE_GROUP"),
            scheduler_role_arn: env.text("PORPOISE_SCHEDULER_ROLE_ARN"),
            dead_letters_arn: env.optional("PORPOISE_DEAD_LETTERS_ARN"),
        }
    }
}

/// The URL of the queue of inputs, from `PORPOISE_INPUTS_URL`.
pub fn inputs_url(env: &mut Reader<'_>) -> String {
    env.text("PORPOISE_INPUTS_URL")
}

/// The URL of the queue of inputs that nobody could handle, from `PORPOISE_DEAD_INPUTS_URL`.
pub fn dead_inputs_url(env: &mut Reader<'_>) -> String {
    env.text("PORPOISE_DEAD_INPUTS_URL")
}

/// The topic that notices of ended runs go to, from `PORPOISE_NOTICES_TOPIC`; `None`: nobody is told.
pub fn notices_topic(env: &Reader<'_>) -> Option<String> {
    env.optional("PORPOISE_NOTICES_TOPIC")
}

/// The ARN of the state machine that is the place's poll loop, from `PORPOISE_LOOP_ARN`.
pub fn loop_arn(env: &mut Reader<'_>) -> String {
    env.text("PORPOISE_LOOP_ARN")
}

/// The ARNs of the functions that read logs at their places, from `PORPOISE_LOG_READERS`, with commas in between.
pub fn log_readers(env: &Reader<'_>) -> Vec<String> {
    let text = env.optional("PORPOISE_LOG_READERS").unwrap_or_default();
    let arns = text.split(',').map(str::trim);
    arns.filter(|arn| !arn.is_empty())
        .map(str::to_owned)
        .collect()
}

/// How intents get to the places where they are carried out: by place, each an ARN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    /// Dispatchers that are invoked: that of the home region's own place.
    pub dispatchers: BTreeMap<String, String>,
    /// The buses of all other places.
    pub buses: BTreeMap<String, String>,
}

impl Ways {
    /// `PORPOISE_DISPATCHERS`, which may be missing, and `PORPOISE_BUSES`.
    pub fn read(env: &mut Reader<'_>) -> Self {
        Self {
            dispatchers: env.optional_map("PORPOISE_DISPATCHERS"),
            buses: env.map("PORPOISE_BUSES"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader<'e>(variables: &'e [(&str, &str)]) -> Reader<'e> {
        Reader::new(move |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let mut env = reader(&[
            ("PORPOISE_HOME", "aws.eu-central-1.111122223333"),
            ("PORPOISE_TABLE", ""),
            ("PORPOISE_BUCKET", "blobs"),
            ("PORPOISE_BUSES", "porpoise"),
        ]);
        let config = (
            Common::read(&mut env),
            inputs_url(&mut env),
            Ways::read(&mut env),
        );
        let error = env.finish(config).unwrap_err();
        insta::assert_snapshot!(error, @"the function is not configured: `PORPOISE_PLACE` is not set; `PORPOISE_TABLE` is not set; `PORPOISE_INPUTS_URL` is not set; `PORPOISE_BUSES` is no JSON object of texts (expected value at line 1 column 1)");
    }

    #[test]
    fn what_is_no_map_is_told() {
        for text in ["[]", "{", r#"{"a": 1}"#] {
            for name in ["PORPOISE_BUSES", "PORPOISE_DISPATCHERS"] {
                let variables = [("PORPOISE_BUSES", "{}"), (name, text)];
                let mut env = reader(if name == "PORPOISE_BUSES" {
                    &variables[1..]
                } else {
                    &variables
                });
                let read = Ways::read(&mut env);
                let ConfigError(faults) = env.finish(read).unwrap_err();
                let wanted = format!("`{name}` is no JSON object of texts");
                assert!(faults[0].starts_with(&wanted), "{faults:?}");
            }
        }
    }

    #[test]
    fn what_is_right_is_read() {
        let variables = [
            ("PORPOISE_TIMERS_URL", "u"),
            ("PORPOISE_TIMERS_ARN", "a"),
            ("PORPOISE_SCHEDULE_GROUP", "g"),
            ("PORPOISE_SCHEDULER_ROLE_ARN", "r"),
            (
                "PORPOISE_BUSES",
                r#"{"p":"arn:aws-cn:events:cn-north-1:1:event-bus/b"}"#,
            ),
        ];
        let mut env = reader(&variables);
        let config = (Timing::read(&mut env), Ways::read(&mut env));
        let (timing, ways) = env.finish(config).unwrap();
        assert_eq!((&*timing.queue_url, timing.dead_letters_arn), ("u", None));
        assert_eq!(
            ways.buses["p"],
            "arn:aws-cn:events:cn-north-1:1:event-bus/b"
        );
        let env = reader(&[("PORPOISE_LOG_READERS", "a,,b, ")]);
        assert_eq!(log_readers(&env), ["a", "b"]);
        assert_eq!(ways.dispatchers, [].into());
    }
}
