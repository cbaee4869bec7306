//! Wakes that come through a queue of their own.

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use porpoise_engine::Input;
use porpoise_engine::input::RunInput;
use porpoise_model::{Address, ProjectId, RunId};
use porpoise_ports::timers::Wake;

use crate::support::{Fault, World};

fn wake(id: u8, at: Timestamp) -> Wake {
    let aggregate = Address::run(ProjectId::of_name("p"), RunId::from_bytes([id; 16]));
    Wake { aggregate, at }
}

fn now(world: &World) -> Timestamp {
    Timestamp::from_millisecond(world.now_millis()).unwrap()
}

#[test]
fn a_wake_that_is_due_reaches_its_aggregate_and_another_is_asked_for_again() {
    let world = World::new(-1, Fault::Cut);
    let app = world.app();
    let later = now(&world) + SignedDuration::from_secs(60);
    let wakes = [wake(1, now(&world)), wake(2, later)];
    let failed = app.on_wakes(&wakes).now_or_never().unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    let queue = world.queue.lock().unwrap();
    let [(address, bodies)] = &queue.iter().collect::<Vec<_>>()[..] else {
        panic!("one aggregate was woken, not {}", queue.len());
    };
    assert_eq!(**address, wake(1, later).aggregate);
    let input: Input = minicbor::decode(&bodies[0]).unwrap();
    assert_eq!(input, Input::Run(RunInput::Woken));
    let wakes = world.wakes.lock().unwrap();
    let asked = (later.as_millisecond(), wake(2, later).aggregate);
    assert_eq!(*wakes, [asked]);
}

#[test]
fn wakes_that_cannot_be_sent_are_delivered_again_and_no_others() {
    // call 0 asks the timers, call 1 sends what is due
    for (call, failing) in [(0, vec![1]), (1, vec![0, 2])] {
        let world = World::new(call, Fault::LostAnswer);
        let app = world.app();
        let later = now(&world) + SignedDuration::from_secs(60);
        let due = now(&world);
        let wakes = [wake(1, due), wake(2, later), wake(3, due)];
        let failed = app.on_wakes(&wakes).now_or_never().unwrap();
        let indices: Vec<usize> = failed.iter().map(|one| one.index).collect();
        assert_eq!(indices, failing, "{failed:?}");
    }
}
