//! Every field of a definition, once: names, shapes and what they are for.

use porpoise_model::limits::{POOL_SLOTS_MAX, RETRIES_MAX};

use crate::field::{Field, Object, Shape};
use crate::fields_of_kinds::{
    CALL, CALLED, CONDITIONS, DEPENDENT, EXTERNAL, HIVE, HTTP, NOTHING, SPARK, SQL, SWITCH,
};
use crate::word;

const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, shape, about }
}

/// The largest number of a limit of 32 bits.
#[expect(clippy::as_conversions, reason = "widens; From is not const")]
pub(crate) const fn up_to(limit: u32) -> i64 {
    limit as i64
}

pub(crate) const RETRY_LIMITS: (i64, i64) = (0, up_to(RETRIES_MAX));
pub(crate) const SLOTS: (i64, i64) = (1, up_to(POOL_SLOTS_MAX));
pub(crate) const WEIGHTS: (i64, i64) = (-2_147_483_648, 2_147_483_647);
pub(crate) const PERCENT: (i64, i64) = (0, 100);

/// The fields that say what a task does.
pub(crate) const KINDS: &[&str] = &[
    "shell",
    "python",
    "command",
    "spark",
    "hive",
    "sql",
    "http",
    "function",
    "state_machine",
    "switch",
    "conditions",
    "workflow",
    "approval",
    "dependent",
    "noop",
    "sleep",
    "external",
];

pub(crate) static WORKFLOW: Object = Object {
    name: "Workflow",
    about: "A workflow of Porpoise.",
    required: &["workflow", "tasks"],
    one_of: &[],
    fields: &[
        field(
            "workflow",
            Shape::Name,
            "The name of the workflow, in any script.",
        ),
        field(
            "project",
            Shape::Name,
            "The project that owns it; `default` if left out.",
        ),
        field("description", Shape::Text, "What it is for, for people."),
        field(
            "dialect",
            Shape::Text,
            "The dialect of its expressions: `porpoise/1` (the default), or that of an imported workflow, such as `dolphinscheduler/3.1`.",
        ),
        field(
            "schedule",
            Shape::Object(&SCHEDULE),
            "When it runs by itself.",
        ),
        field(
            "parameters",
            Shape::Map(&PARAMETER),
            "Values that its tasks use, resolved once when a run starts. A text may hold `${name}` of another parameter and dates such as `$[yyyy-MM-dd-1]`.",
        ),
        field(
            "outputs",
            Shape::Map(&PARAMETER),
            "What a run hands to the task of another workflow that has made it: texts such as `${load.rows}`.",
        ),
        field(
            "timeout",
            TIMEOUT_SHAPE,
            "How long a run may take, from its start.",
        ),
        field(
            "on_failure",
            Shape::Word(word::FAILURE_STRATEGIES),
            "What a failed task means for the rest of its run.",
        ),
        field(
            "concurrency",
            Shape::Word(word::CONCURRENCIES),
            "How runs of this workflow go together.",
        ),
        field(
            "priority",
            Shape::Word(word::PRIORITIES),
            "The priority of its runs, among all runs.",
        ),
        field(
            "notify",
            Shape::List(&Shape::Word(word::OCCASIONS)),
            "What people are told of its runs; nothing if it is left out.",
        ),
        field(
            "labels",
            Shape::Map(&Shape::Text),
            "Free marks, such as a cost centre.",
        ),
        field(
            "defaults",
            Shape::Object(&DEFAULTS),
            "Fields for every task that does not give them itself.",
        ),
        field(
            "tasks",
            Shape::Named(&Shape::Object(&TASK)),
            "Its tasks, by name.",
        ),
    ],
};

pub(crate) static SCHEDULE: Object = Object {
    name: "Schedule",
    about: "When a workflow runs by itself.",
    required: &["cron"],
    one_of: &[],
    fields: &[
        field(
            "cron",
            Shape::Text,
            "Minute, hour, day of month, month, day of week; or six or seven fields as Quartz reads them.",
        ),
        field(
            "timezone",
            Shape::Text,
            "The IANA name of the time zone in which `cron` is read; `UTC` if left out.",
        ),
        field(
            "start",
            Shape::Instant,
            "Nothing fires before this. A time without offset is local to `timezone`.",
        ),
        field("end", Shape::Instant, "Nothing fires at or after this."),
        field(
            "missed",
            Shape::Word(word::MISSED),
            "What happens to instants that passed while nothing could fire.",
        ),
        field(
            "offline",
            Shape::Bool,
            "`true`: the schedule is made but not switched on.",
        ),
        field(
            "calendar",
            Shape::Text,
            "The calendar of the project whose days are excluded.",
        ),
        field(
            "excluded",
            Shape::Word(word::EXCLUDED),
            "What becomes of an instant on an excluded day.",
        ),
    ],
};

