//! Carrying home what became of jobs: report first, item after.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};
use jiff::SignedDuration;
use porpoise_engine::Input;
use porpoise_engine::input::{Report, ReportKind, RunInput};
use porpoise_model::RunId;
use porpoise_ports::Unavailable;
use porpoise_ports::queue::Message;
use porpoise_ports::table::Condition;

use crate::app::{App, Pace};
use crate::job_item::{JobEvent, JobId, JobItem};
use crate::job_view::{Known, View};
use crate::send::batches;
use crate::submit::{Change, Changes, JobsError, TRIES_MAX};

/// Items that are written at the same time: what others write meanwhile does not wait for all of them.
const WRITES_AT_ONCE: usize = 256;
/// So long after its dispatch, it is said of a job that it was taken or runs, if there was nothing else to say: at the
/// next tick, before its run asks again.
const EARLY: SignedDuration = SignedDuration::from_secs(75);
/// That it runs may wait longer: at the tick after that the run has hardly asked again, which only looks when something
/// else happens to it.
const EARLY_START: SignedDuration = SignedDuration::from_secs(105);
/// A job that has run so long was seen by somebody before, as ticks are a minute apart at most.
const SEEN: SignedDuration = SignedDuration::from_secs(110);
/// And so long after its start it is said once more that it runs.
const SAID_AGAIN: SignedDuration = SignedDuration::from_mins(15);

