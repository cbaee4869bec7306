//! A site outside of home: the requests of its agent and their answers, and the ports that the agent has.
//!
//! ```text
//! agent ─ ask ─▶ (request) ─▶ a host at home ─▶ (answer) ─▶ agent
//! ```
//!
//! The site has a table and blobs of its own. Its jobs are the target's, like all others: who starts two for an attempt is
//! found out wherever they run.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use jiff::Timestamp;
use porpoise_app::job_item::JobId;
use porpoise_app::pull::{AgentId, Receipt, Taken};
use porpoise_app::target_store::TargetSpec;
use porpoise_engine::Input;
use porpoise_engine::input::{Report, RunInput};
use porpoise_model::job::Job;
use porpoise_model::{Address, ProjectId, RunId, VersionHash};
use porpoise_ports::executor::{JobRef, JobReport, LogChunk, LogError, SubmitError, Submitted};
use porpoise_ports::queue::Message;
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, WriteError,
};
use porpoise_ports::{Blobs, Bus, Executor, Queue, Table, Timers, Unavailable};
use porpoise_store_memory::MemoryTable;

use crate::fault::{Fault, Op};
use crate::ports::{kind_of, read_error, unavailable, write_error};
use crate::world::{Event, Failed, Hub, SECOND, Shared, World, lock};

/// The place that an agent serves.
pub(crate) const SITE: &str = "site.sim";
/// What tasks call its target.
pub(crate) const TARGET: &str = "site";
/// The sort of that target.
pub(crate) const PROCESS: &str = "process";
/// The agent waits so long for an answer.
const PATIENCE: i64 = 40 * SECOND;

/// The agent, as home knows it.
pub(crate) fn agent_id() -> AgentId {
    AgentId::of_secret("the only agent of the site")
}

/// The target at the site.
pub(crate) fn target() -> TargetSpec {
    TargetSpec {
        name: TARGET.parse().expect("a name"),
        kind: PROCESS.to_owned(),
        place: SITE.parse().expect("a place"),
        served_by: SITE.parse().expect("a place"),
        role: None,
        settings: "{}".to_owned(),
        default_for: BTreeSet::new(),
    }
}

/// A request of the agent.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// What there is to do, and which earlier orders were recorded.
    Take(Vec<Receipt>),
    /// What became of jobs.
    Report(Vec<(JobId, Report)>),
}

/// What home says to it.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Taken(Taken),
    Heard,
    /// Some were never sent to the site, it says.
    NotSent(Vec<usize>),
}

/// The site, and what is on its way to and from it.
#[derive(Debug, Default)]
pub(crate) struct Site {
    table: MemoryTable,
    blobs: BTreeMap<(ProjectId, VersionHash), Bytes>,
    asked: u64,
    /// Requests that the agent waits for.
    open: BTreeSet<u64>,
    answers: BTreeMap<u64, Answer>,
    wakers: BTreeMap<u64, Waker>,
}

impl Site {
    /// The agent died: nobody waits for anything.
    pub(crate) fn hang_up(&mut self) {
        self.open.clear();
        self.answers.clear();
        self.wakers.clear();
    }
}

impl World {
    /// A request sets out.
    fn request(&mut self, ask: &Ask) -> u64 {
        self.site.asked += 1;
        let number = self.site.asked;
        self.site.open.insert(number);
        self.matrix.passed(Op::Request);
        self.mix(number);
        self.tell(|| format!("    the agent asks ({number}): {ask:?}"));
        if self.strikes(self.rates.lose, Fault::Lost, Op::Request) {
            return number;
        }
        let twice = self.strikes(self.rates.duplicate, Fault::Duplicated, Op::Request);
        for _ in 0..=u32::from(twice) {
            let late = self.strikes(self.rates.late, Fault::Late, Op::Request);
            let delay = match late {
                true => self.chance.log_between(1_000_000, 400_000_000),
                false if self.calm => 1_000,
                false => self.chance.log_between(1_000, 500_000),
            };
            self.after(delay as i64, Event::Request(number, ask.clone()));
        }
        number
    }

    /// Home has an answer. Who waits no more does not hear it.
    pub(crate) fn answer(&mut self, number: u64, answer: Answer) {
        if self.strikes(self.rates.lose * 0.5, Fault::Lost, Op::Request) {
            self.tell(|| format!("    the answer to {number} is lost"));
            return;
        }
        if self.site.open.contains(&number) {
            self.site.answers.insert(number, answer);
            if let Some(waker) = self.site.wakers.remove(&number) {
                waker.wake();
            }
        }
    }

    /// Whether orders wait at home for the agent.
    pub(crate) fn orders_wait(&self) -> bool {
        let query = Query {
            limit: 1,
            ..Query::prefix(format!("pull/{SITE}"), "wait/")
        };
        let page = self.table.query(&query).now_or_never();
        let page = page.and_then(Result::ok).unwrap_or_default();
        !page.items.is_empty()
    }
}

/// Waits for the answer to a request.
struct Reply {
    world: Shared,
    number: u64,
    until: i64,
    set: bool,
}

