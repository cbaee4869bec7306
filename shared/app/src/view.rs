//! What people see of a run: its whole log, folded with the attempts of each task.
//!
//! What was looked at lately is remembered with the number of its last record, so that whoever looks again costs the
//! reading of what came since.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use porpoise_engine::effect::NewRun;
use porpoise_engine::plan::Plan;
use porpoise_engine::record::Record;
use porpoise_engine::run::view::{AttemptView, View};
use porpoise_engine::run::{Run, RunFact};
use porpoise_model::{Address, ProjectId, RunId, VersionHash};

use crate::app::App;
use crate::lately::Lately;
use crate::log::LoadError;

/// Tasks of all views that are remembered, together: some 300 bytes each. One view is always remembered.
const REMEMBERED_TASKS_MAX: u32 = 50_000;
/// Views that are remembered, however small.
const REMEMBERED_MAX: usize = 256;

/// A run as people see it.
#[derive(Debug, Clone)]
pub struct RunView {
    /// What it was created from, with the version and the placement that it has now.
    pub run: Arc<NewRun>,
    /// The version that it runs.
    pub plan: Arc<Plan>,
    /// The versions that it had, and the one that it has, in their order.
    pub pins: Vec<Pin>,
    /// State, attempts, commands.
    pub view: Arc<View>,
    /// The last record that is in it: where a live view goes on.
    pub sequence: u64,
}

/// A version of a run.
#[derive(Debug, Clone)]
pub struct Pin {
    /// The record by which the run got it.
    pub since: u64,
    /// What the run was created from, as of then.
    pub run: Arc<NewRun>,
    /// The version.
    pub plan: Arc<Plan>,
}

/// Versions that records name.
type Plans = BTreeMap<VersionHash, Arc<Plan>>;

impl RunView {
    /// The version that the run had when this attempt was made. Its task is found there at [`AttemptView::task`].
    pub fn made_by(&self, attempt: &AttemptView) -> Option<&Pin> {
        self.pins.get(attempt.edits)
    }

    /// Goes on with these records. Copies the view if somebody else holds it.
    fn fold(&mut self, records: &[(u64, Record<RunFact>)], plans: &Plans) {
        for (sequence, record) in records {
            for fact in &record.facts {
                if let RunFact::Edited(edited) = fact
                    && let Some(plan) = plans.get(&edited.version)
                {
                    self.plan = Arc::clone(plan);
                    let run = Arc::make_mut(&mut self.run);
                    run.version = Some(edited.version);
                    run.placement = edited.placement.clone();
                    self.pins.push(Pin {
                        since: *sequence,
                        run: Arc::clone(&self.run),
                        plan: Arc::clone(plan),
                    });
                }
                let view = Arc::make_mut(&mut self.view);
                view.apply(&self.plan, fact, record.at);
            }
            self.sequence = *sequence;
        }
    }
}

impl App {
    /// A run with all attempts of its tasks; `None` if there is none of this id.
    ///
    /// Costs a query of the records since this process was last asked for it, and of all records before it was or when
    /// many other runs were looked at meanwhile: for people and their programs, not for what runs by itself.
    pub async fn run_view(
        &self,
        project: ProjectId,
        run: RunId,
    ) -> Result<Option<RunView>, LoadError> {
        let address = Address::run(project, run);
        let mut known = self.run_views.get(address);
        loop {
            let after = known.as_ref().map_or(0, |view| view.sequence);
            let page = self.records_page::<Run>(address, after).await?;
            if let Some((_, first)) = page.records.first() {
                let view = match known {
                    Some(view) => view,
                    None => self.view_of(address, first).await?,
                };
                let plans = self.plans_of(address, &page.records).await?;
                let records = &page.records;
                known = Some(self.run_views.go_on(address, view, records, &plans));
            }
            if page.last {
                return Ok(known);
            }
        }
    }

    /// The versions that edits in these records name.
    async fn plans_of(
        &self,
        address: Address,
        records: &[(u64, Record<RunFact>)],
    ) -> Result<Plans, LoadError> {
        let mut plans = Plans::new();
        for fact in records.iter().flat_map(|(_, record)| &record.facts) {
            if let RunFact::Edited(edited) = fact {
                let plan = self.plan(address.project, edited.version).await;
                let plan = plan.map_err(|error| LoadError::Context(address, error))?;
                plans.insert(edited.version, plan);
            }
        }
        Ok(plans)
    }

    /// Before its first record.
    async fn view_of(
        &self,
        address: Address,
        first: &Record<RunFact>,
    ) -> Result<RunView, LoadError> {
        let Some(RunFact::Created(new)) = first.facts.first() else {
            return Err(LoadError::NoVersion(address));
        };
        let version = new.version.ok_or(LoadError::NoVersion(address))?;
        let plan = self.plan(address.project, version).await;
        let plan = plan.map_err(|error| LoadError::Context(address, error))?;
        let run = Arc::new((**new).clone());
        let pin = Pin {
            since: 0,
            run: Arc::clone(&run),
            plan: Arc::clone(&plan),
        };
        Ok(RunView {
            run,
            plan,
            pins: vec![pin],
            view: Arc::default(),
            sequence: 0,
        })
    }
}

/// The views that were looked at last.
#[derive(Debug)]
pub(crate) struct RunViews {
    views: Mutex<Lately<Address, RunView>>,
}

impl Default for RunViews {
    fn default() -> Self {
        let views = Lately::new(REMEMBERED_MAX, REMEMBERED_TASKS_MAX);
        Self {
            views: Mutex::new(views),
        }
    }
}

impl RunViews {
    fn lock(&self) -> MutexGuard<'_, Lately<Address, RunView>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, address: Address) -> Option<RunView> {
        self.lock().get(address).cloned()
    }

    /// Folds records into a view, and remembers it unless a later one is remembered.
    fn go_on(
        &self,
        address: Address,
        mut view: RunView,
        records: &[(u64, Record<RunFact>)],
        plans: &Plans,
    ) -> RunView {
        let mut views = self.lock();
        // Let go before the fold: it would be copied otherwise.
        let other = views.take(address);
        let other = other.filter(|other| other.sequence > view.sequence);
        view.fold(records, plans);
        let later = other.filter(|other| other.sequence > view.sequence);
        let later = later.unwrap_or_else(|| view.clone());
        views.put(address, later.plan.len(), later);
        view
    }
}
