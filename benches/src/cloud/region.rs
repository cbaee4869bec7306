//! Home and one place in one region: who calls which function, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use porpoise_functions::batch::{SqsEvent, SqsMessage};
use porpoise_functions::place::{Dispatch, Tick};
use porpoise_functions::steps;
use porpoise_functions::wakes::{TriggerEvent, trigger};
use porpoise_model::Place;
use porpoise_ports::meter::Metered;
use porpoise_ports::timers::Wake;
use porpoise_ports::usage::Line;
use porpoise_queue_sqs::{DeadLetters, Packed};
use porpoise_store_memory::{MemoryBlobs, MemoryTable};

use super::assumed::{QUEUE_DELIVERS, Service};
use super::books::Cause;
use super::fifo::Fifo;
use super::functions::{Copy, Function, Handler};
use super::table::{Metering, kind_of};
use super::target::{Emr, JobTimes};
use super::time::{Nanos, lock};
use super::world::World;

/// The place of home, which is the data place as well.
pub(crate) const PLACE: &str = "aws.eu-central-1.111122223333";
/// The queue of inputs that nobody could handle.
const DEAD_INPUTS: &str = "inputs-dead.fifo";
/// The kind of target that its executor serves.
pub(crate) const TARGET_KIND: &str = porpoise_executor_emr_serverless::KIND;

/// The place of home.
pub(crate) fn home() -> Place {
    PLACE.parse().unwrap_or_default()
}

/// What a scenario may choose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) times: JobTimes,
    /// How long a copy of a function is kept that is not called.
    pub(crate) idle_max: Duration,
    pub(crate) megabytes: u64,
    pub(crate) poller_megabytes: u64,
    /// Lambda writes lines of its own.
    pub(crate) system_logs: bool,
    pub(crate) sweep_every: Duration,
    pub(crate) mend_every: Duration,
}

/// A table and a bucket.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) table: Metering,
    pub(crate) blobs: Arc<MemoryBlobs>,
}

impl Storage {
    fn new() -> Self {
        Self {
            table: Arc::new(Metered::with_kinds(MemoryTable::default(), kind_of)),
            blobs: Arc::default(),
        }
    }
}

/// Home and a place.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) me: Weak<Self>,
    pub(crate) world: Arc<World>,
    pub(crate) settings: Settings,
    pub(crate) home: Storage,
    pub(crate) place: Storage,
    pub(crate) emr: Emr,
    pub(crate) copies: Mutex<BTreeMap<Function, Vec<Copy>>>,
    inputs: Fifo,
    schedules: Mutex<BTreeSet<Wake>>,
    loops: Mutex<Loops>,
}

#[derive(Debug, Default)]
struct Loops {
    started: BTreeSet<u64>,
    alive: BTreeSet<u64>,
    lived: Nanos,
}

