//! A workflow, from its envelope.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use porpoise_model::limits::{SCRIPT_BYTES_MAX, TASKS_MAX};
use porpoise_model::workflow::{
    Concurrency, FailureStrategy, Occasion, Priority, STORED_FORM, Timeout, TimeoutAction, Workflow,
};

use super::Mapper;
use super::graph::Draft;
use super::scalar::Words;
use super::schedule::Planned;
use crate::json::At;
use crate::report::{Rule, Topic};
use crate::version::Form;

/// What does not matter in a definition. Source: the field tables of the reference, "ignore".
const IGNORED: &[(Rule, &[&str])] = &[
    (
        Rule::Row,
        &["id", "userId", "userName", "projectName", "modifyBy"],
    ),
    (
        Rule::Copy,
        &["globalParamList", "globalParamMap", "scheduleReleaseState"],
    ),
];

const EXECUTIONS: Words<Concurrency> = &[
    ("PARALLEL", Concurrency::Parallel),
    ("SERIAL_WAIT", Concurrency::SerialWait),
    ("SERIAL_DISCARD", Concurrency::SerialDiscard),
    ("SERIAL_PRIORITY", Concurrency::SerialPriority),
];

impl<'t> Mapper<'t> {
    pub(super) fn workflow(&mut self, element: At<'t>, form: Form) -> Option<Workflow> {
        let definition = element.get("processDefinition")?;
        Self::ignore(definition, IGNORED);
        let name = self.name(definition, "name");
        let mut labels = BTreeMap::new();
        self.origin(definition, &mut labels);
        self.left_behind(definition, &mut labels);
        let asked = if matches!(form, Form::Create | Form::Python) {
            self.request(definition, element.get("schedule"), &mut labels)
        } else {
            &[]
        };
        let globals = self.globals(definition);
        let (timeout, concurrency) = (self.run_timeout(definition), self.concurrency(definition));
        let mut tasks = self.tasks(element, definition);
        self.edges(element, &mut tasks);
        let planned = self.schedule(element, definition, &mut labels);
        let (schedule, on_failure, priority, notify) = planned.map_or(
            (
                None,
                FailureStrategy::default(),
                Priority::default(),
                &[][..],
            ),
            |planned| {
                let Planned {
                    schedule,
                    on_failure,
                    priority,
                    notify,
                } = planned;
                (Some(schedule), on_failure, priority, notify)
            },
        );
        // that something takes too long is told there whatever else is
        let warns = |timeout: Option<Timeout>| {
            timeout.is_some_and(|timeout| timeout.action == TimeoutAction::Warn)
        };
        let mut read = tasks.iter().filter_map(|(_, _, task)| task.as_ref());
        let late = warns(timeout) || read.any(|task| warns(task.timeout));
        let late = late.then_some(Occasion::Late);
        Some(Workflow {
            form: STORED_FORM,
            project: self.project.clone(),
            name: name?,
            description: self.description(definition),
            dialect: self.version.dialect().to_string(),
            schedule: schedule.flatten(),
            parameters: globals.parameters,
            outputs: globals.outputs,
            timeout,
            on_failure,
            concurrency,
            priority,
            notify: notify.iter().chain(asked).copied().chain(late).collect(),
            labels,
            tasks: tasks.into_iter().filter_map(|(_, _, task)| task).collect(),
        })
    }

