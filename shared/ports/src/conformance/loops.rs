//! What all poll loops outside of a process promise. A suite says how they are seen and stopped from outside.

use async_trait::async_trait;

use crate::Loops;

/// Whoever may look at loops, and stop them: a person at a console.
#[async_trait]
pub trait Looks: Send + Sync {
    /// How many of the loops go on.
    async fn alive(&self) -> usize;

    /// Stops those that go on; returns when they have ended.
    async fn stop_all(&self);
}

const HERE: &str = "aws.eu-central-1.111122223333";
const THERE: &str = "aws.us-west-2.111122223333";

/// And nobody takes one for alive that was never started.
pub async fn a_loop_lives_from_its_start_until_it_is_stopped<L: Loops, O: Looks, G>(
    make: impl AsyncFn() -> (L, O, G),
) {
    let (loops, looks, _guard) = make().await;
    assert!(!loops.is_alive(HERE, 1).await.expect("seen"));
    loops.start(HERE, 1).await.expect("started");
    assert!(loops.is_alive(HERE, 1).await.expect("seen"));
    assert_eq!(looks.alive().await, 1);
    looks.stop_all().await;
    assert!(!loops.is_alive(HERE, 1).await.expect("seen"));
}

/// Two loops of an epoch would be billed twice.
pub async fn a_loop_is_started_once_whoever_asks_and_however_often<L: Loops, O: Looks, G>(
    make: impl AsyncFn() -> (L, O, G),
) {
    let (loops, looks, _guard) = make().await;
    let (first, second, third) = tokio::join!(
        loops.start(HERE, 7),
        loops.start(HERE, 7),
        loops.start(HERE, 7)
    );
    for started in [first, second, third] {
        started.expect("started");
    }
    loops.start(HERE, 7).await.expect("started");
    assert_eq!(looks.alive().await, 1);
}

/// Whoever is late must not bring an epoch back that is over.
pub async fn one_that_has_ended_is_not_started_again<L: Loops, O: Looks, G>(
    make: impl AsyncFn() -> (L, O, G),
) {
    let (loops, looks, _guard) = make().await;
    loops.start(HERE, 1).await.expect("started");
    looks.stop_all().await;
    loops.start(HERE, 1).await.expect("it was started");
    assert!(!loops.is_alive(HERE, 1).await.expect("seen"));
    assert_eq!(looks.alive().await, 0);
}

/// Each has a life of its own.
pub async fn places_and_epochs_are_apart<L: Loops, O: Looks, G>(make: impl AsyncFn() -> (L, O, G)) {
    let (loops, looks, _guard) = make().await;
    for (place, epoch) in [
        (HERE, 1),
        (HERE, 2),
        (THERE, 1),
        (HERE, 11),
        (HERE, u64::MAX),
    ] {
        assert!(!loops.is_alive(place, epoch).await.expect("seen"));
        loops.start(place, epoch).await.expect("started");
        assert!(loops.is_alive(place, epoch).await.expect("seen"));
    }
    assert_eq!(looks.alive().await, 5);
}
