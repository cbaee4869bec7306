//! A fake and its switches.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::caller::Caller;
use crate::clock::Time;
use crate::emr::JobRun;
use crate::mail::{Delivery, Event, Posted, Sink};
use crate::script::{Behaviour, Script};
use crate::server::{Shared, lock, serve};
use crate::world::{Trouble, World};

/// How a fake behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where it listens on loopback; 0 is any free port.
    pub port: u16,
    /// Where its time comes from.
    pub time: Time,
    /// What jobs do that say nothing themselves.
    pub behaviour: Behaviour,
    /// How well events arrive.
    pub delivery: Delivery,
    /// Where they go.
    pub sink: Sink,
    /// Whether the documented rates hold.
    pub throttled: bool,
    /// How long an application takes to be created, started and stopped.
    pub application_takes: Duration,
    /// How long a client token is remembered; for ever if it is not said.
    pub tokens_live: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            time: Time::Real,
            behaviour: Behaviour::Same(Script::default()),
            delivery: Delivery::default(),
            sink: Sink::Keep,
            throttled: true,
            application_takes: Duration::from_millis(10),
            tokens_live: None,
        }
    }
}

/// EMR Serverless and Athena on loopback, until it is dropped.
#[derive(Debug)]
pub struct FakeAws {
    address: SocketAddr,
    world: Shared,
    ends: watch::Sender<bool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl FakeAws {
    /// Starts one, with a thread and a runtime of its own.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(options: Options) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = std::net::TcpListener::bind(address);
        let listener = listener.with_context(|| format!("cannot listen at {address}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let world: Shared = Arc::new(Mutex::new(World::new(options)));
        let (ends, ended) = watch::channel(false);
        let shared = Arc::clone(&world);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("fake-aws".to_owned())
            .spawn(move || {
                let run = async { serve(TcpListener::from_std(listener)?, shared, ended).await };
                let outcome = runtime.block_on(run);
                runtime.shutdown_background();
                Ok(outcome?)
            })?;
        Ok(Self {
            address,
            world,
            ends,
            thread: Some(thread),
        })
    }

    /// Where it answers.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        lock(&self.world).clock.now()
    }

    /// Has time pass, if it is a test's own, and everything happen that is due by then.
    pub fn advance(&self, by: Duration) {
        let mut world = lock(&self.world);
        world.clock.advance(by);
        world.settle();
    }

    /// When something happens next by itself.
    pub fn next(&self) -> Option<Timestamp> {
        lock(&self.world).next()
    }

    /// The events that have arrived since this was asked last, if they are kept here.
    pub fn take_events(&self) -> Vec<Event> {
        let mut world = lock(&self.world);
        world.settle();
        std::mem::take(&mut world.kept)
    }

    /// How well events arrive from now on.
    pub fn deliver(&self, delivery: Delivery) {
        lock(&self.world).mail.deliver(delivery);
    }

    /// What jobs do from now on that say nothing themselves.
    pub fn behave(&self, behaviour: Behaviour) {
        lock(&self.world).options.behaviour = behaviour;
    }

    /// The next call of this operation meets trouble; several are met one after the other.
    pub fn trouble(&self, operation: &str, trouble: Trouble) {
        lock(&self.world).trouble(operation, trouble);
    }

    /// Every job run of EMR Serverless, of all accounts and regions, as only the service knows it.
    pub fn job_runs(&self) -> Vec<JobRun> {
        let mut world = lock(&self.world);
        world.settle();
        world.job_runs()
    }

    /// What became of all events so far.
    pub fn posted(&self) -> Posted {
        lock(&self.world).mail.posted()
    }

    /// How many calls came faster than the documented rates allow, and were refused.
    pub fn too_fast(&self) -> u64 {
        lock(&self.world).too_fast()
    }

    /// The tags of an application, for who has to judge what is allowed with it; none if there is no such application.
    pub fn tags_of(
        &self,
        account: &str,
        region: &str,
        application: &str,
    ) -> BTreeMap<String, String> {
        lock(&self.world).tags_of(&Caller::new(account, region), application)
    }

    /// The workgroup of a query, for the same purpose.
    pub fn workgroup_of(&self, account: &str, region: &str, query: &str) -> Option<String> {
        let world = lock(&self.world);
        let workgroup = world.workgroup_of(&Caller::new(account, region), query);
        workgroup.map(str::to_owned)
    }

    /// How often each operation was called, refused calls and all.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        lock(&self.world).calls().clone()
    }

    /// Waits until it ends by itself, which it does only if it cannot listen any more.
    ///
    /// # Errors
    /// Why it ended.
    pub fn wait(mut self) -> anyhow::Result<()> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => anyhow::bail!("the thread of the fake panicked"),
            None => Ok(()),
        }
    }
}

impl Drop for FakeAws {
    fn drop(&mut self) {
        _ = self.ends.send(true);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}
