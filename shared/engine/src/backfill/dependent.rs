//! Workflows that go along with a backfill: those that wait for the one that is backfilled.
//!
//! They are the second stage of a date. When the date's run has succeeded, the same date of each dependent starts, behind
//! those dependents that it waits for itself; when none of them is there and none may start any more, the date is over.

use std::collections::BTreeMap;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::{BackfillId, ProjectId, RunId, RunState, VersionHash, WorkflowId};

use crate::effect::Dated;
use crate::mutant::{self, Mutant};
use crate::run::state::Time;

/// The workflows that go along with a backfill.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Dependents {
    /// Which were asked for.
    #[n(0)]
    pub levels: Levels,
    /// Which there are. Each comes behind those that it waits for.
    #[n(1)]
    pub found: Vec<Dependent>,
}

/// Which workflows are to go along with a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Levels {
    /// Those that wait for the workflow itself.
    #[n(0)]
    Direct,
    /// Those that wait for one of these as well, and so on.
    #[n(1)]
    All,
}

impl Levels {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::All => "all",
        }
    }
}

/// A workflow that goes along, pinned to a version.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Dependent {
    /// Whose.
    #[n(0)]
    pub project: ProjectId,
    /// What people call that project.
    #[n(1)]
    pub project_name: String,
    /// Which.
    #[n(2)]
    pub workflow: WorkflowId,
    /// What people call it.
    #[n(3)]
    pub workflow_name: String,
    /// Its runs run this version.
    #[n(4)]
    pub version: VersionHash,
    /// In which its runs read their logical date: that of its own schedule, else that of the backfill.
    #[n(5)]
    pub timezone: String,
    /// Its tasks that wait, each with the workflow that it waits for.
    #[n(6)]
    pub waits: Vec<Awaited>,
    /// Numbers of the dependents whose runs have to succeed before its own starts, for the same date.
    #[n(7)]
    pub after: Vec<u32>,
}

/// A task of a dependent waits for a workflow of the backfill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Awaited {
    /// The task.
    #[n(0)]
    pub task: String,
    /// The number of the dependent that it waits for; `None`: the workflow that is backfilled.
    #[n(1)]
    pub of: Option<u32>,
}

impl Dependent {
    /// Its run of a date.
    pub fn run(&self, backfill: BackfillId, date: Timestamp) -> RunId {
        RunId::of_dependent(backfill, self.workflow, date)
    }
}

/// The second stage of a date: what became of the dependents that started, by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Stage {
    /// `None`: its run is not known to be over.
    #[n(0)]
    pub runs: BTreeMap<u32, Option<RunState>>,
}

impl Stage {
    /// Those whose runs may be there.
    pub fn running(&self) -> impl Iterator<Item = u32> {
        let open = self.runs.iter().filter(|(_, ended)| ended.is_none());
        open.map(|(number, _)| *number)
    }

    /// Those that may start, of all that go along.
    pub(super) fn startable<'a>(
        &'a self,
        dependents: &'a [Dependent],
    ) -> impl Iterator<Item = u32> + 'a {
        let well = |number: &u32| {
            self.runs.get(number) == Some(&Some(RunState::Succeeded))
                || mutant::on(Mutant::DependentsAtOnce)
        };
        (0..)
            .zip(dependents)
            .filter_map(move |(number, dependent)| {
                let starts = !self.runs.contains_key(&number) && dependent.after.iter().all(well);
                starts.then_some(number)
            })
    }

    /// How the date ends that nothing goes on in: well if all of them ran and succeeded.
    pub(super) fn outcome(&self, dependents: &[Dependent], killed: bool) -> RunState {
        let ended = |how| self.runs.values().filter(move |ended| **ended == Some(how));
        if ended(RunState::Succeeded).count() == dependents.len() {
            RunState::Succeeded
        } else if !killed && ended(RunState::Failed).next().is_some() {
            RunState::Failed
        } else {
            RunState::Canceled
        }
    }
}

/// The key of a dependent's run of a date.
pub(super) fn dated(date: Time, dependent: u32) -> Dated {
    Dated {
        date: date.0.as_millisecond(),
        dependent,
    }
}
