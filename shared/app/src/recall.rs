//! What a queue in process forgets when its process dies, told again.
//!
//! A job is noted as over once its run was told, if its target does not remember it, and it leaves the index; and who
//! creates a run is answered once `Start` was sent, and who lists an ended run has told who waits for it. Where the
//! queue is durable, these arrive. Where it dies with its process, they may be lost, and nobody would ever send them
//! again.

use futures_util::future::join_all;
use porpoise_engine::Input;
use porpoise_engine::input::{Report, ReportKind, RunInput};
use porpoise_engine::mutant::{self, Mutant};
use porpoise_engine::run::{Run, State};
use porpoise_model::{Address, AggregateKind, RunId, RunState};
use porpoise_ports::Unavailable;
use porpoise_ports::queue::Message;

use crate::app::App;
use crate::job_item::{JobId, JobItem, Status};
use crate::store::StoreError;
use crate::submit::{list, told};

/// Items that are read at the same time.
const AT_ONCE: usize = 64;

/// Runs could not be told again what had become of their jobs.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    /// The open index.
    #[error("cannot read the open index")]
    Store(#[from] StoreError),
    /// The queue.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl App {
    /// Starts open runs that have not begun, and tells the others how those of their jobs ended of which they have not
    /// heard; gives how many messages it took. For hosts whose queue dies with them, when they start. What a run hears
    /// twice is harmless.
    ///
    /// Costs a query for each of the 16 shards, the loading of each open run, a read of the item of each of their
    /// attempts in flight, a list call for each hundred of those in a run whose targets remember them, and a message for
    /// each run of which there is news.
    ///
    /// # Errors
    /// The open index or the queue is unavailable. A run that cannot be read, and jobs that cannot be read or asked for,
    /// are left out, with a warning.
    pub async fn recall(&self, place: &str) -> Result<usize, RecallError> {
        let mut sent = 0;
        if mutant::on(Mutant::NothingRecalled) {
            return Ok(sent);
        }
        for address in self.open_aggregates(None).await? {
            if address.kind != AggregateKind::Run {
                continue;
            }
            let messages = match self.look::<Run>(address).await {
                Ok(loaded) => self.forgotten(place, address, &loaded.state).await,
                Err(error) => {
                    tracing::warn!(%address, %error, "open run not read");
                    continue;
                }
            };
            sent += messages.len();
            if !messages.is_empty() {
                self.ports.queue.send(messages).await?;
            }
        }
        Ok(sent)
    }

    /// What a run in this state may not have heard.
    async fn forgotten(&self, place: &str, address: Address, state: &State) -> Vec<Message> {
        if state.run_state() == RunState::Queued {
            return vec![self.message(address, &Input::Run(RunInput::Start))];
        }
        let stirred = state.awaiting.values().map(|waits| {
            let stirred = RunInput::Stirred(waits.look.wait);
            self.message(address, &Input::Run(stirred))
        });
        let mut messages: Vec<Message> = stirred.collect();
        let active = |task: &u32| state.tasks.phase(*task).is_active();
        let job = |task| JobId {
            run: RunId::from_bytes(address.id),
            attempt: state.current(task),
            project: address.project,
        };
        let ids: Vec<JobId> = state.tasks.indices().filter(active).map(job).collect();
        let mut items = Vec::new();
        for ids in ids.chunks(AT_ONCE) {
            let read = join_all(ids.iter().map(|id| self.in_flight(place, *id))).await;
            items.extend(read.into_iter().flatten());
        }
        messages.extend(self.messages(self.ends(items).await));
        messages
    }

    async fn in_flight(&self, place: &str, id: JobId) -> Option<JobItem> {
        match self.job(place, &id).await {
            Ok(item) => item,
            Err(error) => {
                tracing::warn!(run_id = %id.run, %error, "job in flight not read");
                None
            }
        }
    }

    /// How those of them ended that have, as their items or their targets say. The poll loop speaks of the others, and
    /// of tombstones who asks for them.
    async fn ends(&self, items: Vec<JobItem>) -> Vec<(JobId, Report)> {
        let (mut ends, mut open) = (Vec::new(), Vec::new());
        for item in items {
            match &item.status {
                Status::Finished(what) => ends.push((item.id, what.clone())),
                Status::Recorded(_) | Status::Submitted { .. } => open.push(item),
                Status::Tombstone => {}
            }
        }
        open.retain(|item| self.executors.remember(&item.kind));
        for (executor, items) in self.executors.by_executor(open, |item| &item.kind) {
            match list(&**executor, items.iter().map(JobItem::job_ref)).await {
                Ok(known) => ends.extend(items.iter().filter_map(|item| {
                    let told = known.get(&item.id.key()).map(|report| told(report, true));
                    Some((item.id, told?.report.filter(ReportKind::is_end)?))
                })),
                Err(error) => {
                    let jobs = items.len();
                    tracing::warn!(jobs, %error, "jobs in flight not asked for: targets are");
                }
            }
        }
        let ends = ends.into_iter().map(|(id, what)| {
            let attempt = id.attempt;
            (id, Report { attempt, what })
        });
        ends.collect()
    }
}
