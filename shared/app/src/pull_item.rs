//! The stored form of what waits for an agent, and of what was meant for it.
//!
//! | partition | sort key | body | kept |
//! | --- | --- | --- | --- |
//! | `pull/{place}` | `agent` | `[1, agent]`: who serves the place | for ever |
//! | `pull/{place}` | `wait/{receipt}` | `[1, waiting]`: an order | until the agent has recorded it |
//! | `sent/{place}/{run}` | `{task:08x}/{map:08x}/{attempt:08x}` | `[1, project]` | as long as its run |
//!
//! A receipt is `{run}/{task:08x}/{map:08x}/{attempt:08x}/{d or c}`, for a dispatch or a cancel: the same order of an
//! attempt waits once, however often it is sent. An order that cannot be read has a fresh number instead. The third item
//! is written before the second, and says of which attempts the agent may report.

use minicbor::{Decode, Encode};
use porpoise_engine::effect::Attempt;
use porpoise_model::{ProjectId, id};
use porpoise_ports::table::{Item, Key};

use crate::job_item::JobId;
use crate::send::Order;

/// Bytes of an order that an agent can take: an item of the table has 400 KB.
pub(crate) const ORDER_BYTES_MAX: usize = 350 * 1024;
/// Characters of a receipt.
const RECEIPT_CHARS_MAX: usize = 64;
/// What receipts stand behind.
const WAIT: &str = "wait/";

/// Who serves a place: the hash of a secret that the agent made for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct AgentId(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    [u8; 16],
);

impl AgentId {
    /// Of the agent that has this secret.
    pub fn of_secret(secret: &str) -> Self {
        Self(id::derive("agent", &[secret.as_bytes()]))
    }
}

/// An order that nobody has recorded yet.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) enum Waiting {
    /// As it is sent on a bus.
    #[n(0)]
    Order(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        Vec<u8>,
    ),
    /// Larger than [`ORDER_BYTES_MAX`]: its attempt is rejected instead.
    #[n(1)]
    TooLarge {
        #[n(0)]
        id: JobId,
        #[n(1)]
        bytes: u64,
    },
}

/// Which order waits: the rest of its sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(String);

impl Receipt {
    pub(crate) fn of(order: &Order) -> Self {
        let id = order.job();
        let word = match order {
            Order::Dispatch(_) => 'd',
            Order::Cancel(_) => 'c',
        };
        let Attempt { task, map, number } = id.attempt;
        Self(format!(
            "{}/{task:08x}/{map:08x}/{number:08x}/{word}",
            id.run
        ))
    }

    pub(crate) fn of_unreadable(fresh: u128) -> Self {
        Self(format!("unreadable/{fresh:032x}"))
    }

    /// One that an agent names; `None`: no order has such a one. It leads to nothing but what waits for its place.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'/';
        let whole = !text.is_empty() && text.len() <= RECEIPT_CHARS_MAX && text.bytes().all(fits);
        whole.then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn key(&self, place: &str) -> Key {
        Key::new(partition(place), format!("{WAIT}{}", self.0))
    }

    /// Of an item that waits.
    pub(crate) fn of_key(key: &Key) -> Option<Self> {
        key.sort.strip_prefix(WAIT).and_then(Self::parse)
    }
}

/// Of all that waits for a place.
pub(crate) fn partition(place: &str) -> String {
    format!("pull/{place}")
}

/// What the sort keys of orders begin with.
pub(crate) const fn waiting_prefix() -> &'static str {
    WAIT
}

pub(crate) fn agent_key(place: &str) -> Key {
    Key::new(partition(place), "agent")
}

pub(crate) fn agent_item(place: &str, agent: AgentId, revision: u64) -> Item {
    item(agent_key(place), revision, &agent)
}

pub(crate) fn waiting_item(place: &str, receipt: &Receipt, waiting: &Waiting) -> Item {
    item(receipt.key(place), 1, waiting)
}

pub(crate) fn sent_key(place: &str, id: &JobId) -> Key {
    let Attempt { task, map, number } = id.attempt;
    Key::new(
        format!("sent/{place}/{}", id.run),
        format!("{task:08x}/{map:08x}/{number:08x}"),
    )
}

