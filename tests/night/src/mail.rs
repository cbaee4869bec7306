//! The queue of inputs as SQS FIFO is one: in order within a group, one batch of a group at a time, at least once.

use std::collections::{BTreeMap, VecDeque};

use data_encoding::BASE64_NOPAD;
use porpoise_functions::batch::{Attributes, SqsMessage};
use porpoise_model::Address;
use porpoise_ports::queue::Message;

use crate::world::{Event, MILLI, SECOND, World};

/// How long a batch that was handed out is not given to anybody else, as the template has it.
const VISIBILITY: i64 = 180 * SECOND;
/// Messages in a batch.
const BATCH: usize = 10;

#[derive(Debug, Default)]
pub(crate) struct Mail {
    groups: BTreeMap<Address, Group>,
    leases: u64,
}

#[derive(Debug, Default)]
struct Group {
    bodies: VecDeque<String>,
    /// So many of the first were handed out before.
    handed: usize,
    /// Its first messages are with a stepper: which lease, how many.
    lease: Option<(u64, usize)>,
    scheduled: bool,
}

/// Messages of a group that were handed out.
#[derive(Debug, Clone)]
pub(crate) struct Leased {
    pub(crate) group: Address,
    pub(crate) lease: u64,
    /// So many of them were handed out before.
    handed: usize,
    bodies: Vec<String>,
}

impl Leased {
    /// As Lambda hands them over.
    pub(crate) fn records(&self) -> Vec<SqsMessage> {
        let record = |(at, body): (usize, &String)| SqsMessage {
            message_id: format!("{}-{at}", self.lease),
            body: body.clone(),
            attributes: Attributes {
                message_group_id: Some(self.group.to_string()),
                trace: None,
                approximate_receive_count: Some(
                    if at < self.handed { "2" } else { "1" }.to_owned(),
                ),
            },
        };
        self.bodies.iter().enumerate().map(record).collect()
    }

    /// Whether a message of these is among those that are to come again.
    pub(crate) fn is_among(&self, failed: &[String]) -> bool {
        let prefix = format!("{}-", self.lease);
        failed.iter().any(|id| id.starts_with(&prefix))
    }
}

impl Mail {
    /// Nothing waits, and nothing is with a stepper.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.values().all(|group| group.bodies.is_empty())
    }
}

impl World {
    /// Takes messages into their groups, all that a call has for a group as one, as the adapter sends them.
    pub(crate) fn enqueue(&mut self, mut messages: Vec<Message>) {
        if self.partial {
            let part = self.chance.index(messages.len() + 1);
            messages.truncate(part);
        }
        let mut packed: BTreeMap<Address, Vec<String>> = BTreeMap::new();
        for message in messages {
            self.mix_bytes(&message.body);
            let bodies = packed.entry(message.group).or_default();
            bodies.push(BASE64_NOPAD.encode(&message.body));
        }
        for (group, bodies) in packed {
            let body = format!("1:{}", bodies.join(","));
            let known = self.mail.groups.entry(group).or_default();
            known.bodies.push_back(body);
            self.plan(group);
        }
    }

    fn plan(&mut self, address: Address) {
        let group = self.mail.groups.entry(address).or_default();
        if group.scheduled || group.lease.is_some() || group.bodies.is_empty() {
            return;
        }
        group.scheduled = true;
        let delay = self.chance.between(MILLI, 100 * MILLI);
        self.after(delay, Event::Inputs(address));
    }

    /// Nobody is free to take them.
    pub(crate) fn put_off(&mut self, address: Address) {
        self.after(SECOND, Event::Inputs(address));
    }

    /// Hands out the first messages of a group.
    pub(crate) fn lease(&mut self, address: Address) -> Option<Leased> {
        let group = self.mail.groups.get_mut(&address)?;
        group.scheduled = false;
        if group.lease.is_some() || group.bodies.is_empty() {
            return None;
        }
        let bodies: Vec<String> = group.bodies.iter().take(BATCH).cloned().collect();
        self.mail.leases += 1;
        let lease = self.mail.leases;
        group.lease = Some((lease, bodies.len()));
        let handed = group.handed;
        group.handed = handed.max(bodies.len());
        // seldom, a stepper is so slow that its messages come to another one as well
        let soon = self.strikes(5, "doubled", "inputs");
        let visible = if soon { SECOND } else { VISIBILITY };
        self.after(visible, Event::Lapse(address, lease));
        Some(Leased {
            group: address,
            lease,
            handed,
            bodies,
        })
    }

    /// A stepper is done with them, unless that is lost.
    pub(crate) fn delete(&mut self, leased: &Leased) {
        if self.strikes(5, "lost", "deletion") {
            return;
        }
        let Some(group) = self.mail.groups.get_mut(&leased.group) else {
            return;
        };
        if let Some((lease, count)) = group.lease
            && lease == leased.lease
        {
            group.bodies.drain(..count);
            group.handed = group.handed.saturating_sub(count);
            group.lease = None;
            self.plan(leased.group);
        }
    }

    /// They are given to somebody again.
    pub(crate) fn lapse(&mut self, address: Address, lease: u64) {
        if let Some(group) = self.mail.groups.get_mut(&address)
            && group.lease.is_some_and(|(held, _)| held == lease)
        {
            group.lease = None;
            self.plan(address);
        }
    }
}
