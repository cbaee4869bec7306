//! The sweep: reads the open index, and only it, and calls the same step for each aggregate that is open.

use bytes::Bytes;
use futures_util::future::join_all;
use porpoise_engine::backfill::Backfill;
use porpoise_engine::effect::NewRun;
use porpoise_engine::gate::Gate;
use porpoise_engine::pool::Pool;
use porpoise_engine::run::Run;
use porpoise_engine::schedule::Schedule;
use porpoise_model::{Address, AggregateKind, ProjectId, RunId};
use porpoise_ports::table::Consistency;

use crate::app::App;
use crate::index::{Entry, SHARDS};
use crate::step::{StepError, StepReport};
use crate::store::StoreError;
use crate::way::is_lately;

/// Aggregates that are stepped at the same time.
const AT_ONCE: usize = 32;

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries of the open index.
    pub open: usize,
    /// Aggregates that could not be stepped: the next sweep tries again.
    pub failed: Vec<Address>,
}

/// The open index could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the open index")]
pub struct SweepError(#[from] StoreError);

impl App {
    /// Steps every open aggregate once: at start-up, and from time to time. A run whose creation was cut off is
    /// created.
    ///
    /// Costs a query for each of the 16 shards, and what the steps cost; where resends are left to it, a step that finds
    /// nothing to do costs half a query on a warm copy, and a read of the last record more on a cold one. The queries may miss what was opened just now, which is on its way and in the next sweep,
    /// and tell of what was closed just now, whose step finds that.
    pub async fn sweep(&self) -> Result<Swept, SweepError> {
        let mut swept = Swept::default();
        for shard in 0..SHARDS {
            let entries = self.index.shard(shard, Consistency::Eventual).await?;
            swept.open += entries.len();
            for entries in entries.chunks(AT_ONCE) {
                let steps = entries.iter().map(|entry| self.sweep_one(entry));
                swept
                    .failed
                    .extend(join_all(steps).await.into_iter().flatten());
            }
        }
        Ok(swept)
    }

    /// Whether an aggregate that this process does not know had a step so lately that what it sent may still be under
    /// way. Where the queue can be relied on, the next sweep is soon enough. Costs a read of one record; one that cannot
    /// be read is for the step to say. Of an aggregate that it knows, the step reads what came since.
    async fn is_under_way(&self, address: Address) -> bool {
        if !self.swept || self.warm.has(address) {
            return false;
        }
        let written = self.last_written(address).await;
        written.is_some_and(|at| is_lately(at, self.now()))
    }

    async fn look_after(&self, address: Address) -> Result<StepReport, StepError> {
        if !self.swept {
            return self.wake(address).await;
        }
        match address.kind {
            AggregateKind::Run => self.step_swept::<Run>(address).await,
            AggregateKind::Pool => self.step_swept::<Pool>(address).await,
            AggregateKind::Gate => self.step_swept::<Gate>(address).await,
            AggregateKind::Schedule => self.step_swept::<Schedule>(address).await,
            AggregateKind::Backfill => self.step_swept::<Backfill>(address).await,
        }
    }

    /// The address, if it could not be stepped.
    async fn sweep_one(&self, entry: &Entry) -> Option<Address> {
        let address = entry.address;
        if self.is_under_way(address).await {
            return None;
        }
        let swept = match self.look_after(address).await {
            Ok(report) if report.sequence == 0 => self.finish_creation(address, &entry.body).await,
            // An entry that a repeated creation made of a closed aggregate goes as well.
            Ok(report) if !report.open => self
                .index
                .close(address, report.sequence)
                .await
                .map_err(|error| error.to_string()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        match swept {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(%address, error, "open aggregate not stepped");
                Some(address)
            }
        }
    }

    async fn finish_creation(&self, address: Address, body: &Bytes) -> Result<(), String> {
        if address.kind != AggregateKind::Run || body.is_empty() {
            return Ok(());
        }
        let new: NewRun = minicbor::decode(body).map_err(|error| error.to_string())?;
        match self.create_run(new).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The open aggregates, of one project or of all. Costs a query for each of the 16 shards.
    pub async fn open_aggregates(
        &self,
        project: Option<ProjectId>,
    ) -> Result<Vec<Address>, StoreError> {
        let shards = (0..SHARDS).map(|shard| self.index.shard(shard, Consistency::Strong));
        let shards = join_all(shards).await;
        let mut open = Vec::new();
        for entries in shards {
            let wanted = |entry: Entry| {
                let address = entry.address;
                project
                    .is_none_or(|p| p == address.project)
                    .then_some(address)
            };
            open.extend(entries?.into_iter().filter_map(wanted));
        }
        Ok(open)
    }

    /// The open runs of a project. Costs a query for each of the 16 shards.
    pub async fn open_runs(&self, project: ProjectId) -> Result<Vec<RunId>, StoreError> {
        let open = self.open_aggregates(Some(project)).await?;
        let runs = open.into_iter().filter(|a| a.kind == AggregateKind::Run);
        Ok(runs.map(|address| RunId::from_bytes(address.id)).collect())
    }
}
