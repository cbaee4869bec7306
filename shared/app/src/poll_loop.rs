//! The poll loop of a place where it is an execution outside of every process: alive only while jobs are in flight.
//!
//! One item a place says which **epoch** of the loop is the present one, and how far it is:
//!
//! ```text
//!            wake                 first tick             nothing in flight          still nothing
//! (none) ──────────▶ Starting ──────────────▶ Running ──────────────────▶ Closing ──────────────▶ Ended
//!                       ▲                      ▲  │                          │                      │
//!                       │                      └──┼─────── wake, or a job ───┘                      │
//!                       └─── history fills: next ─┴───────────────────────── wake: next epoch ──────┘
//! ```
//!
//! A dispatcher writes the index entry of what it recorded, and only then looks at the item. The loop says that it is
//! about to end, and only then looks at the index once more. So one of them sees the other, whatever the order: a job
//! is never left without a loop. Whoever starts an execution wrote `Starting` before; whoever finds `Starting` starts
//! it again, which is harmless, as executions are named by their epoch. An execution of another epoch than the present
//! one ends at its next tick.
//!
//! The loop does not end while an entry stands in the index. So whoever saw it alive while an entry stood, and adds jobs to
//! that entry, need not look again.
//!
//! Costs: a read a dispatched batch that begins an entry of the index, and a read a tick; four writes for each time that the loop comes and goes.

use jiff::SignedDuration;
use minicbor::{Decode, Encode};
use porpoise_engine::mutant::{self, Mutant};
use porpoise_ports::Loops;
use porpoise_ports::table::{Condition, Item, Key, Query};

use crate::app::App;
use crate::job_index::index_partition;
use crate::poller::Next;
use crate::submit::{JobsError, TRIES_MAX};

/// Ticks of an epoch: a tick leaves about 7 of the 25,000 events that an execution may have. Source: Step Functions
/// developer guide, "Service quotas".
pub const TICKS_MAX: u32 = 3_000;

/// What an execution does after a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Waits so long, and ticks again.
    Wait(SignedDuration),
    /// Ends.
    End,
}

/// How far the loop of an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
enum Phase {
    #[n(0)]
    Starting,
    #[n(1)]
    Running,
    #[n(2)]
    Closing,
    #[n(3)]
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct State {
    #[n(0)]
    epoch: u64,
    #[n(1)]
    phase: Phase,
}

/// The item, and the revision under which it stands; 0: it does not.
#[derive(Debug, Clone, Copy)]
struct Found {
    state: State,
    revision: u64,
}

impl App {
    /// Jobs of a place are in flight: sees to it that its loop is alive. For hosts whose loop is outside of them.
    ///
    /// Costs a read; where the loop had ended, also a put and a start.
    pub async fn wake_loop(&self, place: &str) -> Result<(), JobsError> {
        let Some(loops) = self.loops.clone() else {
            return Ok(());
        };
        for _ in 0..TRIES_MAX {
            let found = self.read_loop(place).await?;
            let State { epoch, phase } = found.state;
            match phase {
                Phase::Running => return Ok(()),
                Phase::Starting => return start(&*loops, place, epoch).await,
                Phase::Closing => {
                    if self.set_loop(place, found, epoch, Phase::Running).await? {
                        return Ok(());
                    }
                }
                Phase::Ended => {
                    let epoch = epoch + 1;
                    if self.set_loop(place, found, epoch, Phase::Starting).await? {
                        return start(&*loops, place, epoch).await;
                    }
                }
            }
        }
        Err(JobsError::LoopContended(place.to_owned()))
    }

    /// Somebody may have stopped the loop of a place while jobs were in flight: then the next epoch begins. For the
    /// sweep.
    ///
    /// Costs a read; one or two calls where a loop should be alive, a query of one entry of the index where none is.
    pub async fn mend_loop(&self, place: &str) -> Result<(), JobsError> {
        let Some(loops) = self.loops.clone() else {
            return Ok(());
        };
        let found = self.read_loop(place).await?;
        let State { epoch, phase } = found.state;
        match phase {
            // Whoever listed a job may have died before it could say so here.
            Phase::Ended if self.is_forgotten(place).await? => return self.wake_loop(place).await,
            Phase::Ended => return Ok(()),
            // It may have been stopped before its first tick: then this start does nothing.
            Phase::Starting => start(&*loops, place, epoch).await?,
            Phase::Running | Phase::Closing => {}
        }
        let gone =
            !mutant::on(Mutant::LoopStoppedUnnoticed) && !loops.is_alive(place, epoch).await?;
        if gone {
            tracing::warn!(place, epoch, "poll loop was stopped: the next one begins");
            if self
                .set_loop(place, found, epoch + 1, Phase::Starting)
                .await?
            {
                return start(&*loops, place, epoch + 1).await;
            }
        }
        Ok(())
    }

