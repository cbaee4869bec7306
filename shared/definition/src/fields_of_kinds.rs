//! The fields of kinds of tasks.

use porpoise_model::limits::{MAPPED_ELEMENTS_MAX, MAPPED_PARALLEL_MAX};

use crate::field::{Field, Object, Shape};
use crate::fields::up_to;
use crate::word;

const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, shape, about }
}

const REQUEST: Field = field(
    "request",
    Shape::Map(&Shape::Anything),
    "All else that the target's own request takes, in its own words; laid over the target's.",
);

pub(crate) static SPARK: Object = Object {
    name: "Spark",
    about: "A Spark job. All but the names of members may hold expressions.",
    required: &["entry_point"],
    one_of: &[],
    fields: &[
        field(
            "entry_point",
            Shape::Text,
            "Address of the program: `s3://…`.",
        ),
        field("arguments", Shape::List(&Shape::Text), "Its arguments."),
        field("submit", Shape::Text, "Options of `spark-submit`."),
        REQUEST,
    ],
};

pub(crate) static HIVE: Object = Object {
    name: "Hive",
    about: "A script of Hive.",
    required: &["query"],
    one_of: &[],
    fields: &[
        field(
            "query",
            Shape::Text,
            "Its text, or its address: `s3://…`. Passed as it is: values reach it as environment variables, or by `options`.",
        ),
        field(
            "init",
            Shape::Text,
            "Address of a script that runs before it.",
        ),
        field(
            "options",
            Shape::Text,
            "Options of `hive`, such as `--hivevar day=${day}`.",
        ),
        REQUEST,
    ],
};

/// How many rows can be asked for.
pub(crate) const ROWS: (i64, i64) = (1, 1_000_000);

pub(crate) static SQL: Object = Object {
    name: "Sql",
    about: "A statement of SQL.",
    required: &["statement"],
    one_of: &[],
    fields: &[
        field(
            "statement",
            Shape::Text,
            "Its text, or several with `;` between them. Passed as it is: values reach it by `arguments`.",
        ),
        field(
            "arguments",
            Shape::List(&Shape::Text),
            "Values for its `?`, in order; may hold expressions.",
        ),
        field(
            "database",
            Shape::Text,
            "The database that its tables are in, if the statement does not say.",
        ),
        field(
            "before",
            Shape::List(&Shape::Text),
            "Statements before it, over the same connection; on a data source.",
        ),
        field(
            "after",
            Shape::List(&Shape::Text),
            "Statements after it, if it succeeds; on a data source.",
        ),
        field(
            "rows",
            Shape::Integer(ROWS.0, ROWS.1),
            "So many rows are shown and handed on; 10 on a data source if left out.",
        ),
        field(
            "limit",
            Shape::Integer(ROWS.0, ROWS.1),
            "So many rows are read at most; 10,000 on a data source if left out.",
        ),
        REQUEST,
    ],
};

/// Texts by name.
const TEXTS: Shape = Shape::Map(&Shape::Text);

pub(crate) static HTTP: Object = Object {
    name: "Http",
    about: "A call over HTTP. All but the names of members may hold expressions.",
    required: &["url"],
    one_of: &[],
    fields: &[
        field("url", Shape::Text, "Whither: `https://…` or `http://…`."),
        field(
            "method",
            Shape::Word(word::METHODS),
            "What is asked for; `get` if left out.",
        ),
        field(
            "query",
            TEXTS,
            "Added to the query of the address, percent-encoded.",
        ),
        field("headers", TEXTS, "Headers."),
        field("body", Shape::Text, "What is sent, as it is."),
        field(
            "json",
            Shape::Anything,
            "What is sent, as JSON; its texts may hold expressions. Instead of `body`.",
        ),
        field(
            "expect",
            Shape::Object(&EXPECT),
            "What the answer has to be; a status of `2xx` if left out.",
        ),
        field(
            "connect_timeout",
            Shape::Duration,
            "How long the connection may take; `60s` if left out.",
        ),
        field(
            "timeout",
            Shape::Duration,
            "How long the server may say nothing; `60s` if left out.",
        ),
    ],
};

