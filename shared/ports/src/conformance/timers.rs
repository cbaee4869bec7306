//! What every set of timers promises. A suite names the receiving side, and real time passes.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{Timestamp, ToSpan as _};
use porpoise_model::{Address, ProjectId, RunId};

use crate::Timers;

/// The receiving side of timers: what the host does with a wake that has come due.
#[async_trait]
pub trait Woken: Send + Sync {
    /// Who was woken, once somebody is; nobody if nobody has been for about a second.
    async fn next(&self) -> Vec<Address>;

    /// What time it is for the timers.
    fn now(&self) -> Timestamp;
}

fn sleeper(number: u8) -> Address {
    Address::run(
        ProjectId::of_name("retail"),
        RunId::from_bytes([number; 16]),
    )
}

/// Who was woken until `all` were, or twenty looks found nobody. Each is seen at its time or later.
async fn woken(by: &impl Woken, all: &[(Address, Timestamp)]) -> BTreeSet<Address> {
    let mut seen = BTreeSet::new();
    let mut looks = 0;
    while looks < 20 && !all.iter().all(|(sleeper, _)| seen.contains(sleeper)) {
        let found = by.next().await;
        let now = by.now();
        for sleeper in &found {
            let asked = all.iter().filter(|(one, _)| one == sleeper);
            let first = asked.map(|(_, at)| *at).min();
            assert!(
                first.is_some_and(|at| at <= now),
                "{sleeper} too early, at {now}"
            );
        }
        looks += usize::from(found.is_empty());
        seen.extend(found);
    }
    seen
}

async fn ask(timers: &impl Timers, all: &[(Address, Timestamp)]) {
    for (sleeper, at) in all {
        timers.wake(*sleeper, *at).await.expect("wake");
    }
}

async fn all_wake<T: Timers, W: Woken, G>(
    make: impl AsyncFn() -> (T, W, G),
    after: &[(u8, Duration)],
) {
    let (timers, by, _guard) = make().await;
    let now = by.now();
    let all: Vec<(Address, Timestamp)> = after
        .iter()
        .map(|(number, after)| (sleeper(*number), now + *after))
        .collect();
    ask(&timers, &all).await;
    let wanted: BTreeSet<Address> = all.iter().map(|(sleeper, _)| *sleeper).collect();
    assert_eq!(woken(&by, &all).await, wanted);
}

/// Also when its time is not a whole second.
pub async fn a_wake_comes_and_not_before_its_time<T: Timers, W: Woken, G>(
    make: impl AsyncFn() -> (T, W, G),
) {
    all_wake(make, &[(1, Duration::from_millis(2_700))]).await;
}

/// Each of many aggregates has its own.
pub async fn many_wakes_come_each_at_its_time<T: Timers, W: Woken, G>(
    make: impl AsyncFn() -> (T, W, G),
) {
    let after: Vec<(u8, Duration)> = (0..20)
        .map(|number| (number, Duration::from_millis(u64::from(number) * 170)))
        .collect();
    all_wake(make, &after).await;
}

/// As soon as possible.
pub async fn a_wake_in_the_past_comes_at_once<T: Timers, W: Woken, G>(
    make: impl AsyncFn() -> (T, W, G),
) {
    let (timers, by, _guard) = make().await;
    let all = [
        (sleeper(1), by.now() - 1.hour()),
        (sleeper(2), Timestamp::UNIX_EPOCH),
        (sleeper(3), by.now()),
    ];
    ask(&timers, &all).await;
    assert_eq!(woken(&by, &all).await.len(), 3);
}

/// It is the same wake, which may come twice.
pub async fn a_wake_asked_for_again_is_no_fault<T: Timers, W: Woken, G>(
    make: impl AsyncFn() -> (T, W, G),
) {
    let (timers, by, _guard) = make().await;
    let all = [(sleeper(1), by.now() + 1.second()); 3];
    ask(&timers, &all).await;
    assert_eq!(woken(&by, &all).await.len(), 1);
}

/// Neither does it come early.
pub async fn a_far_wake_does_not_hold_up_a_near_one<T: Timers, W: Woken, G>(
    make: impl AsyncFn() -> (T, W, G),
) {
    let (timers, by, _guard) = make().await;
    let now = by.now();
    for far in [10.minutes(), 20.minutes(), 300.hours()] {
        timers.wake(sleeper(9), now + far).await.expect("wake");
    }
    let near = [(sleeper(1), now + 1.second())];
    ask(&timers, &near).await;
    // who is woken and was not to be yet fails in there
    assert_eq!(woken(&by, &near).await.len(), 1);
    assert_eq!(by.next().await, [], "nobody else");
}
