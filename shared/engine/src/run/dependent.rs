//! Tasks that wait for runs of other workflows.
//!
//! Nothing is dispatched for them, and nobody asks again and again. A task that begins to wait has the shell look once:
//! it writes down who waits, then reads which runs there are, and says so. Whoever lists that a run has ended reads
//! afterwards who waits for it, and tells. One of the two therefore sees the other (docs/adr/0018). What was met stays
//! met; all else is looked at again.
//!
//! What is odd about `DolphinScheduler` is kept for its dialects only: before 3.2 a task fails its waiters with its first
//! failed try, and one that somebody forced to succeed keeps them waiting for ever.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use porpoise_expression::Dialect;
use porpoise_model::dependence::{Need, Part, Runs, Verdict};
use porpoise_model::workflow::Kind;
use porpoise_model::{Cause, Name, Outputs, RunId, RunState};

use super::fact::RunFact;
use super::ranges::Ranges;
use super::state::{Awaiting, State, Time};
use super::tasks::Phase;
use crate::Plan;
use crate::aggregate::Decision;
use crate::effect::{
    Effect, EffectKey, Listing, Look, LookAt, LookOut, NewRun, Unsubscription, Wait,
};
use crate::input::{Finding, Findings};
use crate::period::{Interval, Reading, intervals};

/// Runs that are named of what is met.
const RUNS_NAMED_MAX: usize = 8;
/// Characters of what is said of a whole need.
const WORDS_MAX: usize = 600;

/// What a task of this kind waits for.
struct Waits<'p> {
    needs: &'p Need,
    timezone: Option<&'p str>,
    failure_wait: std::time::Duration,
}

impl<'p> Waits<'p> {
    fn of(plan: &'p Plan, task: u32) -> Option<Self> {
        match plan.task(task).map(|task| &task.kind) {
            Some(Kind::Dependent {
                needs,
                timezone,
                failure_wait,
            }) => Some(Self {
                needs,
                timezone: timezone.as_deref(),
                failure_wait: *failure_wait,
            }),
            Some(_) | None => None,
        }
    }

    fn verdict(&self, found: &BTreeMap<u32, Finding>) -> Verdict {
        let known = |position| {
            let finding = found.get(&position);
            finding.map_or(Verdict::Open, |finding| finding.verdict)
        };
        self.needs.verdict(&known)
    }
}

/// What a look has found, and what follows from that.
pub(super) fn found(
    state: &State,
    plan: &Plan,
    findings: &Findings,
    now: Timestamp,
) -> Vec<RunFact> {
    let look = findings.look;
    let task = look.wait.task;
    let (Some(awaiting), Some(waits)) = (state.awaiting.get(&task), Waits::of(plan, task)) else {
        return Vec::new();
    };
    let asked = awaiting.look == look && state.outbox.contains(&EffectKey::Look(look));
    if !asked {
        return Vec::new();
    }
    let news = |finding: &&Finding| awaiting.found.get(&finding.position) != Some(*finding);
    let news: Vec<Finding> = findings.found.iter().filter(news).cloned().collect();
    let mut known = awaiting.found.clone();
    known.extend(news.iter().map(|one| (one.position, one.clone())));
    let mut facts = vec![RunFact::Found { look, found: news }];
    match waits.verdict(&known) {
        Verdict::Met => facts.push(RunFact::Met { task }),
        Verdict::Failed if waits.failure_wait.is_zero() => {
            facts.push(unmet(plan, task, &known, now));
        }
        // Later, by itself: see `given_up`.
        Verdict::Failed | Verdict::Open => {}
    }
    facts
}

/// Tasks whose need has failed for as long as it may, but for these.
pub(super) fn given_up(state: &State, plan: &Plan, but: &[u32], now: Timestamp) -> Vec<RunFact> {
    let over = |waits: &Awaiting| waits.fails.is_some_and(|fails| fails.0 <= now);
    let awaiting = state.awaiting.iter();
    let over = awaiting.filter(|(task, waits)| over(waits) && !but.contains(task));
    over.map(|(task, waits)| unmet(plan, *task, &waits.found, now))
        .collect()
}

fn unmet(plan: &Plan, task: u32, known: &BTreeMap<u32, Finding>, now: Timestamp) -> RunFact {
    let by = in_words(plan, task, known, Verdict::Failed);
    RunFact::Failed {
        task,
        started: None,
        ended: now,
        cause: Cause::Unmet { by },
        retry: None,
    }
}

