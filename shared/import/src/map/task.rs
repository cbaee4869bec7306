//! A task.

use std::collections::BTreeMap;
use std::time::Duration;

use porpoise_model::limits::RETRIES_MAX;
use porpoise_model::workflow::{PoolUse, Priority, Retry, Task, Timeout, TimeoutAction};

use super::scalar::{LABEL, Words, known_word};
use super::{Mapper, variable};
use crate::json::At;
use crate::report::{Rule, Topic};

/// What does not matter in a task. Source: the field tables of the reference, "ignore".
const IGNORED: &[(Rule, &[&str])] = &[
    (
        Rule::Row,
        &[
            "id",
            "userId",
            "userName",
            "projectName",
            "modifyBy",
            "operator",
            "operateTime",
            "createTime",
            "updateTime",
        ],
    ),
    (Rule::Copy, &["taskParamList", "taskParamMap"]),
];

pub(super) const PRIORITIES: Words<Priority> = &[
    ("HIGHEST", Priority::Highest),
    ("HIGH", Priority::High),
    ("MEDIUM", Priority::Medium),
    ("LOW", Priority::Low),
    ("LOWEST", Priority::Lowest),
];
const FLAGS: Words<bool> = &[("NO", false), ("YES", true)];
const SWITCHES: Words<bool> = &[("CLOSE", false), ("OPEN", true)];
const EXECUTE_TYPES: Words<bool> = &[("BATCH", false), ("STREAM", true)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Warn,
    Fail,
    Both,
}

const STRATEGIES: Words<Strategy> = &[
    ("WARN", Strategy::Warn),
    ("FAILED", Strategy::Fail),
    ("WARNFAILED", Strategy::Both),
];

impl<'t> Mapper<'t> {
    /// The code and the task; without a task if it has a fault.
    pub(super) fn task(&mut self, at: At<'t>, definition: At<'t>) -> (Option<i64>, Option<Task>) {
        Self::ignore(at, IGNORED);
        let code = at.get("code").and_then(At::integer);
        if code.is_none() {
            self.fault(at.get("code").unwrap_or(at), "there is no `code`", None);
        }
        (code, self.named_task(at, definition))
    }

    fn named_task(&mut self, at: At<'t>, definition: At<'t>) -> Option<Task> {
        let name = self.name(at, "name");
        let own = definition.get("code").and_then(At::integer);
        let (kind, parameters) = self.kind(at, own);
        let mut labels = BTreeMap::new();
        self.marks(at, definition, &mut labels);
        let mut task = Task::new(name?, kind?);
        task.description = self.description(at);
        task.parameters = parameters.inward;
        task.outputs = parameters.outward;
        task.target = parameters.target;
        task.retry = self.retry(at);
        task.timeout = self.timeout(at);
        task.delay = self.minutes(at, "delayTime", 0);
        task.priority = self.word(at, "taskPriority", PRIORITIES, Priority::Medium);
        task.pool = self.pool(at);
        task.disabled = !self.word(at, "flag", FLAGS, true);
        task.labels = labels;
        self.retried(at, &task);
        if !variable::variables(&mut task) {
            let message = "a reference to a secret stands in the script: let it read a variable";
            self.notes.add(at, Topic::SecretInScript, "", message);
        }
        Some(task)
    }

