//! Submitting recorded jobs in their order, and carrying what became of jobs home: report first, item after.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use porpoise_engine::Input;
use porpoise_engine::effect::Intent;
use porpoise_engine::input::{Report, ReportKind, RunInput};
use porpoise_model::{AttemptKey, Cause, RunId};
use porpoise_ports::executor::{JobRef, JobReport, JobState, Rate, SubmitError, Submitted};
use porpoise_ports::queue::Message;
use porpoise_ports::table::{Condition, Key};
use porpoise_ports::{Executor, Unavailable};

use crate::app::{App, Pace};
use crate::budget::Standing;
use crate::job_item::{JobEvent, JobId, JobItem, Line, index_partition};
use crate::job_view::{Claim, Known, View};
use crate::send::batches;
use crate::store::StoreError;

/// Jobs that are submitted, or asked for, at the same time.
const AT_ONCE: usize = 16;
/// Items that are written at the same time: what others write meanwhile does not wait for all of them.
const WRITES_AT_ONCE: usize = 256;
/// Keys of one list call.
const LIST_KEYS_MAX: usize = 100;
/// So long after its dispatch, it is said of a job that it was taken, if nothing else was said: well before its run asks
/// again.
const EARLY: SignedDuration = SignedDuration::from_secs(60);
/// Times that an item is written again because somebody else wrote it meanwhile.
pub(crate) const TRIES_MAX: u32 = 4;

/// Jobs could not be taken further: what was not reported is found again by the next tick, or dispatched again.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// The jobs table.
    #[error("cannot keep the jobs of place `{0}`")]
    Store(String, #[source] StoreError),
    /// Written by a later release, or damaged.
    #[error("the item of a job of run `{0}` cannot be read")]
    Unreadable(RunId, #[source] minicbor::decode::Error),
    /// The same of the item of a poll loop.
    #[error("the item of the poll loop of place `{0}` cannot be read")]
    LoopUnreadable(String, #[source] minicbor::decode::Error),
    /// Somebody else wrote it each time.
    #[error(
        "the poll loop of place `{0}` was changed by somebody else {TRIES_MAX} times meanwhile"
    )]
    LoopContended(String),
    /// Somebody else wrote it each time.
    #[error("a job of run `{0}` was changed by somebody else {TRIES_MAX} times meanwhile")]
    Contended(RunId),
    /// The executor or the queue.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl JobsError {
    /// Whether the table takes no more calls for now.
    pub(crate) const fn is_throttled(&self) -> bool {
        matches!(self, Self::Store(_, StoreError::Throttled))
    }
}

/// What is to be said of a job, and what happened to it.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) events: Vec<JobEvent>,
    pub(crate) report: Option<ReportKind>,
    /// Its target tells the end again, whoever asks.
    pub(crate) remembered: bool,
}

impl Change {
    pub(crate) fn say(report: ReportKind) -> Self {
        Self {
            report: Some(report),
            ..Self::default()
        }
    }

    pub(crate) fn ended(end: ReportKind) -> Self {
        Self {
            events: vec![JobEvent::Ended(end.clone())],
            report: Some(end),
            remembered: false,
        }
    }

    fn ends(&self) -> bool {
        let ended = |event: &JobEvent| matches!(event, JobEvent::Ended(_));
        self.events.iter().any(ended)
    }
}

/// What a call has to carry home.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    by_job: BTreeMap<JobId, Change>,
    /// Jobs that nobody else may submit until their items say so.
    claims: Vec<Claim<'a>>,
}

impl<'a> Changes<'a> {
    /// The later report of a job replaces the earlier one: any may be missing, but an end.
    pub(crate) fn add(&mut self, id: JobId, change: Change) {
        let known = self.by_job.entry(id).or_default();
        if !known.ends() {
            known.events.extend(change.events);
            known.remembered = change.remembered;
            known.report = change.report.or(known.report.take());
        }
    }

    pub(crate) fn take(&mut self, id: &JobId) -> Option<Change> {
        self.by_job.remove(id)
    }

    pub(crate) fn hold(&mut self, claim: Claim<'a>) {
        self.claims.push(claim);
    }
}

pub(crate) fn rejected(message: String, now: Timestamp) -> ReportKind {
    ReportKind::Failed {
        started: None,
        ended: now,
        cause: Cause::Rejected { message },
    }
}

