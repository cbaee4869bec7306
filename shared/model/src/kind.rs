//! What a task does, as it is stored.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Name;
use crate::branch::{Case, Test};
use crate::dependence::Need;
use crate::each::Each;
use crate::http::Http;
use crate::job::{SqlMore, Statement, Work};
use crate::workflow::{TriggerRule, millis};

/// What a task does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "do")]
pub enum Kind {
    /// Does nothing, through every part that others pass.
    Noop,
    /// Sleeps, through every part that others pass.
    Sleep {
        /// How long.
        #[serde(with = "millis")]
        duration: Duration,
    },
    /// A script for `sh`.
    Shell {
        /// Its text; `${names}` that are not known stay for the shell.
        script: String,
    },
    /// A script for `python3`.
    Python {
        /// Its text.
        script: String,
    },
    /// A program with its arguments, no shell in between.
    Command {
        /// Program first; each may hold expressions.
        argv: Vec<String>,
    },
    /// A Spark job.
    Spark {
        /// Address of the program: `s3://…`; may hold expressions.
        entry_point: String,
        /// Its arguments; each may hold expressions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        arguments: Vec<String>,
        /// Options of `spark-submit`; may hold expressions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        submit: Option<String>,
        /// All else that the target's own request takes; its texts may hold expressions.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        request: Map<String, Value>,
    },
    /// A script of Hive.
    Hive {
        /// Its text, or its address; `${names}` that are not known stay for Hive.
        query: String,
        /// Address of a script that runs before it; may hold expressions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        init: Option<String>,
        /// Options of `hive`; may hold expressions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<String>,
        /// All else that the target's own request takes; its texts may hold expressions.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        request: Map<String, Value>,
    },
    /// A statement of SQL.
    Sql {
        /// Its text.
        statement: String,
        /// Values for its `?`, in order; each may hold expressions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        arguments: Vec<String>,
        /// The database that its tables are in; may hold expressions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        database: Option<String>,
        /// All else that the target's own request takes; its texts may hold expressions.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        request: Map<String, Value>,
        /// Statements before it, over the same connection.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        before: Vec<String>,
        /// Statements after it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<String>,
        /// So many rows are shown and handed on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<u32>,
        /// So many rows are read at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// A call over HTTP.
    Http(Box<Http>),
    /// A call of a function.
    Function {
        /// Its name or ARN; may hold expressions.
        name: String,
        /// What it is given; its texts may hold expressions.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        input: Value,
    },
    /// An execution of a state machine.
    StateMachine {
        /// Its name or ARN; may hold expressions.
        name: String,
        /// What it is given; its texts may hold expressions.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        input: Value,
    },
    /// Picks which of the tasks below go on, by conditions over values: those of the first case that holds. Has no job.
    Switch {
        /// In the order in which they are looked at.
        cases: Vec<Case>,
        /// Indices of the tasks that go on if no case holds. `None`: none do; in a dialect of `DolphinScheduler` the
        /// task fails.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        otherwise: Option<Vec<u32>>,
    },
    /// Picks which of the tasks below go on, by how tasks above ended. Has no job.
    Conditions {
        /// What is looked at.
        when: Test,
        /// Indices of the tasks that go on if it holds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        then: Vec<u32>,
        /// Indices of the tasks that go on if it does not.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        otherwise: Vec<u32>,
    },
    /// Has a run of another workflow of the project made, and ends as that does. Has no job.
    Workflow {
        /// What people call that workflow.
        workflow: Name,
        /// One run for each of these, if it is mapped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        each: Option<Box<Each>>,
    },
    /// Waits until a person lets the run go on, or not. Has no job.
    Approval {
        /// What is asked, for people.
        question: String,
    },
    /// Waits for runs of other workflows. Has no job.
    Dependent {
        /// Which.
        needs: Need,
        /// IANA name of the zone in which periods are read; none: that of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timezone: Option<String>,
        /// After the first look at which the need has failed it may still be met for so long.
        #[serde(default, skip_serializing_if = "Duration::is_zero", with = "millis")]
        failure_wait: Duration,
    },
    /// A kind of another system that has no executor here yet. Kept whole; a target that knows it may run it.
    External {
        /// `dolphinscheduler` …
        system: String,
        /// Its name there: `SPARK`, `SQL` …
        name: String,
        /// All of its parameters, as they were.
        parameters: Value,
    },
}

impl Kind {
    /// The word for it: `shell`, `python`, and for a kind of another system its name there in lower case.
    pub fn word(&self) -> Cow<'static, str> {
        match self {
            Self::Noop => "noop".into(),
            Self::Sleep { .. } => "sleep".into(),
            Self::Shell { .. } => "shell".into(),
            Self::Python { .. } => "python".into(),
            Self::Command { .. } => "command".into(),
            Self::Spark { .. } => "spark".into(),
            Self::Hive { .. } => "hive".into(),
            Self::Sql { .. } => "sql".into(),
            Self::Http(_) => "http".into(),
            Self::Function { .. } => "function".into(),
            Self::StateMachine { .. } => "state_machine".into(),
            Self::Switch { .. } => "switch".into(),
            Self::Conditions { .. } => "conditions".into(),
            Self::Workflow { .. } => "workflow".into(),
            Self::Approval { .. } => "approval".into(),
            Self::Dependent { .. } => "dependent".into(),
            Self::External { name, .. } => name.to_lowercase().into(),
        }
    }

