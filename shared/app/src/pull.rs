//! Places that fetch what there is to do: an agent takes orders, records them, and reports, all by calls of its own.
//!
//! ```text
//! stepper ─ PullBus ─▶ table ─ take ─▶ agent: records, submits, polls ─ hear ─▶ queue of the run
//!                        ▲                      │
//!                        └──── recorded ────────┘
//! ```
//!
//! Nothing that an agent says is trusted for more than the attempts that were sent to its place. What it does not say
//! that it has recorded comes again; what is not heard of is sent again by its run, as on every bus.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use jiff::SignedDuration;
use porpoise_engine::input::Report;
use porpoise_engine::mutant::{self, Mutant};
use porpoise_ports::table::{Condition, Item, Query};
use porpoise_ports::{Bus, Ids, Table, Unavailable};

use crate::app::App;
use crate::job_item::JobId;
use crate::pull_item::{
    ORDER_BYTES_MAX, Waiting, agent_item, agent_key, content, partition, sent_item, sent_key,
    sent_project, waiting_item, waiting_prefix,
};
use crate::send::Order;
use crate::store::{Store, StoreError};
use crate::submit::rejected;

pub use crate::pull_item::{AgentId, Receipt};

/// Orders that an answer has at most.
pub const ORDERS_MAX: usize = 200;
/// How long an agent waits before it asks again where nothing waited, and asking costs nothing.
const IDLE: SignedDuration = SignedDuration::from_millis(500);
/// The same where each call is billed.
const IDLE_BILLED: SignedDuration = SignedDuration::from_secs(5);
/// Items that are read or written at the same time.
const AT_ONCE: usize = 64;
/// Attempts that are known to have been sent somewhere.
const REMEMBERED_MAX: usize = 20_000;

/// Carries intents to places whose agents fetch them.
///
/// Costs two puts for each intent: what waits, and the right to report of it.
#[derive(Debug)]
pub struct PullBus {
    store: Store,
    ids: Arc<dyn Ids>,
}

impl PullBus {
    /// Over the table in which they wait.
    pub fn new(table: Arc<dyn Table>, ids: Arc<dyn Ids>) -> Self {
        Self {
            store: Store::new(table),
            ids,
        }
    }

    async fn keep(&self, place: &str, bytes: &Bytes) -> Result<(), StoreError> {
        let Ok(order) = minicbor::decode::<Order>(bytes) else {
            // The agent keeps it, for somebody to look at.
            let receipt = Receipt::of_unreadable(self.ids.fresh());
            return self.wait(place, &receipt, bytes).await;
        };
        let id = order.job();
        if !mutant::on(Mutant::SentForgotten) {
            let sent = sent_item(place, &id);
            self.store.put(sent, Condition::Absent).await?;
        }
        let receipt = Receipt::of(&order);
        if bytes.len() <= ORDER_BYTES_MAX {
            return self.wait(place, &receipt, bytes).await;
        }
        let bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let large = Waiting::TooLarge { id, bytes };
        let item = waiting_item(place, &receipt, &large);
        self.store.put(item, Condition::Absent).await.map(drop)
    }

    /// One that waits already says the same.
    async fn wait(&self, place: &str, receipt: &Receipt, order: &Bytes) -> Result<(), StoreError> {
        let item = waiting_item(place, receipt, &Waiting::Order(order.to_vec()));
        self.store.put(item, Condition::Absent).await.map(drop)
    }
}

#[async_trait]
impl Bus for PullBus {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        let mut result = Ok(());
        for intents in intents.chunks(AT_ONCE) {
            for kept in join_all(intents.iter().map(|one| self.keep(place, one))).await {
                result = result.and(kept);
            }
        }
        result.map_err(|error| Unavailable::new("the table of what agents fetch", error))
    }
}

/// An order, and what its agent says when it has recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// What it is called.
    pub receipt: Receipt,
    /// As it is sent on a bus.
    pub order: Bytes,
}

/// What an agent takes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// At most [`ORDERS_MAX`].
    pub orders: Vec<Handed>,
    /// So long it waits before it asks again.
    pub wait: SignedDuration,
}

