//! Batches over stores in memory: what is done, what comes again, what is kept.
#![expect(
    clippy::unwrap_used,
    reason = "what tests share: a lock that is poisoned is a failed test"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::BASE64_NOPAD;
use jiff::Timestamp;
use porpoise_app::{App, Executors, HOME, Ports};
use porpoise_engine::Input;
use porpoise_engine::input::RunInput;
use porpoise_functions::batch::{Attributes, BatchResponse, SqsEvent, SqsMessage};
use porpoise_functions::steps;
use porpoise_functions::wakes::{TriggerEvent, trigger};
use porpoise_model::{Address, ProjectId, RunId, VersionHash};
use porpoise_ports::queue::Message;
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, WriteError,
};
use porpoise_ports::{Blobs, Bus, Clock as _, Queue, Table, Timers, Unavailable};
use porpoise_store_memory::{MemoryBlobs, MemoryTable};
use porpoise_system::{OsIds, SystemClock};

/// Stores of which some do not answer, and what was sent.
#[derive(Debug, Default)]
struct World {
    table: MemoryTable,
    blobs: MemoryBlobs,
    /// Reads of this partition fail.
    broken: Mutex<String>,
    blobs_down: AtomicBool,
    queue_down: AtomicBool,
    kept: Mutex<Vec<Bytes>>,
    queued: Mutex<Vec<Address>>,
    asked: Mutex<Vec<(Address, Timestamp)>>,
}

fn down() -> Unavailable {
    Unavailable::new("the world", "down on purpose")
}

#[derive(Debug, Clone)]
struct Port(Arc<World>);

#[async_trait]
impl Table for Port {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        if key.partition == *self.0.broken.lock().unwrap() {
            return Err(down().into());
        }
        self.0.table.get(key, consistency).await
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        if query.partition == *self.0.broken.lock().unwrap() {
            return Err(down().into());
        }
        self.0.table.query(query).await
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        self.0.table.put(item, condition).await
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        self.0.table.delete(key, condition).await
    }
}

#[async_trait]
impl Blobs for Port {
    async fn put(
        &self,
        place: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable> {
        if self.0.blobs_down.load(Ordering::SeqCst) {
            return Err(down());
        }
        assert_eq!(place, HOME);
        self.0.kept.lock().unwrap().push(bytes.clone());
        self.0.blobs.put(place, project, bytes).await
    }

    async fn get(
        &self,
        place: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        self.0.blobs.get(place, project, hash).await
    }
}

#[async_trait]
impl Queue for Port {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        if self.0.queue_down.load(Ordering::SeqCst) {
            return Err(down());
        }
        let groups = messages.into_iter().map(|message| message.group);
        self.0.queued.lock().unwrap().extend(groups);
        Ok(())
    }
}

#[async_trait]
impl Bus for Port {
    async fn send(&self, _: &str, _: Vec<Bytes>) -> Result<(), Unavailable> {
        Ok(())
    }
}

#[async_trait]
impl Timers for Port {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        self.0.asked.lock().unwrap().push((aggregate, at));
        Ok(())
    }
}

fn world() -> (Arc<World>, App) {
    let world = Arc::<World>::default();
    let port = Arc::new(Port(Arc::clone(&world)));
    let ports = Ports {
        table: port.clone(),
        blobs: port.clone(),
        queue: port.clone(),
        bus: port.clone(),
        timers: port,
        clock: Arc::new(SystemClock),
        ids: Arc::new(OsIds::default()),
    };
    (world, App::new(ports, Executors::none()))
}

fn run(id: u8) -> Address {
    Address::run(ProjectId::of_name("p"), RunId::from_bytes([id; 16]))
}

fn message(id: &str, group: &str, body: &str) -> SqsMessage {
    SqsMessage {
        message_id: id.to_owned(),
        body: body.to_owned(),
        attributes: Attributes {
            message_group_id: Some(group.to_owned()),
            trace: None,
            approximate_receive_count: Some("1".to_owned()),
        },
    }
}

/// An input as the queue's messages hold it: nothing to do for an aggregate that is not there.
fn woken() -> String {
    let input = minicbor::to_vec(Input::Run(RunInput::Woken)).unwrap();
    format!("1:{}", BASE64_NOPAD.encode(&input))
}

fn returned(response: &BatchResponse) -> Vec<&str> {
    let failures = response.batch_item_failures.iter();
    failures
        .map(|failure| failure.item_identifier.as_str())
        .collect()
}

#[tokio::test]
async fn all_messages_of_an_aggregate_that_cannot_be_stepped_come_again_and_no_others() {
    let (world, app) = world();
    *world.broken.lock().unwrap() = run(1).to_string();
    let [one, two] = [run(1).to_string(), run(2).to_string()];
    let records = vec![
        message("a", &one, &woken()),
        message("b", &two, &woken()),
        message("c", &one, &woken()),
    ];
    let response = steps::step(
        &app,
        SqsEvent {
            records: records.clone(),
        },
    )
    .await;
    assert_eq!(returned(&response), ["a", "c"]);
    world.broken.lock().unwrap().clear();
    let response = steps::step(&app, SqsEvent { records }).await;
    assert_eq!(returned(&response), [""; 0]);
    assert!(world.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_nobody_can_read_is_kept_and_comes_again_only_if_it_could_not_be() {
    let (world, app) = world();
    let run = run(1).to_string();
    let records = vec![
        message("a", "nobody", "1:YQ"),
        message("b", &run, "{}"),
        message("c", &run, &woken()),
    ];
    world.blobs_down.store(true, Ordering::SeqCst);
    let response = steps::step(
        &app,
        SqsEvent {
            records: records.clone(),
        },
    )
    .await;
    assert_eq!(returned(&response), ["a", "b"]);
    world.blobs_down.store(false, Ordering::SeqCst);
    let response = steps::step(&app, SqsEvent { records }).await;
    assert_eq!(returned(&response), [""; 0]);
    assert_eq!(*world.kept.lock().unwrap(), ["1:YQ", "{}"]);
}

#[tokio::test]
async fn due_wakes_are_forwarded_early_ones_asked_for_again_and_others_kept() {
    let (world, app) = world();
    let now = SystemClock.now();
    let later = "2999-01-01T00:00:00Z";
    let records = vec![
        message("due", "", &format!("{}@{now}", run(1))),
        message("early", "", &format!("{}@{later}", run(2))),
        message("odd", "", "wake up"),
    ];
    let event = TriggerEvent::Wakes(SqsEvent { records });
    let response = trigger(&app, event.clone()).await.unwrap();
    assert_eq!(returned(&response), [""; 0]);
    assert_eq!(*world.queued.lock().unwrap(), [run(1)]);
    let asked = (run(2), later.parse().unwrap());
    assert_eq!(*world.asked.lock().unwrap(), [asked]);
    assert_eq!(*world.kept.lock().unwrap(), ["wake up"]);

    world.queue_down.store(true, Ordering::SeqCst);
    let response = trigger(&app, event).await.unwrap();
    assert_eq!(returned(&response), ["due"]);
}

#[tokio::test]
async fn a_sweep_fails_when_the_open_index_cannot_be_read() {
    let (world, app) = world();
    let sweep = || TriggerEvent::Sweep(serde_json::Value::Null);
    trigger(&app, sweep()).await.unwrap();
    "open/00".clone_into(&mut world.broken.lock().unwrap());
    trigger(&app, sweep()).await.unwrap_err();
}