    /// Whether it is a process with a folder of its own.
    pub const fn has_folder(&self) -> bool {
        matches!(
            self,
            Self::Shell { .. } | Self::Python { .. } | Self::Command { .. }
        )
    }

    /// Whether it needs a target on AWS: no host runs it by itself.
    pub const fn needs_target(&self) -> bool {
        match self {
            Self::Noop
            | Self::Sleep { .. }
            | Self::Shell { .. }
            | Self::Python { .. }
            | Self::Command { .. }
            | Self::Http(_)
            | Self::Switch { .. }
            | Self::Conditions { .. }
            | Self::Workflow { .. }
            | Self::Approval { .. }
            | Self::Dependent { .. }
            | Self::External { .. } => false,
            Self::Spark { .. }
            | Self::Hive { .. }
            | Self::Sql { .. }
            | Self::Function { .. }
            | Self::StateMachine { .. } => true,
        }
    }

    /// Whether it picks among the tasks below, and so has no job.
    pub const fn is_branch(&self) -> bool {
        matches!(self, Self::Switch { .. } | Self::Conditions { .. })
    }

    /// The trigger rule of a task of this kind that names none, if it is one of its own.
    pub const fn usual_trigger(&self) -> Option<TriggerRule> {
        if matches!(self, Self::Conditions { .. }) {
            return Some(TriggerRule::AllDoneMinOneRan);
        }
        None
    }

    /// The tasks that it may let go on, by branch: the cases of a switch in their order and then its `otherwise`; of
    /// conditions `then` and `otherwise`. Empty for every other kind.
    pub fn branches(&self) -> Vec<&[u32]> {
        match self {
            Self::Switch { cases, otherwise } => {
                let otherwise = otherwise.as_deref().unwrap_or_default();
                let cases = cases.iter().map(|case| case.then.as_slice());
                cases.chain([otherwise]).collect()
            }
            Self::Conditions {
                then, otherwise, ..
            } => vec![then, otherwise],
            Self::Noop
            | Self::Sleep { .. }
            | Self::Shell { .. }
            | Self::Python { .. }
            | Self::Command { .. }
            | Self::Spark { .. }
            | Self::Hive { .. }
            | Self::Sql { .. }
            | Self::Http(_)
            | Self::Function { .. }
            | Self::StateMachine { .. }
            | Self::Workflow { .. }
            | Self::Approval { .. }
            | Self::Dependent { .. }
            | Self::External { .. } => Vec::new(),
        }
    }

    /// Its texts that may hold expressions wherever they stand, those of its JSON included.
    pub fn texts(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        match self {
            Self::Noop
            | Self::Sleep { .. }
            | Self::Shell { .. }
            | Self::Python { .. }
            | Self::Switch { .. }
            | Self::Conditions { .. }
            | Self::Approval { .. }
            | Self::Dependent { .. }
            | Self::External { .. } => {}
            Self::Workflow { workflow: _, each } => {
                texts.extend(each.iter().flat_map(|each| each.texts()));
            }
            Self::Command { argv } => texts.extend(argv.iter().map(String::as_str)),
            Self::Spark {
                entry_point,
                arguments,
                submit,
                request,
            } => {
                texts.push(entry_point);
                texts.extend(arguments.iter().map(String::as_str));
                texts.extend(submit.as_deref());
                request.values().for_each(|value| gather(value, &mut texts));
            }
            Self::Hive {
                query: _,
                init,
                options,
                request,
            } => {
                texts.extend([init.as_deref(), options.as_deref()].into_iter().flatten());
                request.values().for_each(|value| gather(value, &mut texts));
            }
            Self::Sql {
                statement: _,
                arguments,
                database,
                request,
                before: _,
                after: _,
                rows: _,
                limit: _,
            } => {
                texts.extend(arguments.iter().map(String::as_str));
                texts.extend(database.as_deref());
                request.values().for_each(|value| gather(value, &mut texts));
            }
            Self::Http(http) => texts.extend(http.texts()),
            Self::Function { name, input } | Self::StateMachine { name, input } => {
                texts.push(name);
                gather(input, &mut texts);
            }
        }
        texts
    }
}