    /// What stands in a request that creates a workflow, beside its definition.
    fn request(
        &mut self,
        definition: At<'t>,
        schedule: Option<At<'t>>,
        labels: &mut BTreeMap<String, String>,
    ) -> &'static [Occasion] {
        self.label(labels, (definition, "project", "project"), &[]);
        let key = (definition, "workerGroup", "worker-group");
        if let Some((at, group)) = self.label(labels, key, &["default"]) {
            let group = crate::fault::short(&group);
            let message = format!("`workerGroup` {group} is a label");
            self.notes.add(
                at,
                Topic::WorkerGroup,
                format!("workerGroup {group}"),
                message,
            );
        }
        if let Some(at) = definition.get("onlineSchedule") {
            if at.boolean() == Some(true) && schedule.is_some() {
                let message = "the schedule is switched off here: switched on there";
                self.notes.cover(at, Topic::ScheduleOffline, "", message);
            } else {
                at.ignored(Rule::Default);
            }
        }
        self.alerts(definition)
    }

    pub(super) fn description(&mut self, object: At<'t>) -> String {
        let Some(at) = object.some("description") else {
            return String::new();
        };
        let Some(text) = at.text() else {
            self.fault(at, "expected a text", None);
            return String::new();
        };
        if text.len() > SCRIPT_BYTES_MAX {
            self.fault(
                at,
                format!("a description has at most {SCRIPT_BYTES_MAX} bytes"),
                None,
            );
        }
        at.used();
        text.to_owned()
    }

    /// Where it comes from.
    fn origin(&mut self, definition: At<'t>, labels: &mut BTreeMap<String, String>) {
        for (key, label) in [
            ("code", "code"),
            ("version", "version"),
            ("projectCode", "project-code"),
            ("releaseState", "release-state"),
        ] {
            self.label(labels, (definition, key, label), &[]);
        }
        for (key, label) in [("tenantId", "tenant-id"), ("tenantCode", "tenant")] {
            if let Some((at, tenant)) =
                self.label(labels, (definition, key, label), &["-1", "default"])
            {
                self.notes.add(
                    at,
                    Topic::Tenant,
                    &tenant,
                    format!("tenant {tenant} is a label"),
                );
            }
        }
    }

    fn left_behind(&mut self, definition: At<'t>, labels: &mut BTreeMap<String, String>) {
        if let Some((at, group)) = self.label(
            labels,
            (definition, "warningGroupId", "warning-group"),
            &["0"],
        ) {
            let message = format!("the alert group {group} is a label: who is in it subscribes");
            self.notes
                .add(at, Topic::Alerts, format!("group {group}"), message);
        }
        for key in ["createTime", "updateTime"] {
            if let Some(at) = definition.some(key) {
                self.notes.cover(
                    at,
                    Topic::Times,
                    "",
                    "the time of the definition is not kept",
                );
            }
        }
        if let Some(at) = definition.get("locations").filter(|at| !at.is_hollow()) {
            let nodes = at.items().count().max(at.entries().count());
            self.notes.cover(
                at,
                Topic::Layout,
                "",
                format!("the positions of {nodes} nodes are not kept"),
            );
        }
        if let Some(at) = definition.get("flag") {
            match at.text() {
                Some("YES") => at.ignored(Rule::Default),
                _ => self.notes.cover(
                    at,
                    Topic::DefinitionOff,
                    "",
                    "the definition's own flag is not YES",
                ),
            }
        }
    }

    fn run_timeout(&mut self, definition: At<'t>) -> Option<Timeout> {
        let after = self.minutes(definition, "timeout", 0);
        if after.is_zero() {
            return None;
        }
        let minutes = after.as_secs() / 60;
        let message =
            format!("a run that takes longer than {minutes} minutes goes on, and that is told");
        self.notes.add(
            definition.get("timeout")?,
            Topic::RunTimeout,
            format!("{minutes} minutes"),
            message,
        );
        Some(Timeout {
            after,
            action: TimeoutAction::Warn,
        })
    }

    fn concurrency(&mut self, definition: At<'t>) -> Concurrency {
        let parallel = Concurrency::Parallel;
        let concurrency = self.word(definition, "executionType", EXECUTIONS, parallel);
        if let Some(at) = definition.get("executionType")
            && concurrency != parallel
        {
            self.notes.add(
                at,
                Topic::SerialVersions,
                "",
                "runs of all versions wait for each other",
            );
        }
        concurrency
    }

    /// The tasks with their nodes and codes. One that has a fault keeps its place, without a task.
    fn tasks(&mut self, element: At<'t>, definition: At<'t>) -> Vec<Draft<'t>> {
        let list = element.get("taskDefinitionList");
        let items: Vec<_> = list.into_iter().flat_map(At::items).collect();
        if items.is_empty() {
            let hint = "DolphinScheduler itself refuses such a file: export the workflow again";
            self.fault(
                list.unwrap_or(element),
                "the workflow has no tasks",
                Some(hint),
            );
        }
        if items.len() > TASKS_MAX {
            let message = format!(
                "the workflow has {} tasks, at most {TASKS_MAX} are allowed",
                items.len()
            );
            self.fault(list.unwrap_or(element), message, None);
            return Vec::new();
        }
        let mut seen: IndexMap<String, At<'t>> = IndexMap::new();
        let mut codes: IndexMap<i64, At<'t>> = IndexMap::new();
        let mut tasks = Vec::with_capacity(items.len());
        for at in items {
            let (code, task) = self.task(at, definition);
            if let Some(task) = &task
                && let Some(first) = seen.insert(task.name.to_string(), at)
            {
                let message = format!(
                    "a second task is named `{}`; the first is {}",
                    task.name,
                    first.path()
                );
                let hint = "DolphinScheduler fails every run of such a workflow: rename one";
                self.fault(at.get("name").unwrap_or(at), message, Some(hint));
            }
            if let Some(code) = code
                && let Some(first) = codes.insert(code, at)
            {
                let message = format!(
                    "a second task has the code {code}; the first is {}",
                    first.path()
                );
                self.fault(at.get("code").unwrap_or(at), message, None);
            }
            tasks.push((at, code, task));
        }
        tasks
    }
}