    /// Where it comes from, and what it asked of its worker.
    fn marks(&mut self, at: At<'t>, definition: At<'t>, labels: &mut BTreeMap<String, String>) {
        if at.get("code").is_some_and(|code| !code.is_made()) {
            self.label(labels, (at, "code", "code"), &[]);
        }
        self.label(labels, (at, "version", "version"), &[]);
        if let Some(project) = at.get("projectCode")
            && Some(project.to_value()) == definition.get("projectCode").map(At::to_value)
        {
            project.ignored(Rule::Copy);
        }
        for (key, label, default, topic) in [
            ("workerGroup", "worker-group", "default", Topic::WorkerGroup),
            (
                "environmentCode",
                "environment-code",
                "-1",
                Topic::Environment,
            ),
            ("environmentName", "environment", "", Topic::Environment),
            ("cpuQuota", "cpu-quota", "-1", Topic::Quota),
            ("memoryMax", "memory-max", "-1", Topic::Quota),
        ] {
            if let Some((at, text)) = self.label(labels, (at, key, label), &[default]) {
                let text = crate::fault::short(&text);
                self.notes.add(
                    at,
                    topic,
                    format!("{key} {text}"),
                    format!("`{key}` {text} is a label"),
                );
            }
        }
        if self.word(at, "taskExecuteType", EXECUTE_TYPES, false)
            && let Some(at) = at.get("taskExecuteType")
        {
            labels.insert(format!("{LABEL}execute-type"), "STREAM".to_owned());
            self.notes
                .add(at, Topic::Stream, "", "the run waits for this stream task");
        }
        if let Some(at) = at.some("isCache") {
            if known_word(at, FLAGS) == Some(false) {
                at.ignored(Rule::Default);
            } else {
                self.notes
                    .cover(at, Topic::Cache, "", "the task runs every time");
            }
        }
    }

    fn retry(&mut self, at: At<'t>) -> Retry {
        let limit = self.number(at, "failRetryTimes", 0, 0..=i64::from(RETRIES_MAX));
        if limit == 0 {
            Self::ignore(at, &[(Rule::Off, &["failRetryInterval"])]);
            return Retry::default();
        }
        Retry {
            limit: u32::try_from(limit).unwrap_or_default(),
            delay: self.minutes(at, "failRetryInterval", 1),
            ..Retry::default()
        }
    }

    fn timeout(&mut self, at: At<'t>) -> Option<Timeout> {
        if !self.word(at, "timeoutFlag", SWITCHES, false) {
            // The console stores 30 minutes with a switch that is off.
            Self::ignore(at, &[(Rule::Off, &["timeout", "timeoutNotifyStrategy"])]);
            return None;
        }
        let flag = at.get("timeoutFlag").unwrap_or(at);
        let after = self.minutes(at, "timeout", 0);
        let strategy = self.word(at, "timeoutNotifyStrategy", STRATEGIES, Strategy::Warn);
        if after == Duration::ZERO {
            self.notes.add(
                flag,
                Topic::NoTimeout,
                "",
                "the time limit is on and has no time: there is none",
            );
            return None;
        }
        let (action, message) = match strategy {
            Strategy::Fail => {
                return Some(Timeout {
                    after,
                    action: TimeoutAction::Fail,
                });
            }
            Strategy::Warn => (
                TimeoutAction::Warn,
                "too long an attempt goes on, and that is told",
            ),
            Strategy::Both => (
                TimeoutAction::Fail,
                "too long an attempt fails; that is told where `notify` holds `late`",
            ),
        };
        self.notes.add(flag, Topic::TaskTimeout, "", message);
        Some(Timeout { after, action })
    }

    /// A task group becomes a pool of its number.
    fn pool(&mut self, at: At<'t>) -> Option<PoolUse> {
        let group = self.number(at, "taskGroupId", 0, i64::MIN..=i64::MAX);
        if group <= 0 {
            Self::ignore(at, &[(Rule::Off, &["taskGroupPriority"])]);
            return None;
        }
        let weight = self.number(
            at,
            "taskGroupPriority",
            0,
            i64::from(i32::MIN)..=i64::from(i32::MAX),
        );
        let name = format!("task-group-{group}");
        let address = format!("{}/{name}", self.project);
        let message = format!(
            "task group {group} is the pool `{name}` of 1 slot, one slot a task; its size is not in the export: \
             `porpoise pool {address} --slots SIZE` sets it"
        );
        self.notes
            .add(at.get("taskGroupId")?, Topic::TaskGroup, address, message);
        Some(PoolUse {
            name: name.parse().ok()?,
            slots: 1,
            weight: i32::try_from(weight).unwrap_or_default(),
        })
    }
}
