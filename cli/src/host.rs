//! The host of the app on one machine: what Lambda, SQS, EventBridge and Step Functions do in the cloud, as a few
//! tasks in one process.
//!
//! Nothing here decides anything, and nothing here is durable: queues and timers are filled again from the store when
//! the server starts (a sweep of the open index, a tick of the poll loop, a recall of what was reported last), and who
//! hands over a command is answered when it is in the store. No task wakes up while nothing happens.

mod bus;
#[cfg(test)]
mod conformance;
mod guard;
mod notice;
mod queue;
mod timers;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use porpoise_app::poller::Next;
use porpoise_app::{App, Delivery, Executors, HOME, Ports, PullBus};
use porpoise_model::AttemptKey;
use porpoise_ports::Ids;
use porpoise_store_sqlite::{DirectoryBlobs, OpenError, SqliteTable};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, watch as flag};
use tokio::task::JoinSet;

pub use porpoise_system::{OsIds, SystemClock};
pub use watch::Watched;

use bus::{ByPlace, LocalBus};
pub(crate) use guard::guarded;
use notice::Logged;
use queue::{Batch, LocalQueue};
use timers::LocalTimers;

/// Steps that run at the same time. Each waits for the disk most of its time.
const STEPPERS: usize = 16;
/// Batches of intents that are carried out at the same time.
const DISPATCHERS: usize = 4;
/// After this long, what failed is tried again; messages that fail again wait twice as long each time, to
/// [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(500);
/// The longest that messages wait that fail again and again.
const BACKOFF_MAX: Duration = Duration::from_secs(16);
/// Between two sweeps of the open index.
const SWEEP: Duration = Duration::from_hours(1);

/// The app and all that drives it.
#[derive(Debug)]
pub struct Host {
    app: Arc<App>,
    table: Arc<Watched<SqliteTable>>,
    queue: Arc<LocalQueue>,
    bus: Arc<LocalBus>,
    timers: Arc<LocalTimers>,
    /// Jobs were dispatched: the poll loop has to run.
    poll: Arc<Notify>,
    stop: flag::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Host {
    /// Opens the store in `dir`. Nothing runs before [`Host::start`].
    ///
    /// # Errors
    /// The store cannot be opened, or another process has it.
    pub fn open(dir: &Path, executors: Executors) -> Result<Self, OpenError> {
        let table = Arc::new(Watched::new(SqliteTable::open(dir)?));
        let (queue, bus, timers) = (
            Arc::<LocalQueue>::default(),
            Arc::<LocalBus>::default(),
            Arc::<LocalTimers>::default(),
        );
        let ids: Arc<dyn Ids> = Arc::new(OsIds::default());
        let ways = ByPlace {
            here: bus.clone(),
            pulled: PullBus::new(table.clone(), Arc::clone(&ids)),
        };
        let ports = Ports {
            table: table.clone(),
            blobs: Arc::new(DirectoryBlobs::new(dir)),
            queue: queue.clone(),
            bus: Arc::new(ways),
            timers: timers.clone(),
            clock: Arc::new(SystemClock),
            ids,
        };
        Ok(Self {
            app: Arc::new(App::new(ports, executors).with_notices(Arc::new(Logged))),
            table,
            queue,
            bus,
            timers,
            poll: Arc::default(),
            stop: flag::Sender::new(false),
            tasks: JoinSet::new(),
        })
    }

    /// The app.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The store, with its notices of what was appended.
    pub fn table(&self) -> &Arc<Watched<SqliteTable>> {
        &self.table
    }

    /// Starts every loop. `completions` says which jobs' states may have changed.
    ///
    /// Returns before the first sweep is done: what is open goes on while requests are answered.
    pub fn start(&mut self, completions: UnboundedReceiver<AttemptKey>) {
        for _ in 0..STEPPERS {
            self.tasks.spawn(step_loop(
                self.app.clone(),
                self.queue.clone(),
                self.stop.subscribe(),
            ));
        }
        let stop = || self.stop.subscribe();
        let poll = || self.poll.clone();
        self.tasks.spawn(dispatch_loop(
            self.app.clone(),
            self.bus.clone(),
            poll(),
            stop(),
        ));
        self.tasks
            .spawn(poll_loop(self.app.clone(), poll(), stop()));
        self.tasks
            .spawn(timers::run(self.timers.clone(), self.queue.clone(), stop()));
        self.tasks.spawn(sweep_loop(self.app.clone(), stop()));
        self.listen(completions);
        self.poll.notify_one();
    }

    /// Listens to one more executor that says which jobs' states may have changed.
    pub fn listen(&mut self, completions: UnboundedReceiver<AttemptKey>) {
        self.tasks.spawn(completion_loop(
            self.app.clone(),
            completions,
            self.poll.clone(),
            self.stop.subscribe(),
        ));
    }

    /// Returns if a loop breaks, which only a bug of ours can cause: what it did would never be done again.
    pub async fn broken(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if ended.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Takes no more messages, and returns when the steps in flight are done. Jobs go on.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Ends when the host stops.
pub(crate) async fn stopped(stop: &mut flag::Receiver<bool>) {
    // An error means that the host is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn step_loop(app: Arc<App>, queue: Arc<LocalQueue>, mut stop: flag::Receiver<bool>) {
    loop {
        let batch = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            batch = queue.next() => batch,
        };
        let begun = tokio::time::Instant::now();
        let step = app.on_group(batch.group, Delivery::Again, batch.bodies.clone());
        match Box::pin(guarded(step)).await {
            Ok(report) => {
                let took_us = begun.elapsed().as_micros();
                tracing::debug!(aggregate = %batch.group, sequence = report.sequence, facts = report.facts, took_us, "stepped");
                queue.done(batch);
            }
            Err(error) => {
                let wait = backoff(batch.failed);
                tracing::warn!(aggregate = %batch.group, error, ?wait, "messages returned to their queue");
                give_back_later(queue.clone(), batch, wait);
            }
        }
    }
}

/// How long a batch waits that failed so many times before.
fn backoff(failed: u32) -> Duration {
    let times = 2_u32.saturating_pow(failed);
    BACKOFF.saturating_mul(times).min(BACKOFF_MAX)
}

/// The stepper is free for others meanwhile: aggregates that cannot be stepped hold up nobody but themselves.
#[expect(
    clippy::disallowed_methods,
    reason = "a pause, and nothing is lost with it"
)]
fn give_back_later(queue: Arc<LocalQueue>, batch: Batch, wait: Duration) {
    tokio::spawn(async move {
        pause(wait).await;
        queue.returned(batch);
    });
}

