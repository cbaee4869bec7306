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
                (!lost && !self.is_early(view, id, what)).then_some((id, change, what))
            });
            let told: Vec<_> = told.collect();
            let hurried = told
                .iter()
                .filter(|(id, _, what)| !self.can_wait(view, id, what) && !view.was_said(id, what));
            let hurried: BTreeSet<RunId> = hurried.map(|(id, ..)| id.run).collect();
            let news = told.into_iter().filter_map(|(id, change, what)| {
                if self.can_wait(view, id, what) && !hurried.contains(&id.run) {
                    return None;
                }
                let report = Report {
                    attempt: id.attempt,
                    what: what.clone(),
                };
                (view.say(id, what) || change.ends()).then_some((*id, report))
            });
            news.collect()
        });
        if news.is_empty() {
            return Ok(());
        }
        let ids: Vec<JobId> = news.iter().map(|(id, _)| *id).collect();
        let runs: BTreeSet<RunId> = ids.iter().map(|id| id.run).collect();
        let bills = self.views.with(place, |view| view.bills_of(&runs));
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
        let young = |job: &Known| self.is_young(job);
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

    /// Whether something may wait for other news of its run: that a job has just started. Jobs that are submitted
    /// together start soon after each other, and one message and one record say so of all.
    fn can_wait(&self, view: &View, id: &JobId, what: &ReportKind) -> bool {
        let started = matches!(what, ReportKind::Started { .. });
        self.pace == Pace::Billed && started && view.job(id).is_some_and(|job| self.is_young(job))
    }

    fn is_young(&self, job: &Known) -> bool {
        let age = self.now().duration_since(job.job_ref().since);
        !age.is_negative() && age < EARLY
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
