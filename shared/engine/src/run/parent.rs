//! A run that an attempt of another one has made, or a backfill: what it says to the one above, and what it hears from
//! there.

use jiff::Timestamp;
use porpoise_model::{Actor, Address, Outputs, RunState};

use super::command;
use super::fact::RunFact;
use super::parameters;
use super::state::{Gate, State};
use crate::Plan;
use crate::aggregate::Decision;
use crate::effect::{Attempt, Effect, EffectKey, NewRun, Trigger};
use crate::family::{ChildStage, ChildState, ChildWord, DateWord, Turn};
use crate::input::{BackfillInput, Input, RunInput};

/// Whoever has made this run and waits for its end.
enum Above {
    /// An attempt of a task of a run.
    Run(Address, Attempt),
    /// A backfill: it hears of the end only. With the number of the dependent, if the run goes along.
    Backfill(Address, Option<u32>),
}

/// Has whoever waits for this run told how it stands, if there is one and it matters to it.
pub(super) fn tell(state: &mut State, at: Timestamp) {
    let matters = match above(state) {
        None => false,
        Some(Above::Backfill(..)) => state.run_state().is_terminal(),
        Some(Above::Run(..)) => match state.run_state() {
            RunState::Queued => state.gate == Gate::Waiting,
            RunState::Pausing | RunState::Canceling => false,
            RunState::Running
            | RunState::Paused
            | RunState::Succeeded
            | RunState::Failed
            | RunState::Canceled => true,
        },
    };
    if !matters {
        return;
    }
    let family = state.family.get_or_insert_default();
    state.outbox.remove(&EffectKey::TellParent(family.told));
    family.told += 1;
    state.outbox.add(EffectKey::TellParent(family.told), at);
}

fn above(state: &State) -> Option<Above> {
    let new = state.new.as_deref()?;
    match &new.trigger {
        Trigger::Parent { run, attempt, .. } => {
            let later = state.family.as_ref().and_then(|family| family.attempt);
            let attempt = later.unwrap_or(*attempt);
            Some(Above::Run(Address::run(new.project, *run), attempt))
        }
        Trigger::Backfill {
            backfill,
            dependent,
        } => {
            let project = dependent.map_or(new.project, |along| along.project);
            let to = Address::backfill(project, *backfill);
            Some(Above::Backfill(to, dependent.map(|along| along.number)))
        }
        Trigger::Schedule { .. } | Trigger::Manual | Trigger::Api | Trigger::Test => None,
    }
}

/// What it says, as of now.
pub(super) fn word(state: &State, plan: &Plan, new: &NewRun, said: u64) -> Option<Effect> {
    let what = standing(state, plan);
    let went_on = state.family.as_ref().and_then(|family| family.attempt);
    Some(match above(state)? {
        Above::Run(to, attempt) => Effect::Tell {
            to,
            input: Input::Run(RunInput::Child(ChildWord {
                attempt,
                said,
                what,
                run: went_on.map(|_| new.run),
            })),
        },
        Above::Backfill(to, dependent) => Effect::Tell {
            to,
            input: Input::Backfill(BackfillInput::Said(DateWord {
                date: new.logical_date,
                said,
                what: without_results(what),
                dependent,
            })),
        },
    })
}

/// A backfill hands nothing on.
fn without_results(mut what: ChildState) -> ChildState {
    if let ChildState::Ended { outputs, .. } = &mut what {
        outputs.clear();
    }
    what
}

fn standing(state: &State, plan: &Plan) -> ChildState {
    let started = state.started.map(|time| time.0);
    let open = |stage| ChildState::Open { stage, started };
    let over = match state.run_state() {
        RunState::Queued => return open(ChildStage::Waiting),
        RunState::Running | RunState::Pausing | RunState::Canceling => {
            return open(ChildStage::Running);
        }
        RunState::Paused => return open(ChildStage::Paused),
        over @ (RunState::Succeeded | RunState::Failed | RunState::Canceled) => over,
    };
    let ended = state.ended.map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let cause = state.cause.as_ref();
    let why = cause.map_or_else(String::new, ToString::to_string);
    let (over, why, outputs) = match results(state, plan, over) {
        Ok(outputs) => (over, why, outputs),
        Err(fault) => (RunState::Failed, fault, Outputs::new()),
    };
    ChildState::Ended {
        state: over,
        started,
        ended,
        why,
        outputs,
    }
}

fn results(state: &State, plan: &Plan, over: RunState) -> Result<Outputs, String> {
    if over == RunState::Succeeded {
        parameters::results(state, plan)
    } else {
        Ok(Outputs::new())
    }
}

/// The run above wants this one to pause, or to go on. It is told each time that it was heard.
pub(super) fn turned(state: &State, turn: Turn) -> Decision<RunFact> {
    let Some(Above::Run(to, _)) = above(state) else {
        return Decision::nothing();
    };
    let input = Input::Run(RunInput::Done(EffectKey::Turn(turn)));
    let heard = state.family.as_ref().map_or(0, |family| family.heard);
    let mut facts = Vec::new();
    if turn.number > heard {
        facts.push(RunFact::Turned { turn });
        let follows = if turn.pause {
            command::pause(state)
        } else {
            command::resume(state)
        };
        // What it cannot do now it does already, or is beyond.
        facts.extend(follows.unwrap_or_default());
    }
    Decision::facts(facts).reply(Effect::Tell { to, input })
}

/// The run above wants this one to go on for a later attempt, or only to be stopped on behalf of that. It says how it
/// stands to that attempt from now on. What is heard twice, or late, changes nothing.
pub(super) fn go_on(
    state: &State,
    plan: &Plan,
    attempt: Attempt,
    stop: Option<&Actor>,
) -> Vec<RunFact> {
    let Some(Above::Run(_, known)) = above(state) else {
        return Vec::new();
    };
    if attempt.task != known.task || attempt.number < known.number {
        return Vec::new();
    }
    let is_later = attempt.number > known.number;
    let mut facts = Vec::new();
    facts.extend(is_later.then_some(RunFact::WentOn { attempt }));
    match stop {
        // One that is over says so.
        Some(actor) => facts.extend(command::kill(state, actor).unwrap_or_default()),
        None if is_later => facts.extend(again(state, plan)),
        None => {}
    }
    facts
}

/// What did not succeed, unless the run goes on already; all of it, if nothing says what that would be, as where only what
/// it hands up could not be made.
fn again(state: &State, plan: &Plan) -> Option<RunFact> {
    match standing(state, plan) {
        ChildState::Open { .. }
        | ChildState::Ended {
            state: RunState::Succeeded,
            ..
        } => return None,
        ChildState::Ended { .. } => {}
    }
    let failed = command::failed(state, plan);
    let tasks = if failed.is_empty() {
        command::all(state)
    } else {
        failed
    };
    (!tasks.is_empty()).then(|| command::recovered(state, plan, tasks))
}

/// The fold of that.
pub(super) fn went_on(state: &mut State, attempt: Attempt, at: Timestamp) {
    state.family.get_or_insert_default().attempt = Some(attempt);
    tell(state, at);
}

/// The fold of that the run above wants it to pause, or to go on.
pub(super) fn heard(state: &mut State, turn: Turn) {
    state.family.get_or_insert_default().heard = turn.number;
}
