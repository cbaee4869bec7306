//! What follows from an input of a run.

use std::collections::BTreeSet;

use jiff::Timestamp;
use porpoise_model::workflow::Kind;
use porpoise_model::{Address, Cause, Outputs, PoolId};

use super::child;
use super::command;
use super::dependent;
use super::edit;
use super::fact::{After, RunFact};
use super::parameters;
use super::parent;
use super::ranges::Ranges;
use super::retry;
use super::state::{Gate, SlotStage, State};
use super::tasks::Phase;
use super::watched;
use crate::Plan;
use crate::aggregate::Decision;
use crate::effect::{Attempt, Effect, EffectKey, Holder};
use crate::input::{
    GateAnswer, GateAnswerKind, GateInput, Input, PoolInput, Report, ReportKind, RunInput,
    SlotAnswer, SlotAnswerKind,
};
use crate::mutant::{self, Mutant};

/// Every input of a run comes through here.
pub fn decide(state: &State, plan: &Plan, input: &RunInput, now: Timestamp) -> Decision<RunFact> {
    if state.new.is_none() {
        return Decision::nothing();
    }
    match input {
        RunInput::Start => Decision::facts(start(state, plan)),
        RunInput::Woken | RunInput::Annotated(_) => Decision::nothing(),
        RunInput::Reported(reports) => Decision::facts(reported(state, plan, reports, now)),
        RunInput::Commanded(command) => Decision::facts(command::decide(state, plan, command, now)),
        RunInput::Slot(answer) => slot(state, plan, answer),
        RunInput::Gate(answer) => gate(state, *answer),
        RunInput::Child(word) => child::heard(state, plan, word, now),
        RunInput::Turned(turn) => parent::turned(state, *turn),
        RunInput::Refused { key, why } => {
            Decision::facts(child::refused(state, plan, *key, why, now))
        }
        RunInput::Done(key) if state.outbox.contains(key) => {
            Decision::fact(RunFact::Done { key: *key })
        }
        RunInput::Done(_) => Decision::nothing(),
        RunInput::Found(findings) => Decision::facts(dependent::found(state, plan, findings, now)),
        RunInput::Stirred(wait) => dependent::stirred(state, plan, *wait),
        RunInput::GoOn { attempt, stop } => {
            Decision::facts(parent::go_on(state, plan, *attempt, stop.as_ref()))
        }
        RunInput::Watched(names) => Decision::facts(watched::decide(state, plan, names)),
    }
}

/// Parameters are resolved for good, or the run can't begin.
fn start(state: &State, plan: &Plan) -> Vec<RunFact> {
    if state.parameters.is_some() || state.run_state().is_terminal() {
        return Vec::new();
    }
    let Some(new) = &state.new else {
        return Vec::new();
    };
    match parameters::resolve(new, plan.workflow()) {
        Ok(parameters) => vec![RunFact::Begun { parameters }],
        Err(message) => {
            let cause = Some(Cause::Unresolved { message });
            vec![RunFact::Ended {
                state: porpoise_model::RunState::Failed,
                cause,
            }]
        }
    }
}

/// Whether all that is reported is of attempts that are over, or was said before: numbers of attempts are not used again,
/// and what has started or ended has done so for good.
pub fn is_past(state: &State, input: &RunInput) -> bool {
    let RunInput::Reported(reports) = input else {
        return false;
    };
    reports.iter().all(|report| {
        let Attempt { task, map, number } = report.attempt;
        let (phase, last) = (state.tasks.phase(task), state.tasks.attempts(task));
        let said = match &report.what {
            ReportKind::Accepted | ReportKind::Waiting { .. } | ReportKind::Started { .. } => {
                phase == Phase::Running
            }
            ReportKind::Succeeded { .. }
            | ReportKind::Failed { .. }
            | ReportKind::Canceled { .. } => false,
        };
        map == 0 && (number < last || (number == last && (said || !phase.is_active())))
    })
}

/// Reports name their attempt: one of an attempt that is over or was replaced changes nothing.
fn reported(state: &State, plan: &Plan, reports: &[Report], now: Timestamp) -> Vec<RunFact> {
    let mut facts = Vec::with_capacity(reports.len());
    let mut accepted = Vec::new();
    let mut over = BTreeSet::new();
    for report in reports {
        let task = report.attempt.task;
        if !is_current(state, report.attempt) || plan.is_workflow(task) || over.contains(&task) {
            continue;
        }
        if report.what == ReportKind::Accepted {
            accepted.push(task);
        } else if let Some(fact) = report_fact(state, plan, task, &report.what, now) {
            if matches!(
                fact,
                RunFact::Succeeded { .. } | RunFact::Failed { .. } | RunFact::Canceled { .. }
            ) {
                over.insert(task);
            }
            facts.push(fact);
        }
    }
    let unknown = |task: &u32| {
        state
            .outbox
            .contains(&EffectKey::Dispatch(state.current(*task)))
    };
    let accepted = Ranges::of(
        accepted
            .into_iter()
            .filter(unknown)
            .filter(|task| !over.contains(task)),
    );
    if !accepted.is_empty() {
        facts.push(RunFact::Accepted { tasks: accepted });
    }
    facts
}

