//! What a target is told to do: an attempt with every expression resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::{AttemptKey, Place, ProjectId, RunId, Target, Value, ValueType};

/// All that a target needs to know to run an attempt. Secrets are references still.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Job {
    /// At most one job for it.
    #[n(0)]
    pub key: AttemptKey,
    /// Whose.
    #[n(1)]
    pub project: ProjectId,
    /// Of which run.
    #[n(2)]
    pub run: RunId,
    /// Index of the task in its version.
    #[n(3)]
    pub task: u32,
    /// Map index; 0 when not mapped.
    #[n(4)]
    pub map: u32,
    /// Number of the attempt, from 1.
    #[n(5)]
    pub attempt: u32,
    /// The task's name, for people.
    #[n(6)]
    pub task_name: String,
    /// What to do.
    #[n(7)]
    pub work: Work,
    /// Environment variables: parameters, and what the task declares.
    #[n(8)]
    pub env: BTreeMap<String, String>,
    /// The outputs that it may set, with their types and the values they have when the job sets none.
    #[n(9)]
    pub outputs: BTreeMap<String, Value>,
    /// The version of the rules by which outputs are read: the workflow's dialect.
    #[n(10)]
    pub dialect: String,
    /// The secrets that the definition itself names. Only these are resolved at the target: a reference that came in
    /// with a value, an output of another task or a parameter of the run, stays a text.
    #[n(11)]
    #[cbor(default)]
    pub secrets: BTreeSet<String>,
    /// Where it executes; none: on the executor of its kind at the place that dispatches it.
    #[n(12)]
    pub target: Option<Target>,
    /// The places that its data may be in; empty: anywhere.
    #[n(13)]
    #[cbor(default)]
    pub residency: BTreeSet<Place>,
    /// For tags of what it starts and for the bill: `project`, `workflow`, `task`, `run`, and the labels of the
    /// workflow and the task (`cost_centre` …).
    #[n(14)]
    #[cbor(default)]
    pub labels: BTreeMap<String, String>,
    /// Files that it finds in its folder: names there, relative, and where each comes from.
    #[n(15)]
    #[cbor(default)]
    pub files: BTreeMap<String, String>,
}

/// What an attempt does, with every expression resolved.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Work {
    /// Nothing.
    #[n(0)]
    Noop,
    /// Sleeps this many milliseconds.
    #[n(1)]
    Sleep {
        /// Milliseconds.
        #[n(0)]
        millis: u64,
    },
    /// A script for `sh`.
    #[n(2)]
    Shell {
        /// Its text.
        #[n(0)]
        script: String,
    },
    /// A script for `python3`.
    #[n(3)]
    Python {
        /// Its text.
        #[n(0)]
        script: String,
    },
    /// A program and its arguments.
    #[n(4)]
    Command {
        /// Program first.
        #[n(0)]
        argv: Vec<String>,
    },
    /// A kind of another system.
    #[n(5)]
    External {
        /// `dolphinscheduler` …
        #[n(0)]
        system: String,
        /// Its name there.
        #[n(1)]
        name: String,
        /// JSON.
        #[n(2)]
        parameters: String,
    },
    /// A Spark job.
    #[n(6)]
    Spark {
        /// Address of the program: `s3://…`.
        #[n(0)]
        entry_point: String,
        /// Its arguments.
        #[n(1)]
        arguments: Vec<String>,
        /// Options of `spark-submit`, as one text.
        #[n(2)]
        submit: Option<String>,
        /// All else that the target's own request takes, JSON.
        #[n(3)]
        request: Option<String>,
    },
    /// A script of Hive.
    #[n(7)]
    Hive {
        /// Its text, or its address.
        #[n(0)]
        query: String,
        /// Address of a script that runs before it.
        #[n(1)]
        init: Option<String>,
        /// Options of `hive`, as one text.
        #[n(2)]
        options: Option<String>,
        /// All else that the target's own request takes, JSON.
        #[n(3)]
        request: Option<String>,
    },
    /// A statement of SQL.
    #[n(8)]
    Sql {
        /// Its text.
        #[n(0)]
        statement: String,
        /// Values for its `?`, in order.
        #[n(1)]
        arguments: Vec<String>,
        /// The database that its tables are in, if it does not say.
        #[n(2)]
        database: Option<String>,
        /// All else that the target's own request takes, JSON.
        #[n(3)]
        request: Option<String>,
        /// What is more to say, if there is more.
        #[n(4)]
        more: Option<Box<SqlMore>>,
    },
    /// A call of a function.
    #[n(9)]
    Function {
        /// Its name or ARN.
        #[n(0)]
        name: String,
        /// What it is given, JSON.
        #[n(1)]
        input: String,
    },
    /// A call over HTTP.
    #[n(11)]
    Http {
        /// Which.
        #[n(0)]
        call: Box<HttpCall>,
    },
    /// An execution of a state machine.
    #[n(10)]
    StateMachine {
        /// Its name or ARN.
        #[n(0)]
        name: String,
        /// What it is given, JSON.
        #[n(1)]
        input: String,
    },
}

