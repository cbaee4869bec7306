//! Waits for runs of other workflows, naively: what each run has come to, and what follows for who waits.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use porpoise_engine::Plan;
use porpoise_engine::effect::NewRun;
use porpoise_engine::input::Finding;
use porpoise_engine::run::{Phase, RunFact, State};
use porpoise_model::dependence::{Need, Part, Period, Runs, Verdict};
use porpoise_model::workflow::Kind;
use porpoise_model::{Cause, RunId, RunState};

use crate::naive::Wrong;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// After so long at rest, in milliseconds, who waits has heard all there is to hear.
const HEARD: i64 = HOUR / 2;

/// What is known of a run.
#[derive(Debug)]
struct Line {
    new: NewRun,
    started: Option<i64>,
    state: RunState,
    /// Whether the first task has ended, and whether it, or all tasks, are well.
    over: bool,
    first: bool,
    all: bool,
    /// What was well at some time.
    ever: BTreeSet<&'static str>,
    /// When one of those changed.
    since: i64,
}

/// A wait of a task.
#[derive(Debug)]
struct Wait {
    since: i64,
    found: BTreeMap<u32, Verdict>,
}

/// What a person does about a wait.
pub(crate) enum Idle {
    /// It has to have ended by itself.
    Stuck(String),
    /// Nobody will ever meet it.
    Forlorn(u32),
}

#[derive(Debug, Default)]
pub(crate) struct Waits {
    runs: BTreeMap<RunId, Line>,
    waits: BTreeMap<(RunId, u32), Wait>,
}

impl Line {
    fn is_over(&self) -> bool {
        self.state.is_terminal()
    }

    /// What a part of it says by now. A task may have ended although its run goes on.
    fn says(&self, part: &Part) -> Option<bool> {
        let (over, well) = match part {
            Part::Whole => (false, self.state == RunState::Succeeded),
            Part::Task(_) => (self.over, self.first),
            Part::AllTasks => (false, self.all),
        };
        (over || self.is_over()).then_some(well)
    }
}

fn word(part: &Part) -> &'static str {
    match part {
        Part::Whole => "whole",
        Part::Task(_) => "first",
        Part::AllTasks => "all",
    }
}

fn needs(plan: &Plan, task: u32) -> Option<&Need> {
    match plan.task(task).map(|task| &task.kind) {
        Some(Kind::Dependent { needs, .. }) => Some(needs),
        _ => None,
    }
}

/// `None`: not decided yet.
fn met(need: &Need, of: &dyn Fn(u32) -> Option<bool>, next: &mut u32) -> Option<bool> {
    match need {
        Need::Runs(_) => {
            *next += 1;
            of(*next - 1)
        }
        Need::All(needs) | Need::Any(needs) => {
            let all = matches!(need, Need::All(_));
            let each: Vec<_> = needs.iter().map(|need| met(need, of, next)).collect();
            if each.contains(&Some(!all)) {
                Some(!all)
            } else {
                (!each.contains(&None)).then_some(all)
            }
        }
    }
}

/// The interval that a run looks at, in milliseconds.
fn interval(new: &NewRun, period: Period) -> (i64, i64) {
    // In January, when all of this happens.
    let offset = match new.timezone.as_str() {
        "Europe/Berlin" => HOUR,
        "Asia/Shanghai" => 8 * HOUR,
        _ => 0,
    };
    let local = new.logical_date.as_millisecond() + offset;
    let (start, length) = match period {
        Period::Today => (local - local.rem_euclid(DAY), DAY),
        Period::ThisHour => (local - local.rem_euclid(HOUR), HOUR),
        _ => (local - local.rem_euclid(HOUR) - HOUR, HOUR),
    };
    (start - offset, start - offset + length)
}

impl Waits {
    pub(crate) fn created(&mut self, new: &NewRun) {
        let line = Line {
            new: new.clone(),
            started: None,
            state: RunState::Queued,
            over: false,
            first: false,
            all: false,
            ever: BTreeSet::new(),
            since: new.created.as_millisecond(),
        };
        self.runs.insert(new.run, line);
    }

    /// A record of a run was folded.
    pub(crate) fn folded(&mut self, run: RunId, state: &State, at: Timestamp) {
        let Some(line) = self.runs.get_mut(&run) else {
            return;
        };
        let before = (line.started, line.state, line.over, line.first, line.all);
        line.started = state.started.map(|time| time.0.as_millisecond());
        line.state = state.run_state();
        let well = |task| state.tasks.phase(task).is_success();
        line.first = !state.tasks.is_empty() && well(0);
        let badly = !state.tasks.is_empty()
            && matches!(state.tasks.phase(0), Phase::Failed | Phase::Canceled);
        line.over = line.first || badly;
        line.all = line.is_over() && !state.tasks.is_empty() && state.tasks.indices().all(well);
        // Whoever waits may look again for ever: that changes nothing for those who wait for it.
        if before != (line.started, line.state, line.over, line.first, line.all) {
            line.since = line.since.max(at.as_millisecond());
        }
        for (well, word) in [
            (line.state == RunState::Succeeded, "whole"),
            (line.first, "first"),
            (line.all, "all"),
        ] {
            if well {
                line.ever.insert(word);
            }
        }
    }