/// A run that a task waits for may have ended. A wait that is over is told of no more.
pub(super) fn stirred(state: &State, plan: &Plan, wait: Wait) -> Decision<RunFact> {
    let task = wait.task;
    let waits = state.awaiting.get(&task);
    if waits.is_some_and(|waits| waits.look.wait == wait) {
        return Decision::fact(RunFact::LooksAgain { task });
    }
    let ended = state.new.as_deref();
    let ended = ended.and_then(|new| unsubscription(new, plan, wait));
    let nothing = Decision::nothing();
    ended.map_or(nothing, |ended| {
        Decision::nothing().reply(Effect::Unsubscribe(ended))
    })
}

/// Tasks begin to wait; their time-outs with them.
pub(super) fn begin(state: &mut State, plan: &Plan, tasks: &Ranges, at: Timestamp) {
    tasks
        .iter()
        .for_each(|task| begin_one(state, plan, task, at));
}

fn begin_one(state: &mut State, plan: &Plan, task: u32, at: Timestamp) {
    if state.tasks.phase(task) != Phase::Queued || state.awaiting.contains_key(&task) {
        return;
    }
    state.ready.remove(&task);
    state.parked.remove(task);
    let timeout = plan.task(task).and_then(|task| task.timeout);
    if let Some(until) = timeout.and_then(|timeout| at.checked_add(timeout.after).ok()) {
        state.timeouts.insert(task, Time(until));
    }
    state.looks += 1;
    let look = Look {
        wait: Wait {
            task,
            number: state.looks,
        },
        number: state.looks,
    };
    let awaiting = Awaiting {
        look,
        found: BTreeMap::new(),
        fails: None,
    };
    state.awaiting.insert(task, awaiting);
    state.outbox.add(EffectKey::Look(look), at);
}

/// What a look that is under way finds may be older than what stirs.
pub(super) fn look_again(state: &mut State, task: u32, at: Timestamp) {
    let Some(awaiting) = state.awaiting.get_mut(&task) else {
        return;
    };
    state.looks += 1;
    let before = awaiting.look;
    awaiting.look.number = state.looks;
    let look = awaiting.look;
    state.outbox.remove(&EffectKey::Look(before));
    state.outbox.add(EffectKey::Look(look), at);
}

/// What a look has found becomes known.
pub(super) fn take_in(
    state: &mut State,
    plan: &Plan,
    look: Look,
    found: &[Finding],
    at: Timestamp,
) {
    let task = look.wait.task;
    state.outbox.remove(&EffectKey::Look(look));
    let (Some(awaiting), Some(waits)) = (state.awaiting.get_mut(&task), Waits::of(plan, task))
    else {
        return;
    };
    let found = found.iter().map(|one| (one.position, one.clone()));
    awaiting.found.extend(found);
    let failed = waits.verdict(&awaiting.found) == Verdict::Failed;
    awaiting.fails = if failed {
        let until = at.checked_add(waits.failure_wait).ok().map(Time);
        awaiting.fails.or(until)
    } else {
        None
    };
}

/// A wait ends, however: nobody is to tell of those runs any more.
pub(super) fn end(state: &mut State, task: u32, at: Timestamp) {
    if let Some(awaiting) = state.awaiting.remove(&task) {
        let look = awaiting.look;
        state.outbox.remove(&EffectKey::Look(look));
        state.outbox.add(EffectKey::Unsubscribe(look.wait), at);
    }
}

/// A run that had ended is something else now: somebody has decided about a task, or it goes on. Its next end may be far.
pub(super) fn stir(state: &mut State, at: Timestamp) {
    state.looks += 1;
    state.outbox.add(EffectKey::Stir(state.looks), at);
}

