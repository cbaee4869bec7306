//! A run that an attempt of another one has made: what it says to the one above, and what it hears from there.

use jiff::Timestamp;
use porpoise_model::{Address, Outputs, RunState};

use super::command;
use super::fact::RunFact;
use super::parameters;
use super::state::{Gate, State};
use crate::Plan;
use crate::aggregate::Decision;
use crate::effect::{Attempt, Effect, EffectKey, NewRun, Trigger};
use crate::family::{ChildStage, ChildState, ChildWord, Turn};
use crate::input::{Input, RunInput};

/// Has the run above told how this one stands, if there is one and it matters to it.
pub(super) fn tell(state: &mut State, at: Timestamp) {
    if state.new.as_deref().and_then(above).is_none() {
        return;
    }
    let matters = match state.run_state() {
        RunState::Queued => state.gate == Gate::Waiting,
        RunState::Pausing | RunState::Canceling => false,
        RunState::Running
        | RunState::Paused
        | RunState::Succeeded
        | RunState::Failed
        | RunState::Canceled => true,
    };
    if !matters {
        return;
    }
    let family = state.family.get_or_insert_default();
    state.outbox.remove(&EffectKey::TellParent(family.told));
    family.told += 1;
    state.outbox.add(EffectKey::TellParent(family.told), at);
}

/// The run above, and the attempt there that has made this one.
fn above(new: &NewRun) -> Option<(Address, Attempt)> {
    match &new.trigger {
        Trigger::Parent { run, attempt, .. } => Some((Address::run(new.project, *run), *attempt)),
        Trigger::Schedule { .. } | Trigger::Manual | Trigger::Api => None,
    }
}

/// What it says, as of now.
pub(super) fn word(state: &State, plan: &Plan, new: &NewRun, said: u64) -> Option<Effect> {
    let (to, attempt) = above(new)?;
    let what = standing(state, plan);
    let word = ChildWord {
        attempt,
        said,
        what,
    };
    let input = Input::Run(RunInput::Child(word));
    Some(Effect::Tell { to, input })
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
    let Some((to, _)) = state.new.as_deref().and_then(above) else {
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

/// The fold of that.
pub(super) fn heard(state: &mut State, turn: Turn) {
    state.family.get_or_insert_default().heard = turn.number;
}
