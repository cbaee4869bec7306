//! The task instances of a run, packed: three bytes for each, and more only for the few that need it.

use std::collections::BTreeMap;

use minicbor::bytes::{ByteSlice, ByteVec};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use porpoise_model::TaskState;

/// The state of a task instance as the fold keeps it: [`TaskState`], with a task that is disabled or
/// left out told from a skipped one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Its trigger rule does not hold yet.
    Pending,
    /// Ready; waits for something that has a name.
    Queued,
    /// Handed to the dispatcher.
    Dispatched,
    /// Its job runs.
    Running,
    /// An attempt failed; the next one starts later.
    UpForRetry,
    /// Its job is being stopped.
    Canceling,
    /// Done, or marked so.
    Succeeded,
    /// Its last attempt failed.
    Failed,
    /// Stopped.
    Canceled,
    /// Not run, on purpose.
    Skipped,
    /// Can't run, because of what happened above it.
    UpstreamFailed,
    /// Not to be run: what follows goes on as if it had succeeded.
    Disabled,
    /// The run was started without it: what follows goes on as if the edge were not there.
    LeftOut,
}

impl Phase {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Pending,
        Self::Queued,
        Self::Dispatched,
        Self::Running,
        Self::UpForRetry,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
        Self::Skipped,
        Self::UpstreamFailed,
        Self::Disabled,
        Self::LeftOut,
    ];

    const fn number(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Queued => 1,
            Self::Dispatched => 2,
            Self::Running => 3,
            Self::UpForRetry => 4,
            Self::Canceling => 5,
            Self::Succeeded => 6,
            Self::Failed => 7,
            Self::Canceled => 8,
            Self::Skipped => 9,
            Self::UpstreamFailed => 10,
            Self::Disabled => 11,
            Self::LeftOut => 12,
        }
    }

    fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word that the world sees.
    pub const fn state(self) -> TaskState {
        match self {
            Self::Pending => TaskState::Pending,
            Self::Queued => TaskState::Queued,
            Self::Dispatched => TaskState::Dispatched,
            Self::Running => TaskState::Running,
            Self::UpForRetry => TaskState::UpForRetry,
            Self::Canceling => TaskState::Canceling,
            Self::Succeeded => TaskState::Succeeded,
            Self::Failed => TaskState::Failed,
            Self::Canceled => TaskState::Canceled,
            Self::Skipped | Self::Disabled | Self::LeftOut => TaskState::Skipped,
            Self::UpstreamFailed => TaskState::UpstreamFailed,
        }
    }

    /// Nothing more happens by itself.
    pub const fn is_terminal(self) -> bool {
        self.state().is_terminal()
    }

    /// It may have a job.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Dispatched | Self::Running | Self::Canceling)
    }

    /// It waits, and has no job.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::Queued | Self::UpForRetry)
    }

    /// It ended, and did not do what it was there for.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled | Self::UpstreamFailed)
    }

    /// It ended well: succeeded, or disabled.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::Disabled)
    }
}

/// Small numbers by task: a byte for each, the few that are larger beside it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Counts {
    small: Vec<u8>,
    large: BTreeMap<u32, u32>,
}

impl Counts {
    fn get(&self, task: u32) -> u32 {
        match self.small.get(at(task)) {
            Some(&u8::MAX) => self.large.get(&task).copied().unwrap_or_default(),
            Some(small) => u32::from(*small),
            None => 0,
        }
    }

    fn set(&mut self, task: u32, value: u32) {
        let Some(small) = self.small.get_mut(at(task)) else {
            return;
        };
        let was_large = *small == u8::MAX;
        match u8::try_from(value) {
            Ok(value) if value < u8::MAX => {
                *small = value;
                if was_large {
                    self.large.remove(&task);
                }
            }
            Ok(_) | Err(_) => {
                *small = u8::MAX;
                self.large.insert(task, value);
            }
        }
    }
}

/// All task instances of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tasks {
    phases: Vec<u8>,
    waits: Counts,
    attempts: Counts,
    unfinished: u32,
    failures: u32,
}

#[expect(
    clippy::as_conversions,
    reason = "u32 fits usize on every target that is built"
)]
const fn at(task: u32) -> usize {
    task as usize
}

impl Tasks {
    /// That many, all pending, each waiting for `waits(task)` others.
    pub fn new(count: u32, waits: impl Fn(u32) -> u32) -> Self {
        let mut tasks = Self {
            phases: vec![Phase::Pending.number(); at(count)],
            waits: Counts {
                small: vec![0; at(count)],
                large: BTreeMap::new(),
            },
            attempts: Counts {
                small: vec![0; at(count)],
                large: BTreeMap::new(),
            },
            unfinished: count,
            failures: 0,
        };
        for task in 0..count {
            tasks.waits.set(task, waits(task));
        }
        tasks
    }

