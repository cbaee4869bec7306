//! The queue of inputs: groups keep their order and have one batch under way, batches of at most ten.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

use porpoise_functions::batch::{Attributes, SqsEvent, SqsMessage};
use porpoise_model::Address;
use porpoise_queue_sqs::Packed;

use super::time::lock;

/// As many as the mapping of the deployment takes at once, which is as many as SQS gives of a FIFO queue.
const BATCH: usize = 10;

#[derive(Debug, Default)]
pub(crate) struct Fifo(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Packed>,
    under_way: BTreeSet<Address>,
    sent: u64,
}

/// What one call of the stepper gets.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) event: SqsEvent,
    pub(crate) groups: BTreeSet<Address>,
    pub(crate) bytes: usize,
}

impl Fifo {
    pub(crate) fn put(&self, messages: Vec<Packed>) {
        lock(&self.0).waiting.extend(messages);
    }

    /// Messages of the group of which the oldest is, and what fits beside them.
    pub(crate) fn take(&self) -> Option<Batch> {
        let mut state = lock(&self.0);
        let State {
            waiting,
            under_way,
            sent,
        } = &mut *state;
        let first = waiting.iter().find(|one| !under_way.contains(&one.group))?;
        let first = first.group;
        let mut taken: Vec<Packed> = Vec::new();
        for own in [true, false] {
            let mut left = VecDeque::with_capacity(waiting.len());
            for one in waiting.drain(..) {
                let wanted = (one.group == first) == own && !under_way.contains(&one.group);
                if wanted && taken.len() < BATCH {
                    taken.push(one);
                } else {
                    left.push_back(one);
                }
            }
            *waiting = left;
        }
        let groups: BTreeSet<Address> = taken.iter().map(|one| one.group).collect();
        under_way.extend(&groups);
        let bytes = taken.iter().map(|one| one.body.len()).sum();
        let records = taken.into_iter().map(|one| {
            *sent += 1;
            SqsMessage {
                message_id: sent.to_string(),
                body: one.body,
                attributes: Attributes {
                    message_group_id: Some(one.group.to_string()),
                    trace: None,
                    approximate_receive_count: Some("1".to_owned()),
                },
            }
        });
        let event = SqsEvent {
            records: records.collect(),
        };
        Some(Batch {
            event,
            groups,
            bytes,
        })
    }

    pub(crate) fn done(&self, groups: &BTreeSet<Address>) {
        lock(&self.0)
            .under_way
            .retain(|group| !groups.contains(group));
    }
}

#[cfg(test)]
mod tests {
    use porpoise_model::{ProjectId, RunId};

    use super::*;

    fn packed(group: u8, body: &str) -> Packed {
        Packed {
            group: Address::run(ProjectId::of_name("p"), RunId::from_bytes([group; 16])),
            body: body.to_owned(),
        }
    }

    fn bodies(batch: &Batch) -> Vec<&str> {
        let records = batch.event.records.iter();
        records.map(|record| record.body.as_str()).collect()
    }

    #[test]
    fn a_group_has_one_batch_under_way_and_others_fill_it() {
        let fifo = Fifo::default();
        fifo.put(vec![packed(1, "a"), packed(2, "x"), packed(1, "b")]);
        let first = fifo.take().unwrap();
        assert_eq!(bodies(&first), ["a", "b", "x"]);
        fifo.put(vec![packed(1, "c"), packed(3, "y")]);
        let second = fifo.take().unwrap();
        assert_eq!(bodies(&second), ["y"]);
        assert!(fifo.take().is_none(), "the first group is under way");
        fifo.done(&first.groups);
        assert_eq!(bodies(&fifo.take().unwrap()), ["c"]);
    }

    #[test]
    fn a_batch_has_ten_at_most() {
        let fifo = Fifo::default();
        fifo.put(vec![packed(1, "a"); 12]);
        let first = fifo.take().unwrap();
        assert_eq!(first.event.records.len(), 10);
        fifo.done(&first.groups);
        assert_eq!(fifo.take().unwrap().event.records.len(), 2);
    }
}