impl App {
    /// Submits what waits, each kind in the order of its line, until its target takes no more.
    pub(crate) async fn submit_waiting<'a>(
        &'a self,
        place: &str,
        standing: Standing,
        changes: &mut Changes<'a>,
    ) -> Result<(), JobsError> {
        let mut result = Ok(());
        let now = self.now();
        for line in self.views.with(place, |view| view.waiting_lines(now)) {
            let submitted = self.submit_line(place, &line, standing, changes).await;
            result = result.and(submitted);
        }
        result
    }

    async fn submit_line<'a>(
        &'a self,
        place: &str,
        line: &Line,
        standing: Standing,
        changes: &mut Changes<'a>,
    ) -> Result<(), JobsError> {
        let Some(target) = self.executors.target(&line.kind) else {
            let claim = self.views.claim(place, line, usize::MAX);
            for (id, _) in &claim.jobs {
                changes.add(*id, Change::ended(no_executor(&line.kind, self.now())));
            }
            changes.hold(claim);
            return Ok(());
        };
        let name = line.to_string();
        loop {
            let mut claim = self.views.claim(place, line, AT_ONCE);
            let Some((_, first)) = claim.jobs.first() else {
                return Ok(());
            };
            let rate = target.executor.rate(first.job.target.as_ref());
            if let Some(rate) = &rate {
                let wanted = claim.jobs.len();
                let granted = self.grant(place, rate, wanted, standing).await?;
                claim.keep_first(granted);
                if granted < wanted {
                    self.say_why_they_wait(place, line, changes);
                }
                if granted == 0 {
                    return Ok(());
                }
            }
            let calls = claim
                .jobs
                .iter()
                .map(|(_, intent)| target.executor.submit(&intent.job));
            let outcomes = join_all(calls).await;
            let mut round = Round::default();
            for ((id, intent), outcome) in claim.jobs.iter().zip(outcomes) {
                round.take(*id, intent, outcome, self.now(), changes);
            }
            claim.keep(&round.taken);
            changes.hold(claim);
            if target.prompt && !round.submitted.is_empty() {
                let jobs = self.known(place, &round.submitted);
                self.ask(&*target.executor, &jobs, changes).await?;
            }
            match round.stop {
                Stop::No => self.views.with(place, |view| view.rests.calm(&name)),
                Stop::Busy => return Ok(()),
                Stop::Throttled => {
                    if let Some(rate) = &rate {
                        self.empty(place, rate).await?;
                    }
                    let dice = self.ports.ids.fresh();
                    let now = self.now();
                    self.views
                        .with(place, |view| view.rests.rest(&name, now, dice));
                    return Ok(());
                }
                Stop::Unavailable(error) => return Err(error.into()),
            }
        }
    }

    async fn grant(
        &self,
        place: &str,
        rate: &Rate,
        wanted: usize,
        standing: Standing,
    ) -> Result<usize, JobsError> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let granted = self.spend(place, rate, wanted, standing).await?;
        Ok(usize::try_from(granted).unwrap_or(usize::MAX))
    }

    /// The calls that may be made are used up: whoever is still in line waits for more.
    fn say_why_they_wait(&self, place: &str, line: &Line, changes: &mut Changes<'_>) {
        let why = "budget".to_owned();
        for id in self.views.with(place, |view| view.in_line(line)) {
            changes.add(id, Change::say(ReportKind::Waiting { why: why.clone() }));
        }
    }

    fn known(&self, place: &str, ids: &[JobId]) -> Vec<Known> {
        self.views.with(place, |view| {
            ids.iter().filter_map(|id| view.job(id).cloned()).collect()
        })
    }

    /// Asks an executor what became of these jobs.
    pub(crate) async fn ask(
        &self,
        executor: &dyn Executor,
        jobs: &[Known],
        changes: &mut Changes<'_>,
    ) -> Result<(), JobsError> {
        for jobs in jobs.chunks(LIST_KEYS_MAX) {
            let asked: Vec<JobRef> = jobs.iter().map(Known::job_ref).collect();
            let reports = executor.list(&asked).await?;
            let reports: BTreeMap<AttemptKey, JobReport> = reports
                .into_iter()
                .map(|report| (report.key, report))
                .collect();
            for job in jobs {
                match reports.get(&job.item.id.key()) {
                    Some(report) => changes.add(job.item.id, told(report, executor.remembers())),
                    None => self.left_out(executor, job, changes).await?,
                }
            }
        }
        Ok(())
    }

    /// A job that its target does not know.
    async fn left_out(
        &self,
        executor: &dyn Executor,
        job: &Known,
        changes: &mut Changes<'_>,
    ) -> Result<(), JobsError> {
        let (id, ended) = (job.item.id, self.now());
        if job.item.cancel {
            // The target was told never to start one.
            changes.add(id, Change::ended(ReportKind::Canceled { ended }));
        } else if job.is_submitted() {
            // Lost, and never to come back while another attempt runs.
            executor.cancel(&job.job_ref()).await?;
            let lost = ReportKind::Failed {
                started: None,
                ended,
                cause: Cause::Lost,
            };
            changes.add(id, Change::ended(lost));
        }
        Ok(())
    }

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
                change
                    .events
                    .retain(|event| !matches!(event, JobEvent::Ended(_)));
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
        let executor = self.executors.of(kind);
        let bills = executor.and_then(|executor| executor.billed_after());
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
            let news = by_job.iter().filter_map(|(id, change)| {
                let what = change.report.clone()?;
                let (attempt, id) = (id.attempt, *id);
                if self.is_early(view, &id, &what) {
                    return None;
                }
                (view.say(&id, &what) || change.ends()).then_some((id, Report { attempt, what }))
            });
            news.collect()
        });
        if news.is_empty() {
            return Ok(());
        }
        let ids: Vec<JobId> = news.iter().map(|(id, _)| *id).collect();
        let sent = self.ports.queue.send(self.messages(news)).await;
        if sent.is_err() {
            self.views
                .with(place, |view| ids.iter().for_each(|id| view.unsay(id)));
        }
        sent
    }

    /// Whether something is not worth a message of its own yet: that a job was taken and has not started is soon said
    /// together with its start, or with its end. Where looking costs nothing, so does saying.
    fn is_early(&self, view: &View, id: &JobId, what: &ReportKind) -> bool {
        let young = |job: &Known| {
            let age = self.now().duration_since(job.job_ref().since);
            !age.is_negative() && age < EARLY
        };
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

    /// Removes entries of the index whose jobs are all over, unless somebody has added to them meanwhile.
    pub(crate) async fn drop_spent(&self, place: &str) -> Result<(), JobsError> {
        let spent = self.views.with(place, |view| view.spent());
        let drops = spent.iter().map(|(sort, revision)| {
            let key = Key::new(index_partition(place), sort.clone());
            let seen = Condition::Revision(*revision);
            async move { self.store.delete_unhurried(&key, seen).await }
        });
        for ((sort, _), dropped) in spent.iter().zip(join_all(drops).await) {
            // If it stands, it was added to: the next look at the index finds what.
            if dropped.map_err(|error| JobsError::Store(place.to_owned(), error))? {
                self.views.with(place, |view| view.forget_entry(sort));
            }
        }
        Ok(())
    }
}

