//! What there is to say: one table.

use serde::Serialize;

/// How much an entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It is not in the result.
    NotCarried,
    /// It is in the result and does not do quite the same.
    CarriedWithDifference,
    /// Good to know.
    Note,
}

impl Level {
    /// What matters most first.
    pub const ALL: [Self; 3] = [Self::NotCarried, Self::CarriedWithDifference, Self::Note];

    /// A heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NotCarried => "Not carried over",
            Self::CarriedWithDifference => "Carried over with a difference",
            Self::Note => "Notes",
        }
    }
}

/// Why a value does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It holds nothing: null, an empty text, list or object.
    Empty,
    /// DolphinScheduler writes the same value elsewhere in the file.
    Copy,
    /// An id, a user or a time of a row of its database.
    Row,
    /// It says what Porpoise does anyway.
    Default,
    /// Another value switches it off: a time-out that is not open, the interval of no retries.
    Off,
    /// The rest says it as well: a root edge of a task that has other edges.
    Implied,
    /// DolphinScheduler's engine does not read it either.
    Unread,
    /// The wrapping of an answer of the REST API.
    Answer,
    /// How often to ask: who waits is told here.
    Told,
}

macro_rules! topics {
    ($($(#[doc = $doc:literal])+ $topic:ident, $level:ident, $title:literal, $advice:literal;)*) => {
        /// A sort of thing that a report speaks of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Topic {
            $($(#[doc = $doc])+ $topic,)*
        }

        impl Topic {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$topic,)*];

            /// How much it matters.
            pub const fn level(self) -> Level {
                match self { $(Self::$topic => Level::$level,)* }
            }

            /// What it is, in a phrase.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$topic => $title,)* }
            }

            /// What to do about it.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$topic => $advice,)* }
            }
        }
    };
}