pub(super) fn is_current(state: &State, attempt: Attempt) -> bool {
    let same = attempt.map == 0 && attempt.number == state.tasks.attempts(attempt.task);
    (same || mutant::on(Mutant::LateReportAccepted)) && state.tasks.phase(attempt.task).is_active()
}

fn report_fact(
    state: &State,
    plan: &Plan,
    task: u32,
    what: &ReportKind,
    now: Timestamp,
) -> Option<RunFact> {
    match what {
        ReportKind::Accepted => None,
        ReportKind::Waiting { why } => {
            let news = state.tasks.phase(task) == Phase::Dispatched
                && state.waiting.get(&task) != Some(why);
            news.then(|| RunFact::Waiting {
                task,
                why: why.clone(),
            })
        }
        ReportKind::Started { at, external_id } => {
            let news = state.tasks.phase(task) == Phase::Dispatched;
            news.then(|| RunFact::Started {
                task,
                at: *at,
                external_id: external_id.clone(),
            })
        }
        ReportKind::Succeeded {
            started,
            ended,
            outputs,
        } => {
            let outputs = taken_in(plan, task, outputs);
            let outputs = (!outputs.is_empty()).then_some(outputs);
            Some(RunFact::Succeeded {
                task,
                started: *started,
                ended: *ended,
                outputs,
            })
        }
        ReportKind::Failed {
            started,
            ended,
            cause,
        } => Some(failed(state, plan, task, (*started, *ended), cause, now)),
        ReportKind::Canceled { ended } => Some(canceled(state, plan, task, *ended, now)),
    }
}

/// Whoever reports of a process is trusted for what its task declares, and for nothing beside it. What a target hands on
/// by itself (rows, where a result lies, how an execution is called) nobody declares.
fn taken_in(plan: &Plan, task: u32, outputs: &Outputs) -> Outputs {
    let Some(task) = plan.task(task) else {
        return Outputs::new();
    };
    match task.kind {
        Kind::Spark { .. }
        | Kind::Hive { .. }
        | Kind::Sql { .. }
        | Kind::Function { .. }
        | Kind::Http(_)
        | Kind::StateMachine { .. }
        | Kind::External { .. } => outputs.clone(),
        // Nobody reports of them: they have no attempts, or attempts without a job.
        Kind::Switch { .. }
        | Kind::Conditions { .. }
        | Kind::Workflow { .. }
        | Kind::Approval { .. }
        | Kind::Dependent { .. } => Outputs::new(),
        Kind::Noop
        | Kind::Sleep { .. }
        | Kind::Shell { .. }
        | Kind::Python { .. }
        | Kind::Command { .. } => {
            let declared = |name: &String| task.outputs.contains_key(name);
            let kept = outputs.iter().filter(|(name, _)| declared(name));
            kept.map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        }
    }
}

/// The attempt failed by itself, whatever we may have wanted of it meanwhile.
pub(super) fn failed(
    state: &State,
    plan: &Plan,
    task: u32,
    (started, ended): (Option<Timestamp>, Timestamp),
    cause: &Cause,
    now: Timestamp,
) -> RunFact {
    let timed_out = state.canceling.get(&task) == Some(&After::TimeOut);
    let cause = if timed_out {
        Cause::Timeout
    } else {
        cause.clone()
    };
    let retry = retry::next(state, plan, task, &cause, now);
    RunFact::Failed {
        task,
        started,
        ended,
        cause,
        retry,
    }
}

/// The attempt was stopped: by its time-out, which is a failure, or because somebody wanted it.
pub(super) fn canceled(
    state: &State,
    plan: &Plan,
    task: u32,
    ended: Timestamp,
    now: Timestamp,
) -> RunFact {
    if state.canceling.get(&task) == Some(&After::TimeOut) {
        return failed(state, plan, task, (None, ended), &Cause::Timeout, now);
    }
    RunFact::Canceled { task, ended }
}

