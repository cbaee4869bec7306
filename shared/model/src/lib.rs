//! The vocabulary of Porpoise as types: ids, names, states, causes, values and the workflow that users define.
//!
//! What is here has no behaviour beyond its own validity: parsing is the only way in, so that a value that exists is
//! valid. Rules live in `porpoise-engine`, reading of definition files in `porpoise-definition`.
//! No I/O, no clock, no randomness: ids are made from bytes that somebody else supplies.
//!
//! Start reading at [`workflow::Workflow`] for what users write and at [`state`] for what becomes of it.

pub mod actor;
pub mod address;
pub mod branch;
pub mod calendar;
pub mod cause;
pub mod codec;
pub mod dependence;
pub mod each;
pub mod http;
pub mod id;
pub mod job;
pub mod kind;
pub mod limits;
pub mod name;
pub mod place;
pub mod rule;
pub mod state;
pub mod target;
pub mod value;
pub mod workflow;

pub use actor::Actor;
pub use address::{Address, AggregateKind};
pub use calendar::Exclusions;
pub use cause::Cause;
pub use id::{
    AttemptKey, BackfillId, CommandId, PoolId, ProjectId, RunId, ScheduleId, VersionHash,
    WorkflowId,
};
pub use name::Name;
pub use place::{AwsPlace, Place, SiteName};
pub use state::{RunState, TaskState};
pub use target::{AssumedRole, Target};
pub use value::{Outputs, Value, ValueType};
