//! What pools promise, in stories.

use porpoise_engine::EffectKey;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::commands::Outcome;
use porpoise_engine::effect::{Effect, Holder};
use porpoise_engine::input::{Input, PoolCommand, PoolInput, RunInput, SlotAnswerKind};
use porpoise_engine::pool::{Pool, PoolFact};

use super::driver::{Driver, command, holder, project};

pub(crate) fn ask(number: u8, slots: u32) -> PoolInput {
    ask_as(number, slots, 0, (2, 2))
}

pub(crate) fn ask_as(number: u8, slots: u32, weight: i32, rank: (u8, u8)) -> PoolInput {
    PoolInput::Asked {
        holder: holder(number),
        slots,
        weight,
        rank,
    }
}

pub(crate) fn free(number: u8) -> PoolInput {
    PoolInput::Freed {
        holder: holder(number),
    }
}

fn taken(number: u8) -> PoolInput {
    PoolInput::Taken {
        holder: holder(number),
    }
}

fn resize(id: u8, slots: u32) -> PoolInput {
    let name = "warehouse".to_owned();
    PoolInput::Commanded(command(id, PoolCommand::Resize { slots, name }))
}

fn pool_of(slots: u32) -> Driver<Pool> {
    let mut pool = Driver::new();
    pool.give(&[resize(200, slots)]);
    pool
}

/// `2 granted`, `3 queued`: what is said to which run.
pub(crate) fn said(effects: &[Effect]) -> Vec<String> {
    let line = |effect: &Effect| match effect {
        Effect::Tell {
            to,
            input: Input::Run(RunInput::Slot(answer)),
        } => {
            assert_eq!(to.project, project());
            let number = to.id[0];
            assert_eq!(answer.attempt, holder(number).attempt);
            let word = match answer.what {
                SlotAnswerKind::Queued => "queued",
                SlotAnswerKind::Granted => "granted",
                SlotAnswerKind::Freed => "freed",
                SlotAnswerKind::StillHolding => "still holding?",
            };
            format!("{number} {word}")
        }
        other => panic!("{other:?}"),
    };
    effects.iter().map(line).collect()
}

fn who(holder: &Holder) -> u8 {
    holder.run.as_bytes()[0]
}

fn say(fact: &PoolFact) -> String {
    match fact {
        PoolFact::Asked { holder, request } => {
            format!("{} asks for {}", who(holder), request.slots)
        }
        PoolFact::Granted { holder } => format!("{} granted", who(holder)),
        PoolFact::Taken { holder } => format!("{} knows", who(holder)),
        PoolFact::Freed { holder } => format!("{} freed", who(holder)),
        PoolFact::Checked { holder } => format!("{} checked", who(holder)),
        PoolFact::Heard { holder } => format!("{} heard", who(holder)),
        PoolFact::Commanded { what, outcome, .. } => match outcome {
            Outcome::Accepted => format!("{what} accepted"),
            Outcome::Refused { reason } => format!("{what} refused: {reason}"),
        },
        PoolFact::Resized { slots, name } => format!("{name} has {slots}"),
    }
}

