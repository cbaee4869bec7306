//! The queue, the bus and the timers in process against the suites of their ports.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use porpoise_model::Address;
use porpoise_ports::conformance::bus::Dispatched;
use porpoise_ports::conformance::queue::{Receiver, Taken};
use porpoise_ports::conformance::timers::Woken;
use porpoise_ports::queue::Message;
use porpoise_ports::{
    Bus, Clock as _, Queue, Timers, Unavailable, bus_conformance, queue_conformance,
    timers_conformance,
};
use porpoise_system::SystemClock;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::bus::LocalBus;
use super::queue::{Batch, LocalQueue};
use super::timers::{self, LocalTimers};

/// After this long, nothing more is expected.
const IDLE: Duration = Duration::from_millis(400);

/// Both ends of something in process.
#[derive(Debug, Default)]
struct Shared<T>(Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[async_trait]
impl Queue for Shared<LocalQueue> {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        self.0.send(messages).await
    }

    async fn hand_over(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        self.0.hand_over(messages).await
    }
}

#[async_trait]
impl Receiver for Shared<LocalQueue> {
    type Receipt = Batch;

    async fn take(&self) -> Vec<Taken<Batch>> {
        let next = timeout(IDLE, self.0.next()).await.ok();
        let taken = next.map(|batch| Taken {
            group: batch.group,
            bodies: batch.bodies.clone(),
            receipt: batch,
        });
        taken.into_iter().collect()
    }

    async fn done(&self, receipt: Batch) {
        self.0.done(receipt);
    }

    async fn returned(&self, receipt: Batch) {
        self.0.returned(receipt);
    }
}

queue_conformance!(local_queue, async || {
    let queue = Shared::<LocalQueue>::default();
    (queue.clone(), queue, ())
});

#[async_trait]
impl Bus for Shared<LocalBus> {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        self.0.send(place, intents).await
    }
}

#[async_trait]
impl Dispatched for Shared<LocalBus> {
    async fn next(&self) -> Vec<(String, Vec<Bytes>)> {
        timeout(IDLE, self.0.next()).await.unwrap_or_default()
    }
}

bus_conformance!(local_bus, async || {
    let bus = Shared::<LocalBus>::default();
    (bus.clone(), bus, ())
});

#[async_trait]
impl Timers for Shared<LocalTimers> {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        self.0.wake(aggregate, at).await
    }
}

#[async_trait]
impl Woken for Shared<LocalQueue> {
    async fn next(&self) -> Vec<Address> {
        let next = timeout(IDLE, self.0.next()).await.ok();
        let woken = next.map(|batch| {
            let group = batch.group;
            self.0.done(batch);
            group
        });
        woken.into_iter().collect()
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

timers_conformance!(local_timers, async || {
    let (timers, queue) = (
        Shared::<LocalTimers>::default(),
        Shared::<LocalQueue>::default(),
    );
    let stop = watch::Sender::new(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(timers::run(
        timers.0.clone(),
        queue.0.clone(),
        stop.subscribe(),
    ));
    (timers, queue, (stop, tasks))
});
