//! The poll loop of a simulation: in its hosts, or an execution outside of them.

use std::sync::Arc;

use porpoise_app::poll_loop::{After, TICKS_MAX};
use porpoise_app::poller::Next;
use porpoise_model::AttemptKey;

use super::{Done, Kind, MEND, Sim};
use crate::world::{Event, HOUR, MILLI, PLACE, SECOND, lock};

impl Sim {
    pub(super) fn wake_loop(&mut self) {
        if !self.how.outside && !std::mem::replace(&mut self.looping, true) {
            self.idle_ticks = 0;
            lock(&self.world).after(200 * MILLI, Event::Tick);
        }
    }

    pub(super) fn tick(&mut self) {
        let host = self.any_host();
        let app = Arc::clone(&self.hosts[host]);
        let dispatched = lock(&self.world).dispatched;
        let work = async move { Done::Ticked(app.tick(PLACE).await.ok()) };
        self.start(host, Kind::Tick { dispatched }, Box::pin(work));
    }

    /// The loop looks less often while nothing happens, and ends only if nothing was dispatched meanwhile.
    pub(super) fn ticked(&mut self, next: Option<Next>, dispatched: u64) {
        let mut world = lock(&self.world);
        if world.checks.records == self.records_at_tick {
            self.idle_ticks = (self.idle_ticks + 1).min(5);
        } else {
            self.idle_ticks = 0;
        }
        self.records_at_tick = world.checks.records;
        match next {
            Some(Next::Idle) if world.dispatched == dispatched => self.looping = false,
            Some(Next::In(_) | Next::Idle) | None => {
                let delay = SECOND << self.idle_ticks;
                world.after(delay, Event::Tick);
            }
        }
    }

    /// An execution outside of the hosts calls one of them, unless somebody stopped it.
    pub(super) fn loop_tick(&mut self, epoch: u64, tick: u32) {
        if lock(&self.world).loops.get(&epoch) != Some(&true) {
            return;
        }
        let host = self.any_host();
        let app = Arc::clone(&self.hosts[host]);
        let work = async move { Done::LoopTicked(app.loop_tick(PLACE, epoch, tick).await.ok()) };
        self.start(host, Kind::LoopTick(epoch, tick), Box::pin(work));
    }

    pub(super) fn loop_ticked(&mut self, epoch: u64, tick: u32, after: Option<After>) {
        let mut world = lock(&self.world);
        match after {
            Some(After::Wait(wait)) => {
                let wait = i64::try_from(wait.as_micros()).unwrap_or(HOUR);
                // Now and then its history is as good as full.
                let ticks = if world.chance.below(50) == 0 {
                    TICKS_MAX
                } else {
                    1
                };
                world.after(wait, Event::LoopTick(epoch, tick.saturating_add(ticks)));
            }
            Some(After::End) => {
                world.loops.insert(epoch, false);
            }
            // The state machine tries the same tick again.
            None => world.after(3 * SECOND, Event::LoopTick(epoch, tick)),
        }
    }

    /// Something happened to a job: hosts hear of it by its key, functions by an event of its service.
    pub(super) fn signal(&mut self, key: AttemptKey) {
        if lock(&self.world).target.is_at_site(&key) {
            return self.site_signal(key);
        }
        let event = lock(&self.world).target.event(&key);
        let host = self.any_host();
        let app = Arc::clone(&self.hosts[host]);
        let outside = self.how.outside;
        let work = async move {
            match event.filter(|_| outside) {
                Some(event) => drop(app.on_news(PLACE, &event).await),
                None => drop(app.check(PLACE, &[key]).await),
            }
            Done::Checked
        };
        self.start(host, Kind::Check, Box::pin(work));
    }

    pub(super) fn mend(&mut self) {
        lock(&self.world).after(MEND, Event::Mend);
        let host = self.any_host();
        let app = Arc::clone(&self.hosts[host]);
        let work = async move {
            drop(app.mend_loop(PLACE).await);
            Done::Mended
        };
        self.start(host, Kind::Mend, Box::pin(work));
    }
}