pub(crate) static EXPECT: Object = Object {
    name: "Expect",
    about: "What the answer of a call has to be: all of these.",
    required: &[],
    one_of: &[],
    fields: &[
        field(
            "status",
            Shape::OneOf(&[Shape::Text, Shape::List(&Shape::Text)]),
            "Statuses that are right: `200`, `2xx`, `any`, or several; `2xx` if left out.",
        ),
        field("contains", Shape::Text, "What the answer has to hold."),
        field(
            "lacks",
            Shape::Text,
            "What the answer must not hold; it has to hold something.",
        ),
    ],
};

pub(crate) static CALL: Object = Object {
    name: "Call",
    about: "What is called, and what it is given.",
    required: &["name"],
    one_of: &[],
    fields: &[
        field("name", Shape::Text, "Its name or ARN."),
        field(
            "input",
            Shape::Anything,
            "What it is given, as JSON; its texts may hold expressions. An empty map if left out.",
        ),
    ],
};

/// How many runs a mapped task may make, and how many at the same time.
pub(crate) const ELEMENTS: (i64, i64) = (1, up_to(MAPPED_ELEMENTS_MAX));
pub(crate) const PARALLEL: (i64, i64) = (1, up_to(MAPPED_PARALLEL_MAX));

pub(crate) static CALLED: Object = Object {
    name: "Called",
    about: "A workflow, and for what it is run.",
    required: &["name"],
    one_of: &[],
    fields: &[
        field("name", Shape::Name, "Its name."),
        field(
            "for_each",
            Shape::Map(&Shape::OneOf(&[
                Shape::List(&Shape::Text),
                Shape::Text,
                Shape::Object(&SEPARATED),
            ])),
            "Lists, by the name of the parameter that a value becomes: one run is made for each combination of their values. A list of texts, a text that is a list in JSON once its expressions are resolved, such as `${list.regions}`, or one with a separator.",
        ),
        field(
            "without",
            Shape::List(&Shape::Text),
            "No run is made for combinations that hold one of these values.",
        ),
        field(
            "at_most",
            Shape::Integer(ELEMENTS.0, ELEMENTS.1),
            "So many runs are made at most, for the first combinations; 1,024 if left out.",
        ),
        field(
            "parallel",
            Shape::Integer(PARALLEL.0, PARALLEL.1),
            "So many of them at the same time; 100 if left out.",
        ),
    ],
};

pub(crate) static SEPARATED: Object = Object {
    name: "Separated",
    about: "A list in a text.",
    required: &["text", "separator"],
    one_of: &[],
    fields: &[
        field("text", Shape::Text, "The text; may hold expressions."),
        field(
            "separator",
            Shape::Text,
            "What stands between two values. Space around them is no part of them, and empty ones are none.",
        ),
    ],
};

/// Names of tasks directly below.
const BELOW: Shape = Shape::List(&Shape::Name);

pub(crate) static SWITCH: Object = Object {
    name: "Switch",
    about: "Picks which of the tasks below go on, by conditions over values. It has no job.",
    required: &["cases"],
    one_of: &[],
    fields: &[
        field(
            "cases",
            Shape::List(&Shape::Object(&CASE)),
            "Looked at in order: the first that holds is taken.",
        ),
        field(
            "otherwise",
            BELOW,
            "Tasks that go on if no case holds; none if left out.",
        ),
    ],
};

pub(crate) static CASE: Object = Object {
    name: "Case",
    about: "A condition, and what goes on if it is the first that holds.",
    required: &["when", "then"],
    one_of: &[],
    fields: &[
        field(
            "when",
            Shape::Text,
            "A comparison such as `${count.rows} > 100 && ${env} == 'prod'`, with the rules of JavaScript.",
        ),
        field("then", BELOW, "Tasks that go on; they follow this one."),
    ],
};