/// What the runs hand on becomes the output of the task; of two of one name the first in the order of the need. `false`:
/// it does not wait.
pub(super) fn hand_on(state: &mut State, task: u32) -> bool {
    let Some(awaiting) = state.awaiting.get(&task) else {
        return false;
    };
    let mut all = Outputs::new();
    for finding in awaiting.found.values() {
        for (name, value) in finding.outputs.iter().flatten() {
            all.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    if !all.is_empty() {
        state.outputs.insert(task, all);
    }
    true
}

/// What is to be looked at.
pub(super) fn look_out(state: &State, plan: &Plan, look: Look) -> Option<LookOut> {
    let new = state.new.as_deref()?;
    let task = look.wait.task;
    let awaiting = state.awaiting.get(&task)?;
    let waits = Waits::of(plan, task)?;
    let zone = waits.timezone.unwrap_or(&new.timezone);
    // Checked when the workflow was saved, and when the run began.
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let dialect = &plan.workflow().dialect;
    let reading = Reading::of_dialect(dialect);
    let is_met = |position: &u32| {
        let known = awaiting.found.get(position);
        known.is_some_and(|known| known.verdict == Verdict::Met)
    };
    let all = (0_u32..).zip(waits.needs.runs());
    let open = all.filter(|(position, _)| !is_met(position));
    let at = open.map(|(position, runs)| LookAt {
        position,
        runs: runs.clone(),
        intervals: intervals(runs.period, new.logical_date, &zone, reading),
    });
    Some(LookOut {
        project: new.project,
        run: new.run,
        workflow: new.workflow,
        logical_date: new.logical_date,
        created: new.created,
        simulate: new.simulate,
        look,
        dialect: dialect.clone(),
        outputs: plan.task(task)?.outputs.keys().cloned().collect(),
        at: at.collect(),
    })
}

/// Whose ends were to be told.
pub(super) fn unsubscription(new: &NewRun, plan: &Plan, wait: Wait) -> Option<Unsubscription> {
    let waits = Waits::of(plan, wait.task)?;
    let names = waits.needs.runs().into_iter();
    let mut of: Vec<(Option<Name>, Name)> = names
        .map(|runs| (runs.project.clone(), runs.workflow.clone()))
        .collect();
    of.sort();
    of.dedup();
    Some(Unsubscription {
        project: new.project,
        run: new.run,
        wait,
        of,
    })
}

/// What a task still waits for, for people.
pub(super) fn missing(state: &State, plan: &Plan, task: u32) -> String {
    let (Some(waits), Some(awaiting)) = (Waits::of(plan, task), state.awaiting.get(&task)) else {
        return String::new();
    };
    let all = (0_u32..).zip(waits.needs.runs());
    let mut open = all.filter(|(position, _)| {
        let known = awaiting.found.get(position);
        known.is_none_or(|known| known.verdict != Verdict::Met)
    });
    let Some((position, runs)) = open.next() else {
        return String::new();
    };
    let mut words = named(runs);
    if let Some(known) = awaiting.found.get(&position) {
        words = format!("{words}: {}", known.why);
    }
    match open.count() {
        0 => {}
        more => words = format!("{words}, and {more} more"),
    }
    match awaiting.fails {
        Some(Time(until)) => format!("{words}; fails at {until} unless that changes"),
        None => words,
    }
}

/// Which runs met what, for people. To be asked before the wait ends.
pub(super) fn met_by(state: &State, plan: &Plan, task: u32) -> String {
    let known = state.awaiting.get(&task).map(|waits| &waits.found);
    known.map_or_else(String::new, |known| {
        in_words(plan, task, known, Verdict::Met)
    })
}

/// What a look has found, for people.
pub fn found_in_words(plan: &Plan, task: u32, found: &[Finding]) -> String {
    joined(plan, task, |position| {
        found.iter().find(|finding| finding.position == position)
    })
}

fn in_words(plan: &Plan, task: u32, known: &BTreeMap<u32, Finding>, which: Verdict) -> String {
    joined(plan, task, |position| {
        known.get(&position).filter(|it| it.verdict == which)
    })
}

fn joined<'f>(plan: &Plan, task: u32, of: impl Fn(u32) -> Option<&'f Finding>) -> String {
    let Some(waits) = Waits::of(plan, task) else {
        return String::new();
    };
    let mut words = String::new();
    for (position, runs) in (0_u32..).zip(waits.needs.runs()) {
        let Some(known) = of(position) else {
            continue;
        };
        if words.chars().count() > WORDS_MAX {
            words.push_str("; …");
            break;
        }
        if !words.is_empty() {
            words.push_str("; ");
        }
        let _ = write!(words, "{}: {}", named(runs), known.why);
    }
    words
}

fn named(runs: &Runs) -> String {
    let project = runs.project.as_ref();
    let project = project.map_or_else(String::new, |project| format!("{project}/"));
    let part = match &runs.part {
        Part::Whole => String::new(),
        Part::Task(task) => format!("task `{task}` of "),
        Part::AllTasks => "all tasks of ".to_owned(),
    };
    let period = runs.period.as_str();
    format!("{part}`{project}{}` ({period})", runs.workflow)
}

/// Whether a run counts for who waits: it has begun or still may, and is no trial, unless the one that waits is.
///
/// Of a run's own workflow only earlier ones count, or two of a day would wait for each other.
pub fn counts(line: &Listing, waits: &LookOut) -> bool {
    let began = line.started.is_some() || !line.state.is_terminal();
    let same = line.project == waits.project && line.workflow == waits.workflow;
    let order = (waits.logical_date, waits.created, waits.run);
    let earlier = (line.logical_date, line.created, line.run) < order;
    began && !line.dry_run && line.simulate == waits.simulate && (!same || earlier)
}

/// The run that counts for an interval: of those that stand for an instant in it the one that started last. Source:
/// `DolphinScheduler` takes the later one of the last scheduled and the last manual run.
pub fn run_of<'l>(interval: &Interval, lines: &'l [Listing]) -> Option<&'l Listing> {
    let within = lines.iter();
    let within = within.filter(|line| interval.contains(line.logical_date));
    within.max_by_key(|line| (line.started.unwrap_or(line.created), line.run))
}

