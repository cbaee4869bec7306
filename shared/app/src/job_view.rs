//! What this process remembers of the open jobs of a place: a hint that is rebuilt from the jobs table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use porpoise_engine::effect::Intent;
use porpoise_engine::input::ReportKind;
use porpoise_model::{AttemptKey, RunId};
use porpoise_ports::executor::{JobRef, JobReport, JobState, JobUsage};

use crate::job_index::{Listed, Taken};
use crate::job_item::{JobId, JobItem, Line, Status};
use crate::rest::Rests;

/// The order in which jobs of one line are submitted: rank of the run, of the task, then first come, first served.
type Turn = ((u8, u8), Timestamp, JobId);

/// An open job.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) item: JobItem,
    pub(crate) revision: u64,
    /// The last thing that was reported of it while it was open.
    said: Option<ReportKind>,
    /// What is to be reported of it when there is other news.
    heard: Option<ReportKind>,
    /// Somebody asks again, or what was said may not have arrived.
    asked: bool,
}

impl Known {
    /// All that is known of it.
    pub(crate) fn job_ref(&self) -> JobRef {
        self.item.job_ref()
    }

    pub(crate) const fn is_submitted(&self) -> bool {
        match self.item.status {
            Status::Submitted { .. } => true,
            Status::Recorded(_) | Status::Finished(_) | Status::Tombstone => false,
        }
    }

    /// Whether its target may know something new of it.
    pub(crate) const fn is_to_ask(&self) -> bool {
        self.is_submitted() || self.item.cancel
    }
}

/// A job that is over, whose bill is still to come.
#[derive(Debug, Clone)]
pub(crate) struct Owed {
    pub(crate) id: JobId,
    /// By which its executor is found.
    pub(crate) kind: String,
    pub(crate) job: JobRef,
    /// Its run was told that it is over.
    pub(crate) since: Timestamp,
}

/// An entry of the index.
#[derive(Debug, Default)]
struct Entry {
    revision: u64,
    /// Those of its jobs that are not known to be over.
    jobs: BTreeSet<JobId>,
    /// The others: the entry may still name them when it is read again.
    over: BTreeSet<JobId>,
}

/// The open jobs of a place.
#[derive(Debug, Default)]
pub(crate) struct View {
    jobs: BTreeMap<JobId, Known>,
    by_key: BTreeMap<AttemptKey, JobId>,
    /// Jobs that are over, and whose targets have not said yet what they were billed.
    owed: BTreeMap<JobId, Owed>,
    /// Those of them whose targets have said so, and since when it is known: it is still to be carried home.
    billed: BTreeMap<JobId, (JobUsage, Timestamp)>,
    /// Recorded jobs that nobody submits right now.
    waiting: BTreeMap<Line, BTreeSet<Turn>>,
    /// Entries of the index.
    entries: BTreeMap<String, Entry>,
    /// Those of them that have no such jobs.
    spent: BTreeSet<String>,
    /// In which entries a job stands.
    listed: BTreeMap<JobId, BTreeSet<String>>,
    /// Jobs that are known, and that somebody listed again without saying more: their items say why.
    again: BTreeSet<JobId>,
    /// Lines whose targets were called too often.
    pub(crate) rests: Rests,
}

impl View {
    pub(crate) fn job(&self, id: &JobId) -> Option<&Known> {
        self.jobs.get(id)
    }

    pub(crate) fn by_key(&self, key: &AttemptKey) -> Option<&Known> {
        self.by_key.get(key).and_then(|id| self.jobs.get(id))
    }

    /// The job that its target calls this. Targets of two kinds may have one name for two jobs.
    pub(crate) fn by_external(&self, external_id: &str) -> Vec<AttemptKey> {
        let named = |job: &&Known| match &job.item.status {
            Status::Submitted {
                external_id: known, ..
            } => known == external_id,
            Status::Recorded(_) | Status::Finished(_) | Status::Tombstone => false,
        };
        let jobs = self.jobs.values().filter(named);
        jobs.map(|job| job.item.id.key()).collect()
    }

