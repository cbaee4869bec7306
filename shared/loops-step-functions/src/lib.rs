//! Poll loops as executions of a state machine of Step Functions.
//!
//! [`StepFunctionsLoops`] starts the execution of a place and an epoch, and sees whether it goes on. Executions are
//! named by both, and Step Functions keeps a name for 90 days after the execution of that name has closed: so one is
//! started once, however often it is asked for.
//!
//! What is left out on purpose: the state machine, which is the deployment's; what a tick does, which is the poller's;
//! stopping, since a loop ends by itself.
//!
//! Start reading at [`StepFunctionsLoops`].

mod error;
mod loops;

pub use error::{LoopError, NoMachine};
pub use loops::{Settings, StepFunctionsLoops};
