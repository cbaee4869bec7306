//! What is on its way: inputs in groups, intents, wakes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use porpoise_app::Delivery;
use porpoise_model::Address;
use porpoise_ports::queue::Message;

use crate::fault::{Fault, Op};
use crate::random::Chance;
use crate::world::{Event, HOUR, MILLI, MINUTE, SECOND, Shared, World, lock};

/// For how long the queue knows deduplication ids, as SQS does.
const DEDUPLICATED: i64 = 5 * MINUTE;

/// The queue.
pub(crate) struct Mail {
    groups: BTreeMap<Address, Group>,
    ready: BTreeSet<Address>,
    seen: BTreeSet<u128>,
    seen_at: VecDeque<(i64, u128)>,
    leases: u64,
    /// Messages of one group in a batch.
    batch: usize,
    /// It is in the memory of the only host, and ends with that.
    pub(crate) in_process: bool,
    /// Who waits until a message was taken in: its group, and its number there.
    waiting: BTreeMap<Ticket, Waker>,
}

/// A message: its group, and its number there, from 1.
pub(crate) type Ticket = (Address, u64);

#[derive(Default)]
struct Group {
    messages: VecDeque<Bytes>,
    /// So many were taken in, or lost.
    gone: u64,
    /// So many of the first were handed out before.
    handed: usize,
    /// Its first messages are with a stepper: which lease, how many.
    lease: Option<(u64, usize)>,
    scheduled: bool,
}

/// Messages that were handed out.
#[derive(Debug, Clone)]
pub(crate) struct Leased {
    pub(crate) group: Address,
    pub(crate) lease: u64,
    pub(crate) delivery: Delivery,
    pub(crate) bodies: Vec<Bytes>,
}

impl Mail {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        Self {
            groups: BTreeMap::new(),
            ready: BTreeSet::new(),
            seen: BTreeSet::new(),
            seen_at: VecDeque::new(),
            leases: 0,
            batch: *chance.pick(&[1, 10, 10, 10, 100, 1_000]),
            in_process: false,
            waiting: BTreeMap::new(),
        }
    }

    /// Nothing waits and nothing is with a stepper.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.values().all(|group| group.messages.is_empty())
    }

    fn fresh(&mut self, id: u128, now: i64) -> bool {
        while let Some((at, old)) = self.seen_at.front().copied() {
            if now - at < DEDUPLICATED {
                break;
            }
            self.seen_at.pop_front();
            self.seen.remove(&old);
        }
        let fresh = self.seen.insert(id);
        if fresh {
            self.seen_at.push_back((now, id));
        }
        fresh
    }
}

