//! What people see of a run: its whole log, folded with the attempts of each task.

use std::sync::Arc;

use porpoise_engine::effect::NewRun;
use porpoise_engine::plan::Plan;
use porpoise_engine::run::view::View;
use porpoise_engine::run::{Run, RunFact};
use porpoise_model::{Address, ProjectId, RunId};

use crate::app::App;
use crate::log::LoadError;

/// Records of one read.
const PAGE_RECORDS: usize = 1_000;

/// A run as people see it.
#[derive(Debug, Clone)]
pub struct RunView {
    /// What it was created from.
    pub run: NewRun,
    /// The version that it runs.
    pub plan: Arc<Plan>,
    /// State, attempts, commands.
    pub view: View,
    /// The last record that is in it: where a live view goes on.
    pub sequence: u64,
}

impl App {
    /// A run with all attempts of its tasks; `None` if there is none of this id.
    ///
    /// Costs the reading of the run's whole log: for people and their programs, not for what runs by itself.
    pub async fn run_view(
        &self,
        project: ProjectId,
        run: RunId,
    ) -> Result<Option<RunView>, LoadError> {
        let address = Address::run(project, run);
        let mut view: Option<RunView> = None;
        loop {
            let after = view.as_ref().map_or(0, |view| view.sequence);
            let records = self.records::<Run>(address, after, PAGE_RECORDS).await?;
            if records.is_empty() {
                return Ok(view);
            }
            for (sequence, record) in records {
                for fact in &record.facts {
                    if let RunFact::Created(new) = fact {
                        view = Some(self.view_of(address, new).await?);
                    }
                    let view = view.as_mut().ok_or(LoadError::NoVersion(address))?;
                    view.view.apply(&view.plan, fact, record.at);
                }
                if let Some(view) = &mut view {
                    view.sequence = sequence;
                }
            }
        }
    }

    async fn view_of(&self, address: Address, new: &NewRun) -> Result<RunView, LoadError> {
        let version = new.version.ok_or(LoadError::NoVersion(address))?;
        let plan = self.plan(address.project, version).await;
        Ok(RunView {
            run: new.clone(),
            plan: plan.map_err(|error| LoadError::Context(address, error))?,
            view: View::default(),
            sequence: 0,
        })
    }
}