    /// How a job ended that succeeded at this time, if it is known when it began, and nobody stops it.
    pub(crate) fn succeeded(
        &self,
        key: &AttemptKey,
        ended: Timestamp,
    ) -> Option<(Known, JobReport)> {
        let known = self.by_key(key).filter(|known| !known.item.cancel)?;
        let told = known.heard.as_ref().or(known.said.as_ref())?;
        let ReportKind::Started { at, external_id } = told else {
            return None;
        };
        let report = JobReport {
            key: *key,
            external_id: external_id.clone(),
            state: JobState::Succeeded {
                started: (*at).min(ended),
                ended,
                outputs: BTreeMap::new(),
            },
        };
        Some((known.clone(), report))
    }

    /// The jobs of which their targets may have news.
    pub(crate) fn to_ask(&self) -> Vec<Known> {
        let jobs = self.jobs.values();
        jobs.filter(|job| job.is_to_ask()).cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.entries.is_empty()
    }

    /// The entries of the index that are known.
    pub(crate) fn entries(&self) -> BTreeSet<String> {
        self.entries.keys().cloned().collect()
    }

    /// An entry is gone from the index: somebody saw all of its jobs end.
    pub(crate) fn drop_entry(&mut self, sort: &str) {
        self.spent.remove(sort);
        for id in self.entries.remove(sort).unwrap_or_default().jobs {
            let Some(listed) = self.listed.get_mut(&id) else {
                continue;
            };
            listed.remove(sort);
            if listed.is_empty() {
                self.over(&id);
            }
        }
    }

    /// Whether an entry is known as it is at this revision, or at a later one.
    pub(crate) fn has_entry(&self, sort: &str, revision: u64) -> bool {
        let known = self.entries.get(sort);
        known.is_some_and(|known| known.revision >= revision)
    }

    /// An entry has these jobs at this revision, and maybe more.
    pub(crate) fn add_entry(&mut self, sort: &str, revision: u64, jobs: Vec<Listed>) {
        let entry = self.entries.entry(sort.to_owned()).or_default();
        entry.revision = entry.revision.max(revision);
        let mut taken = Vec::new();
        for Listed { id, taken: how } in jobs {
            if entry.over.contains(&id) {
                continue;
            }
            let fresh = entry.jobs.insert(id);
            self.listed.entry(id).or_default().insert(sort.to_owned());
            match how {
                Some(how) => taken.push((id, how)),
                None if fresh && self.jobs.contains_key(&id) => {
                    self.again.insert(id);
                }
                None => {}
            }
        }
        if entry.jobs.is_empty() {
            self.spent.insert(sort.to_owned());
        } else {
            self.spent.remove(sort);
        }
        for (id, how) in taken {
            self.see_taken(id, how);
        }
    }

    /// The index, or its target, says how a job was taken.
    pub(crate) fn see_taken(&mut self, id: JobId, taken: Taken) {
        if self.owed.contains_key(&id) {
            return;
        }
        let (revision, item) = (taken.revision, taken.into_item(id));
        match self.jobs.get(&id) {
            None => self.see(item, revision),
            Some(known) if known.is_submitted() => {}
            Some(_) => {
                self.unwait(&id);
                if let Some(known) = self.jobs.get_mut(&id) {
                    known.item = known.item.taken_as(&item);
                }
            }
        }
    }

    /// What was recorded by a dispatcher and is listed nowhere is for those who will be told of it again.
    pub(crate) fn leave_unlisted(&mut self, id: &JobId) {
        if !self.is_listed(id) {
            self.over(id);
        }
    }

    /// Others look after the jobs of this entry: they are forgotten here.
    pub(crate) fn leave(&mut self, sort: &str) {
        self.drop_entry(sort);
    }

    /// Whether a job stands in an entry that is known.
    pub(crate) fn is_listed(&self, id: &JobId) -> bool {
        self.listed.contains_key(id)
    }

