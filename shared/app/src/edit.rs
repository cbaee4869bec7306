//! Editing a finished run: another version of its workflow is stored, written back if that is wanted, and then the run
//! goes on with it.
//!
//! **In this order**, and each part is harmless to repeat: blob, head of the workflow (only to write back), command to
//! the run. What is cut off between leaves a definition that is as its editor wanted it and a run that stands where it
//! ended, for everybody to see; the same request again finds the definition written back and gives the command
//! (docs/adr/0024).

use std::collections::{BTreeMap, BTreeSet};

use porpoise_engine::Input;
use porpoise_engine::Plan;
use porpoise_engine::effect::NewRun;
use porpoise_engine::input::{Command, RunCommand, RunInput};
use porpoise_engine::placement::{Placed, Placement};
use porpoise_engine::run::{Edit, Ranges, State};
use porpoise_model::workflow::Workflow;
use porpoise_model::{Actor, Address, CommandId, Value, VersionHash};
use porpoise_ports::Unavailable;

use crate::app::App;
use crate::parameter_store::ParameterError;
use crate::store::StoreError;
use crate::target_store::PlaceError;
use crate::view::RunView;
use crate::workflow_store::{Applied, ApplyError};

/// A run could not be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The run would refuse it, for this reason.
    #[error("the run cannot be edited: {0}")]
    Refused(String),
    /// The parameters of the project cannot be read.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// A task that is new has no target, or the targets cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The version could not be stored, or not be made the current one.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The same call may succeed later; nothing is lost by repeating it.
    #[error("cannot store what the run is to go on with")]
    Store(#[from] StoreError),
    /// It is stored, and the run was not told: the same call again tells it.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Whether the workflow is to have the new version, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteBack {
    /// The run only.
    No,
    /// If its current version is still the one that the run's own stems from.
    IfUnchanged,
    /// Whatever its current version is.
    Force,
}

/// The version of the definition that a run's own one stems from.
pub fn stems_from(state: &State) -> Option<VersionHash> {
    let edited = state.edits.as_ref().and_then(|edits| edits.stems_from);
    edited.or_else(|| state.new.as_ref()?.version)
}

impl App {
    /// What giving a run this version would do, exactly. `again` are its tasks that are to run whether they changed or
    /// not; none: those that did not succeed. Costs what placing a run costs.
    ///
    /// # Errors
    /// The run would refuse it, or a task could run nowhere.
    pub async fn prepare_edit(
        &self,
        view: &RunView,
        version: VersionHash,
        plan: &Plan,
        again: Option<Ranges>,
    ) -> Result<Edit, EditError> {
        let state = &view.view.state;
        let refused = EditError::Refused;
        let before = view.run.version.ok_or_else(|| refused(String::new()))?;
        porpoise_engine::run::edit::may_be(state, before).map_err(refused)?;
        let placed = self.place_run(&view.run, plan).await?;
        let placement = kept(&view.run.placement, &view.plan, &placed);
        let project_parameters = self.named_now(&view.run, plan).await?;
        let (had, has) = ((before, &*view.plan), (version, plan));
        Edit::prepare(state, had, has, again, placement, project_parameters).map_err(refused)
    }

    /// Parameters of the project that a version can name: those that the run has as it has them, others as they are now.
    async fn named_now(
        &self,
        run: &NewRun,
        plan: &Plan,
    ) -> Result<Option<BTreeMap<String, Value>>, ParameterError> {
        let mut anew = run.clone();
        let had = anew.project_parameters.take();
        let found = self.parameters_for(&anew, plan).await?;
        let both = found.into_iter().chain(had).flatten();
        let both: BTreeMap<_, _> = both.collect();
        Ok(Some(both).filter(|both| !both.is_empty()))
    }

    /// Stores the version, writes it back if that is wanted, and gives the command. Says what became of the workflow.
    ///
    /// Costs a blob and a message; what an apply costs if it is written back.
    ///
    /// # Errors
    /// [`ApplyError::Moved`] if it is to be written back over what somebody else applied meanwhile; then nothing has
    /// happened.
    pub async fn edit_run(
        &self,
        view: &RunView,
        workflow: &Workflow,
        mut edit: Edit,
        (id, actor): (CommandId, Actor),
        write_back: WriteBack,
    ) -> Result<Option<Applied>, EditError> {
        let project = view.run.project;
        self.keep_version(project, workflow).await?;
        self.note_pools(project, workflow).await?;
        let over = stems_from(&view.view.state);
        let applied = match (write_back, over) {
            (WriteBack::No, _) => None,
            (WriteBack::IfUnchanged, Some(over)) => {
                Some(self.apply_over(workflow, &actor, over).await?)
            }
            (WriteBack::Force, _) | (WriteBack::IfUnchanged, None) => {
                Some(self.apply(workflow, &actor).await?)
            }
        };
        edit.written_back = applied.is_some();
        let command = Command {
            id,
            actor,
            what: RunCommand::Edit(Box::new(edit)),
        };
        let to = Address::run(project, view.run.run);
        let input = Input::Run(RunInput::Commanded(command));
        self.tell(&[(to, input)]).await?;
        Ok(applied)
    }
}

/// Where a run had its tasks executed it goes on to do so; only what is new to it is placed as if the run were made now.
fn kept(had: &Placement, plan: &Plan, placed: &Placement) -> Placement {
    let tasks = plan.workflow().tasks.iter();
    let words: BTreeSet<_> = tasks.map(|task| task.kind.word()).collect();
    let mut kept = had.clone();
    if kept.targets.is_empty() && kept.residency.is_empty() {
        // nothing of it was bound to anywhere
        kept.residency.clone_from(&placed.residency);
    }
    let name = |placed: &Placed| placed.target.name.clone();
    for target in &placed.targets {
        if !kept.targets.iter().any(|known| name(known) == name(target)) {
            kept.targets.push(target.clone());
        }
    }
    for (word, index) in &placed.defaults {
        let used = words.iter().any(|used| used.as_ref() == word.as_str());
        let target = usize::try_from(*index).ok();
        let target = target.and_then(|index| placed.targets.get(index)).map(name);
        let at = kept.targets.iter().position(|t| Some(name(t)) == target);
        if let Some(at) = at.and_then(|at| u32::try_from(at).ok())
            && !used
        {
            kept.defaults.entry(word.clone()).or_insert(at);
        }
    }
    kept
}
