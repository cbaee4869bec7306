//! Tasks, and the defaults that they share.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use porpoise_model::Name;
use porpoise_model::limits::SCRIPT_BYTES_MAX;
use porpoise_model::workflow::{Kind, PoolUse, Priority, Task, Timeout, TriggerRule};

use super::context::{At, Fields, Here, Reader};
use super::retry::RetryPart;
use crate::fault::FaultKind;
use crate::fields::{DEFAULTS, TASK};
use crate::word;

/// Kinds that have no job.
const JOBLESS: &[&str] = &["switch", "conditions", "approval", "dependent"];
/// Fields that say how a job is run.
const OF_JOBS: &[&str] = &[
    "env",
    "files",
    "outputs",
    "retries",
    "retry_delay",
    "retry",
    "priority",
    "pool",
    "target",
];

/// What tasks have that do not say otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    trigger: TriggerRule,
    env: IndexMap<String, String>,
    retry: RetryPart,
    timeout: Option<Timeout>,
    delay: Duration,
    priority: Priority,
    pool: Option<PoolUse>,
    target: Option<String>,
    labels: BTreeMap<String, String>,
}

impl Reader<'_> {
    pub(crate) fn defaults(&mut self, at: At<'_>) -> Defaults {
        let Some(fields) = self.object(at, &DEFAULTS) else {
            return Defaults::default();
        };
        Defaults {
            trigger: fields
                .get("trigger")
                .and_then(|at| self.word(at, word::TRIGGERS))
                .unwrap_or_default(),
            env: fields
                .get("env")
                .and_then(|at| self.env(at, None))
                .unwrap_or_default(),
            retry: self.retry(&fields),
            timeout: fields.get("timeout").and_then(|at| self.timeout(at)),
            delay: fields
                .get("delay")
                .and_then(|at| self.duration(at))
                .unwrap_or_default(),
            priority: fields
                .get("priority")
                .and_then(|at| self.word(at, word::PRIORITIES))
                .unwrap_or_default(),
            pool: fields.get("pool").and_then(|at| self.pool(at)),
            target: fields
                .get("target")
                .and_then(|at| self.name(at))
                .map(|name| name.to_string()),
            labels: fields
                .get("labels")
                .and_then(|at| self.labels(at))
                .unwrap_or_default(),
        }
    }

    /// The task with the given index; whatever is at fault in it has been reported. Its `after` is left to `graph`.
    pub(crate) fn task(
        &mut self,
        at: At<'_>,
        name: Option<Name>,
        here: Here<'_>,
        defaults: &Defaults,
    ) -> TaskRead {
        if let Some(scalar) = self.scalar(at).filter(|scalar| !scalar.is_null()) {
            let shown = crate::fault::quoted(scalar.text.lines().next().unwrap_or_default());
            let hint = format!("write `{{ shell: … }}` to run {shown}");
            self.wrong_shape(at, "what the task does", Some(hint));
            return TaskRead::default();
        }
        let Some(mut fields) = self.object(at, &TASK) else {
            return TaskRead::default();
        };
        TaskRead {
            after: fields.get("after").map(|at| at.node),
            task: self.task_of(&mut fields, name, here, defaults),
        }
    }

    fn task_of(
        &mut self,
        fields: &mut Fields<'_>,
        name: Option<Name>,
        here: Here<'_>,
        defaults: &Defaults,
    ) -> Option<Task> {
        let index = here.index;
        let kind = self.kind(fields, here);
        let jobless = !fields.present(JOBLESS).is_empty();
        let taken_over = jobless.then(|| self.jobless(fields, kind.as_ref(), defaults));
        let defaults = taken_over.as_ref().unwrap_or(defaults);
        if kind.as_ref().is_some_and(Kind::needs_target) {
            for name in ["env", "parameters"] {
                if let Some(at) = fields.get(name) {
                    self.no_secrets_within(at);
                }
            }
        }
        let child = !fields.present(&["workflow"]).is_empty();
        if child {
            self.no_process(fields, kind.as_ref());
        }
        let mut env = if child {
            IndexMap::new()
        } else {
            defaults.env.clone()
        };
        env.extend(
            fields
                .get("env")
                .and_then(|at| self.env(at, Some(index)))
                .unwrap_or_default(),
        );
        let files = fields
            .get("files")
            .and_then(|at| self.files(at, kind.as_ref(), index));
        let mut labels = defaults.labels.clone();
        labels.extend(
            fields
                .get("labels")
                .and_then(|at| self.labels(at))
                .unwrap_or_default(),
        );
        let description = fields
            .get("description")
            .and_then(|at| self.text(at, SCRIPT_BYTES_MAX));
        let trigger = fields
            .get("trigger")
            .and_then(|at| self.word(at, word::TRIGGERS));
        self.waits_for_all(fields, trigger);
        let priority = fields
            .get("priority")
            .and_then(|at| self.word(at, word::PRIORITIES));
        let parameters = fields
            .get("parameters")
            .and_then(|at| self.parameters(at, Some(index)));
        let outputs = fields.get("outputs").and_then(|at| self.outputs(at));
        let retry = self.retry(fields).over(&defaults.retry);
        let delay = fields.get("delay").and_then(|at| self.duration(at));
        let disabled = fields.get("disabled").and_then(|at| self.boolean(at));
        let timeout = self.or_default(fields, "timeout", defaults.timeout.as_ref(), Self::timeout);
        let pool = self.or_default(fields, "pool", defaults.pool.as_ref(), Self::pool);
        let target = defaults.target.as_ref().filter(|_| !child);
        let target = self.or_default(fields, "target", target, |reader, at| {
            reader.name(at).map(|name| name.to_string())
        });
        Some(Task {
            name: name?,
            description: description.unwrap_or_default().to_owned(),
            kind: kind?,
            after: Vec::new(),
            trigger: trigger.unwrap_or(defaults.trigger),
            parameters: parameters.unwrap_or_default(),
            env,
            files: files.unwrap_or_default(),
            outputs: outputs.unwrap_or_default(),
            retry,
            timeout,
            delay: delay.unwrap_or(defaults.delay),
            priority: priority.unwrap_or(defaults.priority),
            pool,
            target,
            disabled: disabled.unwrap_or_default(),
            labels,
        })
    }

    /// A task without a job: nothing of it is tried again, or given to a target. Gives what it takes over.
    fn jobless(
        &mut self,
        fields: &mut Fields<'_>,
        kind: Option<&Kind>,
        defaults: &Defaults,
    ) -> Defaults {
        let is = |kinds| !fields.present(kinds).is_empty();
        let (asks, depends) = (is(&["approval"]), is(&["dependent"]));
        let mut others = OF_JOBS.to_vec();
        // What it waits for may hand on outputs.
        others.retain(|field| !(depends && *field == "outputs"));
        others.extend(asks.then_some("delay"));
        others.extend((!asks && !depends).then_some("timeout"));
        for other in fields.present(&others) {
            let message = format!("a task of this kind has no job, and so no `{other}`");
            self.fault(fields.key(other), FaultKind::Conflict, message, None);
        }
        fields.leave_out(&others);
        let usual = kind.and_then(Kind::usual_trigger);
        Defaults {
            trigger: usual.unwrap_or(defaults.trigger),
            delay: if asks { Duration::ZERO } else { defaults.delay },
            labels: defaults.labels.clone(),
            ..Defaults::default()
        }
    }

    fn waits_for_all(&mut self, fields: &Fields<'_>, trigger: Option<TriggerRule>) {
        let early = matches!(
            trigger,
            Some(TriggerRule::Always | TriggerRule::OneSucceeded | TriggerRule::OneFailed)
        );
        if let Some(at) = fields.get("trigger").filter(|_| early)
            && !fields.present(&["conditions"]).is_empty()
        {
            let message = "`conditions` look at tasks above, which may not have ended by then";
            let hint = Some("leave `trigger` out, or write `all_done`".to_owned());
            self.fault(at, FaultKind::Conflict, message, hint);
        }
    }

    /// A field where `~` means none and its absence means the default.
    fn or_default<T: Clone>(
        &mut self,
        fields: &Fields<'_>,
        name: &'static str,
        default: Option<&T>,
        read: impl FnOnce(&mut Self, At<'_>) -> Option<T>,
    ) -> Option<T> {
        match fields.get(name) {
            None => default.cloned(),
            Some(at) if self.is_null(at) => None,
            Some(at) => read(self, at),
        }
    }
}

/// A task without its edges, and where they stand.
#[derive(Debug, Default)]
pub(crate) struct TaskRead {
    pub(crate) task: Option<Task>,
    pub(crate) after: Option<crate::tree::NodeId>,
}