    /// Jobs of entries whose items have to be read: those of which nothing is known, and those that were listed again.
    pub(crate) fn unread(&self) -> Vec<JobId> {
        let again = self.again.iter();
        self.unseen().chain(again).copied().collect()
    }

    /// Jobs of entries of which nothing is known yet.
    fn unseen(&self) -> impl Iterator<Item = &JobId> {
        let listed = self.listed.keys();
        listed.filter(|id| !self.jobs.contains_key(id) && !self.owed.contains_key(id))
    }

    /// Entries all of whose jobs are over, at the revisions that are known.
    pub(crate) fn spent(&self) -> Vec<(String, u64)> {
        let spent = self.spent.iter();
        let known = |sort: &String| self.entries.get(sort).map_or(0, |entry| entry.revision);
        spent.map(|sort| (sort.clone(), known(sort))).collect()
    }

    pub(crate) fn forget_entry(&mut self, sort: &str) {
        self.entries.remove(sort);
        self.spent.remove(sort);
    }

    /// Takes note of an item, unless a newer one is known.
    pub(crate) fn see(&mut self, item: JobItem, revision: u64) {
        let id = item.id;
        let known = self.jobs.get(&id);
        if known.is_some_and(|known| known.revision >= revision) {
            return;
        }
        if !item.is_open() {
            self.over(&id);
            return;
        }
        let said = known.and_then(|known| known.said.clone());
        let heard = known.and_then(|known| known.heard.clone());
        let asked = known.is_some_and(|known| known.asked);
        let fresh = known.is_none();
        // An item need not say that its job was taken: the index does.
        let item = match known {
            Some(known) => item.taken_as(&known.item),
            None => item,
        };
        self.unwait(&id);
        self.owed.remove(&id);
        self.by_key.insert(id.key(), id);
        let known = Known {
            item,
            revision,
            said,
            heard,
            asked,
        };
        // One that is known already and does not wait is being submitted by somebody.
        if fresh && let Some((line, turn)) = place_in_line(&known.item) {
            self.waiting.entry(line).or_default().insert(turn);
        }
        self.jobs.insert(id, known);
    }

    /// The same of an item that was just read: one that is over leaves the entries of the index, known or not.
    pub(crate) fn see_or_drop(&mut self, item: JobItem, revision: u64) {
        self.again.remove(&item.id);
        if item.is_open() {
            self.see(item, revision);
        } else {
            self.over(&item.id);
        }
    }

    /// It has ended, and its run was told; what it was billed will be known later. Until then it stays in the index.
    pub(crate) fn owe(&mut self, id: &JobId, since: Timestamp) {
        self.unwait(id);
        self.by_key.remove(&id.key());
        if let Some(known) = self.jobs.remove(id) {
            let owed = Owed {
                id: *id,
                kind: known.item.kind.clone(),
                job: known.job_ref(),
                since,
            };
            self.owed.insert(*id, owed);
        }
    }

    /// Whether all jobs are over, and nothing else is to come of them.
    pub(crate) fn awaits_bills_only(&self) -> bool {
        !self.owed.is_empty() && self.jobs.is_empty() && self.unseen().next().is_none()
    }

    /// The jobs whose bills have not come home.
    pub(crate) fn owed(&self) -> Vec<Owed> {
        self.owed.values().cloned().collect()
    }

    /// The jobs whose bills nobody knows yet.
    pub(crate) fn unbilled(&self) -> Vec<Owed> {
        let owed = self.owed.values();
        let unknown = owed.filter(|owed| !self.billed.contains_key(&owed.id));
        unknown.cloned().collect()
    }

    /// Now it is known what a job was billed.
    pub(crate) fn bill(&mut self, id: JobId, usage: JobUsage, now: Timestamp) {
        self.billed.entry(id).or_insert((usage, now));
    }

