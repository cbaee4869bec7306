//! The dispatcher of a place: records intents, submits what the targets take, reports home.
//!
//! The path of an intent is one durable put (its item), then the target, then the index entry of the batch, which says
//! what the target took each job as.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::future::{join, join_all};
use porpoise_engine::effect::{CancelIntent, Intent};
use porpoise_engine::input::ReportKind;
use porpoise_engine::mutant::{self, Mutant};
use porpoise_model::ProjectId;
use porpoise_ports::executor::Rate;
use porpoise_ports::table::{Condition, Query};

use crate::app::{App, HOME, Pace};
use crate::budget::Standing;
use crate::executors::executor_of;
use crate::job_index::{Listed, index_jobs, index_partition};
use crate::job_item::{JobEvent, JobId, JobItem, Status};
use crate::send::Order;
use crate::submit::{Change, Changes, JobsError, TRIES_MAX};

/// Items that are written at the same time.
const RECORDED_AT_ONCE: usize = 1_000;

/// What a batch of intents left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatched {
    /// Jobs of the place are open: the poll loop has to run.
    pub open: bool,
}

/// What a cancel came to.
#[derive(Default)]
struct Canceled {
    /// The poll loop has to look after the job until it has stopped.
    open: bool,
    /// The entries of the index in which the job was put for that, if it stood in none that is known here.
    entries: Vec<String>,
    /// What is known of it by now.
    change: Option<(JobId, Change)>,
}

impl Canceled {
    fn said(id: JobId, change: Change) -> Self {
        Self {
            change: Some((id, change)),
            ..Self::default()
        }
    }
}

