//! What sending comes to, without sending: for those who count calls and what they cost.

use std::collections::VecDeque;

use porpoise_model::Address;
use porpoise_ports::queue::Message;
use porpoise_ports::{Unavailable, usage};

use crate::pack::lines;
use crate::queue::{CALLS_MAX, calls, requests};

/// A message of SQS, as its receiver gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Its group.
    pub group: Address,
    /// Its body.
    pub body: String,
}

/// One call of `SendMessageBatch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What it carries.
    pub messages: Vec<Packed>,
    /// How many requests it is billed as.
    pub requests: u64,
}

/// The calls that [`SqsQueue`](crate::SqsQueue) makes for these messages, if all are taken: the calls of a round at the
/// same time, one round after the other.
///
/// # Errors
/// One of them fits in no message.
pub fn rounds(messages: Vec<Message>) -> Result<Vec<Vec<Call>>, Unavailable> {
    let mut lines = lines(messages).map_err(|error| Unavailable::new("the queue", error))?;
    let mut rounds = Vec::new();
    while !lines.is_empty() {
        for some in calls(&lines).chunks(CALLS_MAX) {
            let outline = |call: &Vec<(usize, &crate::pack::Pack)>| {
                let packs = call.iter().map(|(_, pack)| *pack);
                let messages = packs.clone().map(|pack| Packed {
                    group: pack.group,
                    body: pack.text.clone(),
                });
                Call {
                    messages: messages.collect(),
                    requests: requests(packs),
                }
            };
            rounds.push(some.iter().map(outline).collect());
        }
        for line in &mut lines {
            line.pop_front();
        }
        lines.retain(|line| !VecDeque::is_empty(line));
    }
    Ok(rounds)
}

/// What asking for a wake is billed as: [`SqsTimers`](crate::SqsTimers) sends one message.
pub const WAKE: (usage::Line, u64) = (usage::Line::QueueRequests, 1);

#[cfg(test)]
mod tests {
    use porpoise_model::{ProjectId, RunId};

    use super::*;

    fn message(group: u8, bytes: usize) -> Message {
        Message {
            group: Address::run(ProjectId::of_name("p"), RunId::from_bytes([group; 16])),
            deduplication: u128::from(group),
            body: vec![group; bytes].into(),
        }
    }

    #[test]
    fn groups_share_calls_of_ten_and_a_group_s_next_message_waits_for_the_next_round() {
        let mut messages: Vec<Message> = (0..12).map(|group| message(group, 10)).collect();
        messages.push(message(0, 60_000));
        let rounds = rounds(messages).unwrap();
        let sizes = |round: &Vec<Call>| -> Vec<(usize, u64)> {
            let calls = round.iter();
            calls
                .map(|call| (call.messages.len(), call.requests))
                .collect()
        };
        let sizes: Vec<_> = rounds.iter().map(sizes).collect();
        assert_eq!(sizes, [vec![(10, 1), (2, 1)], vec![(1, 2)]]);
    }

    #[test]
    fn what_no_message_can_hold_is_told() {
        rounds(vec![message(1, 800_000)]).unwrap_err();
    }
}