/// What the end of a run, or that there is none yet, says to who waits for it.
pub const fn of_whole(state: RunState) -> Verdict {
    match state {
        RunState::Succeeded => Verdict::Met,
        RunState::Failed | RunState::Canceled => Verdict::Failed,
        RunState::Queued
        | RunState::Running
        | RunState::Pausing
        | RunState::Paused
        | RunState::Canceling => Verdict::Open,
    }
}

/// The same for people. Nobody is told of what becomes of a run before its end.
pub fn whole_in_words(state: RunState) -> String {
    if state.is_terminal() {
        state.to_string()
    } else {
        "it has not ended".to_owned()
    }
}

/// What a run says to who waits for a part of it, and why.
pub fn of_part(part: &Part, state: &State, plan: &Plan, dialect: &str) -> (Verdict, String) {
    let old = dialect.parse::<Dialect>().is_ok_and(Dialect::is_before_3_2);
    match part {
        Part::Whole => {
            let run = state.run_state();
            (of_whole(run), whole_in_words(run))
        }
        Part::Task(name) => {
            let Some(task) = plan.find(name.as_str()) else {
                return (unless_over(state), format!("it has no task `{name}`"));
            };
            let (verdict, phase) = (of_task(state, task, old), state.tasks.phase(task));
            let what = if verdict == Verdict::Open && !phase.is_terminal() {
                "the task has not ended".to_owned()
            } else {
                format!("the task is {}", phase.state())
            };
            (verdict, what)
        }
        Part::AllTasks if !state.run_state().is_terminal() => {
            (Verdict::Open, whole_in_words(state.run_state()))
        }
        Part::AllTasks => {
            let lacks = |task: &u32| !state.tasks.phase(*task).is_success();
            let first = (0..plan.len()).find(lacks);
            let first = first.and_then(|task| Some((plan.task(task)?, state.tasks.phase(task))));
            first.map_or_else(
                || (Verdict::Met, "all succeeded".to_owned()),
                |(task, phase)| {
                    let shown = phase.state();
                    (Verdict::Failed, format!("task `{}` is {shown}", task.name))
                },
            )
        }
    }
}

/// What a task that did not run says: nothing as long as its run goes on.
fn unless_over(state: &State) -> Verdict {
    if state.run_state().is_terminal() {
        Verdict::Failed
    } else {
        Verdict::Open
    }
}

/// `old`: as `DolphinScheduler` before 3.2 sees it.
fn of_task(state: &State, task: u32, old: bool) -> Verdict {
    match state.tasks.phase(task) {
        Phase::Succeeded if old && state.not_by_itself.contains(&task) => Verdict::Open,
        Phase::Succeeded => Verdict::Met,
        Phase::Disabled if old => unless_over(state),
        Phase::Disabled => Verdict::Met,
        Phase::Failed | Phase::Canceled => Verdict::Failed,
        Phase::UpForRetry if old => Verdict::Failed,
        // A run that is rerun, and that its gate does not let in again, is over with tasks that wait.
        Phase::Skipped
        | Phase::UpstreamFailed
        | Phase::LeftOut
        | Phase::Pending
        | Phase::Queued => unless_over(state),
        Phase::Dispatched | Phase::Running | Phase::Canceling | Phase::UpForRetry => Verdict::Open,
    }
}

/// What is found of one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The run that counts, if there is one.
    pub run: Option<RunId>,
    /// What it says.
    pub verdict: Verdict,
    /// In words.
    pub why: String,
}

/// What is found of runs, by what is found of each of their intervals: all are needed.
pub fn finding(position: u32, seen: &[Seen], outputs: Outputs) -> Finding {
    let verdict = Verdict::all(seen.iter().map(|one| one.verdict));
    let outputs = Some(outputs).filter(|outputs| !outputs.is_empty() && verdict == Verdict::Met);
    if verdict == Verdict::Met {
        let all: Vec<RunId> = seen.iter().filter_map(|one| one.run).collect();
        let latest = all.len().saturating_sub(RUNS_NAMED_MAX);
        let runs: Vec<RunId> = all.iter().skip(latest).copied().collect();
        return Finding {
            position,
            verdict,
            why: runs_in_words(&all),
            runs,
            outputs,
        };
    }
    let first = seen.iter().find(|one| one.verdict == verdict);
    Finding {
        position,
        verdict,
        runs: first.and_then(|one| one.run).into_iter().collect(),
        why: first.map_or_else(String::new, |one| one.why.clone()),
        outputs: None,
    }
}

fn runs_in_words(all: &[RunId]) -> String {
    match all {
        [] => "no run is needed".to_owned(),
        [one] => format!("run {one}"),
        [.., last] => format!("{} runs, the last {last}", all.len()),
    }
}
