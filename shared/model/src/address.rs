//! Where inputs go: the address of an aggregate, which is also its FIFO group.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use crate::ProjectId;
use crate::id::ParseIdError;

/// The sorts of aggregate: each has its own log, decider and FIFO group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum AggregateKind {
    /// One execution of a workflow.
    #[n(0)]
    Run,
    /// Slots that tasks share.
    #[n(1)]
    Pool,
    /// Lets runs of one workflow in.
    #[n(2)]
    Gate,
    /// Fires runs at instants.
    #[n(3)]
    Schedule,
    /// Runs over a range of logical dates.
    #[n(4)]
    Backfill,
}

impl AggregateKind {
    /// All sorts.
    pub const ALL: [Self; 5] = [
        Self::Run,
        Self::Pool,
        Self::Gate,
        Self::Schedule,
        Self::Backfill,
    ];

    /// The word that keys carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pool => "pool",
            Self::Gate => "gate",
            Self::Schedule => "schedule",
            Self::Backfill => "backfill",
        }
    }
}

/// The address of an aggregate: its project, its sort and the 128 bits of its id.
///
/// Its text form, `project/kind/id`, is the partition of its log and its FIFO group (73 to 80 characters; SQS allows
/// 128 in a group).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Address {
    /// Whose it is.
    #[n(0)]
    pub project: ProjectId,
    /// What it is.
    #[n(1)]
    pub kind: AggregateKind,
    /// Which it is: the bytes of a run, pool, workflow (for its gate), schedule or backfill id.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub id: [u8; 16],
}

impl Address {
    /// The address of a run.
    pub fn run(project: ProjectId, id: crate::RunId) -> Self {
        Self {
            project,
            kind: AggregateKind::Run,
            id: *id.as_bytes(),
        }
    }

    /// The address of a pool.
    pub fn pool(project: ProjectId, id: crate::PoolId) -> Self {
        Self {
            project,
            kind: AggregateKind::Pool,
            id: *id.as_bytes(),
        }
    }

    /// The address of the gate of a workflow.
    pub fn gate(project: ProjectId, id: crate::WorkflowId) -> Self {
        Self {
            project,
            kind: AggregateKind::Gate,
            id: *id.as_bytes(),
        }
    }

    /// The address of a schedule.
    pub fn schedule(project: ProjectId, id: crate::ScheduleId) -> Self {
        Self {
            project,
            kind: AggregateKind::Schedule,
            id: *id.as_bytes(),
        }
    }

    /// A backfill.
    pub fn backfill(project: ProjectId, id: crate::BackfillId) -> Self {
        Self {
            project,
            kind: AggregateKind::Backfill,
            id: *id.as_bytes(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            self.project,
            self.kind.as_str(),
            crate::RunId::from_bytes(self.id)
        )
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseAddressError {
    /// Not of the form `project/kind/id`.
    #[error("`{0}` is not an aggregate's address: `project/kind/id` is expected")]
    Form(String),
    /// An id in it is no id.
    #[error(transparent)]
    Id(#[from] ParseIdError),
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || ParseAddressError::Form(text.chars().take(120).collect());
        let mut parts = text.split('/');
        let (Some(project), Some(kind), Some(id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(form());
        };
        let kind = AggregateKind::ALL
            .into_iter()
            .find(|k| k.as_str() == kind)
            .ok_or_else(form)?;
        Ok(Self {
            project: project.parse()?,
            kind,
            id: *id.parse::<crate::RunId>()?.as_bytes(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_what_they_print() {
        for kind in AggregateKind::ALL {
            let address = Address {
                project: ProjectId::of_name("retail"),
                kind,
                id: [9; 16],
            };
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }
}
