//! The ports, and what this process remembers between calls.

use std::sync::Arc;

use jiff::Timestamp;
use porpoise_engine::mutant::{self, Mutant};
use porpoise_engine::{Input, plan};
use porpoise_model::{Address, Place, id};
use porpoise_ports::queue::Message;
use porpoise_ports::{Blobs, Bus, Clock, Ids, Logs, Loops, Notices, Queue, Table, Timers};

use crate::budget::Purse;
use crate::context::Plans;
use crate::executors::Executors;
use crate::index::OpenIndex;
use crate::job_index::Entries;
use crate::job_view::Views;
use crate::pull::Sent;
use crate::store::Store;
use crate::view::RunViews;
use crate::warm::Warm;

/// The place where the control plane keeps its own blobs.
pub const HOME: &str = plan::LOCAL_PLACE;

/// How often the poll loop looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Looking costs nothing.
    Local,
    /// Each tick is billed.
    Billed,
}

/// What the app asks of the world.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Logs, lists, jobs.
    pub table: Arc<dyn Table>,
    /// Versions, and what is too large for an item.
    pub blobs: Arc<dyn Blobs>,
    /// To aggregates.
    pub queue: Arc<dyn Queue>,
    /// To dispatchers.
    pub bus: Arc<dyn Bus>,
    /// To be woken.
    pub timers: Arc<dyn Timers>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Fresh numbers.
    pub ids: Arc<dyn Ids>,
}

/// Load, decide, append, send: all that a host calls. Its memory is a hint; a new one does the same from the store.
#[derive(Debug)]
pub struct App {
    pub(crate) ports: Ports,
    pub(crate) store: Store,
    pub(crate) index: OpenIndex,
    pub(crate) executors: Executors,
    pub(crate) plans: Plans,
    pub(crate) warm: Warm,
    pub(crate) views: Views,
    pub(crate) purse: Purse,
    /// By place, the entry of the index that this process adds to.
    pub(crate) entries: Entries,
    pub(crate) run_views: RunViews,
    /// What agents may report of.
    pub(crate) sent: Sent,
    pub(crate) loops: Option<Arc<dyn Loops>>,
    pub(crate) notices: Option<Arc<dyn Notices>>,
    pub(crate) logs: Option<Arc<dyn Logs>>,
    pub(crate) pace: Pace,
    pub(crate) home: Place,
    /// Whether the sweep alone sends again what nobody acknowledged.
    pub(crate) swept: bool,
    /// Records of a log that are read before its snapshot is.
    pub(crate) read_first: usize,
}

/// A run of two dozen tasks has no more records, and no snapshot.
const READ_FIRST: usize = 64;

impl App {
    /// An app over these ports. `executors` may be empty where nothing is dispatched.
    pub fn new(ports: Ports, executors: Executors) -> Self {
        let store = Store::new(Arc::clone(&ports.table));
        Self {
            index: OpenIndex::new(store.clone()),
            store,
            ports,
            executors,
            plans: Plans::default(),
            warm: Warm::default(),
            views: Views::default(),
            purse: Purse::default(),
            entries: Entries::default(),
            run_views: RunViews::default(),
            sent: Sent::default(),
            loops: None,
            notices: None,
            logs: None,
            pace: Pace::Local,
            home: Place::Local,
            swept: false,
            read_first: READ_FIRST,
        }
    }

    /// The same app, which reads so many records of a log that it does not know, and its snapshot only where there are
    /// more.
    #[must_use]
    pub const fn reading_first(mut self, records: usize) -> Self {
        self.read_first = records;
        self
    }

    /// The same app, whose tasks without a target are dispatched at this place.
    #[must_use]
    pub fn at_home(mut self, home: Place) -> Self {
        self.home = home;
        self
    }

    /// The same app on hosts whose poll loops are outside of them: it starts them through `loops`, and looks at jobs
    /// no more often than is worth a transition.
    #[must_use]
    pub fn with_loops(mut self, loops: Arc<dyn Loops>) -> Self {
        self.loops = Some(loops);
        self.pace = Pace::Billed;
        self
    }

    /// The same app on hosts that run no jobs: logs of jobs are asked of their places.
    #[must_use]
    pub fn reading_logs_from(mut self, logs: Arc<dyn Logs>) -> Self {
        self.logs = Some(logs);
        self
    }

    /// The same app on hosts that pay for each wake, and that deliver an input again whose step was cut off: what was sent
    /// and not acknowledged is sent again by the [sweep](App::sweep), or with whatever comes next, and no wake is asked
    /// for that. Nor is a run listed before it does so itself.
    #[must_use]
    pub fn swept(mut self) -> Self {
        self.swept = true;
        self
    }

    /// Where tasks without a target are dispatched.
    pub const fn home(&self) -> &Place {
        &self.home
    }

    /// The ports that it was made with.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Now, in whole milliseconds: what is folded at once and what is read back later are the same.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.ports.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// An input on its way to an aggregate.
    pub(crate) fn message(&self, to: Address, input: &Input) -> Message {
        let body = minicbor::to_vec(input).unwrap_or_default();
        let deduplication = if mutant::on(Mutant::ContentAsDeduplication) {
            u128::from_be_bytes(id::derive("message", &[&body]))
        } else {
            self.ports.ids.fresh()
        };
        Message {
            group: to,
            deduplication,
            body: body.into(),
        }
    }

    /// Hands over inputs to aggregates, each as one message: when it returns, they cannot be lost any more.
    ///
    /// Not for use within a step: where the queue is in process, it waits for the steps that take the inputs in.
    pub async fn tell(
        &self,
        inputs: &[(Address, Input)],
    ) -> Result<(), porpoise_ports::Unavailable> {
        let messages = inputs
            .iter()
            .map(|(to, input)| self.message(*to, input))
            .collect();
        if mutant::on(Mutant::HandedOverUnheard) {
            return self.ports.queue.send(messages).await;
        }
        self.ports.queue.hand_over(messages).await
    }
}