    /// How many.
    pub fn len(&self) -> u32 {
        u32::try_from(self.phases.len()).unwrap_or(u32::MAX)
    }

    /// None yet: the run has not begun.
    pub fn is_empty(&self) -> bool {
        self.phases.is_empty()
    }

    /// The phase of one; [`Phase::Pending`] of one that is not there.
    pub fn phase(&self, task: u32) -> Phase {
        self.phases
            .get(at(task))
            .and_then(|number| Phase::of_number(*number))
            .unwrap_or(Phase::Pending)
    }

    /// Moves one to another phase, and keeps the sums.
    pub(super) fn set_phase(&mut self, task: u32, phase: Phase) {
        let was = self.phase(task);
        let Some(stored) = self.phases.get_mut(at(task)) else {
            return;
        };
        *stored = phase.number();
        match (was.is_terminal(), phase.is_terminal()) {
            (false, true) => self.unfinished -= 1,
            (true, false) => self.unfinished += 1,
            (true, true) | (false, false) => {}
        }
        match (was.is_failure(), phase.is_failure()) {
            (false, true) => self.failures += 1,
            (true, false) => self.failures -= 1,
            (true, true) | (false, false) => {}
        }
    }

    /// How many of the tasks above it have not ended.
    pub fn waits(&self, task: u32) -> u32 {
        self.waits.get(task)
    }

    pub(super) fn set_waits(&mut self, task: u32, waits: u32) {
        self.waits.set(task, waits);
    }

    /// One of the tasks above it has ended; how many are left.
    pub(super) fn one_less(&mut self, task: u32) -> u32 {
        let left = self.waits.get(task).saturating_sub(1);
        self.waits.set(task, left);
        left
    }

    /// The number of its latest attempt; 0 before the first.
    pub fn attempts(&self, task: u32) -> u32 {
        self.attempts.get(task)
    }

    pub(super) fn set_attempts(&mut self, task: u32, attempts: u32) {
        self.attempts.set(task, attempts);
    }

    pub(super) fn next_attempt(&mut self, task: u32) -> u32 {
        let number = self.attempts.get(task) + 1;
        self.attempts.set(task, number);
        number
    }

    /// How many have not ended.
    pub fn unfinished(&self) -> u32 {
        self.unfinished
    }

    /// How many failed, were canceled or could not run.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Every index.
    pub fn indices(&self) -> std::ops::Range<u32> {
        0..self.len()
    }

    /// Bytes that the tables take.
    pub fn memory(&self) -> usize {
        let tables =
            self.phases.capacity() + self.waits.small.capacity() + self.attempts.small.capacity();
        tables + 48 * (self.waits.large.len() + self.attempts.large.len())
    }
}

impl<C> Encode<C> for Counts {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(2)?.bytes(&self.small)?;
        self.large.encode(e, c)
    }
}

impl<'b, C> Decode<'b, C> for Counts {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, DecodeError> {
        d.array()?;
        Ok(Self {
            small: d.bytes()?.to_vec(),
            large: BTreeMap::decode(d, c)?,
        })
    }
}

impl<C> Encode<C> for Tasks {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(5)?;
        <&ByteSlice>::from(self.phases.as_slice()).encode(e, c)?;
        self.waits.encode(e, c)?;
        self.attempts.encode(e, c)?;
        e.u32(self.unfinished)?.u32(self.failures)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Tasks {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, DecodeError> {
        d.array()?;
        Ok(Self {
            phases: ByteVec::decode(d, c)?.into(),
            waits: Counts::decode(d, c)?,
            attempts: Counts::decode(d, c)?,
            unfinished: d.u32()?,
            failures: d.u32()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_counts_come_and_go() {
        let mut counts = Counts {
            small: vec![0; 3],
            large: BTreeMap::new(),
        };
        for value in [254, 255, 256, 70_000, 254, 0] {
            counts.set(1, value);
            assert_eq!(counts.get(1), value);
            assert_eq!(counts.get(0), 0);
            assert_eq!(counts.large.is_empty(), value < 255);
        }
    }

    #[test]
    fn a_task_takes_three_bytes() {
        let tasks = Tasks::new(100_000, |_| 3);
        assert!(tasks.memory() <= 300_000, "{}", tasks.memory());
    }

    #[test]
    fn tables_read_back_what_was_written() {
        let mut tasks = Tasks::new(4, |task| task * 200);
        tasks.set_phase(2, Phase::Failed);
        tasks.set_phase(3, Phase::Disabled);
        tasks.next_attempt(2);
        let bytes = minicbor::to_vec(&tasks).unwrap();
        assert_eq!(minicbor::decode::<Tasks>(&bytes).unwrap(), tasks);
        assert_eq!((tasks.unfinished(), tasks.failures()), (2, 1));
    }
}
