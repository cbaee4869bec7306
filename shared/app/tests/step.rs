//! The generic step on an aggregate that counts.

use std::sync::Arc;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_app::context::{ContextError, Steppable};
use porpoise_app::step::{StepError, StepReport};
use porpoise_app::{App, Delivery};
use porpoise_engine::effect::{Attempt, EffectKey};
use porpoise_engine::input::{GateInput, RunInput};
use porpoise_engine::outbox::Outbox;
use porpoise_engine::{Aggregate, Decision, Effect, Input};
use porpoise_model::{Address, AggregateKind, ProjectId, RunId, VersionHash};

use crate::support::{Fault, World};

/// Counts, and tells a run of each whole ten until it answers.
#[derive(Debug)]
struct Counter;

#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
struct Count {
    #[n(0)]
    sum: u64,
    #[n(1)]
    told: u64,
    #[n(2)]
    outbox: Outbox,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    ballast: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
enum In {
    #[n(0)]
    Add(#[n(0)] u64),
    /// Adds once, whatever the number of times that it arrives.
    #[n(1)]
    RaiseTo(#[n(0)] u64),
    #[n(2)]
    Answered(#[n(0)] u32),
    #[n(3)]
    Woken,
    #[n(4)]
    Poison,
    #[n(5)]
    Ballast(#[n(0)] u32),
    #[n(6)]
    Many(#[n(0)] u32),
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
enum Fact {
    #[n(0)]
    Added(#[n(0)] u64),
    #[n(1)]
    Told(#[n(0)] u64),
    #[n(2)]
    Answered(#[n(0)] u32),
    #[n(3)]
    Ballast(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        Vec<u8>,
    ),
}

fn key(ten: u64) -> EffectKey {
    EffectKey::AskSlot(Attempt::of(u32::try_from(ten).unwrap(), 1))
}

impl Aggregate for Counter {
    const KIND: AggregateKind = AggregateKind::Backfill;
    const FOLD_VERSION: u32 = 1;
    type State = Count;
    type Context = ();
    type Input = In;
    type Fact = Fact;

    fn decide(state: &Count, (): &(), input: &In, _: Timestamp) -> Decision<Fact> {
        match input {
            In::Add(more) => Decision::fact(Fact::Added(*more)),
            In::RaiseTo(sum) if *sum > state.sum => Decision::fact(Fact::Added(sum - state.sum)),
            In::Answered(ten) if state.outbox.contains(&key(u64::from(*ten))) => {
                Decision::fact(Fact::Answered(*ten))
            }
            In::RaiseTo(_) | In::Answered(_) | In::Woken => Decision::nothing(),
            In::Poison => panic!("poison"),
            In::Ballast(size) => {
                Decision::fact(Fact::Ballast(vec![7; usize::try_from(*size).unwrap()]))
            }
            In::Many(count) => {
                Decision::facts((0..*count).map(|_| Fact::Ballast(vec![1; 1000])).collect())
            }
        }
    }

    fn settle(state: &Count, (): &(), _: Timestamp) -> Vec<Fact> {
        if state.sum / 10 > state.told {
            vec![Fact::Told(state.told + 1)]
        } else {
            Vec::new()
        }
    }

    fn evolve(state: &mut Count, (): &(), fact: &Fact, at: Timestamp) {
        match fact {
            Fact::Added(more) => state.sum += more,
            Fact::Told(ten) => {
                state.told = *ten;
                state.outbox.add(key(*ten), at);
            }
            Fact::Answered(ten) => {
                state.outbox.remove(&key(u64::from(*ten)));
            }
            Fact::Ballast(bytes) => state.ballast.clone_from(bytes),
        }
    }

    fn outbox(state: &Count) -> &Outbox {
        &state.outbox
    }

    fn effect(_: &Count, (): &(), _: EffectKey) -> Option<Effect> {
        Some(Effect::Tell {
            to: told(),
            input: Input::Run(RunInput::Woken),
        })
    }

    fn acknowledged(_: EffectKey) -> In {
        In::Woken
    }

    fn deadline(_: &Count) -> Option<Timestamp> {
        None
    }

    fn is_open(state: &Count) -> bool {
        !state.outbox.is_empty()
    }

    fn version(_: &Fact) -> Option<VersionHash> {
        None
    }

    fn woken() -> In {
        In::Woken
    }
}

impl Steppable for Counter {
    async fn context(
        _: &App,
        _: ProjectId,
        _: Option<VersionHash>,
    ) -> Result<Option<Arc<()>>, ContextError> {
        Ok(Some(Arc::new(())))
    }
}

fn told() -> Address {
    Address::run(ProjectId::of_name("p"), RunId::from_bytes([1; 16]))
}

fn counter() -> Address {
    Address {
        kind: AggregateKind::Backfill,
        ..Address::run(ProjectId::of_name("p"), RunId::from_bytes([2; 16]))
    }
}

fn try_step(app: &App, inputs: Vec<In>) -> Result<StepReport, StepError> {
    app.step::<Counter>(counter(), inputs)
        .now_or_never()
        .unwrap()
}

fn step(app: &App, inputs: Vec<In>) -> StepReport {
    try_step(app, inputs).unwrap()
}

fn sum(app: &App) -> u64 {
    let loaded = app.look::<Counter>(counter()).now_or_never().unwrap();
    loaded.unwrap().state.sum
}

fn sent(world: &World) -> usize {
    let queue = world.queue.lock().unwrap();
    queue
        .get(&told())
        .map_or(0, std::collections::VecDeque::len)
}

fn world() -> Arc<World> {
    World::new(-1, Fault::Cut)
}

#[test]
fn a_step_on_a_warm_copy_costs_one_put() {
    let world = world();
    let app = world.app();
    step(&app, vec![In::Add(1)]);
    let before = world.calls();
    let report = step(&app, vec![In::Add(1), In::Add(1)]);
    assert_eq!(world.calls() - before, 1, "{:?}", world.trace());
    assert_eq!((report.sequence, report.facts, report.records), (2, 2, 1));
    assert_eq!(sum(&app), 3);
}

#[test]
fn a_stale_copy_that_decides_nothing_is_brought_up_to_date_first() {
    let world = world();
    let (a, b) = (world.app(), world.app());
    step(&a, vec![In::Add(9)]);
    step(&b, vec![In::Add(1)]);
    // On the copy of `a` there is nothing to answer; in the log there is.
    let report = step(&a, vec![In::Answered(1)]);
    assert_eq!(report.facts, 1);
    assert!(!report.open);
}

#[test]
fn a_stale_copy_that_decides_something_loses_and_decides_again() {
    let world = world();
    let (a, b) = (world.app(), world.app());
    step(&a, vec![In::Add(1)]);
    step(&b, vec![In::RaiseTo(5)]);
    let report = step(&a, vec![In::RaiseTo(5)]);
    assert_eq!(report.facts, 0, "on the log as it is, nothing follows");
    assert_eq!(step(&a, vec![In::RaiseTo(7)]).sequence, 3);
    assert_eq!(sum(&b), 7);
}

#[test]
fn an_effect_is_sent_once_and_again_when_nobody_answers() {
    let world = world();
    let app = world.app();
    let report = step(&app, vec![In::Add(10)]);
    assert_eq!((sent(&world), report.sent), (1, 1));
    let due =
        Timestamp::from_millisecond(world.now_millis()).unwrap() + SignedDuration::from_secs(120);
    assert_eq!(report.armed, Some(due));
    step(&app, vec![In::Add(1)]);
    assert_eq!(sent(&world), 1, "not within two minutes");
    world.advance(120_000);
    let report = step(&app, vec![In::Woken]);
    assert_eq!(sent(&world), 2);
    assert!(report.armed.is_some(), "and the next time is armed");
    step(&world.app(), vec![]);
    assert_eq!(
        sent(&world),
        3,
        "a process that knows nothing sends at once"
    );
}

#[test]
fn an_early_wake_does_not_lose_the_deadline_and_needless_ones_do_not_multiply() {
    let world = world();
    let app = world.app();
    step(&app, vec![In::Add(10)]);
    let armed = || world.wakes.lock().unwrap().len();
    for _ in 0..5 {
        step(&app, vec![In::Woken]);
    }
    assert_eq!(armed(), 1, "a wake that is far off stays armed");
    world.advance(119_000);
    step(&app, vec![In::Woken]);
    assert_eq!(armed(), 2, "this one was early: the clocks differ");
    world.advance(-3_600_000);
    step(&app, vec![In::Add(1)]);
    assert_eq!(
        armed(),
        3,
        "the clock was set back: who knows what is armed"
    );
}

#[test]
fn the_open_index_knows_the_counter_while_something_is_unanswered() {
    let world = world();
    let app = world.app();
    step(&app, vec![In::Add(9)]);
    assert!(world.open_entries().is_empty());
    step(&app, vec![In::Add(1)]);
    assert_eq!(world.open_entries().len(), 1);
    step(&app, vec![In::Answered(1)]);
    assert!(world.open_entries().is_empty());
    step(&world.app(), vec![In::Add(10)]);
    assert_eq!(world.open_entries().len(), 1, "open again");
}

#[test]
fn a_poisoned_input_is_kept_as_a_note_and_the_others_take_hold() {
    let world = world();
    let app = world.app();
    let report = step(&app, vec![In::Add(1), In::Poison, In::Add(2)]);
    assert_eq!(report.rejected, 1);
    assert_eq!(sum(&app), 3);
    let mut notes = 0;
    world
        .table
        .for_each(|_, sort, _, _| notes += usize::from(sort.starts_with("note/rejected/")));
    assert_eq!(notes, 1);
    assert_eq!(step(&app, vec![In::Add(1)]).rejected, 0, "and life goes on");
}

#[test]
fn bytes_that_are_no_input_are_kept_as_a_note_and_acknowledged() {
    let world = world();
    let app = world.app();
    let batch = vec![(
        told(),
        Delivery::First,
        vec![bytes::Bytes::from_static(b"\xffnonsense")],
    )];
    let returned = app.on_messages(batch).now_or_never().unwrap();
    assert!(returned.is_empty(), "{returned:?}");
    let wrong = minicbor::to_vec(Input::Gate(GateInput::Woken)).unwrap();
    let returned = app
        .on_messages(vec![(told(), Delivery::First, vec![wrong.into()])])
        .now_or_never();
    assert!(returned.unwrap().is_empty());
    let mut notes = 0;
    world
        .table
        .for_each(|_, sort, _, _| notes += usize::from(sort.starts_with("note/rejected/")));
    assert_eq!(notes, 2);
}

#[test]
fn a_decision_beyond_64_kilobytes_fills_several_records() {
    let world = world();
    let app = world.app();
    let report = step(&app, vec![In::Many(200)]);
    assert_eq!(report.records, 4);
    world
        .table
        .for_each(|_, _, _, body| assert!(body.len() <= 64 * 1024, "{}", body.len()));
    let records = app
        .records::<Counter>(counter(), 1, 2)
        .now_or_never()
        .unwrap();
    let numbers: Vec<u64> = records.unwrap().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [2, 3]);
    assert_eq!(step(&world.app(), vec![In::Add(1)]).sequence, 5);
}

#[test]
fn snapshots_cost_a_small_part_of_the_log_and_spare_its_reading() {
    let world = world();
    let app = world.app();
    let (mut log, mut steps) = (0, 0);
    for _ in 0..400 {
        log += step(&app, vec![In::Ballast(4000)]).bytes;
        steps += 1;
    }
    let written: usize = world
        .trace()
        .iter()
        .filter(|call| call.starts_with("put") && call.contains(" snapshot "))
        .map(|call| call.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert!(written > 0 && written < log / 7, "{written} of {log}");
    let cold = world
        .app()
        .look::<Counter>(counter())
        .now_or_never()
        .unwrap();
    assert_eq!(cold.unwrap().sequence, steps);
    let read = world.trace().last().unwrap().clone();
    assert!(!read.contains("log/0000000000000001"), "{read}");
}

#[test]
fn a_snapshot_beyond_an_item_lies_in_a_blob() {
    let world = world();
    let app = world.app();
    // of few records, nobody looks for a snapshot
    for _ in 0..70 {
        step(&app, vec![In::Add(1)]);
    }
    step(&app, vec![In::Ballast(60_000)]);
    for _ in 0..2 {
        step(&app, vec![In::Ballast(400_000)]);
    }
    let cold = world
        .app()
        .look::<Counter>(counter())
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!((cold.sequence, cold.state.ballast.len()), (73, 400_000));
    let blobs = world
        .trace()
        .iter()
        .filter(|call| *call == "blob get")
        .count();
    assert!(blobs > 0, "the cold start read the blob");
}

#[test]
fn a_step_that_is_cut_off_or_loses_an_answer_is_finished_by_the_next() {
    for fault in [Fault::Cut, Fault::LostAnswer] {
        let mut hits = 0;
        for at in 0.. {
            let world = World::new(at, fault);
            let (first, second) = (world.app(), world.app());
            let done = first
                .step::<Counter>(counter(), vec![In::RaiseTo(10)])
                .now_or_never();
            if world.calls() <= u64::try_from(at).unwrap() {
                break;
            }
            hits += 1;
            let app = if done.is_none() { &second } else { &first };
            step(app, vec![In::RaiseTo(10)]);
            assert_eq!(sum(app), 10, "{fault:?} at {at}");
            assert!(sent(&world) >= 1, "{fault:?} at {at}");
            assert_eq!(world.open_entries().len(), 1, "{fault:?} at {at}");
            assert!(!world.wakes.lock().unwrap().is_empty(), "{fault:?} at {at}");
            step(app, vec![In::Answered(1)]);
            assert!(world.open_entries().is_empty(), "{fault:?} at {at}");
        }
        assert_eq!(hits, 5, "query, index, record, queue, wake");
    }
}

/// Each bug on purpose that lives in the step shows in what the tests above look at.
#[cfg(feature = "mutants")]
mod mutants {
    use porpoise_engine::mutant::{Mutant, activate};

    use super::*;

    #[test]
    fn a_trusted_stale_copy_loses_an_answer() {
        let world = world();
        let (a, b) = (world.app(), world.app());
        step(&a, vec![In::Add(9)]);
        step(&b, vec![In::Add(1)]);
        activate(Some(Mutant::StaleCopyTrusted));
        assert_eq!(step(&a, vec![In::Answered(1)]).facts, 0);
    }

    #[test]
    fn without_resends_a_cold_start_sends_nothing() {
        let world = world();
        step(&world.app(), vec![In::Add(10)]);
        activate(Some(Mutant::NoResend));
        world.advance(600_000);
        step(&world.app(), vec![In::Woken]);
        assert_eq!(sent(&world), 1);
    }

    #[test]
    fn a_record_without_its_condition_overwrites_another() {
        let world = world();
        let (a, b) = (world.app(), world.app());
        step(&a, vec![In::Add(1)]);
        activate(Some(Mutant::RecordOverwritten));
        step(&b, vec![In::Add(2)]);
        step(&a, vec![In::Add(4)]);
        assert_eq!(sum(&a), 5, "2 is lost");
    }
}