/// A file of its own, not a part of a workflow.
pub(crate) static CALENDAR: Object = Object {
    name: "Calendar",
    about: "Days on which nothing fires.",
    required: &[],
    one_of: &[],
    fields: &[
        field("dates", Shape::List(&Shape::Text), "Days: 2026-12-25."),
        field(
            "weekdays",
            Shape::List(&Shape::Text),
            "Days of the week: saturday, sunday.",
        ),
    ],
};

pub(crate) static TASK: Object = Object {
    name: "Task",
    about: "A task: what it does (exactly one of `shell`, `python`, `command`, `spark`, `hive`, `sql`, `http`, `function`, `state_machine`, `switch`, `conditions`, `workflow`, `approval`, `dependent`, `noop`, `sleep`, `external`), after which others, and how.",
    required: &[],
    one_of: KINDS,
    fields: &[
        field(
            "shell",
            Shape::Text,
            "A script for `sh`. Parameters reach it as environment variables, and `${name}` of those that are known is replaced.",
        ),
        field(
            "python",
            Shape::Text,
            "A script for `python3`. Parameters reach it as environment variables.",
        ),
        field(
            "command",
            Shape::List(&Shape::Text),
            "A program and its arguments, with no shell in between; each may hold expressions.",
        ),
        field("spark", Shape::Object(&SPARK), "A Spark job, on a target."),
        field(
            "hive",
            Shape::OneOf(&[Shape::Text, Shape::Object(&HIVE)]),
            "A script of Hive, on a target: its text or its address, or in full.",
        ),
        field(
            "sql",
            Shape::OneOf(&[Shape::Text, Shape::Object(&SQL)]),
            "A statement of SQL, on a target: its text, or in full.",
        ),
        field(
            "http",
            Shape::OneOf(&[Shape::Text, Shape::Object(&HTTP)]),
            "A call over HTTP: its address, or in full.",
        ),
        field(
            "function",
            Shape::OneOf(&[Shape::Text, Shape::Object(&CALL)]),
            "A call of a Lambda function, on a target: its name or ARN, or in full.",
        ),
        field(
            "state_machine",
            Shape::OneOf(&[Shape::Text, Shape::Object(&CALL)]),
            "An execution of a Step Functions state machine, on a target: its name or ARN, or in full.",
        ),
        field(
            "switch",
            Shape::Object(&SWITCH),
            "Picks which of the tasks below go on, by conditions over values.",
        ),
        field(
            "conditions",
            Shape::Object(&CONDITIONS),
            "Picks which of the tasks below go on, by how tasks above ended.",
        ),
        field(
            "workflow",
            Shape::OneOf(&[Shape::Name, Shape::Object(&CALLED)]),
            "Runs another workflow of the project, and ends as that run ends: its name; or in full, once for each element of lists. It is given the task's `parameters`.",
        ),
        field(
            "approval",
            Shape::Text,
            "Waits until a person approves or declines: what they are asked.",
        ),
        field(
            "dependent",
            Shape::Object(&DEPENDENT),
            "Waits for runs of other workflows.",
        ),
        field(
            "noop",
            Shape::OneOf(&[Shape::Object(&NOTHING), Shape::Null]),
            "Does nothing.",
        ),
        field("sleep", Shape::Duration, "Sleeps that long."),
        field(
            "external",
            Shape::Object(&EXTERNAL),
            "A kind of another system, kept whole.",
        ),
        field(
            "after",
            Shape::List(&Shape::Name),
            "The tasks that it follows.",
        ),
        field(
            "trigger",
            Shape::Word(word::TRIGGERS),
            "What must hold of those tasks for this one to start.",
        ),
        field(
            "parameters",
            Shape::Map(&PARAMETER),
            "Its own parameters; they win over the workflow's of the same name.",
        ),
        field(
            "env",
            Shape::Map(&Shape::Text),
            "Environment variables of its process; may hold expressions, such as `${extract.rows}`.",
        ),
        field(
            "files",
            Shape::Map(&Shape::Text),
            "Files that its script finds in its folder: relative names there, and the absolute path that each is copied from; may hold expressions.",
        ),
        field(
            "outputs",
            Shape::OneOf(&[Shape::List(&Shape::Name), Shape::Map(&OUTPUT)]),
            "The outputs that it may set: names, or names with their types.",
        ),
        field(
            "retries",
            Shape::Integer(RETRY_LIMITS.0, RETRY_LIMITS.1),
            "Further attempts after the first.",
        ),
        field(
            "retry_delay",
            Shape::Duration,
            "How long to wait before the first retry.",
        ),
        field(
            "retry",
            Shape::Object(&RETRY),
            "Retries in full; instead of `retries` and `retry_delay`.",
        ),
        field(
            "timeout",
            Shape::OneOf(&[TIMEOUT_SHAPE, Shape::Null]),
            "How long an attempt may take; `~` for no limit where `defaults` has one.",
        ),
        field(
            "delay",
            Shape::Duration,
            "Waits this long after it became ready.",
        ),
        field(
            "priority",
            Shape::Word(word::PRIORITIES),
            "Its priority among the tasks of its run.",
        ),
        field(
            "pool",
            Shape::OneOf(&[Shape::Name, Shape::Object(&POOL), Shape::Null]),
            "The pool whose slots it holds while it runs; `~` for none where `defaults` has one.",
        ),
        field(
            "target",
            Shape::OneOf(&[Shape::Name, Shape::Null]),
            "The target that runs it; if left out, the default of its kind.",
        ),
        field(
            "disabled",
            Shape::Bool,
            "`true`: it does not run, and what follows goes on as if it had succeeded.",
        ),
        field("description", Shape::Text, "What it is for, for people."),
        field("labels", Shape::Map(&Shape::Text), "Free marks."),
    ],
};

