//! A run that an attempt of another one has made, or a backfill: what it says to the one above, and what it hears from
//! there.

use jiff::Timestamp;
use porpoise_model::{Address, Outputs, RunState};

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
    let matters = match state.new.as_deref().and_then(above) {
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

fn above(new: &NewRun) -> Option<Above> {
    match &new.trigger {
        Trigger::Parent { run, attempt, .. } => {
            Some(Above::Run(Address::run(new.project, *run), *attempt))
        }
        Trigger::Backfill {
            backfill,
            dependent,
        } => {
            let project = dependent.map_or(new.project, |along| along.project);
            let to = Address::backfill(project, *backfill);
            Some(Above::Backfill(to, dependent.map(|along| along.number)))
        }
        Trigger::Schedule { .. } | Trigger::Manual | Trigger::Api => None,
    }
}

/// What it says, as of now.
pub(super) fn word(state: &State, plan: &Plan, new: &NewRun, said: u64) -> Option<Effect> {
    let what = standing(state, plan);
    Some(match above(new)? {
        Above::Run(to, attempt) => Effect::Tell {
            to,
            input: Input::Run(RunInput::Child(ChildWord {
                attempt,
                said,
                what,
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
    let Some(Above::Run(to, _)) = state.new.as_deref().and_then(above) else {
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