#[test]
fn a_pool_that_nobody_resized_has_one_slot_and_lends_it_in_turn() {
    let mut pool = Driver::<Pool>::new();
    pool.give(&[ask(1, 1)]);
    assert_eq!(said(&pool.pending()), ["1 granted"]);
    pool.give(&[taken(1)]);
    let (_, replies) = pool.give(&[ask(2, 1)]);
    assert_eq!(said(&replies), ["2 queued"]);
    pool.pass(60);
    let (_, replies) = pool.give(&[free(1)]);
    assert_eq!(said(&replies), ["1 freed"]);
    pool.give(&[taken(2)]);
    pool.give(&[free(2)]);
    assert!(!Pool::is_open(&pool.state), "nothing is left to do");
    insta::assert_snapshot!(pool.story(say), @"
    00:00:00 1 asks for 1, 1 granted
    00:00:00 1 knows
    00:00:00 2 asks for 1
    00:01:00 1 freed, 2 granted
    00:01:00 2 knows
    00:01:00 2 freed
    ");
}

#[test]
fn the_line_goes_by_weight_then_by_rank_then_by_arrival() {
    let mut pool = pool_of(1);
    pool.give(&[ask(1, 1)]);
    pool.give(&[ask_as(2, 1, 0, (2, 3))]);
    pool.give(&[ask_as(3, 1, 0, (2, 2)), ask_as(4, 1, 0, (2, 2))]);
    pool.give(&[ask_as(5, 1, 7, (4, 4)), ask_as(6, 1, -1, (0, 0))]);
    let line: Vec<u8> = pool
        .state
        .line
        .iter()
        .map(|(holder, _)| who(&holder))
        .collect();
    assert_eq!(line, [5, 3, 4, 2, 6]);
}

#[test]
fn nobody_overtakes_a_large_request_at_the_head_of_the_line() {
    let mut pool = pool_of(3);
    pool.give(&[ask(1, 2)]);
    pool.give(&[ask(2, 2), ask(3, 1)]);
    assert_eq!(
        pool.state.used(),
        2,
        "one slot is free, and kept for the head"
    );
    pool.give(&[free(1)]);
    insta::assert_snapshot!(pool.story(say), @"
    00:00:00 resize accepted, warehouse has 3
    00:00:00 1 asks for 2, 1 granted
    00:00:00 2 asks for 2, 3 asks for 1
    00:00:00 1 freed, 2 granted, 3 granted
    ");
}

#[test]
fn a_request_that_is_larger_than_the_pool_is_served_alone() {
    let mut pool = pool_of(2);
    pool.give(&[ask(1, 1)]);
    pool.give(&[ask(2, 5), ask(3, 1)]);
    pool.give(&[free(1)]);
    assert_eq!(pool.state.used(), 5);
    pool.give(&[free(2)]);
    assert_eq!(said(&pool.pending()), ["3 granted"]);
}

#[test]
fn who_asks_again_hears_the_same_again_and_nothing_is_recorded() {
    let mut pool = pool_of(1);
    pool.give(&[ask(1, 1), ask(2, 1)]);
    let (facts, replies) = pool.give(&[ask(1, 1), ask(2, 1)]);
    assert_eq!(facts, []);
    assert_eq!(said(&replies), ["1 granted", "2 queued"]);
    let (facts, replies) = pool.give(&[free(9)]);
    assert_eq!(facts, []);
    assert_eq!(said(&replies), ["9 freed"], "also who is unknown");
}

#[test]
fn a_silent_holder_is_asked_and_keeps_its_slots_whatever_it_answers_but_freed() {
    let mut pool = pool_of(2);
    pool.give(&[ask(1, 1), ask(2, 1)]);
    pool.give(&[taken(1)]);
    pool.pass(599);
    pool.give(&[PoolInput::Woken]);
    assert_eq!(
        Pool::deadline(&pool.state),
        Some(pool.now + jiff::SignedDuration::from_secs(1))
    );
    pool.pass(1);
    pool.give(&[PoolInput::Woken]);
    let expected = ["1 still holding?", "2 granted"];
    let mut pending = said(&pool.pending());
    pending.sort();
    assert_eq!(
        pending, expected,
        "one that has not taken its slots is not asked"
    );
    pool.pass(30);
    pool.give(&[PoolInput::Holding { holder: holder(1) }]);
    assert!(
        !pool
            .state
            .outbox
            .contains(&EffectKey::CheckHolder(holder(1)))
    );
    pool.pass(600);
    pool.give(&[PoolInput::Woken]);
    pool.give(&[free(1)]);
    insta::assert_snapshot!(pool.story(say), @"
    00:00:00 resize accepted, warehouse has 2
    00:00:00 1 asks for 1, 1 granted, 2 asks for 1, 2 granted
    00:00:00 1 knows
    00:10:00 1 checked
    00:10:30 1 heard
    00:20:30 1 checked
    00:20:30 1 freed
    ");
}

#[test]
fn shrinking_takes_nothing_away_and_zero_stops_granting() {
    let mut pool = pool_of(3);
    pool.give(&[ask(1, 1), ask(2, 1), ask(3, 1), ask(4, 1)]);
    pool.give(&[resize(2, 1)]);
    assert_eq!(pool.state.used(), 3);
    pool.give(&[free(1)]);
    pool.give(&[free(2)]);
    assert_eq!(pool.state.line.len(), 1, "the last slot is held");
    pool.give(&[resize(3, 0)]);
    pool.give(&[free(3)]);
    assert_eq!(pool.state.line.len(), 1, "a pool of nothing grants nothing");
    pool.give(&[resize(4, 1)]);
    assert!(pool.state.line.is_empty());
}

#[test]
fn a_person_lets_one_go_first_and_beyond_the_size() {
    let grant = |id, who| PoolInput::Commanded(command(id, PoolCommand::Grant(holder(who))));
    let mut pool = pool_of(2);
    pool.give(&[ask(1, 2), ask(2, 1), ask(3, 1)]);
    let (_, replies) = pool.give(&[grant(1, 3), grant(1, 3), grant(2, 3), grant(3, 9)]);
    assert!(replies.is_empty());
    assert_eq!(said(&pool.pending()), ["1 granted", "3 granted"]);
    assert_eq!((pool.state.used(), pool.state.size()), (3, 2));
    // Who waits by turn waits until the pool has what it lent.
    pool.give(&[free(1)]);
    assert_eq!(said(&pool.pending()), ["2 granted", "3 granted"]);
    let refused = |id| pool.state.commands.seen(command(id, ()).id).cloned();
    assert_eq!(refused(1), Some(Outcome::Accepted));
    let reason = "it holds its slots already".to_owned();
    assert_eq!(refused(2), Some(Outcome::Refused { reason }));
    let reason = "it does not wait for this pool".to_owned();
    assert_eq!(refused(3), Some(Outcome::Refused { reason }));
}

#[test]
fn a_resize_takes_hold_once_and_a_refusal_is_recorded_with_its_reason() {
    let mut pool = pool_of(3);
    pool.give(&[resize(1, 8)]);
    pool.give(&[resize(2, 5)]);
    let (facts, _) = pool.give(&[resize(1, 8)]);
    assert_eq!(facts, []);
    assert_eq!(pool.state.size(), 5);
    pool.give(&[resize(3, 100_001)]);
    assert_eq!(pool.state.size(), 5);
    pool.pass(24 * 3600);
    pool.give(&[resize(4, 6)]);
    let (facts, _) = pool.give(&[resize(1, 8)]);
    assert_eq!(facts.len(), 2, "after a day nobody remembers");
    insta::assert_snapshot!(pool.story(say), @"
    00:00:00 resize accepted, warehouse has 3
    00:00:00 resize accepted, warehouse has 8
    00:00:00 resize accepted, warehouse has 5
    00:00:00 resize refused: 100001 slots are more than a pool may have, which is 100000
    00:00:00 resize accepted, warehouse has 6
    00:00:00 resize accepted, warehouse has 8
    ");
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_applies_a_resize_twice() {
    use porpoise_engine::mutant::{Mutant, activate};
    let mut pool = pool_of(3);
    pool.give(&[resize(1, 8)]);
    pool.give(&[resize(2, 5)]);
    activate(Some(Mutant::CommandTwice));
    pool.give(&[resize(1, 8)]);
    activate(None);
    assert_eq!(pool.state.size(), 8);
}