/// An agent was not served.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// Somebody else has its place.
    #[error("another agent serves the place `{0}`")]
    OtherAgent(String),
    /// Nobody ever took anything there.
    #[error("no agent serves the place `{0}` yet")]
    NoAgent(String),
    /// Reports of attempts that were never sent to its place: which of them.
    #[error("some of the reports are of attempts that were not sent to the place `{0}`")]
    NotSent(String, Vec<usize>),
    /// Written by a later release, or damaged.
    #[error("an item of what place `{0}` fetches cannot be read")]
    Unreadable(String, #[source] minicbor::decode::Error),
    /// The same call may succeed later.
    #[error("cannot keep what place `{0}` fetches")]
    Store(String, #[source] StoreError),
    /// The same call may succeed later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Attempts that were sent somewhere, as far as this process knows. What was sent stays sent.
#[derive(Debug, Default)]
pub(crate) struct Sent(Mutex<BTreeSet<(String, JobId)>>);

impl Sent {
    fn note(&self, place: &str, id: JobId) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= REMEMBERED_MAX {
            sent.clear();
        }
        sent.insert((place.to_owned(), id));
    }

    fn has(&self, place: &str, id: JobId) -> bool {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.contains(&(place.to_owned(), id))
    }
}

impl App {
    /// Gives the agent of a place the orders that wait for it, after it has told which of earlier ones it has recorded.
    /// The first agent that comes has the place; another one gets it only when it says that it `replaces` that one.
    ///
    /// Costs a read, a query, and a delete for each order that was recorded.
    ///
    /// # Errors
    /// [`PullError::OtherAgent`]; or the table is unavailable: then all of it can be asked again.
    pub async fn take(
        &self,
        place: &str,
        agent: AgentId,
        replaces: bool,
        recorded: &[Receipt],
    ) -> Result<Taken, PullError> {
        self.admit(place, agent, replaces).await?;
        for receipts in recorded.chunks(AT_ONCE) {
            let keys: Vec<_> = receipts.iter().map(|one| one.key(place)).collect();
            let gone = keys
                .iter()
                .map(|key| self.store.delete(key, Condition::None));
            for gone in join_all(gone).await {
                gone.map_err(|error| store(place, error))?;
            }
        }
        let query = Query {
            limit: ORDERS_MAX,
            ..Query::prefix(partition(place), waiting_prefix())
        };
        let page = self.store.page(&query).await;
        let page = page.map_err(|error| store(place, error))?;
        let mut orders = Vec::with_capacity(page.items.len());
        for item in &page.items {
            orders.extend(self.hand_out(place, item).await?);
        }
        let idle = if self.swept { IDLE_BILLED } else { IDLE };
        let more = page.next.is_some() || !orders.is_empty();
        let wait = if more { SignedDuration::ZERO } else { idle };
        Ok(Taken { orders, wait })
    }

    /// Takes in what the agent of a place says of attempts: when it returns, it cannot be lost any more. All of it, or
    /// nothing.
    ///
    /// Costs a read, one more for each attempt of which this process does not know that it was sent there, and a
    /// message for each run.
    ///
    /// # Errors
    /// [`PullError::OtherAgent`], [`PullError::NoAgent`], [`PullError::NotSent`]; or the table or the queue is
    /// unavailable: then all of it can be said again.
    pub async fn hear(
        &self,
        place: &str,
        agent: AgentId,
        reports: Vec<(JobId, Report)>,
    ) -> Result<(), PullError> {
        let known = self.store.get(&agent_key(place)).await;
        let known = known.map_err(|error| store(place, error))?;
        match known.as_ref().map(content::<AgentId>).transpose() {
            Ok(Some(known)) if known == agent => {}
            Ok(Some(_)) => return Err(PullError::OtherAgent(place.to_owned())),
            Ok(None) => return Err(PullError::NoAgent(place.to_owned())),
            Err(error) => return Err(PullError::Unreadable(place.to_owned(), error)),
        }
        let ids: BTreeSet<JobId> = reports.iter().map(|(id, _)| *id).collect();
        let unsent = self.unsent(place, ids).await?;
        if !unsent.is_empty() {
            let numbered = reports.iter().enumerate();
            let wrong = numbered.filter_map(|(at, (id, _))| unsent.contains(id).then_some(at));
            return Err(PullError::NotSent(place.to_owned(), wrong.collect()));
        }
        let messages = self.messages(reports);
        if !messages.is_empty() {
            let heard = self.ports.queue.hand_over(messages).await;
            if !mutant::on(Mutant::ReportUnheard) {
                heard?;
            }
        }
        Ok(())
    }

    async fn admit(&self, place: &str, agent: AgentId, replaces: bool) -> Result<(), PullError> {
        let found = self.store.get(&agent_key(place)).await;
        let found = found.map_err(|error| store(place, error))?;
        let known = found.as_ref().map(content::<AgentId>).transpose();
        let known = known.map_err(|error| PullError::Unreadable(place.to_owned(), error))?;
        let other = || PullError::OtherAgent(place.to_owned());
        match known {
            Some(known) if known == agent => return Ok(()),
            Some(_) if !replaces => return Err(other()),
            Some(_) | None => {}
        }
        let before = found.map_or(0, |item| item.revision);
        let item = agent_item(place, agent, before + 1);
        let put = self.store.put(item, Condition::follows(before)).await;
        if put.map_err(|error| store(place, error))? {
            return Ok(());
        }
        // Another one came at the same time.
        Err(other())
    }

    /// An order that waits, if an agent can take it.
    async fn hand_out(&self, place: &str, item: &Item) -> Result<Option<Handed>, PullError> {
        let Some(receipt) = Receipt::of_key(&item.key) else {
            tracing::error!(place, sort = item.key.sort, "item of no order");
            return Ok(None);
        };
        match content(item) {
            Ok(Waiting::Order(order)) => {
                if let Ok(order) = minicbor::decode::<Order>(&order) {
                    self.sent.note(place, order.job());
                }
                let order = Bytes::from(order);
                Ok(Some(Handed { receipt, order }))
            }
            Ok(Waiting::TooLarge { id, bytes }) => {
                self.reject_large(place, id, bytes).await?;
                let gone = self.store.delete(&item.key, Condition::None).await;
                gone.map_err(|error| store(place, error))?;
                Ok(None)
            }
            Err(error) => {
                // It stays, for a release that can read it.
                let sort = &item.key.sort;
                tracing::error!(place, sort, %error, "order cannot be read");
                Ok(None)
            }
        }
    }

    async fn reject_large(&self, place: &str, id: JobId, bytes: u64) -> Result<(), PullError> {
        let message = format!(
            "the job is {bytes} bytes with its script and parameters, and an agent takes {ORDER_BYTES_MAX}: \
             keep the script in a file at `{place}`"
        );
        let report = Report {
            attempt: id.attempt,
            what: rejected(message, self.now()),
        };
        let messages = self.messages(vec![(id, report)]);
        Ok(self.ports.queue.hand_over(messages).await?)
    }

    /// Those of these attempts that were never sent to the place.
    async fn unsent(
        &self,
        place: &str,
        ids: BTreeSet<JobId>,
    ) -> Result<BTreeSet<JobId>, PullError> {
        let unknown = ids.into_iter().filter(|id| !self.sent.has(place, *id));
        let unknown: Vec<JobId> = unknown.collect();
        let mut unsent = BTreeSet::new();
        for ids in unknown.chunks(AT_ONCE) {
            let keys: Vec<_> = ids.iter().map(|id| sent_key(place, id)).collect();
            let reads = join_all(keys.iter().map(|key| self.store.get(key))).await;
            for (id, read) in ids.iter().zip(reads) {
                let read = read.map_err(|error| store(place, error))?;
                let project = read.as_ref().map(sent_project).transpose();
                let project =
                    project.map_err(|error| PullError::Unreadable(place.to_owned(), error))?;
                if project == Some(id.project) {
                    self.sent.note(place, *id);
                } else {
                    unsent.insert(*id);
                }
            }
        }
        Ok(unsent)
    }
}

fn store(place: &str, error: StoreError) -> PullError {
    PullError::Store(place.to_owned(), error)
}