impl World {
    /// Takes messages into their groups; which they are there.
    pub(crate) fn enqueue(&mut self, mut messages: Vec<Message>) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        if self.partial {
            let part = self.chance.index(messages.len() + 1);
            messages.truncate(part);
        }
        for message in messages {
            if !self.mail.fresh(message.deduplication, self.now) {
                self.tell(|| format!("    queue drops a repeat for {}", message.group));
                continue;
            }
            self.mix_bytes(&message.body);
            let group = self.mail.groups.entry(message.group).or_default();
            group.messages.push_back(message.body);
            tickets.push((message.group, group.gone + group.messages.len() as u64));
            self.plan_delivery(message.group);
        }
        tickets
    }

    /// Whether a message was taken in; if not, who waits for that is woken then.
    fn is_taken_in(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        let (group, number) = ticket;
        let group = self.mail.groups.get(&group);
        let taken = group.is_some_and(|group| group.gone >= number);
        if !taken {
            self.mail.waiting.insert(ticket, waker.clone());
        }
        taken
    }

    /// The process dies, and with it all that only its memory held.
    pub(crate) fn lose_mail(&mut self) {
        self.mail.waiting.clear();
        self.mail.ready.clear();
        let mut lost = 0;
        for group in self.mail.groups.values_mut() {
            lost += group.messages.len();
            group.gone += group.messages.len() as u64;
            group.messages.clear();
            (group.handed, group.lease, group.scheduled) = (0, None, false);
        }
        self.lose_events();
        if lost > 0 {
            self.matrix.add_to(Fault::Lost, Op::Inputs, lost);
        }
        self.tell(|| format!("    {lost} inputs are lost"));
    }

    fn plan_delivery(&mut self, address: Address) {
        let group = self.mail.groups.entry(address).or_default();
        if group.scheduled || group.lease.is_some() || group.messages.is_empty() {
            return;
        }
        group.scheduled = true;
        self.mail.ready.insert(address);
        let late = self.strikes(self.rates.late * 0.1, Fault::Late, Op::Inputs);
        let delay = match late {
            true => self.chance.log_between(1_000_000, 120_000_000),
            false if self.calm => 1_000,
            false => self.chance.log_between(100, 50_000),
        };
        self.after(delay as i64, Event::Deliver(address));
    }

    /// Hands out messages of a group, and perhaps of others that wait.
    pub(crate) fn deliver(&mut self, address: Address) -> Vec<Leased> {
        let mut batch: Vec<Leased> = self.lease(address).into_iter().collect();
        if batch.is_empty() {
            return batch;
        }
        while batch.len() < 4 && !self.mail.ready.is_empty() && self.chance.happens(0.4) {
            let at = self.chance.index(self.mail.ready.len());
            let Some(other) = self.mail.ready.iter().nth(at).copied() else {
                break;
            };
            batch.extend(self.lease(other));
        }
        batch
    }

    fn lease(&mut self, address: Address) -> Option<Leased> {
        self.mail.ready.remove(&address);
        let most = 1 + self.chance.index(self.mail.batch);
        let group = self.mail.groups.get_mut(&address)?;
        group.scheduled = false;
        if group.lease.is_some() || group.messages.is_empty() {
            return None;
        }
        let bodies: Vec<Bytes> = group.messages.iter().take(most).cloned().collect();
        self.mail.leases += 1;
        let lease = self.mail.leases;
        group.lease = Some((lease, bodies.len()));
        let delivery = match group.handed {
            0 if !self.mail.in_process => Delivery::First,
            _ => Delivery::Again,
        };
        group.handed = group.handed.max(bodies.len());
        self.matrix.passed(Op::Inputs);
        let visible = if self.calm {
            MINUTE
        } else if self.strikes(self.rates.duplicate * 0.1, Fault::Stale, Op::Inputs) {
            self.chance.log_between(1_000, 2_000_000) as i64
        } else {
            self.chance.between(30, 120) as i64 * SECOND
        };
        self.after(visible, Event::Lapse(address, lease));
        Some(Leased {
            group: address,
            lease,
            delivery,
            bodies,
        })
    }

    /// A stepper is done with messages: they are deleted, unless that is lost.
    pub(crate) fn delete(&mut self, leased: &Leased) {
        let lost = self.strikes(self.rates.duplicate * 0.2, Fault::Duplicated, Op::Inputs);
        let Some(group) = self.mail.groups.get_mut(&leased.group) else {
            return;
        };
        match group.lease {
            Some((lease, count)) if lease == leased.lease && !lost => {
                group.messages.drain(..count);
                group.gone += count as u64;
                let taken = (leased.group, group.gone);
                group.handed = group.handed.saturating_sub(count);
                group.lease = None;
                let told = (leased.group, 0)..=taken;
                let told: Vec<Ticket> = self.mail.waiting.range(told).map(|one| *one.0).collect();
                for ticket in told {
                    if let Some(waker) = self.mail.waiting.remove(&ticket) {
                        waker.wake();
                    }
                }
                self.plan_delivery(leased.group);
            }
            Some(_) | None => {}
        }
    }

    /// A stepper gave messages back: at once, or it lets them lapse.
    pub(crate) fn give_back(&mut self, leased: &Leased) {
        if self.calm || self.chance.bits() & 1 == 0 {
            self.lapse(leased.group, leased.lease);
        }
    }

    pub(crate) fn lapse(&mut self, address: Address, lease: u64) {
        if let Some(group) = self.mail.groups.get_mut(&address)
            && group.lease.is_some_and(|(held, _)| held == lease)
        {
            group.lease = None;
            self.plan_delivery(address);
        }
    }

    /// A batch of intents sets out.
    pub(crate) fn post(&mut self, intents: Vec<Bytes>) {
        self.matrix.passed(Op::Intents);
        for intent in &intents {
            self.mix_bytes(intent);
        }
        if self.strikes(self.rates.lose, Fault::Lost, Op::Intents) {
            self.tell(|| "    a batch of intents is lost".to_owned());
            return;
        }
        if self.strikes(self.rates.duplicate, Fault::Duplicated, Op::Intents) {
            self.after_post(intents.clone());
        }
        self.after_post(intents);
    }

    fn after_post(&mut self, intents: Vec<Bytes>) {
        let late = self.strikes(self.rates.late, Fault::Late, Op::Intents);
        let delay = match late {
            true => self.chance.log_between(2_000_000, 400_000_000),
            false if self.calm => 1_000,
            false => self.chance.log_between(1_000, 1_000_000),
        };
        self.after(delay as i64, Event::Intents(intents));
    }

    /// A wake is set.
    pub(crate) fn set_wake(&mut self, address: Address, at: i64) {
        self.matrix.passed(Op::Wake);
        self.mix(at as u64);
        if self.strikes(self.rates.lose_wake, Fault::Lost, Op::Wake) {
            return;
        }
        let mut count = 1;
        if self.strikes(self.rates.duplicate, Fault::Duplicated, Op::Wake) {
            count = 2;
        }
        for _ in 0..count {
            let late = match self.strikes(self.rates.late, Fault::Late, Op::Wake) {
                true => self.chance.log_between(1_000_000, HOUR as u64) as i64,
                false => MILLI,
            };
            self.at(at.max(self.now) + late, Event::Wake(address));
        }
    }
}

/// Waits until messages were taken in, so that they cannot be lost any more; `false`: it takes too long.
pub(crate) struct TakenIn {
    pub(crate) world: Shared,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) until: i64,
    pub(crate) set: bool,
}

impl Future for TakenIn {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let shared = Shared::clone(&self.world);
        let mut world = lock(&shared);
        if world.crash.is_some() {
            return Poll::Pending;
        }
        let (until, set) = (self.until, self.set);
        self.set = true;
        let waker = context.waker();
        self.tickets
            .retain(|ticket| !world.is_taken_in(*ticket, waker));
        if self.tickets.is_empty() || world.now >= until {
            return Poll::Ready(self.tickets.is_empty());
        }
        if !set {
            world.at(until, Event::Resume(waker.clone()));
        }
        Poll::Pending
    }
}