pub(crate) static DEFAULTS: Object = Object {
    name: "Defaults",
    about: "Fields for every task that does not give them itself. `env` and `labels` are merged name by name, retries field by field.",
    required: &[],
    one_of: &[],
    fields: &[
        field(
            "trigger",
            Shape::Word(word::TRIGGERS),
            "What must hold of the tasks above for a task to start.",
        ),
        field(
            "env",
            Shape::Map(&Shape::Text),
            "Environment variables; may use parameters of the workflow.",
        ),
        field(
            "retries",
            Shape::Integer(RETRY_LIMITS.0, RETRY_LIMITS.1),
            "Further attempts after the first.",
        ),
        field(
            "retry_delay",
            Shape::Duration,
            "How long to wait before the first retry.",
        ),
        field(
            "retry",
            Shape::Object(&RETRY),
            "Retries in full; instead of `retries` and `retry_delay`.",
        ),
        field("timeout", TIMEOUT_SHAPE, "How long an attempt may take."),
        field(
            "delay",
            Shape::Duration,
            "Waits this long after a task became ready.",
        ),
        field(
            "priority",
            Shape::Word(word::PRIORITIES),
            "The priority among the tasks of a run.",
        ),
        field(
            "pool",
            Shape::OneOf(&[Shape::Name, Shape::Object(&POOL)]),
            "The pool whose slots a task holds while it runs.",
        ),
        field("target", Shape::Name, "The target that runs the tasks."),
        field("labels", Shape::Map(&Shape::Text), "Free marks."),
    ],
};

pub(crate) static RETRY: Object = Object {
    name: "Retry",
    about: "What happens when an attempt fails.",
    required: &[],
    one_of: &[],
    fields: &[
        field(
            "limit",
            Shape::Integer(RETRY_LIMITS.0, RETRY_LIMITS.1),
            "Further attempts after the first, counted since the last rerun.",
        ),
        field(
            "delay",
            Shape::Duration,
            "How long to wait before the first retry.",
        ),
        field(
            "backoff",
            Shape::Word(word::BACKOFFS),
            "How the delay grows.",
        ),
        field(
            "delay_max",
            Shape::Duration,
            "The delay grows no further than this.",
        ),
        field(
            "jitter_percent",
            Shape::Integer(PERCENT.0, PERCENT.1),
            "Up to this share of the delay is taken off at random.",
        ),
    ],
};

const TIMEOUT_SHAPE: Shape = Shape::OneOf(&[Shape::Duration, Shape::Object(&TIMEOUT)]);

pub(crate) static TIMEOUT: Object = Object {
    name: "Timeout",
    about: "How long something may take, and what happens then.",
    required: &["after"],
    one_of: &[],
    fields: &[
        field("after", Shape::Duration, "Counted from the start."),
        field(
            "action",
            Shape::Word(word::TIMEOUT_ACTIONS),
            "What happens then.",
        ),
    ],
};

pub(crate) static POOL: Object = Object {
    name: "Pool",
    about: "A pool, and how many of its slots a task takes.",
    required: &["name"],
    one_of: &[],
    fields: &[
        field("name", Shape::Name, "The pool's name within the project."),
        field(
            "slots",
            Shape::Integer(SLOTS.0, SLOTS.1),
            "How many slots the task takes; 1 if left out.",
        ),
        field(
            "weight",
            Shape::Integer(WEIGHTS.0, WEIGHTS.1),
            "Larger goes first among those that wait for this pool; 0 if left out.",
        ),
    ],
};

const PARAMETER: Shape = Shape::OneOf(&[Shape::Text, Shape::Object(&VALUE)]);

pub(crate) static VALUE: Object = Object {
    name: "Value",
    about: "A value with its type.",
    required: &["value"],
    one_of: &[],
    fields: &[
        field(
            "type",
            Shape::Word(word::VALUE_TYPES),
            "What the text is to be read as.",
        ),
        field("value", Shape::Text, "The value; may hold expressions."),
    ],
};

const OUTPUT: Shape = Shape::OneOf(&[Shape::Object(&OUTPUT_VALUE), Shape::Null]);

pub(crate) static OUTPUT_VALUE: Object = Object {
    name: "Output",
    about: "An output with its type.",
    required: &[],
    one_of: &[],
    fields: &[
        field(
            "type",
            Shape::Word(word::VALUE_TYPES),
            "What the text is to be read as.",
        ),
        field("value", Shape::Text, "The value if the task sets none."),
    ],
};
