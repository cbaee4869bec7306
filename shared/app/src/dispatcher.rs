//! The dispatcher of a place: records intents, submits what the targets take, reports home.
//!
//! The path of an intent is one durable put (its item, and beside it the index entry of the batch), then the target.

use bytes::Bytes;
use futures_util::future::{join, join_all};
use porpoise_engine::effect::{CancelIntent, Intent};
use porpoise_engine::input::ReportKind;
use porpoise_engine::mutant::{self, Mutant};
use porpoise_model::job::Work;
use porpoise_model::{AttemptKey, Place, ProjectId};
use porpoise_ports::table::Condition;

use crate::app::{App, HOME, Pace};
use crate::budget::Standing;
use crate::executors::executor_of;
use crate::job_item::{JobEvent, JobId, JobItem, Status};
use crate::send::Order;
use crate::submit::{Change, Changes, JobsError, TRIES_MAX, no_executor, rejected};

/// Intents that share an entry of the index: about 41 bytes each, of an item's 400 KB.
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
    /// The entry of the index in which the job was put for that, if it stood in none that is known here.
    entry: Option<String>,
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

/// What recording an intent came to.
enum Recording {
    /// This call wrote the item.
    Fresh(JobItem),
    /// It stood there.
    Found(JobItem, u64),
}

impl App {
    /// Carries out a batch of intents of a place. A batch may come twice, late, or after a later one.
    ///
    /// Costs one put for each thousand dispatches and one for each of them; then, beside the calls of the targets, a read
    /// of the poll loop where it is outside, one message for each run, and one more put for each job that was submitted.
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
        if !dispatches.is_empty() {
            while !dispatches.is_empty() {
                let count = dispatches.len().min(RECORDED_AT_ONCE);
                let batch = dispatches.drain(..count).collect();
                let recorded = self.record(place, batch, &mut entries, &mut changes).await;
                result = result.and(recorded);
            }
            let woken = self.wake_loop(place);
            let submitted = self.submit_waiting(place, self.standing(), &mut changes);
            let (woken, submitted) = join(woken, submitted).await;
            // Before anything is said of them: what is not acknowledged is dispatched again.
            woken?;
            result = result.and(submitted);
        }
        let mut stopping = false;
        for canceled in join_all(cancels.into_iter().map(|c| self.cancel(place, c))).await {
            match canceled {
                Ok(Canceled {
                    open,
                    entry,
                    change,
                }) => {
                    stopping |= open;
                    entries.extend(entry);
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
            }
            open
        });
        result.and(home).map(|()| Dispatched { open })
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

    /// Items and index entry at the same time; nothing is submitted or reported before all of them are durable.
    async fn record(
        &self,
        place: &str,
        intents: Vec<Intent>,
        entries: &mut Vec<String>,
        changes: &mut Changes<'_>,
    ) -> Result<(), JobsError> {
        let ids: Vec<JobId> = intents.iter().map(JobId::of_intent).collect();
        let mut again = Vec::new();
        if mutant::on(Mutant::SubmitTwice) {
            again.clone_from(&intents);
        }
        let items = join_all(
            intents
                .into_iter()
                .map(|intent| self.record_one(place, intent)),
        );
        let (items, listed) = join(items, self.list_open(place, &ids)).await;
        entries.push(listed?);
        let mut result = Ok(());
        for recording in items {
            match recording {
                Ok(recording) => {
                    if let Recording::Fresh(item) = &recording {
                        again.retain(|intent| JobId::of_intent(intent) != item.id);
                    }
                    self.take_note(place, recording, changes);
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        self.submit_twice(again).await;
        result
    }

    async fn record_one(&self, place: &str, intent: Intent) -> Result<Recording, JobsError> {
        let id = JobId::of_intent(&intent);
        let kind = executor_of(&intent.job);
        let mut item = JobItem::recorded(intent);
        let refused = match outside(place, &item) {
            Some(message) => Some(rejected(message, self.now())),
            None if self.executors.of(&kind).is_none() => Some(no_executor(&kind, self.now())),
            None => None,
        };
        if let Some(end) = refused {
            item = item.apply(&JobEvent::Ended(end)).unwrap_or(item);
        }
        let put = self
            .store
            .put(item.to_item(place, 1), Condition::Absent)
            .await;
        if put.map_err(|error| JobsError::Store(place.to_owned(), error))? {
            return Ok(Recording::Fresh(item));
        }
        match self.read_job(place, &id).await? {
            Some((item, revision)) => Ok(Recording::Found(item, revision)),
            None => Ok(Recording::Fresh(item)),
        }
    }

    fn take_note(&self, place: &str, recording: Recording, changes: &mut Changes<'_>) {
        let (item, revision) = match recording {
            Recording::Fresh(item) => (item, 1),
            Recording::Found(item, revision) => (item, revision),
        };
        let report = match &item.status {
            Status::Recorded(_) => ReportKind::Waiting {
                why: "budget".to_owned(),
            },
            Status::Submitted { .. } => ReportKind::Accepted,
            Status::Finished(end) => end.clone(),
            Status::Tombstone => ReportKind::Canceled { ended: self.now() },
        };
        let id = item.id;
        changes.add(id, Change::say(report));
        self.views.with(place, |view| {
            view.see_or_drop(item, revision);
            // Whoever asks again did not hear the first answer.
            view.unsay(&id);
        });
    }

    /// A bug on purpose: what stands in the table is submitted again, under a key that the target does not know.
    async fn submit_twice(&self, intents: Vec<Intent>) {
        for mut intent in intents {
            let kind = executor_of(&intent.job);
            let fresh = self.ports.ids.fresh().to_be_bytes();
            let mut key = [0; 20];
            key.iter_mut().zip(fresh).for_each(|(to, from)| *to = from);
            intent.job.key = AttemptKey::from_bytes(key);
            if let Some(executor) = self.executors.of(&kind) {
                drop(executor.submit(&intent.job).await);
            }
        }
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
            // Whoever dispatched it may have died before it was listed.
            let listed = self.views.with(place, |view| view.is_listed(&id));
            let entry = if listed {
                None
            } else {
                Some(self.list_open(place, &[id]).await?)
            };
            self.views
                .with(place, |view| view.see(item.clone(), revision));
            let change = self.stop(place, &item).await?;
            return Ok(Canceled {
                open: true,
                entry,
                change,
            });
        }
        Err(JobsError::Contended(id.run))
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

/// Why a job may not be submitted here: its run's data may be in some places only. It was checked when the run was
/// placed, and is once more by whoever would do it.
fn outside(place: &str, item: &JobItem) -> Option<String> {
    let Status::Recorded(intent) = &item.status else {
        return None;
    };
    let residency = &intent.job.residency;
    if residency.is_empty() || matches!(intent.job.work, Work::Noop | Work::Sleep { .. }) {
        return None;
    }
    let here = place.parse::<Place>().ok();
    let target = intent
        .job
        .target
        .as_ref()
        .map(|target| target.place.clone());
    let known = here.iter().chain(&target);
    let allowed = here.is_some() && known.clone().all(|place| residency.contains(place));
    (!allowed).then(|| {
        let target = target
            .as_ref()
            .map_or(place.to_owned(), ToString::to_string);
        format!("the data of the run may not be at `{target}`, served by `{place}`")
    })
}
