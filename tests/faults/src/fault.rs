//! What can go wrong with a request.

use std::fmt;

/// What becomes of a request. "Done" means that the service carried it out as it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Not done: the service says that there were too many.
    Throttled,
    /// Not done: the service says that something is wrong with it.
    Failed,
    /// Done, and the service says that something is wrong with it.
    FailedAfter,
    /// Not done: the connection is reset before the request is through.
    ResetBefore,
    /// Done: the connection is reset before the answer is through.
    ResetAfter,
    /// Not done: nobody answers in time.
    TimeoutBefore,
    /// Done, and nobody answers in time.
    TimeoutAfter,
    /// Done later, when the client has long given up on it: whatever it did meanwhile came before.
    Straggler,
    /// Done twice, one after the other; the answer is the first one's.
    Twice,
    /// Done, and the answer takes its time.
    Slow,
    /// Done; the answer begins well and ends in the middle.
    Torn,
    /// Not done: the service finds that the request was signed ten minutes ago, or in ten minutes.
    Skewed,
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Throttled,
        Self::Failed,
        Self::FailedAfter,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::TimeoutBefore,
        Self::TimeoutAfter,
        Self::Straggler,
        Self::Twice,
        Self::Slow,
        Self::Torn,
        Self::Skewed,
    ];

    /// In lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::FailedAfter => "failed after",
            Self::ResetBefore => "reset before",
            Self::ResetAfter => "reset after",
            Self::TimeoutBefore => "time-out before",
            Self::TimeoutAfter => "time-out after",
            Self::Straggler => "straggler",
            Self::Twice => "twice",
            Self::Slow => "slow",
            Self::Torn => "torn",
            Self::Skewed => "skewed",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
