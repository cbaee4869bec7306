//! The queue in process: a line for each aggregate, one batch of it in flight at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_model::Address;
use porpoise_ports::queue::Message;
use porpoise_ports::{Queue, Unavailable};
use tokio::sync::Notify;

/// Lines of messages by aggregate. Nothing is delivered twice here, so deduplication ids say nothing.
#[derive(Debug, Default)]
pub(super) struct LocalQueue {
    lines: Mutex<Lines>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    by_group: BTreeMap<Address, Line>,
    /// Groups with messages and none in flight, first come, first served.
    ready: VecDeque<Address>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: Vec<Bytes>,
    in_flight: bool,
}

/// All messages that waited for one aggregate, in their order.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) group: Address,
    pub(super) bodies: Vec<Bytes>,
}

impl LocalQueue {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch; its aggregate has no other in flight until [`done`](Self::done) or
    /// [`returned`](Self::returned).
    pub(super) async fn next(&self) -> Batch {
        loop {
            let ready = self.ready.notified();
            if let Some(batch) = self.take() {
                return batch;
            }
            ready.await;
        }
    }

    fn take(&self) -> Option<Batch> {
        let mut lines = self.lock();
        let group = lines.ready.pop_front()?;
        if !lines.ready.is_empty() {
            self.ready.notify_one();
        }
        let line = lines.by_group.get_mut(&group)?;
        line.in_flight = true;
        Some(Batch {
            group,
            bodies: std::mem::take(&mut line.waiting),
        })
    }

    pub(super) fn done(&self, group: Address) {
        self.end(group, Vec::new());
    }

    /// Before all that came meanwhile.
    pub(super) fn returned(&self, batch: Batch) {
        self.end(batch.group, batch.bodies);
    }

    fn end(&self, group: Address, back: Vec<Bytes>) {
        let mut lines = self.lock();
        let Some(line) = lines.by_group.get_mut(&group) else {
            return;
        };
        line.in_flight = false;
        line.waiting.splice(0..0, back);
        if line.waiting.is_empty() {
            lines.by_group.remove(&group);
        } else {
            lines.ready.push_back(group);
            self.ready.notify_one();
        }
    }

    fn push(&self, group: Address, body: Bytes) {
        let mut lines = self.lock();
        let line = lines.by_group.entry(group).or_default();
        line.waiting.push(body);
        if !line.in_flight && line.waiting.len() == 1 {
            lines.ready.push_back(group);
            self.ready.notify_one();
        }
    }
}

#[async_trait]
impl Queue for LocalQueue {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        for message in messages {
            self.push(message.group, message.body);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use porpoise_model::{ProjectId, RunId};

    use super::*;

    fn group(id: u8) -> Address {
        Address::run(ProjectId::of_name("p"), RunId::from_bytes([id; 16]))
    }

    #[test]
    fn a_group_has_one_batch_in_flight_and_keeps_its_order() {
        let queue = LocalQueue::default();
        for body in ["1", "2"] {
            queue.push(group(1), body.into());
        }
        queue.push(group(2), "a".into());
        let first = queue.take().unwrap();
        assert_eq!(first.bodies, ["1", "2"]);
        queue.push(group(1), "3".into());
        let other = queue.take().unwrap();
        assert_eq!(other.group, group(2));
        assert!(queue.take().is_none());
        queue.returned(first);
        assert_eq!(queue.take().unwrap().bodies, ["1", "2", "3"]);
        queue.done(group(1));
        queue.done(other.group);
        assert!(queue.take().is_none() && queue.lock().by_group.is_empty());
    }
}