impl Future for Reply {
    type Output = Option<Answer>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (number, until, set) = (self.number, self.until, self.set);
        self.set = true;
        let mut world = lock(&self.world);
        if world.crash.is_some() {
            return Poll::Pending;
        }
        let answer = world.site.answers.remove(&number);
        if answer.is_some() || world.now >= until {
            world.site.open.remove(&number);
            world.site.wakers.remove(&number);
            return Poll::Ready(answer);
        }
        if !set {
            world.at(until, Event::Resume(context.waker().clone()));
        }
        world.site.wakers.insert(number, context.waker().clone());
        Poll::Pending
    }
}

/// The ports of the agent.
#[derive(Debug, Clone)]
pub(crate) struct Agent(pub(crate) Hub);

impl Agent {
    /// Asks home.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer, Failed> {
        let number = self.0.call(Op::Ask, |world| world.request(&ask)).await?;
        let reply = Reply {
            until: lock(&self.0.world).now + PATIENCE,
            world: Arc::clone(&self.0.world),
            number,
            set: false,
        };
        reply.await.ok_or(Failed::Unavailable)
    }
}

/// What is sent was heard at home; what was never sent to the site, home thinks, is dropped.
#[async_trait]
impl Queue for Agent {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let mut reports = Vec::new();
        for Message { group, body, .. } in messages {
            let Ok(Input::Run(RunInput::Reported(told))) = minicbor::decode(&body) else {
                let what = format!("the agent tells {group} something else than reports");
                lock(&self.0.world).violate("log-is-truth", what);
                return Ok(());
            };
            reports.extend(told.into_iter().map(|report| {
                let id = JobId {
                    run: RunId::from_bytes(group.id),
                    attempt: report.attempt,
                    project: group.project,
                };
                (id, report)
            }));
        }
        while !reports.is_empty() {
            match self.ask(Ask::Report(reports.clone())).await {
                Ok(Answer::Heard) => return Ok(()),
                Ok(Answer::NotSent(which)) => {
                    let mut at = 0..;
                    reports.retain(|_| !at.next().is_some_and(|at| which.contains(&at)));
                }
                Ok(Answer::Taken(_)) | Err(_) => return Err(unavailable("home")),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Bus for Agent {
    async fn send(&self, place: &str, _: Vec<Bytes>) -> Result<(), Unavailable> {
        lock(&self.0.world).violate("log-is-truth", format!("the agent dispatches to {place}"));
        Ok(())
    }
}

#[async_trait]
impl Timers for Agent {
    async fn wake(&self, aggregate: Address, _: Timestamp) -> Result<(), Unavailable> {
        let what = format!("the agent arms a wake for {aggregate}");
        lock(&self.0.world).violate("log-is-truth", what);
        Ok(())
    }
}

#[async_trait]
impl Table for Agent {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        let read = |world: &mut World| world.site.table.get(key, consistency).now_or_never();
        let found = self.0.call(Op::Read, read).await.map_err(read_error)?;
        found.unwrap_or(Err(ReadError::Throttled))
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let read = |world: &mut World| world.site.table.query(query).now_or_never();
        let page = self.0.call(Op::Query, read).await.map_err(read_error)?;
        page.unwrap_or(Err(ReadError::Throttled))
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        let op = kind_of(&item.key, false);
        let put = |world: &mut World| {
            world.mix_bytes(item.key.sort.as_bytes());
            let Key { partition, sort } = &item.key;
            world.tell(|| format!("    at the site {op:?} {partition} {sort} {condition:?}"));
            world.site.table.put(item, condition).now_or_never()
        };
        let put = self.0.call(op, put).await.map_err(write_error)?;
        put.unwrap_or(Err(WriteError::Throttled))
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        let delete = |world: &mut World| {
            world.mix_bytes(key.sort.as_bytes());
            world.site.table.delete(key, condition).now_or_never()
        };
        let deleted = self.0.call(kind_of(key, true), delete).await;
        let deleted = deleted.map_err(write_error)?;
        deleted.unwrap_or(Err(WriteError::Throttled))
    }
}

#[async_trait]
impl Blobs for Agent {
    async fn put(
        &self,
        _: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable> {
        let hash = VersionHash::of(&bytes);
        let put = |world: &mut World| world.site.blobs.insert((project, hash), bytes);
        let put = self.0.call(Op::PutBlob, put).await;
        put.map(|_| hash).map_err(|_| unavailable("the blobs"))
    }

    async fn get(
        &self,
        _: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        let read = |world: &mut World| world.site.blobs.get(&(project, hash)).cloned();
        let read = self.0.call(Op::GetBlob, read).await;
        read.map_err(|_| unavailable("the blobs"))
    }
}

/// Processes: they are over when their agent says so, and nobody bills them.
#[async_trait]
impl Executor for Agent {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        self.0.submit(job).await
    }

    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        self.0.list(jobs).await
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        self.0.cancel(job).await
    }

    async fn log(&self, _: &JobRef, _: u64, _: usize) -> Result<Option<LogChunk>, LogError> {
        Ok(None)
    }
}