    /// A fact of a run was recorded.
    pub(crate) fn read(
        &mut self,
        run: RunId,
        plan: &Plan,
        fact: &RunFact,
        at: Timestamp,
    ) -> Result<(), Wrong> {
        match fact {
            RunFact::Awaits { tasks } => {
                for task in tasks.iter() {
                    let wait = Wait {
                        since: at.as_millisecond(),
                        found: BTreeMap::new(),
                    };
                    self.waits.insert((run, task), wait);
                }
            }
            RunFact::Found { look, found } => {
                let task = look.wait.task;
                for finding in found.iter().filter(|it| it.verdict == Verdict::Met) {
                    self.is_true(run, plan, task, finding)?;
                }
                if let Some(wait) = self.waits.get_mut(&(run, task)) {
                    let found = found.iter().map(|it| (it.position, it.verdict));
                    wait.found.extend(found);
                }
            }
            RunFact::Met { task } => self.follows(run, plan, *task, true)?,
            RunFact::Failed {
                task,
                cause: Cause::Unmet { .. },
                ..
            } => self.follows(run, plan, *task, false)?,
            _ => {}
        }
        Ok(())
    }

    /// The outcome of a wait is what its need says of what was found.
    fn follows(&self, run: RunId, plan: &Plan, task: u32, well: bool) -> Result<(), Wrong> {
        let found = self.waits.get(&(run, task)).map(|wait| &wait.found);
        let of = |at: u32| match found.and_then(|found| found.get(&at)) {
            Some(Verdict::Met) => Some(true),
            Some(Verdict::Failed) => Some(false),
            Some(Verdict::Open) | None => None,
        };
        let said = needs(plan, task).and_then(|need| met(need, &of, &mut 0));
        if said == Some(well) {
            return Ok(());
        }
        let what = format!("task {task} of {run} ends its wait, well: {well}; found: {found:?}");
        Err(("dependencies-first", what))
    }

    /// What is said to be met was met by such a run, at some time.
    fn is_true(&self, run: RunId, plan: &Plan, task: u32, finding: &Finding) -> Result<(), Wrong> {
        let wrong = |why: &str| {
            let what = format!("task {task} of {run} goes on {why}: {finding:?}");
            Err(("dependencies-first", what))
        };
        let all = needs(plan, task).map(Need::runs).unwrap_or_default();
        let (Some(runs), Some(own)) = (all.get(finding.position as usize), self.runs.get(&run))
        else {
            return wrong("for what it does not need");
        };
        let [by] = finding.runs.as_slice() else {
            let is_own = own.new.workflow_name == runs.workflow.as_str();
            return if is_own && finding.runs.is_empty() {
                Ok(())
            } else {
                wrong("without a run")
            };
        };
        match self.runs.get(by) {
            Some(line) if !Self::concerns(line, own, runs) => {
                wrong("after a run that is another's")
            }
            Some(line) if line.ever.contains(word(&runs.part)) => Ok(()),
            Some(_) | None => wrong("after a run that did not end well"),
        }
    }

    fn concerns(line: &Line, own: &Line, runs: &Runs) -> bool {
        let (from, to) = interval(&own.new, runs.period);
        let at = line.new.logical_date.as_millisecond();
        let order = |line: &Line| (line.new.logical_date, line.new.created, line.new.run);
        let earlier = line.new.workflow != own.new.workflow || order(line) < order(own);
        line.new.workflow_name == runs.workflow.as_str()
            && (from..to).contains(&at)
            && line.new.simulate == own.new.simulate
            && !line.new.dry_run
            && (line.started.is_some() || !line.is_over())
            && earlier
    }

    /// The waits of a run that a person has to do something about: nothing goes wrong since `calm`.
    pub(crate) fn idle(
        &self,
        run: RunId,
        plan: &Plan,
        state: &State,
        (calm, now): (i64, i64),
    ) -> Vec<Idle> {
        let waiting = state.awaiting.keys();
        waiting
            .filter_map(|task| self.idle_at(run, plan, *task, (calm, now)))
            .collect()
    }

    fn idle_at(&self, run: RunId, plan: &Plan, task: u32, (calm, now): (i64, i64)) -> Option<Idle> {
        let (own, wait) = (self.runs.get(&run)?, self.waits.get(&(run, task))?);
        let need = needs(plan, task)?;
        let named: BTreeSet<&str> = need.runs().iter().map(|it| it.workflow.as_str()).collect();
        let others = self.runs.values();
        let others = others.filter(|line| named.contains(line.new.workflow_name.as_str()));
        let others: Vec<&Line> = others.filter(|line| line.new.run != run).collect();
        let last = others.iter().map(|line| line.since).max().unwrap_or(calm);
        let quiet = now - last.max(calm).max(wait.since);
        if quiet < HEARD {
            return None;
        }
        let of = |at: u32| {
            if wait.found.get(&at) == Some(&Verdict::Met) {
                return Some(true);
            }
            let all = need.runs();
            let runs = all.get(at as usize)?;
            let of_period = others.iter().filter(|line| Self::concerns(line, own, runs));
            let latest = of_period.max_by_key(|line| {
                let created = line.new.created.as_millisecond();
                (line.started.unwrap_or(created), line.new.run)
            });
            latest?.says(&runs.part)
        };
        match met(need, &of, &mut 0) {
            Some(well) => Some(Idle::Stuck(format!(
                "task {task} of {run} still waits, what it needs is decided (well: {well}): {wait:?}"
            ))),
            // Those that are open may wait for each other.
            None if others.iter().all(|line| line.is_over()) || quiet > 4 * HEARD => {
                Some(Idle::Forlorn(task))
            }
            None => None,
        }
    }
}
