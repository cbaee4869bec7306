//! The loops of an agent: one takes orders, one looks at jobs, one hears of those that end.

use std::sync::Arc;
use std::time::Duration;

use porpoise_app::App;
use porpoise_app::poller::Next;
use porpoise_model::AttemptKey;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, watch as flag};
use tokio::task::JoinSet;

use crate::failure::{BROKEN, Failure};
use crate::host::{guarded, pause, stopped};
use crate::output::note;

use super::home::{Home, is_passing};

/// After this long, what failed here is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// A place that another agent serves.
const CONFLICT: u16 = 409;

/// What all loops work with.
#[derive(Debug, Clone)]
struct Site {
    app: Arc<App>,
    home: Arc<Home>,
    place: String,
    /// Jobs were recorded: the poll loop has to run.
    poll: Arc<Notify>,
}

/// The loops.
#[derive(Debug)]
pub(super) struct Work {
    stop: flag::Sender<bool>,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Work {
    /// Starts every loop; what an earlier agent left behind is looked at first.
    pub(super) fn start(
        app: App,
        home: Arc<Home>,
        place: String,
        replaces: bool,
        completions: UnboundedReceiver<AttemptKey>,
    ) -> Self {
        let site = Site {
            app: Arc::new(app),
            home,
            place,
            poll: Arc::default(),
        };
        site.poll.notify_one();
        let stop = flag::Sender::new(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(take_loop(site.clone(), replaces, stop.subscribe()));
        tasks.spawn(poll_loop(site.clone(), stop.subscribe()));
        tasks.spawn(completion_loop(site, completions, stop.subscribe()));
        Self { stop, tasks }
    }

    /// Returns if a loop ends that should not: home refuses the agent, or a bug of ours.
    pub(super) async fn broken(&mut self) -> Failure {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(failure))) => return failure,
                Some(Err(error)) => return Failure::broken("a part of the agent broke", &error),
                None => {
                    return Failure::new(
                        BROKEN,
                        "the agent has nothing more to do, which is a bug",
                    );
                }
            }
        }
    }

    /// Takes nothing more, and returns when what has begun is done. Jobs go on.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Takes orders, and says that it has recorded them with the next request. Ends if home will not have this agent.
async fn take_loop(
    site: Site,
    mut replaces: bool,
    mut stop: flag::Receiver<bool>,
) -> Result<(), Failure> {
    let mut recorded = Vec::new();
    let mut known = false;
    loop {
        let taken = tokio::select! {
            biased;
            () = stopped(&mut stop) => return Ok(()),
            taken = site.home.take(&recorded, replaces) => taken,
        };
        let wait = match taken {
            Ok(orders) => {
                recorded.clear();
                (known, replaces) = (true, false);
                if orders.intents.is_empty() {
                    orders.wait
                } else if site.carry_out(orders.intents).await {
                    recorded = orders.receipts;
                    Duration::ZERO
                } else {
                    // They come again.
                    site.home.rest().max(AGAIN)
                }
            }
            Err(failure) if is_passing(&failure) => site.home.rest().max(AGAIN),
            Err(failure) if known && failure.status != Some(CONFLICT) => {
                note(&format!("home refuses: {}; asking again", failure.message));
                AGAIN * 20
            }
            Err(failure) => return Err(failure),
        };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return Ok(()),
            () = pause(wait) => {}
        }
    }
}

impl Site {
    /// Whether all of these are recorded.
    async fn carry_out(&self, intents: Vec<bytes::Bytes>) -> bool {
        let carried = guarded(self.app.on_intents(&self.place, intents)).await;
        self.poll.notify_one();
        carried
            .inspect_err(|error| tracing::warn!(error, "orders not carried out"))
            .is_ok()
    }
}

/// Alive while jobs are open, asleep otherwise.
async fn poll_loop(site: Site, mut stop: flag::Receiver<bool>) -> Result<(), Failure> {
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return Ok(()),
            () = site.poll.notified() => {}
        }
        loop {
            let wait = match guarded(site.app.tick(&site.place)).await {
                Ok(Next::Idle) => break,
                Ok(Next::In(wait)) => Duration::try_from(wait).unwrap_or(AGAIN),
                Err(error) => {
                    tracing::warn!(error, "poll loop goes on after an error");
                    site.home.rest().max(AGAIN)
                }
            };
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return Ok(()),
                () = pause(wait) => {}
            }
        }
    }
}

/// A job that ends is looked at at once.
async fn completion_loop(
    site: Site,
    mut completions: UnboundedReceiver<AttemptKey>,
    mut stop: flag::Receiver<bool>,
) -> Result<(), Failure> {
    let mut keys = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return Ok(()),
            received = completions.recv_many(&mut keys, 256) => if received == 0 { return Ok(()) },
        }
        if let Err(error) = guarded(site.app.check(&site.place, &keys)).await {
            tracing::warn!(
                error,
                "jobs that ended are looked at again by the poll loop"
            );
            site.poll.notify_one();
        }
        keys.clear();
    }
}