impl Region {
    pub(crate) fn new(world: &Arc<World>, settings: Settings) -> Arc<Self> {
        let region = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            world: Arc::clone(world),
            settings,
            home: Storage::new(),
            place: Storage::new(),
            emr: Emr::new(settings.times),
            copies: Mutex::default(),
            inputs: Fifo::default(),
            schedules: Mutex::default(),
            loops: Mutex::default(),
        });
        region.by_rule(settings.sweep_every, Self::sweep);
        region.by_rule(settings.mend_every, Self::mend);
        region
    }

    /// Calls something at a rate, like a rule with a schedule.
    fn by_rule<F>(self: &Arc<Self>, every: Duration, work: fn(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (me, time) = (Arc::downgrade(self), self.world.time.clone());
        self.world.time.spawn(async move {
            loop {
                time.sleep(every).await;
                let Some(region) = me.upgrade() else { return };
                work(region).await;
            }
        });
    }

    async fn sweep(self: Arc<Self>) {
        let (line, pieces) = DeadLetters::look_costs(DEAD_INPUTS);
        let world = Arc::clone(&self.world);
        let swept = self.invoke(
            Function::Trigger,
            Cause::Sweep,
            |ledger| ledger.count(line, pieces),
            |handler: Handler| async move {
                let swept = trigger(handler.app(), TriggerEvent::Sweep(serde_json::json!({})));
                let swept = swept.await;
                // It also asks how many inputs are dead.
                world.time.sleep(Service::Sqs.answers_in()).await;
                swept
            },
        );
        if let Err(error) = swept.await {
            self.world.fault(format!("a sweep failed: {error:#}"));
        }
    }

    async fn mend(self: Arc<Self>) {
        let mended = self.invoke(
            Function::Poller,
            Cause::Mend,
            |_| {},
            |handler: Handler| async move {
                match handler {
                    Handler::Place(place) => place.mend(PLACE).await,
                    Handler::Home(_) => Ok(()),
                }
            },
        );
        if let Err(error) = mended.await {
            self.world.fault(format!("mending failed: {error:#}"));
        }
    }

    /// Messages that the queue of inputs has now.
    pub(crate) fn take_inputs(self: &Arc<Self>, messages: Vec<Packed>) {
        self.inputs.put(messages);
        self.receive();
    }

    /// A receive that waits at the queue is answered.
    fn receive(self: &Arc<Self>) {
        let region = Arc::clone(self);
        self.world.time.spawn(async move {
            region
                .world
                .deliver(|| "queue to stepper".to_owned(), QUEUE_DELIVERS)
                .await;
            let Some(batch) = region.inputs.take() else {
                return;
            };
            let received =
                |ledger: &porpoise_ports::Ledger| ledger.batch(Line::FifoRequests, batch.bytes);
            let event = batch.event;
            let stepped = region.invoke(
                Function::Stepper,
                Cause::Inputs,
                received,
                |handler: Handler| async move { steps::step(handler.app(), event).await },
            );
            let response = stepped.await;
            if !response.batch_item_failures.is_empty() {
                region.world.fault("the stepper returned messages");
            }
            region.inputs.done(&batch.groups);
            region.receive();
        });
    }

    /// A message of the queue of wakes.
    pub(crate) async fn wake(self: Arc<Self>, message: SqsMessage) {
        let received = |ledger: &porpoise_ports::Ledger| {
            ledger.batch(Line::QueueRequests, message.body.len());
        };
        let event = SqsEvent {
            records: vec![message.clone()],
        };
        let woken =
            self.invoke(
                Function::Trigger,
                Cause::Wakes,
                received,
                |handler: Handler| async move {
                    trigger(handler.app(), TriggerEvent::Wakes(event)).await
                },
            );
        match woken.await {
            Ok(response) if response.batch_item_failures.is_empty() => {}
            Ok(_) => self.world.fault("the trigger returned wakes"),
            Err(error) => self.world.fault(format!("wakes failed: {error:#}")),
        }
    }

    /// An event of the bus of the place.
    pub(crate) async fn dispatch(self: Arc<Self>, detail: &str) {
        let detail = match serde_json::from_str(detail) {
            Ok(detail) => detail,
            Err(error) => return self.world.fault(format!("an event is not read: {error}")),
        };
        let done = self.invoke(
            Function::Dispatcher,
            Cause::Intents,
            |_| {},
            |handler: Handler| async move {
                match handler {
                    Handler::Place(place) => place.dispatch(Dispatch { detail }).await,
                    Handler::Home(_) => Ok(()),
                }
            },
        );
        if let Err(error) = done.await {
            self.world.fault(format!("a dispatch failed: {error:#}"));
        }
    }

    /// A service says something.
    pub(crate) async fn hear(self: Arc<Self>, event: &str) {
        let heard = self.invoke(
            Function::Poller,
            Cause::News,
            |_| {},
            |handler: Handler| async move {
                match handler {
                    Handler::Place(place) => place.hear(event).await,
                    Handler::Home(_) => Ok(()),
                }
            },
        );
        if let Err(error) = heard.await {
            self.world
                .fault(format!("an event was not heard: {error:#}"));
        }
    }

    pub(crate) fn is_new_schedule(&self, wake: Wake) -> bool {
        lock(&self.schedules).insert(wake)
    }

    pub(crate) fn is_loop_alive(&self, epoch: u64) -> bool {
        lock(&self.loops).alive.contains(&epoch)
    }

    /// How long loops were alive.
    pub(crate) fn loops_lived(&self) -> Duration {
        Duration::from_nanos(lock(&self.loops).lived)
    }

    /// An execution of the state machine of `infra-cdk/lib/poll-loop.ts`: each state that it enters is a transition.
    pub(crate) fn start_loop(self: &Arc<Self>, epoch: u64) {
        let mut loops = lock(&self.loops);
        if !loops.started.insert(epoch) {
            return;
        }
        loops.alive.insert(epoch);
        drop(loops);
        let region = Arc::clone(self);
        self.world.time.spawn(async move {
            let begun = region.world.time.now();
            let mut next = Some(Tick {
                place: PLACE.to_owned(),
                epoch,
                tick: 0,
            });
            while let Some(tick) = next.take() {
                region.enter_states(1);
                next = region.tick(tick).await;
            }
            region.enter_states(1);
            let mut loops = lock(&region.loops);
            loops.alive.remove(&epoch);
            loops.lived += region.world.time.now() - begun;
        });
    }

    fn enter_states(&self, states: u64) {
        self.world.account(Cause::Tick, |account| {
            account.usage.add(Line::Transitions, states);
        });
    }

    /// `None`: the loop is over.
    async fn tick(self: &Arc<Self>, tick: Tick) -> Option<Tick> {
        let again = tick.clone();
        let ticked = self.invoke(
            Function::Poller,
            Cause::Tick,
            |_| {},
            |handler: Handler| async move {
                match handler {
                    Handler::Place(place) => place.tick(tick).await,
                    Handler::Home(_) => Ok(None),
                }
            },
        );
        let tock = match ticked.await {
            Ok(tock) => tock?,
            Err(error) => {
                self.world.fault(format!("a tick failed: {error:#}"));
                return Some(again);
            }
        };
        self.enter_states(1);
        self.world.time.sleep(Duration::from_secs(tock.wait)).await;
        Some(Tick {
            place: tock.place,
            epoch: tock.epoch,
            tick: tock.tick,
        })
    }
}