/// A pool answers. What it grants and is no longer wanted goes back at once.
fn slot(state: &State, plan: &Plan, answer: &SlotAnswer) -> Decision<RunFact> {
    let task = answer.attempt.task;
    let ours = state
        .slots
        .get(&task)
        .filter(|slot| slot.attempt == answer.attempt);
    let tasks = Ranges::one(task);
    match (answer.what, ours.map(|slot| slot.stage)) {
        (SlotAnswerKind::Queued, Some(SlotStage::Asked)) => {
            Decision::fact(RunFact::SlotsQueued { tasks })
        }
        (SlotAnswerKind::Queued, _) => Decision::nothing(),
        (SlotAnswerKind::Granted, Some(SlotStage::Asked | SlotStage::Queued)) => tell(
            state,
            plan,
            Decision::fact(RunFact::SlotsGranted { tasks }),
            answer.attempt,
            Told::Taken,
        ),
        (SlotAnswerKind::Granted, Some(SlotStage::Held)) => tell(
            state,
            plan,
            Decision::nothing(),
            answer.attempt,
            Told::Taken,
        ),
        (SlotAnswerKind::StillHolding, Some(SlotStage::Held)) => tell(
            state,
            plan,
            Decision::nothing(),
            answer.attempt,
            Told::Holding,
        ),
        (SlotAnswerKind::StillHolding, Some(SlotStage::Asked | SlotStage::Queued))
        | (SlotAnswerKind::Granted | SlotAnswerKind::StillHolding, None) => tell(
            state,
            plan,
            Decision::nothing(),
            answer.attempt,
            Told::Freed,
        ),
        (SlotAnswerKind::Freed, _)
            if state.outbox.contains(&EffectKey::FreeSlot(answer.attempt)) =>
        {
            Decision::fact(RunFact::SlotFreed {
                attempt: answer.attempt,
            })
        }
        (SlotAnswerKind::Freed, _) => Decision::nothing(),
    }
}

#[derive(Clone, Copy)]
enum Told {
    Taken,
    Holding,
    Freed,
}

fn tell(
    state: &State,
    plan: &Plan,
    decision: Decision<RunFact>,
    attempt: Attempt,
    what: Told,
) -> Decision<RunFact> {
    let Some(new) = &state.new else {
        return decision;
    };
    let holder = Holder {
        run: new.run,
        attempt,
    };
    let input = match what {
        Told::Taken => PoolInput::Taken { holder },
        Told::Holding => PoolInput::Holding { holder },
        Told::Freed => PoolInput::Freed { holder },
    };
    // The attempt may be of a version that the run has no more: whichever pool it was that asks has its answer.
    let before = edit::pools_before(state, attempt.task, attempt.number);
    let mut pools: BTreeSet<PoolId> = before.into_iter().collect();
    pools.extend(super::effects::pool(state, plan, attempt.task));
    pools.into_iter().fold(decision, |decision, pool| {
        decision.reply(Effect::Tell {
            to: Address::pool(new.project, pool),
            input: Input::Pool(input.clone()),
        })
    })
}

/// The gate answers. It is told at once that its word has arrived.
fn gate(state: &State, answer: GateAnswer) -> Decision<RunFact> {
    let waits = matches!(state.gate, Gate::Asked | Gate::Waiting) && answer.entry == state.entry;
    let decision = match answer.what {
        GateAnswerKind::Waiting if waits && state.gate == Gate::Asked => {
            return Decision::fact(RunFact::GateWaiting);
        }
        GateAnswerKind::Waiting => return Decision::nothing(),
        GateAnswerKind::Left if state.outbox.contains(&EffectKey::LeaveGate(answer.entry)) => {
            return Decision::fact(RunFact::LeftGate {
                entry: answer.entry,
            });
        }
        GateAnswerKind::Left => return Decision::nothing(),
        GateAnswerKind::Admitted if waits => Decision::fact(RunFact::Admitted),
        GateAnswerKind::Discarded if waits => Decision::fact(RunFact::Discarded),
        // Its word of being let in is still on its way.
        GateAnswerKind::Superseded if waits => Decision::fact(RunFact::Discarded),
        GateAnswerKind::Superseded if answer.entry == state.entry => {
            Decision::facts(command::superseded(state))
        }
        GateAnswerKind::Admitted | GateAnswerKind::Discarded | GateAnswerKind::Superseded => {
            Decision::nothing()
        }
    };
    let Some(new) = &state.new else {
        return decision;
    };
    // Let in by an entry that is over: it leaves at once, or it would hold the gate for ever.
    let admitted = waits && answer.what != GateAnswerKind::Superseded;
    let inside = admitted || (state.gate == Gate::Inside && answer.entry == state.entry);
    let (run, entry) = (new.run, answer.entry);
    let input = if inside || answer.what == GateAnswerKind::Discarded {
        GateInput::Noted { run, entry }
    } else {
        GateInput::Left { run, entry }
    };
    decision.reply(Effect::Tell {
        to: Address::gate(new.project, new.workflow),
        input: Input::Gate(input),
    })
}