    /// The bills of runs of which one is known for long enough.
    pub(crate) fn bills(&self, long: impl Fn(Timestamp) -> bool) -> Vec<(JobId, JobUsage)> {
        let waited = self.billed.iter().filter(|(_, (_, since))| long(*since));
        let runs: BTreeSet<RunId> = waited.map(|(id, _)| id.run).collect();
        self.bills_of(&runs)
    }

    /// The bills of runs that are to be carried home.
    pub(crate) fn bills_of(&self, runs: &BTreeSet<RunId>) -> Vec<(JobId, JobUsage)> {
        let bills = self.billed.iter().filter(|(id, _)| runs.contains(&id.run));
        bills.map(|(id, (usage, _))| (*id, usage.clone())).collect()
    }

    /// It has ended, and its run was told.
    pub(crate) fn over(&mut self, id: &JobId) {
        self.unwait(id);
        self.jobs.remove(id);
        self.again.remove(id);
        self.owed.remove(id);
        self.billed.remove(id);
        self.by_key.remove(&id.key());
        for sort in self.listed.remove(id).unwrap_or_default() {
            if let Some(entry) = self.entries.get_mut(&sort) {
                entry.jobs.remove(id);
                entry.over.insert(*id);
                if entry.jobs.is_empty() {
                    self.spent.insert(sort);
                }
            }
        }
    }

    fn unwait(&mut self, id: &JobId) {
        if let Some((line, turn)) = self.jobs.get(id).and_then(|j| place_in_line(&j.item))
            && let Some(waiting) = self.waiting.get_mut(&line)
        {
            waiting.remove(&turn);
        }
    }

    /// Back in line, if it is still to be submitted.
    fn wait(&mut self, id: &JobId) {
        if let Some((line, turn)) = self.jobs.get(id).and_then(|j| place_in_line(&j.item)) {
            self.waiting.entry(line).or_default().insert(turn);
        }
    }

    /// The lines in which jobs wait, and whose targets do not rest.
    pub(crate) fn waiting_lines(&self, now: Timestamp) -> Vec<Line> {
        let waiting = self.waiting.iter().filter(|(_, jobs)| !jobs.is_empty());
        let rests = |line: &Line| self.rests.left(&line.to_string(), now).is_some();
        let waiting = waiting.filter(|(line, _)| !rests(line));
        waiting.map(|(line, _)| line.clone()).collect()
    }

    /// Since when the youngest job is known.
    pub(crate) fn youngest(&self) -> Option<Timestamp> {
        self.jobs.values().map(|job| job.job_ref().since).max()
    }

