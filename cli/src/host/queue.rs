//! The queue in process: a line for each aggregate, one batch of it in flight at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_model::Address;
use porpoise_ports::queue::Message;
use porpoise_ports::{Queue, Unavailable};
use tokio::sync::{Notify, oneshot};

/// Who hands over is told after this long that what it gave cannot be taken in now. It stays in its line.
const PATIENCE: Duration = Duration::from_secs(20);

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
    /// Who waits for what waits.
    told: Vec<oneshot::Sender<()>>,
    in_flight: bool,
    /// Times that what waits first failed.
    failed: u32,
}

/// All messages that waited for one aggregate, in their order.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) group: Address,
    pub(super) bodies: Vec<Bytes>,
    /// Times that some of it failed.
    pub(super) failed: u32,
    /// Who waits for its end.
    told: Vec<oneshot::Sender<()>>,
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
            failed: line.failed,
            told: std::mem::take(&mut line.told),
        })
    }

    /// Taken in, durably.
    pub(super) fn done(&self, batch: Batch) {
        for told in batch.told {
            // Who no longer waits need not know.
            let _ = told.send(());
        }
        self.end(batch.group, Vec::new(), Vec::new(), 0);
    }

    /// Before all that came meanwhile.
    pub(super) fn returned(&self, batch: Batch) {
        let failed = batch.failed.saturating_add(1);
        self.end(batch.group, batch.bodies, batch.told, failed);
    }

    fn end(&self, group: Address, back: Vec<Bytes>, told: Vec<oneshot::Sender<()>>, failed: u32) {
        let mut lines = self.lock();
        let Some(line) = lines.by_group.get_mut(&group) else {
            return;
        };
        line.in_flight = false;
        line.failed = failed;
        line.waiting.splice(0..0, back);
        line.told.extend(told);
        if line.waiting.is_empty() {
            lines.by_group.remove(&group);
        } else {
            lines.ready.push_back(group);
            self.ready.notify_one();
        }
    }

    fn push(&self, group: Address, body: Bytes, told: Option<oneshot::Sender<()>>) {
        let mut lines = self.lock();
        let line = lines.by_group.entry(group).or_default();
        line.waiting.push(body);
        line.told.extend(told);
        if !line.in_flight && line.waiting.len() == 1 {
            lines.ready.push_back(group);
            self.ready.notify_one();
        }
    }
}

impl LocalQueue {
    async fn hand_over_within(
        &self,
        patience: Duration,
        messages: Vec<Message>,
    ) -> Result<(), Unavailable> {
        let mut steps = Vec::with_capacity(messages.len());
        for message in messages {
            let (told, step) = oneshot::channel();
            self.push(message.group, message.body, Some(told));
            steps.push(step);
        }
        let all = async {
            for step in steps {
                let taken = step.await;
                taken.map_err(|error| Unavailable::new("the queue, which closes,", error))?;
            }
            Ok(())
        };
        let late = |error| Unavailable::new("the queue, where it waits,", error);
        tokio::time::timeout(patience, all).await.map_err(late)?
    }
}

#[async_trait]
impl Queue for LocalQueue {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        for message in messages {
            self.push(message.group, message.body, None);
        }
        Ok(())
    }

    /// Nothing here outlives the process: what was handed over is safe when its step is in the store.
    async fn hand_over(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        self.hand_over_within(PATIENCE, messages).await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use porpoise_model::{ProjectId, RunId};

    use super::*;

    fn group(id: u8) -> Address {
        Address::run(ProjectId::of_name("p"), RunId::from_bytes([id; 16]))
    }

    #[test]
    fn a_group_has_one_batch_in_flight_and_keeps_its_order() {
        let queue = LocalQueue::default();
        for body in ["1", "2"] {
            queue.push(group(1), body.into(), None);
        }
        queue.push(group(2), "a".into(), None);
        let first = queue.take().unwrap();
        assert_eq!(first.bodies, ["1", "2"]);
        queue.push(group(1), "3".into(), None);
        let other = queue.take().unwrap();
        assert_eq!(other.group, group(2));
        assert!(queue.take().is_none());
        queue.returned(first);
        let again = queue.take().unwrap();
        assert_eq!((again.bodies.len(), again.failed), (3, 1));
        assert_eq!(again.bodies, ["1", "2", "3"]);
        queue.done(again);
        queue.done(other);
        assert!(queue.take().is_none() && queue.lock().by_group.is_empty());
    }

    fn message() -> Message {
        Message {
            group: group(1),
            deduplication: 0,
            body: "1".into(),
        }
    }

    /// Looks once whether it is done.
    fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn what_is_handed_over_is_safe_only_when_its_step_is_done() {
        let queue = LocalQueue::default();
        let mut handed = queue.hand_over(vec![message()]);
        assert!(poll(&mut handed).is_none());
        let batch = queue.take().unwrap();
        assert!(poll(&mut handed).is_none(), "in flight");
        queue.returned(batch);
        let batch = queue.take().unwrap();
        assert!(poll(&mut handed).is_none(), "in flight again");
        queue.done(batch);
        assert!(poll(&mut handed).unwrap().is_ok());
    }

    #[tokio::test]
    async fn who_hands_over_what_cannot_be_taken_in_is_told_so_and_it_stays() {
        let queue = LocalQueue::default();
        let handed = queue.hand_over_within(Duration::from_millis(1), vec![message()]);
        assert!(handed.await.is_err());
        assert_eq!(queue.take().unwrap().bodies, ["1"]);
    }

    #[tokio::test]
    async fn who_hands_over_to_a_host_that_stops_is_not_told_that_it_is_safe() {
        let queue = LocalQueue::default();
        let mut handed = queue.hand_over(vec![message()]);
        assert!(poll(&mut handed).is_none());
        drop(queue.take());
        assert!(poll(&mut handed).unwrap().is_err());
    }
}