topics! {
    /// A field that the importer does not know.
    UnknownField, NotCarried, "fields that this importer does not know",
        "look whether they matter; if so, add what they do by hand";
    /// A parameter of a script task that has no counterpart.
    UnknownTaskParameter, NotCarried, "parameters of script tasks that have no counterpart",
        "look whether the script needs them";
    /// Resource files of a script task.
    Resources, NotCarried, "resource files that scripts expect in their folder",
        "say in the mapping file where they are (`resources`), or fetch them in the script";
    /// Notifications.
    Alerts, CarriedWithDifference, "alerts, told by a topic that people subscribe to",
        "subscribe who is in the alert groups (docs/users/notices.md); a group's id is kept as a label";
    /// Parameters of a project that cannot be kept here.
    ProjectParameterTooLong, NotCarried, "parameters of projects that are too long or too many",
        "put what they hold into the workflows that name them, or into a file that their tasks fetch";
    /// A parameter of a project that is here already.
    ProjectParameterKept, NotCarried, "parameters of projects that have another value here, which stays",
        "compare the two; `porpoise parameters --project PROJECT --set NAME=VALUE` takes the one from there";
    /// A file that a file of the Python SDK names.
    MissingFile, NotCarried, "files that others name and that are not there",
        "import the folder that holds all of them, or put the text where `$FILE{...}` stands";
    /// A file beside those with workflows.
    OtherFile, NotCarried, "files that hold no workflow",
        "nothing, if they are lists of projects, data sources or resources";
    /// Where nodes are drawn.
    Layout, NotCarried, "positions of the nodes in the drawing",
        "nothing: drawings are laid out anew";
    /// When a definition or a schedule was made and changed.
    Times, NotCarried, "times of creation and change",
        "nothing, unless you need the history: keep the export";
    /// A flag of the whole definition that is off.
    DefinitionOff, NotCarried, "definitions whose own flag is NO",
        "do not put the workflow online if it was retired";
    /// A label on an edge.
    EdgeLabel, NotCarried, "labels of edges", "nothing: edges have no labels here";
    /// A condition on an edge.
    EdgeCondition, NotCarried, "conditions on edges",
        "DolphinScheduler's engine does not evaluate them; check what was meant";
    /// A parameter that has no usable name.
    NamelessParameter, NotCarried, "parameters without a name",
        "they could not be used there either";
    /// A value that another one of the same name hides.
    Repeated, NotCarried, "values that a later one of the same name replaces",
        "check that the last one is the one that is meant";
    /// Text after the end of JSON.
    TrailingText, NotCarried, "text after the end of JSON that is held in a text",
        "DolphinScheduler ignores it as well";
    /// Results of tasks are kept and used again.
    Cache, NotCarried, "tasks that reuse the result of an earlier run", "they run every time here";

    /// A task type that some targets know, or none.
    NoExecutor, CarriedWithDifference, "tasks for a target that knows their type (kept whole)",
        "SPARK, HIVECLI, EMR_SERVERLESS and SQL on Hive run on EMR Serverless (docs/targets.md): say where in a mapping file; --simulate replaces what has no target by noop";
    /// A data source.
    DataSource, CarriedWithDifference, "data sources, now targets by their id",
        "an export does not hold where they are: set a target of that name (docs/targets.md, porpoise target put)";
    /// A procedure that gives values, on `PostgreSQL`.
    Procedure, CarriedWithDifference, "procedures of PostgreSQL that give values",
        "outputs are found by the names that the procedure's own parameters have: give both the same";
    /// SWITCH, CONDITIONS and their like.
    Logic, CarriedWithDifference, "tasks that decide about others (kept whole, they decide nothing yet)",
        "with --simulate all that follows them runs, whatever they would have chosen";
    /// A code of another task or workflow.
    CodeReference, Note, "references by code, now by name",
        "nothing; look whether they are the names that are meant";
    /// A code that the file does not explain.
    UnknownReference, CarriedWithDifference, "references by code to what is not in this file, kept as they are",
        "import the workflow that they name as well, or replace the task";
    /// A task that waits for other workflows, in the zone of its schedule.
    DependentZone, CarriedWithDifference, "tasks that wait for other workflows by the days of their schedule's zone",
        "DolphinScheduler takes the zone of its server: if that is another one, give it with --timezone";
    /// A task that waits for other workflows, in the zone of the server.
    ServerZone, Note, "tasks that wait for other workflows by the days of the zone that --timezone gives",
        "nothing, if it is the zone of the server; take `timezone` out of a task to read days in its schedule's zone";
    /// A task takes over the outputs of what it waits for.
    PassedOutputs, CarriedWithDifference, "tasks that hand on the outputs of the workflows that they wait for",
        "list under `outputs` of the task which ones it is to hand on";
    /// A condition of a switch that is none.
    Condition, CarriedWithDifference, "conditions of switches that cannot be decided",
        "the switch fails there as well, since 3.3 it passes over them; mend the text";
    /// Settings for jobs of tasks that have none.
    BranchSettings, CarriedWithDifference, "settings of tasks that pick among others or wait for them, which have no job here",
        "nothing: such a task is not tried again";
    /// A task that stops the run.
    Blocking, CarriedWithDifference, "BLOCKING, which became conditions and an approval",
        "there the whole run stands until somebody resumes it; here `porpoise approve RUN TASK` lets what follows go on";
    /// A schedule comes in switched off.
    ScheduleOffline, CarriedWithDifference, "schedules, imported switched off",
        "an export never tells whether a schedule was on; switch it off there before you switch it on here";
    /// A schedule that starts here on a day that was given.
    SwitchDate, CarriedWithDifference, "schedules that start here on the day of the switch",
        "give each there that day as its end: then neither system fires what the other one does, and both may be on";
    /// A schedule that fires there.
    ScheduleOnline, CarriedWithDifference, "schedules that are switched on there, imported switched off",
        "switch each on here once it is off there: never both";
    /// A schedule that does not fire there either.
    ScheduleOff, Note, "schedules that are switched off there and here", "nothing";
    /// A variable of the environment that a file of the Python SDK asks for.
    Variable, CarriedWithDifference, "variables that files of the Python SDK ask for",
        "give each with --env NAME=VALUE";
    /// A schedule that names no zone.
    TimeZone, CarriedWithDifference, "schedules without a time zone of their own",
        "give the zone of the DolphinScheduler server with --timezone";
    /// What happens after a stop.
    MissedFires, CarriedWithDifference, "schedules: after a stop only the latest missed time is made up for",
        "DolphinScheduler makes up for all of them; run a backfill where each day counts";
    /// How a run fails.
    FailureStrategy, CarriedWithDifference, "failure strategies of schedules, now the workflow's",
        "they hold for runs that are started by hand, too";
    /// The priority of runs.
    RunPriority, CarriedWithDifference, "priorities of scheduled runs, now the workflow's",
        "they hold for runs that are started by hand, too";
    /// Settings of a schedule for its runs.
    ScheduleSettings, CarriedWithDifference, "worker groups and environments of schedules, kept as labels",
        "map them to a target";
    /// A serial workflow.
    SerialVersions, Note, "serial execution counts all versions of a workflow",
        "in DolphinScheduler runs of different versions do not wait for each other";
    /// A run takes too long.
    RunTimeout, CarriedWithDifference, "time limits of workflows, which are told",
        "subscribe who is to know (docs/users/notices.md); use `timeout: { after, action: fail }` to stop such a run";
    /// A task takes too long.
    TaskTimeout, CarriedWithDifference, "time limits of tasks that alert",
        "subscribe who is to know (docs/users/notices.md); the action is kept";
    /// A time limit without a time.
    NoTimeout, NotCarried, "time limits that are switched on with no time", "give the task a `timeout`";
    /// A worker group.
    WorkerGroup, CarriedWithDifference, "worker groups, kept as labels", "map them to a `target`";
    /// An environment.
    Environment, CarriedWithDifference, "environments, kept as labels by their code",
        "an export does not hold what they set: add it as `env`";
    /// A tenant.
    Tenant, CarriedWithDifference, "tenants, kept as labels", "tasks run as the user of their target";
    /// Limits of CPU and memory.
    Quota, CarriedWithDifference, "limits of CPU and memory, kept as labels", "set them on the target";
    /// A task without an end.
    Stream, CarriedWithDifference, "stream tasks", "DolphinScheduler's runs end without them, here they wait for them";
    /// A task group.
    TaskGroup, CarriedWithDifference, "uses of task groups, now pools of 1 slot each",
        "an export does not hold the sizes of groups: `porpoise pool NAME --slots SIZE` sets them, once it is applied";
    /// An OUT parameter of a workflow.
    GlobalOut, Note, "OUT parameters of workflows, handed to the workflow above",
        "nothing; where no task sets one, its own value is handed on";
    /// A task that is a workflow, and is tried again.
    ChildRetries, CarriedWithDifference, "tasks that are other workflows and are tried again",
        "DolphinScheduler tries them once; take `retries` away if that is meant";
    /// A number of a task that runs a workflow for each element.
    MappedLimit, CarriedWithDifference, "numbers of runs of DYNAMIC that are not possible here",
        "the largest possible number is taken";
    /// A task whose edges are missing.
    Detached, CarriedWithDifference, "tasks without any edge, imported disabled",
        "DolphinScheduler does not run a task that has not even a root edge; enable it if it should run";
    /// Tasks that use the outputs of others by a bare name.
    Output, CarriedWithDifference, "outputs that later tasks use by name, handed on by an added parameter",
        "the parameter names the task that sets it; check it where several do";
    /// A bare name that several tasks set.
    OutputUnclear, CarriedWithDifference, "outputs that several earlier tasks set under one name",
        "DolphinScheduler takes the one that ended first; the first in the file is taken here";
    /// A parameter without a value.
    EmptyParameter, CarriedWithDifference, "IN parameters of tasks without a value, left out",
        "DolphinScheduler lets an output or a workflow parameter of that name through, and so it is here";
    /// A word that DolphinScheduler would not know.
    UnknownWord, CarriedWithDifference, "words that are not known, read as the default",
        "check the field; DolphinScheduler reads them as null";
    /// Parameters of a project.
    ProjectParameters, CarriedWithDifference, "parameters of projects, which a run keeps as they were when it was created",
        "start a run anew that is to see a change: there the next attempt of a task does";
    /// A parameter of a project that is not of its type.
    ProjectParameterType, CarriedWithDifference, "parameters of projects that are not of their type, texts here",
        "correct the value if it is to be bound as a number in SQL; scripts see the same";
    /// What looks like a secret.
    Secret, CarriedWithDifference, "secrets, replaced by references",
        "store each where its task runs, under the name that is shown; scripts read them from variables, which `env` sets";
    /// A secret in a script that could not be made to read a variable.
    SecretInScript, CarriedWithDifference, "scripts that hold a reference to a secret, which nothing replaces there",
        "give the task `env: { X: ${secret:NAME} }`, and let the script read X from its environment";
    /// A name that had to change.
    Renamed, CarriedWithDifference, "names that had to change", "use the new name";
    /// A mapping file says something that nothing does here.
    MappingWithoutEffect, CarriedWithDifference, "what the mapping file says and cannot take effect",
        "do by hand what it was to do, or leave it out of the mapping file";
    /// A mapping file says what something is.
    Mapped, Note, "what the mapping file says, put in place", "nothing; look whether it is what you meant";
    /// A mapping file names what is not there.
    MappingUnused, Note, "entries of the mapping file that nothing uses",
        "correct their keys, or leave them for files that are still to come";
    /// Names, by ids and codes.
    Catalogue, Note, "lists from which names and states were taken", "nothing";
    /// A value that is no text.
    Converted, Note, "values of parameters that are no texts, turned into texts", "nothing";
    /// JSON where an object belongs.
    ParamsAsText, Note, "task parameters that are held in a text, read as JSON", "nothing";
    /// A script from Windows.
    LineEnds, Note, "scripts with Windows line ends, now Unix ones", "nothing: DolphinScheduler does the same";
    /// An edge that is there twice.
    RepeatedEdge, Note, "edges that are there more than once", "nothing: once is enough";
    /// The version is not certain.
    Version, Note, "workflows whose version is not certain",
        "say which version wrote the file with --from-version; answers of the REST API leave out what tells 2.0 from 3.1";
    /// Seconds in a cron expression.
    Seconds, Note, "schedules that fire more than once in a minute",
        "often a slip: check the first field of the cron expression";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_topic_says_what_to_do_in_words_of_its_own() {
        let titles: BTreeSet<_> = Topic::ALL.iter().map(|topic| topic.title()).collect();
        assert_eq!(titles.len(), Topic::ALL.len());
        for topic in Topic::ALL {
            assert!(
                !topic.advice().is_empty() && !topic.advice().ends_with('.'),
                "{topic:?}"
            );
        }
    }
}
