//! Invocations of hosts and of the agent: begun, polled when their turn comes, and dropped at any call.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use porpoise_app::poll_loop::After;
use porpoise_app::poller::Next;
use porpoise_model::Address;

use super::{Sim, agent, app};
use crate::mail::Leased;
use crate::site::Answer;
use crate::world::{Event, SECOND, lock};

/// What an invocation came to.
pub(super) enum Done {
    Messages(Vec<Address>),
    Intents(Option<bool>),
    Ticked(Option<Next>),
    LoopTicked(Option<After>),
    Mended,
    Checked,
    Swept,
    Acted(bool),
    Took(Option<agent::Took>),
    SiteChecked(bool),
    Served(Option<Answer>),
}

/// What an invocation is for: kept outside of its future, which may be dropped at any call.
pub(super) enum Kind {
    Messages(Vec<Leased>),
    Intents(Vec<Bytes>),
    Tick { dispatched: u64 },
    LoopTick(u64, u32),
    Mend,
    Check,
    Sweep,
    Act(usize),
    Take(u64),
    SiteTick(u64),
    SiteCheck(u64),
    Serve(u64),
}

pub(super) type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

pub(super) struct Invocation {
    host: usize,
    kind: Kind,
    work: Work,
    waker: Waker,
}

/// Puts an invocation on the list of those that are to be polled.
struct Bell {
    invocation: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.push_back(self.invocation);
    }
}

impl Sim {
    pub(super) fn start(&mut self, host: usize, kind: Kind, work: Work) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.invocations.push(None);
            self.invocations.len() - 1
        });
        let bell = Bell {
            invocation: at,
            ready: Arc::clone(&self.ready),
        };
        let waker = Waker::from(Arc::new(bell));
        self.invocations[at] = Some(Invocation {
            host,
            kind,
            work,
            waker,
        });
        self.running += 1;
        self.poll(at);
    }

    pub(super) fn poll(&mut self, at: usize) {
        let Some(invocation) = &mut self.invocations[at] else {
            return;
        };
        let waker = invocation.waker.clone();
        let polled = invocation
            .work
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        let crash = lock(&self.world).crash.take();
        match (crash, polled) {
            (Some(crash), _) => {
                let host = invocation.host;
                self.drop_invocation(at);
                // an agent is one process
                if crash.host || host >= self.hosts.len() {
                    self.kill(host);
                }
            }
            (None, Poll::Ready(done)) => {
                if let Some(invocation) = self.invocations[at].take() {
                    self.free.push(at);
                    self.running -= 1;
                    drop(invocation.work);
                    self.done(invocation.kind, done);
                }
            }
            (None, Poll::Pending) => {}
        }
    }

    /// An invocation dies where it is.
    fn drop_invocation(&mut self, at: usize) {
        let Some(invocation) = self.invocations[at].take() else {
            return;
        };
        self.free.push(at);
        self.running -= 1;
        drop(invocation.work);
        match invocation.kind {
            // The queue hands them out again once they lapse.
            Kind::Messages(_) | Kind::Check | Kind::Sweep | Kind::Mend => {}
            // Whoever asked hears nothing; an agent goes with its invocations.
            Kind::Serve(_) | Kind::Take(_) | Kind::SiteTick(_) | Kind::SiteCheck(_) => {}
            Kind::LoopTick(epoch, tick) => {
                lock(&self.world).after(3 * SECOND, Event::LoopTick(epoch, tick));
            }
            Kind::Intents(intents) => self.again(intents),
            Kind::Tick { .. } => lock(&self.world).after(3 * SECOND, Event::Tick),
            Kind::Act(client) => {
                self.clients[client].under_way = false;
                lock(&self.world).after(5 * SECOND, Event::Act(client));
            }
        }
    }

    pub(super) fn kill(&mut self, host: usize) {
        lock(&self.world).tell(|| format!("host {host} is lost"));
        for at in 0..self.invocations.len() {
            if self.invocations[at]
                .as_ref()
                .is_some_and(|i| i.host == host)
            {
                self.drop_invocation(at);
            }
        }
        match self.hosts.get_mut(host) {
            Some(dead) => {
                *dead = app(&self.world, host, self.how);
                self.forget();
            }
            None => self.kill_agent(),
        }
    }

    /// A server that has its queue, its timers and its bus in process starts again without what they held.
    fn forget(&mut self) {
        let mut world = lock(&self.world);
        if !world.mail.in_process {
            return;
        }
        world.lose_mail();
        self.looping = false;
        world.at(0, Event::Recover);
    }

    fn done(&mut self, kind: Kind, done: Done) {
        match (kind, done) {
            (Kind::Messages(batch), Done::Messages(returned)) => {
                let mut world = lock(&self.world);
                for leased in &batch {
                    if returned.contains(&leased.group) {
                        world.give_back(leased);
                    } else {
                        world.delete(leased);
                    }
                }
                drop(world);
                for leased in batch {
                    self.audit_sometimes(leased.group);
                }
            }
            (Kind::Intents(_), Done::Intents(Some(open))) if open => self.wake_loop(),
            (Kind::Intents(intents), Done::Intents(None)) => {
                self.wake_loop();
                self.again(intents);
            }
            (Kind::Tick { dispatched }, Done::Ticked(next)) => self.ticked(next, dispatched),
            (Kind::LoopTick(epoch, tick), Done::LoopTicked(after)) => {
                self.loop_ticked(epoch, tick, after);
            }
            (Kind::Act(client), Done::Acted(acknowledged)) => self.acted(client, acknowledged),
            (Kind::Take(life), Done::Took(took)) => self.took(life, took),
            (Kind::SiteTick(life), Done::Ticked(next)) => self.site_ticked(life, next),
            (Kind::SiteCheck(life), Done::SiteChecked(looked)) => self.site_checked(life, looked),
            (Kind::Serve(number), Done::Served(Some(answer))) => {
                lock(&self.world).answer(number, answer);
            }
            _ => {}
        }
    }
}
