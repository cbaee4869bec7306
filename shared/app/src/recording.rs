//! What a dispatcher writes of its intents: an item before the job is submitted, an entry of the index after.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use porpoise_engine::effect::Intent;
use porpoise_engine::input::ReportKind;
use porpoise_engine::mutant::{self, Mutant};
use porpoise_model::job::Work;
use porpoise_model::{AttemptKey, Place};
use porpoise_ports::table::Condition;

use crate::app::App;
use crate::executors::executor_of;
use crate::job_index::Listed;
use crate::job_item::{JobEvent, JobId, JobItem, Status};
use crate::job_view::Known;
use crate::submit::{Change, Changes, JobsError, TRIES_MAX, list, no_executor, rejected, told};

/// What recording an intent came to.
enum Recording {
    /// This call wrote the item.
    Fresh(JobItem),
    /// It stood there.
    Found(JobItem, u64),
}

impl App {
    /// Items first; nothing is submitted or reported before all of them are durable. Adds to `open` whose jobs are not
    /// over.
    pub(crate) async fn record(
        &self,
        place: &str,
        intents: Vec<Intent>,
        open: &mut BTreeSet<JobId>,
        changes: &mut Changes<'_>,
    ) -> Result<(), JobsError> {
        let mut again = Vec::new();
        if mutant::on(Mutant::SubmitTwice) {
            again.clone_from(&intents);
        }
        let (records, result) = self.record_all(place, intents).await;
        let mut found = Vec::new();
        for recording in records {
            match recording {
                Recording::Fresh(item) => {
                    again.retain(|intent| JobId::of_intent(intent) != item.id);
                    open.extend(item.is_open().then_some(item.id));
                    self.take_note(place, item, 1, changes);
                }
                Recording::Found(item, revision)
                    if item.is_recorded() && self.executors.remember(&item.kind) =>
                {
                    found.push((item, revision));
                }
                Recording::Found(item, revision) => {
                    open.extend(item.is_open().then_some(item.id));
                    self.take_note(place, item, revision, changes);
                }
            }
        }
        let found = self.find(place, found, open, changes).await;
        self.submit_twice(again).await;
        result.and(found)
    }

    /// Records intents, those again that failed while others went through: else a large batch would hardly ever go
    /// through as a whole.
    async fn record_all(
        &self,
        place: &str,
        mut intents: Vec<Intent>,
    ) -> (Vec<Recording>, Result<(), JobsError>) {
        let mut records = Vec::with_capacity(intents.len());
        let mut result = Ok(());
        for _ in 0..TRIES_MAX {
            let asked = intents.len();
            let recorded = intents.iter().map(|intent| self.record_one(place, intent));
            let recorded = join_all(recorded).await;
            let mut failed = Vec::new();
            result = Ok(());
            for (intent, recording) in intents.into_iter().zip(recorded) {
                match recording {
                    Ok(recording) => records.push(recording),
                    Err(error) => {
                        result = Err(error);
                        failed.push(intent);
                    }
                }
            }
            let outage = failed.len() == asked;
            intents = failed;
            if intents.is_empty() || outage {
                break;
            }
        }
        (records, result)
    }

    /// Items that somebody else wrote before, and that do not say whether their jobs were submitted: a target that
    /// remembers is asked first. However late a dispatch comes again, no job is started twice by one that has forgotten
    /// its token.
    async fn find(
        &self,
        place: &str,
        found: Vec<(JobItem, u64)>,
        open: &mut BTreeSet<JobId>,
        changes: &mut Changes<'_>,
    ) -> Result<(), JobsError> {
        let mut result = Ok(());
        for (executor, found) in self.executors.by_executor(found, |(item, _)| &item.kind) {
            let known = match list(&**executor, found.iter().map(|(item, _)| item.job_ref())).await
            {
                Ok(known) => known,
                Err(error) => {
                    result = result.and(Err(error.into()));
                    continue;
                }
            };
            for (item, revision) in found {
                let id = item.id;
                open.insert(id);
                self.take_note(place, item.clone(), revision, changes);
                let Some(report) = known.get(&id.key()) else {
                    continue;
                };
                changes.add(id, told(report, true));
                let taken = JobEvent::Submitted {
                    external_id: report.external_id.clone(),
                };
                let taken = item.apply(&taken).map(|item| Listed::of(&item, revision));
                if let Some(taken) = taken.and_then(|listed| listed.taken) {
                    self.views.with(place, |view| view.see_taken(id, taken));
                }
            }
        }
        result
    }