/// What is more to say of a statement of SQL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct SqlMore {
    /// What its values are; fewer: the rest are texts. One that is a list stands for all that is in it.
    #[n(0)]
    pub types: Vec<ValueType>,
    /// Statements before it, over the same connection.
    #[n(1)]
    pub before: Vec<Statement>,
    /// Statements after it.
    #[n(2)]
    pub after: Vec<Statement>,
    /// So many rows are shown and handed on; none: as many as the target does.
    #[n(3)]
    pub rows: Option<u32>,
    /// So many rows are read at most.
    #[n(4)]
    pub limit: Option<u32>,
}

impl SqlMore {
    /// Nothing, if it says nothing.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// A statement of SQL with its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    /// Its text.
    #[n(0)]
    pub text: String,
    /// Values for its `?`, in order.
    #[n(1)]
    pub arguments: Vec<String>,
    /// What they are; fewer: the rest are texts. One that is a list stands for all that is in it.
    #[n(2)]
    pub types: Vec<ValueType>,
}

/// A call over HTTP with every expression resolved. Secrets are references still.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct HttpCall {
    /// `GET`, `POST` …
    #[n(0)]
    pub method: String,
    /// Whither.
    #[n(1)]
    pub url: String,
    /// Added to the query of the URL.
    #[n(2)]
    pub query: Vec<(String, String)>,
    /// Headers.
    #[n(3)]
    pub headers: Vec<(String, String)>,
    /// What is sent.
    #[n(4)]
    pub body: Option<String>,
    /// Whether that is JSON, which a header says then.
    #[n(5)]
    pub json: bool,
    /// Statuses that are right: `200`, `2xx`, `any`; empty: `2xx`.
    #[n(6)]
    pub status: Vec<String>,
    /// What the answer has to hold.
    #[n(7)]
    pub contains: Option<String>,
    /// What the answer must not hold.
    #[n(8)]
    pub lacks: Option<String>,
    /// How long a connection may take, in milliseconds.
    #[n(9)]
    pub connect_timeout_ms: Option<u64>,
    /// How long the server may say nothing, in milliseconds.
    #[n(10)]
    pub timeout_ms: Option<u64>,
}

impl HttpCall {
    /// Its texts in which references to secrets may stand.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let pairs = self.query.iter().chain(&self.headers);
        let texts = [&self.url].into_iter().chain(pairs.map(|(_, text)| text));
        texts.chain(&self.body).map(String::as_str)
    }
}

impl Work {
    /// The word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Sleep { .. } => "sleep",
            Self::Shell { .. } => "shell",
            Self::Python { .. } => "python",
            Self::Command { .. } => "command",
            Self::External { .. } => "external",
            Self::Spark { .. } => "spark",
            Self::Hive { .. } => "hive",
            Self::Sql { .. } => "sql",
            Self::Function { .. } => "function",
            Self::StateMachine { .. } => "state_machine",
            Self::Http { .. } => "http",
        }
    }

    /// How long it is known to take, for kinds that only pass the time.
    pub const fn known_duration(&self) -> Option<Duration> {
        match self {
            Self::Noop => Some(Duration::ZERO),
            Self::Sleep { millis } => Some(Duration::from_millis(*millis)),
            Self::Shell { .. }
            | Self::Python { .. }
            | Self::Command { .. }
            | Self::External { .. }
            | Self::Spark { .. }
            | Self::Hive { .. }
            | Self::Sql { .. }
            | Self::Function { .. }
            | Self::StateMachine { .. }
            | Self::Http { .. } => None,
        }
    }
}