impl App {
    /// Carries out a batch of intents of a place. A batch may come twice, late, or after a later one.
    ///
    /// Costs a put for each dispatch and, beside the calls of the targets, a read of each job that was taken; for all
    /// together a put of the index, a read of the poll loop where it is outside, and one message for each run.
    ///
    /// # Errors
    /// What could not be recorded is not reported: it is to be delivered again, and comes again anyway.
    pub async fn on_intents(
        &self,
        place: &str,
        intents: Vec<Bytes>,
    ) -> Result<Dispatched, JobsError> {
        let (mut dispatches, mut cancels) = (Vec::new(), Vec::new());
        for bytes in intents {
            match minicbor::decode::<Order>(&bytes) {
                Ok(Order::Dispatch(intent)) => dispatches.push(intent),
                Ok(Order::Cancel(cancel)) => cancels.push(cancel),
                Err(error) => self.keep_unreadable(place, bytes, &error).await?,
            }
        }
        let mut changes = Changes::default();
        let mut result = Ok(());
        let mut entries = Vec::new();
        let mut recorded = BTreeSet::new();
        if !dispatches.is_empty() {
            let mut looks = self.looks(&dispatches);
            while !dispatches.is_empty() {
                let count = dispatches.len().min(RECORDED_AT_ONCE);
                let batch = dispatches.drain(..count).collect();
                let batch = self.record(place, batch, &mut recorded, &mut changes);
                let looks = std::mem::take(&mut looks).into_values();
                let looks = looks.map(|(rate, wanted)| async move {
                    self.look_at_budget(place, &rate, wanted).await;
                });
                let (batch, _) = join(batch, join_all(looks)).await;
                result = result.and(batch);
            }
            let submitted = self.submit_waiting(place, self.standing(), &mut changes);
            result = result.and(submitted.await);
            // What a call that was cut off had recorded was in line, too.
            recorded.extend(changes.by_job.keys());
            let listed = self.list_and_wake(place, &recorded, &mut entries, &mut changes);
            if let Err(error) = listed.await {
                // Nothing is said of them: they are dispatched again.
                changes.by_job.retain(|id, _| !recorded.contains(id));
                result = result.and(Err(error));
            }
        }
        let mut stopping = false;
        for canceled in join_all(cancels.into_iter().map(|c| self.cancel(place, c))).await {
            match canceled {
                Ok(Canceled {
                    open,
                    entries: listed,
                    change,
                }) => {
                    stopping |= open;
                    entries.extend(listed);
                    if let Some((id, change)) = change {
                        changes.add(id, change);
                    }
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        if stopping {
            self.wake_loop(place).await?;
        }
        let home = self.carry_home(place, changes).await;
        let open = self.views.with(place, |view| {
            let open = !view.is_empty();
            if self.pace == Pace::Billed {
                // The poll loop looks after them, elsewhere.
                for sort in &entries {
                    view.leave(sort);
                }
                for id in &recorded {
                    view.leave_unlisted(id);
                }
            }
            open
        });
        result.and(home).map(|()| Dispatched { open })
    }

    /// The budgets of which these will take something, and how many calls.
    fn looks(&self, intents: &[Intent]) -> BTreeMap<String, (Rate, u32)> {
        let mut looks = BTreeMap::new();
        for Intent { job, .. } in intents {
            let executor = self.executors.of(&executor_of(job));
            if let Some(rate) = executor.and_then(|one| one.rate(job.target.as_ref())) {
                let look = looks.entry(rate.name.clone()).or_insert((rate, 0));
                look.1 += 1;
            }
        }
        looks
    }

    /// A dispatcher whose poll loop is elsewhere knows none of those who wait there.
    const fn standing(&self) -> Standing {
        match self.pace {
            Pace::Local => Standing::InLine,
            Pace::Billed => Standing::Newcomer,
        }
    }

    async fn keep_unreadable(
        &self,
        place: &str,
        bytes: Bytes,
        error: &minicbor::decode::Error,
    ) -> Result<(), JobsError> {
        let nobody = ProjectId::from_bytes([0; 16]);
        let blob = self.ports.blobs.put(HOME, nobody, bytes).await?;
        tracing::error!(place, %blob, %error, "intent cannot be read");
        Ok(())
    }

    /// Stops a job, or sees to it that it is never started.
    async fn cancel(&self, place: &str, cancel: CancelIntent) -> Result<Canceled, JobsError> {
        let store = |error| JobsError::Store(place.to_owned(), error);
        let id = JobId::of_cancel(&cancel);
        let canceled = ReportKind::Canceled { ended: self.now() };
        for _ in 0..TRIES_MAX {
            let Some((item, revision)) = self.read_job(place, &id).await? else {
                if mutant::on(Mutant::CancelBeforeDispatchIgnored) {
                    return Ok(Canceled::said(id, Change::say(canceled)));
                }
                let tombstone = JobItem::tombstone(id).to_item(place, 1);
                if self
                    .store
                    .put(tombstone, Condition::Absent)
                    .await
                    .map_err(store)?
                {
                    return Ok(Canceled::said(id, Change::say(canceled)));
                }
                continue;
            };
            let said = match &item.status {
                Status::Finished(end) => Some(end.clone()),
                Status::Tombstone => Some(canceled.clone()),
                Status::Recorded(_) | Status::Submitted { .. } => None,
            };
            if let Some(end) = said {
                return Ok(Canceled::said(id, Change::say(end)));
            }
            let (item, revision) = match item.apply(&JobEvent::Cancel) {
                Some(marked) => {
                    let stored = marked.to_item(place, revision + 1);
                    let condition = Condition::Revision(revision);
                    if !self.store.put(stored, condition).await.map_err(store)? {
                        continue;
                    }
                    (marked, revision + 1)
                }
                None => (item, revision),
            };
            let item = match self.taken(place, &item).await? {
                Some(taken) => item.taken_as(&taken),
                None => item,
            };
            // Whoever dispatched it may have died before it was listed; whoever looks after it is to read its item.
            let listed = self.views.with(place, |view| view.is_listed(&id));
            let entries = if listed {
                Vec::new()
            } else {
                self.list_open(place, vec![Listed::untaken(id)]).await?
            };
            self.views
                .with(place, |view| view.see(item.clone(), revision));
            let change = self.stop(place, &item).await?;
            return Ok(Canceled {
                open: true,
                entries,
                change,
            });
        }
        Err(JobsError::Contended(id.run))
    }

    /// What the index says of a job whose item does not say that it was taken. Costs a query then.
    async fn taken(&self, place: &str, item: &JobItem) -> Result<Option<JobItem>, JobsError> {
        if !item.is_recorded() {
            return Ok(None);
        }
        let query = Query::prefix(index_partition(place), "");
        let entries = self.store.all(query).await;
        let entries = entries.map_err(|error| JobsError::Store(place.to_owned(), error))?;
        let listed = entries
            .iter()
            .filter_map(|entry| index_jobs(&entry.body).ok());
        let mut taken = listed.flatten().filter(|listed| listed.id == item.id);
        Ok(taken.find_map(|listed| Some(listed.taken?.into_item(listed.id))))
    }

    /// Tells the target to stop a job, and asks whether it has.
    async fn stop(
        &self,
        place: &str,
        item: &JobItem,
    ) -> Result<Option<(JobId, Change)>, JobsError> {
        let canceled = ReportKind::Canceled { ended: self.now() };
        let Some(executor) = self.executors.of(&item.kind) else {
            return Ok(Some((item.id, Change::ended(canceled))));
        };
        executor.cancel(&item.job_ref()).await?;
        let mut changes = Changes::default();
        let known = self.views.with(place, |view| view.job(&item.id).cloned());
        let known: Vec<_> = known.into_iter().collect();
        self.ask(&**executor, &known, &mut changes).await?;
        Ok(changes.take(&item.id).map(|change| (item.id, change)))
    }
}
