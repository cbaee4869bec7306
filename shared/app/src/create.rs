//! Creating a run: three parts, each harmless to repeat.

use porpoise_engine::Input;
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::input::RunInput;
use porpoise_engine::mutant::{self, Mutant};
use porpoise_engine::record::Record;
use porpoise_engine::run::RunFact;
use porpoise_model::limits::RUNS_ABOVE_MAX;
use porpoise_model::{Address, ProjectId, WorkflowId};
use porpoise_ports::Unavailable;
use porpoise_ports::table::{Condition, Item};

use crate::app::App;
use crate::context::ContextError;
use crate::log::record_key;
use crate::parameter_store::ParameterError;
use crate::store::StoreError;
use crate::target_store::PlaceError;
use crate::workflow_store::HeadError;

/// A run that exists now.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// What it was created from; where it existed before, what this call would have created it from.
    pub run: NewRun,
    /// Whether this call wrote its first record.
    pub fresh: bool,
}

/// A run could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateRunError {
    /// Never applied, or deleted.
    #[error("there is no workflow `{1}` in project `{0}`")]
    UnknownWorkflow(ProjectId, WorkflowId),
    /// It would run below itself.
    #[error("workflow `{0}` runs above it already: it would run itself without end")]
    Circular(String),
    /// Too many runs wait for each other above it.
    #[error("{0} runs wait for each other above it, more than {RUNS_ABOVE_MAX}")]
    TooDeep(usize),
    /// The workflow's current version could not be found out.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The version that it is to run cannot be loaded.
    #[error(transparent)]
    Version(#[from] ContextError),
    /// A target is missing, or the targets cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The parameters of the project cannot be read.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// The same call may succeed later.
    #[error("cannot record the run")]
    Store(#[from] StoreError),
    /// It exists, and is not started yet: the same call, or the sweep, starts it.
    #[error("cannot start the run")]
    Start(#[source] Unavailable),
}

impl CreateRunError {
    /// Whether the same call can never succeed.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::UnknownWorkflow(..)
            | Self::Circular(_)
            | Self::TooDeep(_)
            | Self::Place(
                PlaceError::Unknown { .. } | PlaceError::None { .. } | PlaceError::Outside { .. },
            ) => true,
            Self::Version(error) => match error {
                ContextError::Missing(_)
                | ContextError::Unreadable(..)
                | ContextError::Uncompilable(..) => true,
                ContextError::Unavailable(_) => false,
            },
            Self::Head(HeadError::Unreadable(..)) => true,
            Self::Head(HeadError::Store(..))
            | Self::Place(PlaceError::Store(_) | PlaceError::Residency(_))
            | Self::Parameters(_)
            | Self::Store(_)
            | Self::Start(_) => false,
        }
    }
}

impl CreateRunError {
    /// Why, and what to do, for whoever wanted it as part of something else.
    pub fn in_words(&self) -> String {
        if let Self::UnknownWorkflow(..) = self {
            return "it does not exist: apply it, or mend the name".to_owned();
        }
        let mut words = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            words = format!("{words}: {cause}");
            source = cause.source();
        }
        words
    }
}

/// Whether a run may stand where it would: not below itself, nor endlessly deep.
fn may_stand(new: &NewRun) -> Result<(), CreateRunError> {
    let Trigger::Parent { above, .. } = &new.trigger else {
        return Ok(());
    };
    if above.contains(&new.workflow) {
        return Err(CreateRunError::Circular(new.workflow_name.clone()));
    }
    if above.len() > RUNS_ABOVE_MAX {
        return Err(CreateRunError::TooDeep(above.len()));
    }
    Ok(())
}

impl App {
    /// Creates a run: open index entry if absent, first record if absent, `Start`. A second delivery repeats all
    /// three; the first record that was written stands.
    ///
    /// A version that is left open becomes the workflow's current one, and its name the current name. Costs two puts
    /// and a message; a read more when the version is left open or was not used lately, and one when the run can name
    /// parameters of the project.
    pub async fn create_run(&self, mut new: NewRun) -> Result<Created, CreateRunError> {
        may_stand(&new)?;
        let version = if let Some(version) = new.version {
            version
        } else {
            let head = self.head(new.project, new.workflow).await?;
            let head = head.ok_or(CreateRunError::UnknownWorkflow(new.project, new.workflow))?;
            new.workflow_name = head.name.to_string();
            head.version
        };
        new.version = Some(version);
        let plan = self.plan(new.project, version).await?;
        new.placement = self.place_run(&new, &plan).await?;
        new.project_parameters = self.parameters_for(&new, &plan).await?;
        let address = Address::run(new.project, new.run);
        if !mutant::on(Mutant::CreateWithoutStart) {
            let body = minicbor::to_vec(&new).unwrap_or_default();
            self.index.open(address, 1, body.into()).await?;
        }
        let fresh = self.first_record(address, &new).await?;
        if fresh || !mutant::on(Mutant::CreateWithoutStart) {
            // Where this can be lost, `recall` sends it again.
            let start = self.message(address, &Input::Run(RunInput::Start));
            let sent = self.ports.queue.send(vec![start]).await;
            sent.map_err(CreateRunError::Start)?;
        }
        Ok(Created { run: new, fresh })
    }

    async fn first_record(&self, address: Address, new: &NewRun) -> Result<bool, StoreError> {
        let record = Record {
            at: self.now(),
            facts: vec![RunFact::Created(Box::new(new.clone()))],
        };
        let item = Item {
            key: record_key(address, 1),
            revision: 1,
            body: record.to_bytes().into(),
        };
        self.store.put(item, Condition::Absent).await
    }
}
