//! The rules of a pool.

use jiff::Timestamp;
use porpoise_model::ProjectId;
use porpoise_model::limits::POOL_SLOTS_MAX;

use super::fact::PoolFact;
use super::line::Request;
use super::state::State;
use super::tell;
use crate::aggregate::Decision;
use crate::commands::Outcome;
use crate::effect::{EffectKey, Holder};
use crate::input::{Command, PoolCommand, PoolInput, SlotAnswerKind};
use crate::mutant::{self, Mutant};

/// What follows from an input.
pub(super) fn decide(state: &State, project: ProjectId, input: &PoolInput) -> Decision<PoolFact> {
    match input {
        PoolInput::Woken => Decision::nothing(),
        PoolInput::Asked {
            holder,
            slots,
            weight,
            rank,
        } => {
            let request = Request {
                slots: (*slots).max(1),
                weight: *weight,
                rank: *rank,
            };
            asked(state, project, *holder, request)
        }
        PoolInput::Taken { holder } => {
            let news = state.outbox.contains(&EffectKey::GrantSlot(*holder));
            only_if(news, PoolFact::Taken { holder: *holder })
        }
        PoolInput::Freed { holder } => {
            let known = state.held.contains_key(holder) || state.line.contains(*holder);
            only_if(known, PoolFact::Freed { holder: *holder }).reply(tell(
                project,
                *holder,
                SlotAnswerKind::Freed,
            ))
        }
        PoolInput::Holding { holder } => {
            let asked = state.outbox.contains(&EffectKey::CheckHolder(*holder));
            only_if(asked, PoolFact::Heard { holder: *holder })
        }
        PoolInput::Commanded(command) => Decision::facts(commanded(state, command)),
    }
}

fn only_if(news: bool, fact: PoolFact) -> Decision<PoolFact> {
    Decision::facts(news.then_some(fact).into_iter().collect())
}

/// Who asks again hears the same again. A grant is not a reply: it stays in the outbox until the run has taken it.
fn asked(
    state: &State,
    project: ProjectId,
    holder: Holder,
    request: Request,
) -> Decision<PoolFact> {
    let queued = tell(project, holder, SlotAnswerKind::Queued);
    if state.held.contains_key(&holder) {
        return Decision::nothing().reply(tell(project, holder, SlotAnswerKind::Granted));
    }
    if state.line.contains(holder) {
        return Decision::nothing().reply(queued);
    }
    let first = state.line.first();
    let leads = first.is_none_or(|first| state.line.turn(&request) < first);
    let asked = PoolFact::Asked { holder, request };
    if leads && fits(state.size(), state.used(), request.slots) {
        Decision::facts(vec![asked, PoolFact::Granted { holder }])
    } else {
        Decision::fact(asked).reply(queued)
    }
}

/// Whether a request may be granted beside what is held. One that is larger than the pool gets it when it is empty.
fn fits(size: u32, used: u64, slots: u32) -> bool {
    size > 0 && (used == 0 || used + u64::from(slots) <= u64::from(size))
}

/// Grants from the head of the line as long as they fit, and asks those who have been silent.
pub(super) fn settle(state: &State, now: Timestamp) -> Vec<PoolFact> {
    let mut used = state.used();
    let granted = state.line.iter().map_while(|(holder, slots)| {
        let grant = fits(state.size(), used, slots).then_some(PoolFact::Granted { holder });
        used += u64::from(slots);
        grant
    });
    let granted: Vec<PoolFact> = granted.collect();
    let silent = state.checks().take_while(|(_, due)| *due <= now);
    let checked = silent.map(|(holder, _)| PoolFact::Checked { holder });
    granted.into_iter().chain(checked).collect()
}

/// A command that comes again does nothing.
fn commanded(state: &State, command: &Command<PoolCommand>) -> Vec<PoolFact> {
    if state.commands.seen(command.id).is_some() && !mutant::on(Mutant::CommandTwice) {
        return Vec::new();
    }
    let (what, accepted) = match &command.what {
        PoolCommand::Resize { slots, name } => ("resize", resized(*slots, name)),
        PoolCommand::Grant(holder) => ("grant", granted(state, *holder)),
    };
    let (outcome, fact) = match accepted {
        Ok(fact) => (Outcome::Accepted, Some(fact)),
        Err(reason) => (Outcome::Refused { reason }, None),
    };
    let given = PoolFact::Commanded {
        id: command.id,
        actor: command.actor.clone(),
        what: what.to_owned(),
        outcome,
    };
    std::iter::once(given).chain(fact).collect()
}

fn resized(slots: u32, name: &str) -> Result<PoolFact, String> {
    if slots > POOL_SLOTS_MAX {
        return Err(format!(
            "{slots} slots are more than a pool may have, which is {POOL_SLOTS_MAX}"
        ));
    }
    Ok(PoolFact::Resized {
        slots,
        name: name.to_owned(),
    })
}

/// Whoever is granted slots out of turn takes them as if they were free: the pool has fewer to give until so many are
/// back.
fn granted(state: &State, holder: Holder) -> Result<PoolFact, String> {
    if state.held.contains_key(&holder) {
        return Err("it holds its slots already".to_owned());
    }
    if !state.line.contains(holder) {
        return Err("it does not wait for this pool".to_owned());
    }
    Ok(PoolFact::Granted { holder })
}