    /// Whether jobs are listed that no loop looks after.
    async fn is_forgotten(&self, place: &str) -> Result<bool, JobsError> {
        if mutant::on(Mutant::LoopEndsBlind) {
            return Ok(false);
        }
        let query = Query {
            limit: 1,
            ..Query::prefix(index_partition(place), "")
        };
        let page = self.store.page(&query).await;
        let page = page.map_err(|error| JobsError::Store(place.to_owned(), error))?;
        Ok(!page.items.is_empty())
    }

    /// Tick number `tick`, from 0, of the loop of a place in an epoch. It may come twice.
    ///
    /// # Errors
    /// The same tick is to be tried again.
    pub async fn loop_tick(&self, place: &str, epoch: u64, tick: u32) -> Result<After, JobsError> {
        let found = self.read_loop(place).await?;
        let present = found.state;
        if present.epoch != epoch || present.phase == Phase::Ended {
            // Whoever wrote that the next one starts may have died before it started it.
            if present.phase == Phase::Starting
                && present.epoch == epoch + 1
                && let Some(loops) = &self.loops
            {
                start(&**loops, place, present.epoch).await?;
            }
            return Ok(After::End);
        }
        if present.phase == Phase::Starting {
            // Who was faster did the same, or began the next epoch: the next tick will see.
            self.set_loop(place, found, epoch, Phase::Running).await?;
        }
        match self.tick(place).await? {
            Next::In(wait) if tick < TICKS_MAX => Ok(After::Wait(wait)),
            Next::In(wait) => self.next_epoch(place, epoch, wait).await,
            Next::Idle => self.close_loop(place, epoch).await,
        }
    }

    async fn next_epoch(
        &self,
        place: &str,
        epoch: u64,
        wait: SignedDuration,
    ) -> Result<After, JobsError> {
        let found = self.read_loop(place).await?;
        let Some(loops) = &self.loops else {
            return Ok(After::Wait(wait));
        };
        if found.state.epoch == epoch
            && self
                .set_loop(place, found, epoch + 1, Phase::Starting)
                .await?
        {
            start(&**loops, place, epoch + 1).await?;
            return Ok(After::End);
        }
        Ok(After::Wait(wait))
    }

    /// Nothing is in flight, as far as is known.
    async fn close_loop(&self, place: &str, epoch: u64) -> Result<After, JobsError> {
        let soon = After::Wait(SignedDuration::from_secs(1));
        let found = self.read_loop(place).await?;
        if found.state.epoch != epoch {
            return Ok(soon);
        }
        if mutant::on(Mutant::LoopEndsBlind) {
            self.set_loop(place, found, epoch, Phase::Ended).await?;
            return Ok(After::End);
        }
        if !self.set_loop(place, found, epoch, Phase::Closing).await? {
            return Ok(soon);
        }
        let closing = Found {
            state: State {
                epoch,
                phase: Phase::Closing,
            },
            revision: found.revision + 1,
        };
        self.refresh(place).await?;
        if !self.views.with(place, |view| view.is_empty()) {
            self.set_loop(place, closing, epoch, Phase::Running).await?;
            return Ok(soon);
        }
        let ended = self.set_loop(place, closing, epoch, Phase::Ended).await?;
        Ok(if ended { After::End } else { soon })
    }

    async fn read_loop(&self, place: &str) -> Result<Found, JobsError> {
        let store = |error| JobsError::Store(place.to_owned(), error);
        let found = self.store.get(&key(place)).await.map_err(store)?;
        let Some(item) = found else {
            let state = State {
                epoch: 0,
                phase: Phase::Ended,
            };
            return Ok(Found { state, revision: 0 });
        };
        let (_, state): (u8, State) = minicbor::decode(&item.body)
            .map_err(|error| JobsError::LoopUnreadable(place.to_owned(), error))?;
        Ok(Found {
            state,
            revision: item.revision,
        })
    }

    /// `false`: somebody else wrote it meanwhile.
    async fn set_loop(
        &self,
        place: &str,
        found: Found,
        epoch: u64,
        phase: Phase,
    ) -> Result<bool, JobsError> {
        let item = Item {
            key: key(place),
            revision: found.revision + 1,
            body: minicbor::to_vec((1_u8, State { epoch, phase }))
                .unwrap_or_default()
                .into(),
        };
        let condition = Condition::follows(found.revision);
        let put = self.store.put(item, condition).await;
        put.map_err(|error| JobsError::Store(place.to_owned(), error))
    }
}

async fn start(loops: &dyn Loops, place: &str, epoch: u64) -> Result<(), JobsError> {
    Ok(loops.start(place, epoch).await?)
}

fn key(place: &str) -> Key {
    Key::new(format!("loop/{place}"), "loop")
}
