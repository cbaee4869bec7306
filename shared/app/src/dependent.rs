//! Looking at runs of other workflows, for a task that waits for them.
//!
//! In this order: who waits is written down, then the runs are read. Done twice it is the same; what it finds goes to
//! the run that asked, as an input.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;
use porpoise_engine::Input;
use porpoise_engine::effect::{Listing, LookAt, LookOut};
use porpoise_engine::input::{Finding, Findings, RunInput};
use porpoise_engine::period::{Interval, scheduled};
use porpoise_engine::run::dependent::{
    Seen, counts, finding, of_part, of_whole, run_of, whole_in_words,
};
use porpoise_engine::run::{Run, State};
use porpoise_model::dependence::{Part, Verdict};
use porpoise_model::limits::DEPENDENCE_OUTPUT_BYTES_MAX;
use porpoise_model::{Address, Name, Outputs, ProjectId, WorkflowId};
use porpoise_ports::Unavailable;

use crate::app::App;
use crate::context::ContextError;
use crate::log::{LoadError, Loaded};
use crate::store::StoreError;
use crate::subscription::{Subscription, Waiter, upstream};
use crate::workflow_store::HeadError;

/// A look could not be finished: it is taken again.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Subscriptions, or the lists of runs.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run that is looked into.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A workflow that is waited for.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Its current version.
    #[error(transparent)]
    Version(#[from] ContextError),
    /// The queue.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Tasks that are waited for and have not ended, by their runs, which have not either.
type Watched = BTreeMap<Address, BTreeSet<Name>>;

/// A workflow that is waited for.
type Upstream = (ProjectId, WorkflowId);

impl App {
    /// Looks, and sends what is found to the run that waits.
    ///
    /// Costs a put and a query for each workflow that is waited for, the loading of each run of which a part is wanted,
    /// and a message; one more for each run that goes on and of which a task is waited for.
    pub(crate) async fn look_for(&self, out: &LookOut) -> Result<(), LookError> {
        let mut of: BTreeMap<Upstream, Vec<&LookAt>> = BTreeMap::new();
        for at in &out.at {
            let runs = &at.runs;
            let upstream = upstream(out.project, runs.project.as_ref(), &runs.workflow);
            of.entry(upstream).or_default().push(at);
        }
        self.subscribe_all(out, &of).await?;
        let looked = of
            .iter()
            .map(|(upstream, at)| self.look_at(out, *upstream, at));
        let (mut found, mut messages) = (Vec::<Finding>::new(), Vec::new());
        for (findings, watched) in try_join_all(looked).await? {
            found.extend(findings);
            for (run, names) in watched {
                let watched = Input::Run(RunInput::Watched(names.into_iter().collect()));
                messages.push(self.message(run, &watched));
            }
        }
        found.sort_by_key(|finding| finding.position);
        let findings = Findings {
            look: out.look,
            found,
        };
        let to = Address::run(out.project, out.run);
        messages.push(self.message(to, &Input::Run(RunInput::Found(findings))));
        self.ports.queue.send(messages).await?;
        Ok(())
    }

    async fn subscribe_all(
        &self,
        out: &LookOut,
        of: &BTreeMap<Upstream, Vec<&LookAt>>,
    ) -> Result<(), StoreError> {
        let waiter = Waiter {
            project: out.project,
            run: out.run,
            wait: out.look.wait,
        };
        let puts = of.iter().map(|((project, workflow), at)| async move {
            let intervals: Vec<Interval> =
                at.iter().flat_map(|at| &at.intervals).copied().collect();
            let tasks = at.iter().any(|at| matches!(at.runs.part, Part::Task(_)));
            match Subscription::of(waiter, &intervals, tasks) {
                Some(subscription) => self.subscribe(&subscription, *project, *workflow).await,
                None => Ok(()),
            }
        });
        for put in join_all(puts).await {
            put?;
        }
        Ok(())
    }

    /// What is found of the runs of one workflow, and the tasks of those runs that have not ended.
    async fn look_at(
        &self,
        out: &LookOut,
        (project, workflow): Upstream,
        at: &[&LookAt],
    ) -> Result<(Vec<Finding>, Watched), LookError> {
        let starts = at.iter().flat_map(|at| &at.intervals);
        let since = starts.map(|interval| interval.start).min();
        let lines = match since {
            // A run that stands for what is still to come waits for others of which that holds, too.
            Some(since) => {
                let since = since.min(out.created);
                self.lines_since(project, workflow, since).await?
            }
            None => Vec::new(),
        };
        let lines = lines.into_iter().filter(|line| counts(line, out));
        let lines: Vec<Listing> = lines.collect();
        let own = (project, workflow) == (out.project, out.workflow);
        let first = own && lines.is_empty() && !self.has_earlier(out).await?;
        let (mut found, mut watched) = (Vec::with_capacity(at.len()), Watched::new());
        for at in at {
            if first {
                let why = "this is the first run".to_owned();
                let seen = Seen {
                    run: None,
                    verdict: Verdict::Met,
                    why: why.clone(),
                };
                let finding = finding(at.position, &[seen], Outputs::new());
                found.push(Finding { why, ..finding });
                continue;
            }
            let of = (project, workflow);
            found.push(self.find_runs(out, of, at, &lines, &mut watched).await?);
        }
        Ok((found, watched))
    }

    async fn find_runs(
        &self,
        out: &LookOut,
        upstream: Upstream,
        at: &LookAt,
        lines: &[Listing],
        watched: &mut Watched,
    ) -> Result<Finding, LookError> {
        let wanted = self.wanted(upstream, at).await?;
        let absent = lines.is_empty() && self.head(upstream.0, upstream.1).await?.is_none();
        let mut seen = Vec::with_capacity(wanted.len());
        let mut outputs = Vec::new();
        for interval in &wanted {
            let Some(line) = run_of(interval, lines) else {
                seen.push(none_yet(interval, absent));
                continue;
            };
            let looked_into = !at.runs.part.is_whole() || !out.outputs.is_empty();
            let loaded = if looked_into {
                Some(self.look::<Run>(Address::run(line.project, line.run)).await)
            } else {
                None
            };
            match loaded {
                None => seen.push(seen_of(
                    line,
                    of_whole(line.state),
                    &whole_in_words(line.state),
                )),
                Some(Ok(loaded)) => {
                    let (verdict, what) = part_of(at, &loaded, &out.dialect);
                    if let Some(task) = going_on(at, &loaded) {
                        let run = Address::run(line.project, line.run);
                        watched.entry(run).or_default().insert(task);
                    }
                    seen.push(seen_of(line, verdict, &what));
                    outputs.push((line.ended, of_run(at, &loaded, &out.outputs)));
                }
                Some(Err(error @ LoadError::Store(..))) => return Err(error.into()),
                Some(Err(error)) => {
                    tracing::error!(run_id = %line.run, %error, "run that is waited for cannot be read");
                    seen.push(seen_of(line, Verdict::Open, "it cannot be read"));
                }
            }
        }
        Ok(within_limits(at.position, &seen, merged(outputs)))
    }

    /// The intervals for which there has to be a run.
    async fn wanted(
        &self,
        (project, workflow): Upstream,
        at: &LookAt,
    ) -> Result<Vec<Interval>, LookError> {
        if !at.runs.only_scheduled {
            return Ok(at.intervals.clone());
        }
        let Some(head) = self.head(project, workflow).await? else {
            return Ok(at.intervals.clone());
        };
        let plan = self.plan(project, head.version).await?;
        Ok(match &plan.workflow().schedule {
            Some(schedule) => {
                let calendar = self.observed(project, schedule).await?;
                scheduled(&at.intervals, schedule, calendar.as_ref())
            }
            None => at.intervals.clone(),
        })
    }
}

fn none_yet(interval: &Interval, absent: bool) -> Seen {
    let why = if absent {
        "there was no such workflow when it last looked".to_owned()
    } else {
        let Interval { start, end } = interval;
        format!("there was no run for {start} to {end} when it last looked")
    };
    Seen {
        run: None,
        verdict: Verdict::Open,
        why,
    }
}

fn seen_of(line: &Listing, verdict: Verdict, what: &str) -> Seen {
    Seen {
        run: Some(line.run),
        verdict,
        why: format!("run {}: {what}", line.run),
    }
}

fn part_of(at: &LookAt, loaded: &Loaded<Run>, dialect: &str) -> (Verdict, String) {
    let Some(plan) = &loaded.context else {
        return (Verdict::Open, "it has not begun".to_owned());
    };
    of_part(&at.runs.part, &loaded.state, plan, dialect)
}

/// The task that is waited for, if neither it nor its run has ended.
fn going_on(at: &LookAt, loaded: &Loaded<Run>) -> Option<Name> {
    let Part::Task(name) = &at.runs.part else {
        return None;
    };
    let task = loaded.context.as_ref()?.find(name.as_str())?;
    let ended =
        loaded.state.tasks.phase(task).is_terminal() || loaded.state.run_state().is_terminal();
    (!ended).then(|| name.clone())
}

/// Of a run the outputs of all its tasks; of two of one name that of the task that stands first.
fn of_run(at: &LookAt, loaded: &Loaded<Run>, wanted: &[String]) -> Outputs {
    let mut outputs = Outputs::new();
    let State { outputs: set, .. } = &loaded.state;
    let only = match &at.runs.part {
        Part::Task(name) => {
            let plan = loaded.context.as_ref();
            plan.and_then(|plan| plan.find(name.as_str()))
        }
        Part::Whole | Part::AllTasks => None,
    };
    let of_tasks = set
        .iter()
        .filter(|(task, _)| only.is_none_or(|it| it == **task));
    for (name, value) in of_tasks.flat_map(|(_, outputs)| outputs) {
        if wanted.contains(name) && !outputs.contains_key(name) {
            outputs.insert(name.clone(), value.clone());
        }
    }
    outputs
}

/// Of two of one name that of the run that ended first. Source: `DolphinScheduler`, `parameterPassing`.
fn merged(mut all: Vec<(Option<Timestamp>, Outputs)>) -> Outputs {
    all.sort_by_key(|(ended, _)| ended.unwrap_or(Timestamp::MAX));
    let mut merged = Outputs::new();
    for (name, value) in all.into_iter().flat_map(|(_, outputs)| outputs) {
        merged.entry(name).or_insert(value);
    }
    merged
}

/// What is found has to fit a record of the run that waits.
fn within_limits(position: u32, seen: &[Seen], outputs: Outputs) -> Finding {
    let bytes: usize = outputs
        .iter()
        .map(|(name, value)| name.len() + value.text.len())
        .sum();
    if bytes <= DEPENDENCE_OUTPUT_BYTES_MAX {
        return finding(position, seen, outputs);
    }
    let found = finding(position, seen, Outputs::new());
    if found.verdict != Verdict::Met {
        return found;
    }
    let why = format!(
        "the outputs that are handed on have {bytes} bytes, at most {DEPENDENCE_OUTPUT_BYTES_MAX} are allowed: declare fewer"
    );
    Finding {
        verdict: Verdict::Failed,
        why,
        ..found
    }
}
