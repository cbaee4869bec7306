//! The fields of kinds of tasks.

use crate::field::{Field, Object, Shape};

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

pub(crate) static SQL: Object = Object {
    name: "Sql",
    about: "A statement of SQL.",
    required: &["statement"],
    one_of: &[],
    fields: &[
        field(
            "statement",
            Shape::Text,
            "Its text. Passed as it is: values reach it by `arguments`.",
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
        REQUEST,
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
