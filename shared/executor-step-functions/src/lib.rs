//! Executions of state machines on Step Functions, and calls of Lambda functions through them.
//!
//! # State machines
//! A job of an attempt is an execution that is called as the attempt's key. A Standard state machine never has two
//! executions of one name, until 90 days after the first is over, so a repeated start is the same execution. Express
//! ones promise nothing of the kind, and are refused. A name and its state machine make the ARN of an execution: what
//! was started under a key is found without a search, as long as the state machines of a target are known.
//!
//! # Functions
//! Lambda itself keeps no books: an asynchronous call has no token, so one whose answer was lost would be made twice,
//! and nobody can be asked what became of it. So a function is called by a Standard state machine of the user's, the
//! target's `caller`, which does nothing else: its execution has the name, the state, the answer and the end of the
//! call. It costs two state transitions, and has each function called once at most.
//!
//! # What it costs
//! A start is one call; the type of a state machine is looked up once for each process. What became of jobs is one
//! `DescribeExecution` for each, or, where many of them are of one state machine, a list of those that run and a
//! `DescribeExecution` for each that does not. Events tell the rest, whole.
//!
//! Start reading at [`StepFunctionsExecutor`], then `start.rs` for how a job becomes an execution.

mod arn;
mod error;
mod event;
mod executor;
mod find;
mod machines;
mod outputs;
mod settings;
mod start;
mod state;

pub use executor::StepFunctionsExecutor;
pub use settings::{CallerSettings, MachineSettings, Settings};

/// The kind of target for tasks `state_machine`.
pub const KIND: &str = "step-functions";

/// The kind of target for tasks `function`.
pub const LAMBDA_KIND: &str = "lambda";

/// Makes the client of a place, with the rights of a role if a target has one.
pub type ClientOf = porpoise_ports::target::ClientOf<aws_sdk_sfn::Client>;
