//! Which executor runs which kind of work.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use porpoise_model::job::{Job, Work};
use porpoise_ports::Executor;
use porpoise_ports::executor::News;

/// The executors of a host, by the kind of work: `noop`, `shell` …, and for kinds of other systems their name there
/// in lower case.
#[derive(Debug, Clone, Default)]
pub struct Executors {
    by_kind: BTreeMap<String, Target>,
}

/// An executor, and how it is spoken to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) executor: Arc<dyn Executor>,
    /// It knows the state of a job at once after it was submitted, for nothing: it is asked in the same call.
    pub(crate) prompt: bool,
}

impl Executors {
    /// None: every attempt is rejected.
    pub fn none() -> Self {
        Self::default()
    }

    /// With this executor for these kinds.
    #[must_use]
    pub fn with<'k>(
        mut self,
        kinds: impl IntoIterator<Item = &'k str>,
        executor: &Arc<dyn Executor>,
    ) -> Self {
        self.put(kinds, executor, false);
        self
    }

    /// With this executor for these kinds; it is asked for the state of a job at once after it took it, because
    /// asking costs nothing and jobs may be over by then.
    #[must_use]
    pub fn with_prompt<'k>(
        mut self,
        kinds: impl IntoIterator<Item = &'k str>,
        executor: &Arc<dyn Executor>,
    ) -> Self {
        self.put(kinds, executor, true);
        self
    }

    fn put<'k>(
        &mut self,
        kinds: impl IntoIterator<Item = &'k str>,
        executor: &Arc<dyn Executor>,
        prompt: bool,
    ) {
        for kind in kinds {
            let target = Target {
                executor: Arc::clone(executor),
                prompt,
            };
            self.by_kind.insert(kind.to_owned(), target);
        }
    }

    /// The executor of a kind, if there is one.
    pub fn of(&self, kind: &str) -> Option<&Arc<dyn Executor>> {
        self.target(kind).map(|target| &target.executor)
    }

    /// Whether the target of a kind tells the end of a job again, whoever asks.
    pub(crate) fn remember(&self, kind: &str) -> bool {
        let executor = self.of(kind);
        executor.is_some_and(|executor| executor.remembers())
    }

    /// How long after its end it is known what a job of a kind was billed; `None`: nobody says.
    pub(crate) fn billed_after(&self, kind: &str) -> Option<SignedDuration> {
        self.of(kind).and_then(|executor| executor.billed_after())
    }

    /// Things by the executors of their kinds. What none is for is left out.
    pub(crate) fn by_executor<T>(
        &self,
        all: impl IntoIterator<Item = T>,
        kind: impl Fn(&T) -> &str,
    ) -> Vec<(&Arc<dyn Executor>, Vec<T>)> {
        let mut by_kind: BTreeMap<String, Vec<T>> = BTreeMap::new();
        for one in all {
            by_kind.entry(kind(&one).to_owned()).or_default().push(one);
        }
        let by_kind = by_kind.into_iter();
        let found = by_kind.filter_map(|(kind, all)| Some((self.of(&kind)?, all)));
        found.collect()
    }

    /// What an event of a service says of a job, if any of the executors knows such events.
    pub(crate) fn read_event(&self, event: &str) -> Option<News> {
        let mut executors = self.by_kind.values();
        executors.find_map(|target| target.executor.read_event(event))
    }

    pub(crate) fn target(&self, kind: &str) -> Option<&Target> {
        self.by_kind.get(kind)
    }
}

/// The word by which the executor of a job is found: the kind of its target, or of its work where it has none.
pub(crate) fn executor_of(job: &Job) -> String {
    match &job.target {
        Some(target) => target.kind.clone(),
        None => kind_of(&job.work),
    }
}

/// The word by which an executor is found.
fn kind_of(work: &Work) -> String {
    match work {
        Work::External { name, .. } => name.to_lowercase(),
        Work::Noop
        | Work::Sleep { .. }
        | Work::Shell { .. }
        | Work::Python { .. }
        | Work::Command { .. }
        | Work::Spark { .. }
        | Work::Hive { .. }
        | Work::Sql { .. }
        | Work::Function { .. }
        | Work::Http { .. }
        | Work::StateMachine { .. } => work.word().to_owned(),
    }
}
