//! Events of EventBridge, as reliable as a test wants them: the services promise no more than their best effort.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::clock::{after, text};

/// How well events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Of a hundred events so many are never sent.
    pub lost: u64,
    /// Of a hundred events so many come twice.
    pub doubled: u64,
    /// An event comes up to this much later than what it tells of, so that events change places.
    pub late: Duration,
    /// What the draws come from.
    pub seed: u64,
}

/// What became of the events so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Posted {
    /// There was something to tell.
    pub told: u64,
    /// It was told to nobody.
    pub lost: u64,
    /// It was told twice.
    pub doubled: u64,
    /// It came after something that is told of later.
    pub overtaken: u64,
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sink {
    /// They wait for [`FakeAws::take_events`](crate::FakeAws::take_events).
    #[default]
    Keep,
    /// Each is posted to this address, as EventBridge would hand it to a function.
    Post(String),
    /// Each is put on the default bus of this `EventBridge`, in its region and account.
    PutEvents(String),
}

/// An event as EventBridge delivers it.
pub type Event = Value;

#[derive(Debug)]
pub(crate) struct Mail {
    delivery: Delivery,
    number: u64,
    posted: Posted,
    /// The number of the latest event that has arrived.
    arrived: u64,
    under_way: BTreeMap<(Timestamp, u64, u64), Event>,
}

impl Mail {
    pub(crate) const fn new(delivery: Delivery) -> Self {
        Self {
            delivery,
            number: 0,
            posted: Posted {
                told: 0,
                lost: 0,
                doubled: 0,
                overtaken: 0,
            },
            arrived: 0,
            under_way: BTreeMap::new(),
        }
    }

    pub(crate) const fn deliver(&mut self, delivery: Delivery) {
        self.delivery = delivery;
    }

    /// What became of all events so far.
    pub(crate) const fn posted(&self) -> Posted {
        self.posted
    }

    /// Sends an event, or loses it.
    pub(crate) fn send(
        &mut self,
        at: Timestamp,
        from: (&Caller, &str),
        kind: &str,
        about: &str,
        detail: &Value,
    ) {
        self.number += 1;
        self.posted.told += 1;
        let (caller, source) = from;
        if self.draw("lost", 100) < self.delivery.lost {
            self.posted.lost += 1;
            return;
        }
        let id = blake3::hash(format!("{}/{}", self.delivery.seed, self.number).as_bytes());
        let event = json!({
            "version": "0",
            "id": uuid(id.as_bytes()),
            "detail-type": kind,
            "source": source,
            "account": caller.account,
            "time": text(at),
            "region": caller.region,
            "resources": if about.is_empty() { json!([]) } else { json!([about]) },
            "detail": detail,
        });
        let copies = if self.draw("doubled", 100) < self.delivery.doubled {
            self.posted.doubled += 1;
            2
        } else {
            1
        };
        for copy in 0..copies {
            let late = u64::try_from(self.delivery.late.as_millis()).unwrap_or(u64::MAX);
            let late = Duration::from_millis(self.draw(&format!("late {copy}"), late + 1));
            let place = (after(at, late), self.number, copy);
            self.under_way.insert(place, event.clone());
        }
    }

    /// What has arrived by now, in the order in which it did.
    pub(crate) fn arrived(&mut self, now: Timestamp) -> Vec<Event> {
        let later = self.under_way.split_off(&(now, u64::MAX, u64::MAX));
        let arrived = std::mem::replace(&mut self.under_way, later);
        for (_, number, _) in arrived.keys() {
            self.posted.overtaken += u64::from(*number < self.arrived);
            self.arrived = self.arrived.max(*number);
        }
        arrived.into_values().collect()
    }

    /// When the next one arrives.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.under_way.keys().next().map(|(at, _, _)| *at)
    }

    fn draw(&self, what: &str, below: u64) -> u64 {
        let text = format!("{} {} {what}", self.delivery.seed, self.number);
        let hash = blake3::hash(text.as_bytes());
        let mut eight = [0; 8];
        eight.copy_from_slice(hash.as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]));
        u64::from_le_bytes(eight) % below.max(1)
    }
}

/// Sixteen bytes in the form of a UUID.
pub(crate) fn uuid(bytes: &[u8]) -> String {
    let digits = |(index, byte): (usize, &u8)| {
        let hyphen = if matches!(index, 4 | 6 | 8 | 10) {
            "-"
        } else {
            ""
        };
        format!("{hyphen}{byte:02x}")
    };
    bytes.iter().take(16).enumerate().map(digits).collect()
}