impl App {
    /// Carries changes home: reports in as few messages as they fit in, then items. What is over is noted as such only
    /// after its run was told, and not at all if its target remembers.
    pub(crate) async fn carry_home(
        &self,
        place: &str,
        changes: Changes<'_>,
    ) -> Result<(), JobsError> {
        let Changes { by_job, claims } = changes;
        let told = self.report(place, &by_job).await;
        let writes = by_job.into_iter().filter_map(|(id, mut change)| {
            if told.is_err() {
                // What is over and forgotten by its target is submitted again: nobody could tell its end once more.
                let forgotten = change.ends() && !change.remembered;
                change.events.retain(|event| match event {
                    JobEvent::Ended(_) => false,
                    JobEvent::Submitted { .. } => !forgotten,
                    JobEvent::Cancel => true,
                });
            }
            let known = self.views.with(place, |view| view.job(&id).cloned())?;
            let over = change.remembered && change.ends();
            if over {
                // Whoever asks the target for it is told the same: it is enough that it is known to have it.
                let submitted = known.is_submitted();
                change
                    .events
                    .retain(|event| !submitted && matches!(event, JobEvent::Submitted { .. }));
            }
            let kind = known.item.kind.clone();
            Some(async move {
                if !change.events.is_empty() {
                    self.update(place, known, change.events).await?;
                }
                if over {
                    self.see_over(place, &id, &kind);
                }
                Ok(())
            })
        });
        let written = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE);
        let written: Vec<_> = written.collect().await;
        drop(claims);
        told?;
        written.into_iter().collect()
    }

    /// A job is over, and its target remembers it: it may still say what it billed.
    fn see_over(&self, place: &str, id: &JobId, kind: &str) {
        let bills = self.executors.billed_after(kind);
        let now = self.now();
        self.views.with(place, |view| match bills {
            Some(_) => view.owe(id, now),
            None => view.over(id),
        });
    }

    async fn report(
        &self,
        place: &str,
        by_job: &BTreeMap<JobId, Change>,
    ) -> Result<(), Unavailable> {
        let news: Vec<(JobId, Report)> = self.views.with(place, |view| {
            let told = by_job.iter().filter_map(|(id, change)| {
                let what = change.report.as_ref()?;
                // Of what is listed nowhere nothing is said until it is over: it has to be dispatched again.
                let lost = !what.is_end() && !view.is_listed(id);
                let unsaid =
                    self.is_early(view, id, what) || self.is_said_elsewhere(view, id, what);
                (!lost && !unsaid).then_some((id, change, what))
            });
            let told: Vec<_> = told.collect();
            let hurried = told
                .iter()
                .filter(|(id, _, what)| !self.can_wait(view, id, what) && !view.was_said(id, what));
            let hurried: BTreeSet<RunId> = hurried.map(|(id, ..)| id.run).collect();
            let mut news = Vec::new();
            for (id, change, what) in told {
                if self.can_wait(view, id, what) {
                    view.hear(id, what);
                } else if view.say(id, what) || change.ends() {
                    news.push((*id, what.clone()));
                }
            }
            if !hurried.is_empty() {
                let others = view.heard(&hurried);
                let others = others
                    .into_iter()
                    .filter(|(id, _)| !by_job.get(id).is_some_and(Change::ends));
                news.extend(others.filter(|(id, what)| view.say(id, what)));
            }
            let report = |(id, what): (JobId, ReportKind)| {
                let attempt = id.attempt;
                (id, Report { attempt, what })
            };
            news.into_iter().map(report).collect()
        });
        if news.is_empty() {
            return Ok(());
        }
        let ids: Vec<JobId> = news.iter().map(|(id, _)| *id).collect();
        let runs: BTreeSet<RunId> = ids.iter().map(|id| id.run).collect();
        let bills = self.bills_beside(place, &runs);
        let billed: Vec<JobId> = bills.iter().map(|(id, _)| *id).collect();
        let mut messages = self.messages(news);
        messages.extend(self.bill_messages(bills));
        // One behind the other, so that one step takes both.
        messages.sort_by_key(|message| message.group);
        let sent = self.ports.queue.send(messages).await;
        self.views.with(place, |view| match sent {
            Ok(()) => billed.iter().for_each(|id| view.over(id)),
            Err(_) => ids.iter().for_each(|id| view.unsay(id)),
        });
        sent
    }

    /// Whether something is not worth a message of its own yet: that a job was taken and has not started is soon said
    /// together with its start, or with its end. Where looking costs nothing, so does saying.
    fn is_early(&self, view: &View, id: &JobId, what: &ReportKind) -> bool {
        let young = |job: &Known| self.is_younger(EARLY, job);
        match (self.pace, what) {
            (Pace::Billed, ReportKind::Accepted) => view.job(id).is_some_and(young),
            (Pace::Billed, ReportKind::Waiting { .. }) => {
                let submitted = |job: &&Known| job.is_submitted();
                view.job(id).filter(submitted).is_some_and(young)
            }
            (
                Pace::Billed,
                ReportKind::Started { .. }
                | ReportKind::Succeeded { .. }
                | ReportKind::Failed { .. }
                | ReportKind::Canceled { .. },
            )
            | (Pace::Local, _) => false,
        }
    }

    /// Whether another process has said it in all likelihood: that a job has started, which this one has never seen before
    /// and which somebody sees at each tick. Should nobody have said so, the run asks again; and from a quarter of an hour
    /// on it is said in any case.
    fn is_said_elsewhere(&self, view: &View, id: &JobId, what: &ReportKind) -> bool {
        let ReportKind::Started { at, .. } = what else {
            return false;
        };
        let age = self.now().duration_since(*at);
        self.pace == Pace::Billed && (SEEN..SAID_AGAIN).contains(&age) && view.is_silent(id)
    }

    /// Whether something may wait for other news: that a job has just started. Jobs of a run that are submitted together
    /// start soon after each other, and one message and one record say so of all; and what is said of several runs at
    /// the same time is billed as one request of the queue, and stepped by one call.
    fn can_wait(&self, view: &View, id: &JobId, what: &ReportKind) -> bool {
        let started = matches!(what, ReportKind::Started { .. });
        let young = |job: &Known| self.is_younger(EARLY_START, job);
        self.pace == Pace::Billed && started && view.job(id).is_some_and(young)
    }

    fn is_younger(&self, limit: SignedDuration, job: &Known) -> bool {
        let age = self.now().duration_since(job.job_ref().since);
        !age.is_negative() && age < limit
    }

    /// One message a run, or as many as its reports need.
    pub(crate) fn messages(&self, news: Vec<(JobId, Report)>) -> Vec<Message> {
        let mut by_run: BTreeMap<_, Vec<Report>> = BTreeMap::new();
        for (id, report) in news {
            by_run.entry(id.address()).or_default().push(report);
        }
        let mut messages = Vec::new();
        for (address, reports) in by_run {
            let size = |report: &Report| minicbor::to_vec(report).map_or(0, |bytes| bytes.len());
            for reports in batches(reports, size) {
                let input = Input::Run(RunInput::Reported(reports));
                messages.push(self.message(address, &input));
            }
        }
        messages
    }

    /// Writes what happened to a job into its item. Who finds that it was canceled meanwhile cancels at once.
    async fn update(
        &self,
        place: &str,
        known: Known,
        events: Vec<JobEvent>,
    ) -> Result<(), JobsError> {
        let store = |error| JobsError::Store(place.to_owned(), error);
        let Known {
            mut item,
            mut revision,
            ..
        } = known;
        for _ in 0..TRIES_MAX {
            let next = events.iter().fold(None, |next: Option<JobItem>, event| {
                next.as_ref().unwrap_or(&item).apply(event).or(next)
            });
            let next = match next {
                Some(next) => {
                    let stored = next.to_item(place, revision + 1);
                    let condition = Condition::Revision(revision);
                    if self
                        .store
                        .put_unhurried(stored, condition)
                        .await
                        .map_err(store)?
                    {
                        revision += 1;
                        Some(next)
                    } else {
                        None
                    }
                }
                None => Some(item.clone()),
            };
            if let Some(next) = next {
                let stop = next.is_open() && next.cancel;
                let (kind, job) = (next.kind.clone(), next.job_ref());
                self.views.with(place, |view| view.see(next, revision));
                if stop && let Some(executor) = self.executors.of(&kind) {
                    executor.cancel(&job).await?;
                }
                return Ok(());
            }
            match self.read_job(place, &item.id).await? {
                Some(found) => (item, revision) = found,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    pub(crate) async fn read_job(
        &self,
        place: &str,
        id: &JobId,
    ) -> Result<Option<(JobItem, u64)>, JobsError> {
        let found = self.store.get(&id.item_key(place)).await;
        let found = found.map_err(|error| JobsError::Store(place.to_owned(), error))?;
        let Some(found) = found else { return Ok(None) };
        match JobItem::from_body(&found.body) {
            Ok(item) => Ok(Some((item, found.revision))),
            Err(error) => Err(JobsError::Unreadable(id.run, error)),
        }
    }
}