pub(crate) static CONDITIONS: Object = Object {
    name: "Conditions",
    about: "Picks which of the tasks below go on, by how tasks above ended. It has no job.",
    required: &["when"],
    one_of: &[],
    fields: &[
        field("when", Shape::Object(&TEST), "What is looked at."),
        field("then", BELOW, "Tasks that go on if it holds."),
        field("otherwise", BELOW, "Tasks that go on if it does not."),
    ],
};

pub(crate) static TEST: Object = Object {
    name: "Test",
    about: "How a task above ended, or several such tests.",
    required: &[],
    one_of: TESTS,
    fields: &[
        field("task", Shape::Name, "A task that this one follows."),
        field(
            "is",
            Shape::Word(word::ENDINGS),
            "How it ended; `succeeded` if left out.",
        ),
        field(
            "all",
            Shape::List(&Shape::Object(&TEST)),
            "All of these hold.",
        ),
        field(
            "any",
            Shape::List(&Shape::Object(&TEST)),
            "At least one of these holds.",
        ),
    ],
};

/// The fields that say what a test is.
pub(crate) const TESTS: &[&str] = &["task", "all", "any"];

pub(crate) static DEPENDENT: Object = Object {
    name: "Dependent",
    about: "Waits until there are runs of other workflows that ended well. It has no job, and nobody asks again and again.",
    required: &["needs"],
    one_of: &[],
    fields: &[
        field("needs", Shape::Object(&NEED), "What there has to be."),
        field(
            "timezone",
            Shape::Text,
            "The IANA name of the time zone in which periods are read; that of the run if left out.",
        ),
        field(
            "failure_wait",
            Shape::Duration,
            "So long after it has failed it may still be met, by a rerun there; if left out, the task fails at once.",
        ),
    ],
};

pub(crate) static NEED: Object = Object {
    name: "Need",
    about: "Runs of a workflow, or several such needs.",
    required: &[],
    one_of: NEEDS,
    fields: &[
        field(
            "workflow",
            Shape::Name,
            "The workflow whose runs are needed.",
        ),
        field(
            "project",
            Shape::Name,
            "The project that owns it; that of this workflow if left out.",
        ),
        field(
            "task",
            Shape::Name,
            "Only this task of each run has to succeed, not the whole run.",
        ),
        field(
            "all_tasks",
            Shape::Bool,
            "`true`: each task of each run has to succeed, none may be skipped.",
        ),
        field(
            "period",
            Shape::Word(word::PERIODS),
            "The days or hours for each of which there has to be a run, counted from the instant that this run stands for.",
        ),
        field(
            "only_scheduled",
            Shape::Bool,
            "`true`: only those of them in which the schedule of that workflow fires.",
        ),
        field("all", Shape::List(&Shape::Object(&NEED)), "All of these."),
        field(
            "any",
            Shape::List(&Shape::Object(&NEED)),
            "At least one of these.",
        ),
    ],
};

/// The fields that say what a need is.
pub(crate) const NEEDS: &[&str] = &["workflow", "all", "any"];

pub(crate) static EXTERNAL: Object = Object {
    name: "External",
    about: "A kind of another system, kept whole; a target that knows it may run it.",
    required: &["system", "name"],
    one_of: &[],
    fields: &[
        field("system", Shape::Text, "The system: `dolphinscheduler`."),
        field(
            "name",
            Shape::Text,
            "The kind's name there: `SPARK`, `SQL`.",
        ),
        field(
            "parameters",
            Shape::Anything,
            "All of its parameters, as they were.",
        ),
    ],
};

pub(crate) static NOTHING: Object = Object {
    name: "Nothing",
    about: "An empty map.",
    required: &[],
    one_of: &[],
    fields: &[],
};