pub(crate) fn no_executor(kind: &str, now: Timestamp) -> ReportKind {
    let message = format!(
        "no target here runs tasks of the kind `{kind}`: register an executor for it, or run with `--simulate`, \
         which replaces such tasks by `noop`"
    );
    rejected(message, now)
}

/// What one round of submissions came to.
#[derive(Default)]
struct Round {
    taken: BTreeSet<JobId>,
    submitted: Vec<JobId>,
    stop: Stop,
}

/// Why no more is submitted for now.
#[derive(Default)]
enum Stop {
    #[default]
    No,
    /// Until a job ends.
    Busy,
    /// For a while.
    Throttled,
    Unavailable(Unavailable),
}

impl Round {
    fn take(
        &mut self,
        id: JobId,
        intent: &Intent,
        outcome: Result<Submitted, SubmitError>,
        now: Timestamp,
        changes: &mut Changes<'_>,
    ) {
        let change = match outcome {
            Ok(Submitted { external_id }) => {
                self.submitted.push(id);
                Change {
                    events: vec![JobEvent::Submitted { external_id }],
                    report: Some(ReportKind::Accepted),
                    remembered: false,
                }
            }
            Err(SubmitError::Rejected { message, .. }) => Change::ended(rejected(message, now)),
            Err(SubmitError::Canceled) => Change::ended(ReportKind::Canceled { ended: now }),
            Err(SubmitError::Busy) => {
                if matches!(self.stop, Stop::No) {
                    self.stop = Stop::Busy;
                }
                return;
            }
            Err(SubmitError::Throttled) => {
                if !matches!(self.stop, Stop::Unavailable(_)) {
                    self.stop = Stop::Throttled;
                }
                let why = "throttled".to_owned();
                changes.add(id, Change::say(ReportKind::Waiting { why }));
                return;
            }
            Err(SubmitError::Unavailable(error)) => {
                tracing::warn!(task = intent.job.task_name, %error, "job not submitted");
                self.stop = Stop::Unavailable(error);
                return;
            }
        };
        self.taken.insert(id);
        changes.add(id, change);
    }
}

/// What an executor says of a job, for its run and its item.
fn told(report: &JobReport, remembered: bool) -> Change {
    let submitted = JobEvent::Submitted {
        external_id: report.external_id.clone(),
    };
    let end = match report.state.clone() {
        JobState::Waiting { why } => {
            return Change {
                events: vec![submitted],
                report: Some(ReportKind::Waiting {
                    why: why.unwrap_or_else(|| "target".to_owned()),
                }),
                remembered: false,
            };
        }
        JobState::Running { started } => {
            return Change {
                events: vec![submitted],
                report: Some(ReportKind::Started {
                    at: started,
                    external_id: report.external_id.clone(),
                }),
                remembered: false,
            };
        }
        JobState::Succeeded {
            started,
            ended,
            outputs,
        } => ReportKind::Succeeded {
            started,
            ended,
            outputs,
        },
        JobState::Failed {
            started,
            ended,
            cause,
        } => ReportKind::Failed {
            started,
            ended,
            cause,
        },
        JobState::Canceled { ended } => ReportKind::Canceled { ended },
    };
    let mut change = Change::ended(end);
    change.remembered = remembered;
    change.events.insert(0, submitted);
    change
}