/// The texts within a value. No deeper than a definition may be.
pub(crate) fn gather<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(members) => members.values().for_each(|member| gather(member, texts)),
    }
}

/// How texts are rendered: as they are, or with their expressions resolved.
pub type Render<'a> = &'a dyn Fn(&str) -> Result<String, String>;

impl Kind {
    /// What a target is told to do: texts in a language of their own by `script`, all other texts by `value`.
    ///
    /// # Errors
    /// What the two say.
    pub fn work(&self, script: Render<'_>, value: Render<'_>) -> Result<Work, String> {
        let values = |texts: &[String]| -> Result<Vec<String>, String> {
            texts.iter().map(|text| value(text)).collect()
        };
        let optional = |text: &Option<String>| text.as_deref().map(value).transpose();
        Ok(match self {
            Self::Noop => Work::Noop,
            // Never handed to a target.
            Self::Switch { .. }
            | Self::Conditions { .. }
            | Self::Approval { .. }
            | Self::Dependent { .. } => Work::Noop,
            Self::Workflow { workflow: _, each } => {
                let mut texts = each.iter().flat_map(|each| each.texts());
                texts.try_for_each(|text| value(text).map(|_| ()))?;
                Work::Noop
            }
            Self::Sleep { duration } => Work::Sleep {
                millis: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            },
            Self::Shell { script: text } => Work::Shell {
                script: script(text)?,
            },
            Self::Python { script: text } => Work::Python {
                script: script(text)?,
            },
            Self::Command { argv } => Work::Command {
                argv: values(argv)?,
            },
            Self::Spark {
                entry_point,
                arguments,
                submit,
                request: more,
            } => Work::Spark {
                entry_point: value(entry_point)?,
                arguments: values(arguments)?,
                submit: optional(submit)?,
                request: request(more, value)?,
            },
            Self::Hive {
                query,
                init,
                options,
                request: more,
            } => Work::Hive {
                query: script(query)?,
                init: optional(init)?,
                options: optional(options)?,
                request: request(more, value)?,
            },
            Self::Sql {
                statement,
                arguments,
                database,
                request: more,
                before,
                after,
                rows,
                limit,
            } => Work::Sql {
                statement: script(statement)?,
                arguments: values(arguments)?,
                database: optional(database)?,
                request: request(more, value)?,
                more: SqlMore {
                    types: Vec::new(),
                    before: around(before, script)?,
                    after: around(after, script)?,
                    rows: *rows,
                    limit: *limit,
                }
                .boxed(),
            },
            Self::Http(http) => Work::Http {
                call: Box::new(http.call(value)?),
            },
            Self::Function { name, input: given } => Work::Function {
                name: value(name)?,
                input: input(given, value)?,
            },
            Self::StateMachine { name, input: given } => Work::StateMachine {
                name: value(name)?,
                input: input(given, value)?,
            },
            Self::External {
                system,
                name,
                parameters,
            } => Work::External {
                system: system.clone(),
                name: name.clone(),
                parameters: parameters.to_string(),
            },
        })
    }
}

fn around(texts: &[String], script: Render<'_>) -> Result<Vec<Statement>, String> {
    let statement = |text: &String| {
        Ok(Statement {
            text: script(text)?,
            ..Statement::default()
        })
    };
    texts.iter().map(statement).collect()
}

fn request(request: &Map<String, Value>, value: Render<'_>) -> Result<Option<String>, String> {
    if request.is_empty() {
        return Ok(None);
    }
    let request = Value::Object(request.clone());
    Ok(Some(json(&request, value)?.to_string()))
}

/// Nothing is an empty object.
fn input(input: &Value, value: Render<'_>) -> Result<String, String> {
    if input.is_null() {
        return Ok("{}".to_owned());
    }
    Ok(json(input, value)?.to_string())
}

/// The texts within, rendered; names of members stay as they are. No deeper than a definition may be.
pub(crate) fn json(within: &Value, value: Render<'_>) -> Result<Value, String> {
    Ok(match within {
        Value::Null | Value::Bool(_) | Value::Number(_) => within.clone(),
        Value::String(text) => Value::String(value(text)?),
        Value::Array(items) => {
            let items = items.iter().map(|item| json(item, value));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, each)| Ok((name.clone(), json(each, value)?)));
            Value::Object(members.collect::<Result<_, String>>()?)
        }
    })
}