/// Whatever waits is dispatched together: one sync for all of it. The next batch does not wait for the books of the
/// last.
async fn dispatch_loop(
    app: Arc<App>,
    bus: Arc<LocalBus>,
    poll: Arc<Notify>,
    mut stop: flag::Receiver<bool>,
) {
    let mut dispatched = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            batch = bus.next(), if dispatched.len() < DISPATCHERS => {
                let batch = batch.into_iter();
                dispatched.extend(batch.map(|(place, intents)| dispatch(&app, &poll, place, intents)));
            }
            Some(()) = dispatched.next() => {}
        }
    }
    while dispatched.next().await.is_some() {}
}

async fn dispatch(app: &App, poll: &Notify, place: String, intents: Vec<Bytes>) {
    match guarded(app.on_intents(&place, intents)).await {
        Ok(dispatched) if dispatched.open => poll.notify_one(),
        Ok(_) => {}
        // Whoever sent them sends again what nobody acknowledged.
        Err(error) => {
            tracing::warn!(place, error, "intents not carried out");
            poll.notify_one();
        }
    }
}

/// Alive while jobs are open, asleep otherwise.
async fn poll_loop(app: Arc<App>, poll: Arc<Notify>, mut stop: flag::Receiver<bool>) {
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = poll.notified() => {}
        }
        loop {
            let wait = match guarded(app.tick(HOME)).await {
                Ok(Next::Idle) => break,
                Ok(Next::In(wait)) => Duration::try_from(wait).unwrap_or(BACKOFF),
                Err(error) => {
                    tracing::warn!(error, "poll loop goes on after an error");
                    BACKOFF
                }
            };
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                () = pause(wait) => {}
            }
        }
    }
}

/// A job that ends is looked at at once.
async fn completion_loop(
    app: Arc<App>,
    mut completions: UnboundedReceiver<AttemptKey>,
    poll: Arc<Notify>,
    mut stop: flag::Receiver<bool>,
) {
    let mut keys = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            received = completions.recv_many(&mut keys, 256) => if received == 0 { return },
        }
        if let Err(error) = guarded(app.check(HOME, &keys)).await {
            tracing::warn!(
                error,
                "jobs that ended are looked at again by the poll loop"
            );
            poll.notify_one();
        }
        keys.clear();
    }
}

/// At start, and then from time to time: what is open is stepped. Where that fails, again soon: nothing else may wake
/// what could not be read.
async fn sweep_loop(app: Arc<App>, mut stop: flag::Receiver<bool>) {
    let mut failed = 0_u32;
    loop {
        failed = if Box::pin(swept(&app)).await {
            0
        } else {
            failed.saturating_add(1)
        };
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = pause(until_sweep(failed)) => {}
        }
    }
}

/// How long after a sweep the next one comes, if so many in a row, with this one, have failed.
fn until_sweep(failed: u32) -> Duration {
    match failed.checked_sub(1) {
        None => SWEEP,
        Some(before) => {
            let times = 2_u32.saturating_pow(before);
            BACKOFF.saturating_mul(times).min(SWEEP)
        }
    }
}

/// Whether all went well.
async fn swept(app: &App) -> bool {
    let recalled = Box::pin(guarded(app.recall(HOME))).await;
    match &recalled {
        Ok(0) => {}
        Ok(messages) => tracing::info!(messages, "recalled"),
        Err(error) => tracing::warn!(error, "recall failed"),
    }
    let swept = match guarded(app.sweep()).await {
        Ok(swept) => {
            tracing::info!(open = swept.open, failed = swept.failed.len(), "swept");
            swept.failed.is_empty()
        }
        Err(error) => {
            tracing::warn!(error, "sweep failed");
            false
        }
    };
    swept && recalled.is_ok()
}

/// The host is where time passes.
#[expect(
    clippy::disallowed_methods,
    reason = "the host is what timers are made of"
)]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_and_again_waits_longer_each_time_and_never_very_long() {
        let waits = [0, 1, 2, 5, 6, u32::MAX].map(|failed| backoff(failed).as_millis());
        assert_eq!(waits, [500, 1_000, 2_000, 16_000, 16_000, 16_000]);
    }

    #[test]
    fn a_sweep_that_failed_is_repeated_soon_and_ever_less_often() {
        let waits = [0, 1, 2, 13, 14, u32::MAX].map(|failed| until_sweep(failed).as_millis());
        assert_eq!(
            waits,
            [3_600_000, 500, 1_000, 2_048_000, 3_600_000, 3_600_000]
        );
    }
}