    /// Whether any job waits to be submitted.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.values().any(|jobs| !jobs.is_empty())
    }

    /// The jobs that wait in a line, by their turns.
    pub(crate) fn in_line(&self, line: &Line) -> Vec<JobId> {
        let turns = self.waiting.get(line).into_iter().flatten();
        turns.map(|(_, _, id)| *id).collect()
    }

    fn take(&mut self, line: &Line, count: usize) -> Vec<(JobId, Intent)> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let first = self.waiting.get_mut(line).and_then(BTreeSet::pop_first);
            let Some((_, _, id)) = first else { break };
            if let Some(Status::Recorded(intent)) = self.jobs.get(&id).map(|j| &j.item.status) {
                taken.push((id, (**intent).clone()));
            }
        }
        taken
    }

    /// Whether this was the last thing that was said of a job.
    pub(crate) fn was_said(&self, id: &JobId, report: &ReportKind) -> bool {
        let known = self.jobs.get(id);
        known.is_some_and(|known| known.said.as_ref() == Some(report))
    }

    /// Whether this is news of an open job; from now on it is not.
    pub(crate) fn say(&mut self, id: &JobId, report: &ReportKind) -> bool {
        match self.jobs.get_mut(id) {
            Some(known) if known.said.as_ref() == Some(report) => false,
            Some(known) => {
                known.said = Some(report.clone());
                known.asked = false;
                true
            }
            None => true,
        }
    }

    /// Whether this process has said nothing of a job, and nobody asks.
    pub(crate) fn is_silent(&self, id: &JobId) -> bool {
        let known = self.jobs.get(id);
        known.is_some_and(|known| known.said.is_none() && known.heard.is_none() && !known.asked)
    }

    /// To be reported when there is other news.
    pub(crate) fn hear(&mut self, id: &JobId, report: &ReportKind) {
        if let Some(known) = self.jobs.get_mut(id) {
            known.heard = Some(report.clone());
        }
    }

    /// What is to be reported beside other news: of these runs, and of all runs of which no more is to be heard soon.
    pub(crate) fn heard(&self, runs: &BTreeSet<RunId>) -> Vec<(JobId, ReportKind)> {
        let jobs = || self.jobs.iter();
        let silent = |known: &Known| known.said.is_none() && known.heard.is_none();
        let silent = jobs().filter(|(_, known)| silent(known));
        let silent: BTreeSet<RunId> = silent.map(|(id, _)| id.run).collect();
        let wanted = |run: &RunId| runs.contains(run) || !silent.contains(run);
        let news = |known: &Known| known.heard.is_some() && known.heard != known.said;
        let heard = jobs().filter(|(id, known)| news(known) && wanted(&id.run));
        let heard = heard.filter_map(|(id, known)| Some((*id, known.heard.clone()?)));
        heard.collect()
    }

    /// Reported again from now on: nobody knows whether the report arrived.
    pub(crate) fn unsay(&mut self, id: &JobId) {
        if let Some(known) = self.jobs.get_mut(id) {
            known.said = None;
            known.asked = true;
        }
    }
}

/// The line in which a job stands that is to be submitted, and its turn; none, if it is to be stopped.
fn place_in_line(item: &JobItem) -> Option<(Line, Turn)> {
    match &item.status {
        Status::Recorded(intent) if !item.cancel => {
            Some((item.line(), (intent.rank, intent.since, item.id)))
        }
        Status::Recorded(_)
        | Status::Submitted { .. }
        | Status::Finished(_)
        | Status::Tombstone => None,
    }
}

/// The views of this process, by place. Never locked across a call of a port.
#[derive(Debug, Default)]
pub(crate) struct Views {
    by_place: Mutex<BTreeMap<String, View>>,
}

impl Views {
    pub(crate) fn with<T>(&self, place: &str, work: impl FnOnce(&mut View) -> T) -> T {
        let mut views = self.by_place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = views.get_mut(place) {
            return work(view);
        }
        work(views.entry(place.to_owned()).or_default())
    }

    /// Takes the first jobs out of a line, to submit them.
    pub(crate) fn claim(&self, place: &str, line: &Line, count: usize) -> Claim<'_> {
        Claim {
            views: self,
            place: place.to_owned(),
            jobs: self.with(place, |view| view.take(line, count)),
        }
    }
}

/// Jobs that this task submits and no other. Whatever is not submitted by its end is back in line.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    views: &'a Views,
    place: String,
    pub(crate) jobs: Vec<(JobId, Intent)>,
}

impl Claim<'_> {
    /// Keeps the first `count` of them; the others are back in line at once.
    pub(crate) fn keep_first(&mut self, count: usize) {
        let back = self.jobs.split_off(count.min(self.jobs.len()));
        self.views.with(&self.place, |view| {
            for (id, _) in &back {
                view.wait(id);
            }
        });
    }

    /// Puts those back in line at once that are not among `taken`.
    pub(crate) fn keep(&mut self, taken: &BTreeSet<JobId>) {
        let (kept, back) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition(|(id, _)| taken.contains(id));
        self.jobs = kept;
        self.views.with(&self.place, |view| {
            for (id, _) in &back {
                view.wait(id);
            }
        });
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.views.with(&self.place, |view| {
            for (id, _) in &self.jobs {
                view.wait(id);
            }
        });
    }
}
