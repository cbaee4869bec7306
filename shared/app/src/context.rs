//! What an aggregate's facts are read with: a run's plan, compiled once per version and process.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::lock::Mutex as Turn;
use porpoise_engine::plan::{CompileError, Plan};
use porpoise_engine::{Aggregate, Effect};
use porpoise_model::workflow::Workflow;
use porpoise_model::{ProjectId, VersionHash};
use porpoise_ports::Unavailable;
use porpoise_ports::notices::Notice;

use crate::app::{App, HOME};
use crate::lately::Lately;

/// Tasks of all plans that are kept, together; one plan is always kept.
const PLANNED_TASKS_MAX: u32 = 250_000;

/// An aggregate that [`App::step`] can take further.
pub trait Steppable: Aggregate {
    /// What facts are read with from the one on that names `version`; `None` if they can't be before one names any.
    fn context(
        app: &App,
        project: ProjectId,
        version: Option<VersionHash>,
    ) -> impl Future<Output = Result<Option<Arc<Self::Context>>, ContextError>> + Send;

    /// What people are to be told together with that effect, if they asked for it.
    fn notice(_: &Self::State, _: &Self::Context, _: &Effect) -> Option<Notice> {
        None
    }
}

/// A version could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The same call may succeed later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// No such version was ever stored in this project.
    #[error("there is no workflow version `{0}`")]
    Missing(VersionHash),
    /// Stored by a later release, or damaged.
    #[error("workflow version `{0}` cannot be read")]
    Unreadable(VersionHash, #[source] serde_json::Error),
    /// It was never checked.
    #[error("workflow version `{0}` cannot be compiled")]
    Uncompilable(VersionHash, #[source] CompileError),
}

type Name = (ProjectId, VersionHash);

/// Compiled versions, the last used ones.
#[derive(Debug)]
pub(crate) struct Plans {
    plans: Mutex<Lately<Name, Arc<Plan>>>,
    /// Those that somebody is reading: whoever else wants one of them waits, and finds it.
    read: Mutex<BTreeMap<Name, Arc<Turn<()>>>>,
}

impl Default for Plans {
    fn default() -> Self {
        let plans = Lately::new(usize::MAX, PLANNED_TASKS_MAX);
        Self {
            plans: Mutex::new(plans),
            read: Mutex::default(),
        }
    }
}

impl Plans {
    fn turn(&self, name: Name) -> Arc<Turn<()>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(read.entry(name).or_default())
    }

    /// Nobody reads it for now, or those who do ask for turns no more.
    fn forget_turn(&self, name: Name) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.remove(&name);
    }

    fn get(&self, project: ProjectId, version: VersionHash) -> Option<Arc<Plan>> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.get((project, version)).map(Arc::clone)
    }

    fn keep(&self, project: ProjectId, version: VersionHash, plan: &Arc<Plan>) {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.put((project, version), plan.len(), Arc::clone(plan));
    }
}

impl App {
    /// A version, as stored.
    ///
    /// Costs a read of a blob.
    pub async fn version(
        &self,
        project: ProjectId,
        version: VersionHash,
    ) -> Result<Arc<Workflow>, ContextError> {
        let stored = self.ports.blobs.get(HOME, project, version).await?;
        let stored = stored.ok_or(ContextError::Missing(version))?;
        let workflow = Workflow::from_stored(&stored);
        workflow
            .map(Arc::new)
            .map_err(|error| ContextError::Unreadable(version, error))
    }

    /// A version, compiled. Costs nothing when it was used lately, and one read for all who ask at the same time.
    pub async fn plan(
        &self,
        project: ProjectId,
        version: VersionHash,
    ) -> Result<Arc<Plan>, ContextError> {
        if let Some(plan) = self.plans.get(project, version) {
            return Ok(plan);
        }
        let name = (project, version);
        let turn = self.plans.turn(name);
        let turn = turn.lock().await;
        if let Some(plan) = self.plans.get(project, version) {
            return Ok(plan);
        }
        let read = self.read_plan(project, version).await;
        self.plans.forget_turn(name);
        drop(turn);
        read
    }

    async fn read_plan(
        &self,
        project: ProjectId,
        version: VersionHash,
    ) -> Result<Arc<Plan>, ContextError> {
        let workflow = self.version(project, version).await?;
        let plan =
            Plan::compile(workflow).map_err(|error| ContextError::Uncompilable(version, error))?;
        let plan = Arc::new(plan);
        self.plans.keep(project, version, &plan);
        Ok(plan)
    }
}
