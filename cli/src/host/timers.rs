//! Timers in process: one task that sleeps until the earliest wake.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use porpoise_engine::Input;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::backfill::Backfill;
use porpoise_engine::gate::Gate;
use porpoise_engine::pool::Pool;
use porpoise_engine::run::Run;
use porpoise_engine::schedule::Schedule;
use porpoise_model::{Address, AggregateKind};
use porpoise_ports::queue::Message;
use porpoise_ports::{Clock, Queue, Timers, Unavailable};
use porpoise_system::SystemClock;
use tokio::sync::{Notify, watch};

use super::queue::LocalQueue;
use super::{pause, stopped};

/// The longest sleep: a wall clock that jumps forward is noticed after this time.
const NAP: Duration = Duration::from_secs(30);

/// Wakes that were asked for.
#[derive(Debug, Default)]
pub(super) struct LocalTimers {
    wakes: Mutex<BTreeSet<(Timestamp, Address)>>,
    earlier: Notify,
}

impl LocalTimers {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, Address)>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is due at `now`, and how long until the next is.
    fn due(&self, now: Timestamp) -> (Vec<Address>, Option<Duration>) {
        let mut wakes = self.lock();
        let mut due = Vec::new();
        while let Some((at, address)) = wakes.first().copied() {
            if at > now {
                let wait = Duration::try_from(at.duration_since(now)).unwrap_or(NAP);
                return (due, Some(wait.min(NAP)));
            }
            wakes.remove(&(at, address));
            due.push(address);
        }
        (due, None)
    }
}

#[async_trait]
impl Timers for LocalTimers {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        let mut wakes = self.lock();
        wakes.insert((at, aggregate));
        if wakes.first() == Some(&(at, aggregate)) {
            self.earlier.notify_one();
        }
        Ok(())
    }
}

/// Sends due wakes until the host stops.
pub(super) async fn run(
    timers: Arc<LocalTimers>,
    queue: Arc<LocalQueue>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let (due, wait) = timers.due(SystemClock.now());
        let messages = due.into_iter().map(woken).collect();
        if let Err(error) = queue.send(messages).await {
            tracing::error!(%error, "wakes not sent");
        }
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = timers.earlier.notified() => {}
            () = sleep(wait) => {}
        }
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        // Past the instant, not just before it: the clock counts finer than wakes do.
        Some(wait) => pause(wait + Duration::from_millis(1)).await,
        None => std::future::pending().await,
    }
}

fn woken(group: Address) -> Message {
    let input = match group.kind {
        AggregateKind::Run => Input::Run(Run::woken()),
        AggregateKind::Pool => Input::Pool(Pool::woken()),
        AggregateKind::Gate => Input::Gate(Gate::woken()),
        AggregateKind::Schedule => Input::Schedule(Schedule::woken()),
        AggregateKind::Backfill => Input::Backfill(Backfill::woken()),
    };
    let body = minicbor::to_vec(&input).unwrap_or_default();
    Message {
        group,
        deduplication: 0,
        body: body.into(),
    }
}

#[cfg(test)]
mod tests {
    use porpoise_model::{ProjectId, RunId};

    use super::*;

    #[test]
    fn wakes_come_due_in_order_and_long_waits_are_cut() {
        let timers = LocalTimers::default();
        let address = |id| Address::run(ProjectId::of_name("p"), RunId::from_bytes([id; 16]));
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        timers.lock().extend([
            (at(20), address(2)),
            (at(10), address(1)),
            (at(10), address(1)),
            (at(900), address(3)),
        ]);
        assert_eq!(timers.due(at(5)), (vec![], Some(Duration::from_secs(5))));
        assert_eq!(
            timers.due(at(20)),
            (vec![address(1), address(2)], Some(NAP))
        );
        assert_eq!(timers.due(at(2_000)), (vec![address(3)], None));
    }
}