    /// Has the poll loop look after what was recorded and is not over.
    pub(crate) async fn list_and_wake(
        &self,
        place: &str,
        recorded: &BTreeSet<JobId>,
        entries: &mut Vec<String>,
        changes: &mut Changes<'_>,
    ) -> Result<(), JobsError> {
        let listed = self.list_recorded(place, recorded, changes).await?;
        if listed.is_empty() {
            return Ok(());
        }
        let watched = self.have_watched(place, &listed).await;
        entries.extend(listed);
        watched
    }

    /// A dispatcher of this process may have been cut off between an item and its entry: what is said of such a job
    /// begins with an entry. Costs nothing if there is none.
    pub(crate) async fn list_unlisted(
        &self,
        place: &str,
        changes: &mut Changes<'_>,
    ) -> Result<(), JobsError> {
        let unlisted: BTreeSet<JobId> = self.views.with(place, |view| {
            let unlisted = |id: &&JobId| view.job(id).is_some() && !view.is_listed(id);
            changes.by_job.keys().filter(unlisted).copied().collect()
        });
        if unlisted.is_empty() {
            return Ok(());
        }
        let listed = self.list_recorded(place, &unlisted, changes).await;
        if listed.is_err() {
            // Not even that they are over: who would look after their bills?
            changes.by_job.retain(|id, _| !unlisted.contains(id));
        }
        listed.map(drop)
    }

    /// Lists what was recorded and is not over: what was taken as what, and what waits. Who finds an item that was
    /// changed while its job was submitted says in the item that it was taken, and stops the job if it has to be. Where
    /// the target forgets, an item says how its job ended, and has to be read: it also says that it was taken.
    ///
    /// A cancel marks the item and reads the index; this writes the index and reads the item. One of them sees the other.
    async fn list_recorded(
        &self,
        place: &str,
        recorded: &BTreeSet<JobId>,
        changes: &mut Changes<'_>,
    ) -> Result<Vec<String>, JobsError> {
        let listed: Vec<Listed> = self.views.with(place, |view| {
            let listed = recorded.iter().filter_map(|id| {
                let change = changes.by_job.get(id);
                let known = view.job(id)?;
                if change.is_some_and(|change| change.ends() && !self.owes(change, known)) {
                    return None;
                }
                if !self.executors.remember(&known.item.kind) {
                    return Some(Listed::untaken(*id));
                }
                let taken = change.and_then(|change| change.taken_by(&known.item));
                let item = taken.as_ref().unwrap_or(&known.item);
                Some(Listed::of(item, known.revision))
            });
            listed.collect()
        });
        if listed.is_empty() {
            return Ok(Vec::new());
        }
        let reads = listed.iter().filter_map(|listed| {
            let revision = listed.taken.as_ref()?.revision;
            Some((listed.id, revision))
        });
        let reads: Vec<(JobId, u64)> = reads.collect();
        let entries = self.list_open(place, listed).await?;
        let items = reads.iter().map(|(id, _)| self.read_job(place, id));
        for ((id, revision), read) in reads.iter().zip(join_all(items).await) {
            let unchanged = matches!(&read, Ok(Some((_, now))) if now == revision);
            if unchanged && let Some(change) = changes.by_job.get_mut(id) {
                change
                    .events
                    .retain(|event| !matches!(event, JobEvent::Submitted { .. }));
            }
        }
        Ok(entries)
    }

    async fn record_one(&self, place: &str, intent: &Intent) -> Result<Recording, JobsError> {
        let id = JobId::of_intent(intent);
        let kind = executor_of(&intent.job);
        let mut item = JobItem::recorded(intent.clone());
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

    fn take_note(&self, place: &str, item: JobItem, revision: u64, changes: &mut Changes<'_>) {
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

    /// Whether the bill of a job that is over is still to come.
    fn owes(&self, change: &Change, job: &Known) -> bool {
        change.remembered && self.executors.billed_after(&job.item.kind).is_some()
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