pub(crate) fn sent_item(place: &str, id: &JobId) -> Item {
    item(sent_key(place, id), 1, &id.project)
}

fn item<T: Encode<()>>(key: Key, revision: u64, content: &T) -> Item {
    Item {
        key,
        revision,
        body: minicbor::to_vec((1_u8, content)).unwrap_or_default().into(),
    }
}

/// What one of these items holds.
///
/// # Errors
/// Written by a later release, or damaged.
pub(crate) fn content<'b, T: Decode<'b, ()>>(item: &'b Item) -> Result<T, minicbor::decode::Error> {
    match minicbor::decode::<(u8, T)>(&item.body)? {
        (1, content) => Ok(content),
        (form, _) => {
            let message = format!("it is written in form {form}, this release knows form 1");
            Err(minicbor::decode::Error::message(message))
        }
    }
}

/// The project of an attempt that was sent to a place.
pub(crate) fn sent_project(item: &Item) -> Result<ProjectId, minicbor::decode::Error> {
    content(item)
}

#[cfg(test)]
mod tests {
    use porpoise_engine::effect::CancelIntent;
    use porpoise_model::RunId;

    use super::*;

    const PLACE: &str = "site.berlin";

    fn job() -> JobId {
        JobId {
            run: RunId::from_bytes([7; 16]),
            attempt: Attempt::of(3, 2),
            project: ProjectId::of_name("retail"),
        }
    }

    fn cancel() -> Order {
        let JobId {
            run,
            attempt,
            project,
        } = job();
        Order::Cancel(CancelIntent {
            place: PLACE.to_owned(),
            project,
            run,
            attempt,
        })
    }

    /// Each of the items, as this release writes it.
    fn items() -> [Item; 4] {
        let order = minicbor::to_vec(cancel()).unwrap();
        let receipt = Receipt::of(&cancel());
        let large = Waiting::TooLarge {
            id: job(),
            bytes: 400_000,
        };
        [
            agent_item(PLACE, AgentId::of_secret("sesame"), 1),
            waiting_item(PLACE, &receipt, &Waiting::Order(order)),
            waiting_item(PLACE, &receipt, &large),
            sent_item(PLACE, &job()),
        ]
    }

    #[test]
    fn items_of_this_release_still_read() {
        let path = format!("{}/tests/golden/pull.txt", env!("CARGO_MANIFEST_DIR"));
        let lines = items().map(|Item { key, body, .. }| {
            let body = data_encoding::HEXLOWER.encode(&body);
            format!("{} {} {body}\n", key.partition, key.sort)
        });
        if std::env::var_os("PORPOISE_BLESS").is_some() {
            std::fs::write(&path, lines.concat()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines.concat());
        let [agent, order, large, sent] = items();
        assert_eq!(
            content::<AgentId>(&agent).unwrap(),
            AgentId::of_secret("sesame")
        );
        let Waiting::Order(bytes) = content(&order).unwrap() else {
            panic!("{order:?}");
        };
        assert_eq!(minicbor::decode::<Order>(&bytes).unwrap(), cancel());
        assert!(matches!(
            content(&large).unwrap(),
            Waiting::TooLarge { id, .. } if id == job()
        ));
        assert_eq!(sent_project(&sent).unwrap(), job().project);
    }

    #[test]
    fn what_a_later_release_writes_is_not_read_as_something_else() {
        let [mut agent, ..] = items();
        agent.body = minicbor::to_vec((2_u8, AgentId::of_secret("sesame")))
            .unwrap()
            .into();
        content::<AgentId>(&agent).unwrap_err();
    }

    #[test]
    fn receipts_are_read_back_and_nothing_else_is_one() {
        let receipt = Receipt::of(&cancel());
        assert_eq!(Receipt::parse(receipt.as_str()), Some(receipt.clone()));
        assert_eq!(Receipt::of_key(&receipt.key(PLACE)), Some(receipt));
        let fresh = Receipt::of_unreadable(u128::MAX);
        assert_eq!(Receipt::parse(fresh.as_str()), Some(fresh));
        for text in ["", "a b", "a\u{10ffff}", "A", "..", &"a".repeat(65)] {
            assert_eq!(Receipt::parse(text), None, "{text}");
        }
        assert_eq!(Receipt::of_key(&agent_key(PLACE)), None);
    }
}
