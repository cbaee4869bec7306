//! Submitting recorded jobs in their order, and asking what became of them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use jiff::Timestamp;
use porpoise_engine::effect::Intent;
use porpoise_engine::input::ReportKind;
use porpoise_model::{AttemptKey, Cause, RunId};
use porpoise_ports::executor::{JobRef, JobReport, JobState, Rate, SubmitError, Submitted};
use porpoise_ports::{Executor, Unavailable};

use crate::app::App;
use crate::budget::Standing;
use crate::job_item::{JobEvent, JobId, JobItem, Line};
use crate::job_view::{Claim, Known};
use crate::store::StoreError;

/// Jobs that are submitted, or asked for, at the same time.
const AT_ONCE: usize = 16;
/// Keys of one list call.
const LIST_KEYS_MAX: usize = 100;
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

    /// The item of a job that was taken, as far as this says.
    pub(crate) fn taken_by(&self, item: &JobItem) -> Option<JobItem> {
        let mut events = self.events.iter();
        let taken = events.find(|event| matches!(event, JobEvent::Submitted { .. }));
        taken.and_then(|event| item.apply(event))
    }

    pub(crate) fn ends(&self) -> bool {
        let ended = |event: &JobEvent| matches!(event, JobEvent::Ended(_));
        self.events.iter().any(ended)
    }
}

/// What a call has to carry home.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    pub(crate) by_job: BTreeMap<JobId, Change>,
    /// Jobs that nobody else may submit until their items say so.
    pub(crate) claims: Vec<Claim<'a>>,
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
            let reports = list(executor, jobs.iter().map(Known::job_ref)).await?;
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
}

/// What a target knows of these jobs, by their keys. Costs a list call for each hundred.
pub(crate) async fn list(
    executor: &dyn Executor,
    jobs: impl Iterator<Item = JobRef>,
) -> Result<BTreeMap<AttemptKey, JobReport>, Unavailable> {
    let jobs: Vec<JobRef> = jobs.collect();
    let mut reports = BTreeMap::new();
    for jobs in jobs.chunks(LIST_KEYS_MAX) {
        let known = executor.list(jobs).await?;
        reports.extend(known.into_iter().map(|report| (report.key, report)));
    }
    Ok(reports)
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
pub(crate) fn told(report: &JobReport, remembered: bool) -> Change {
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
