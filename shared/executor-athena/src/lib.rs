//! Statements on Athena.
//!
//! The request token of an attempt's query is the attempt's key, so a repeated start is the same query. Queries are
//! asked for by their ids, fifty a call. Athena says nowhere which token a query had, so one whose id was lost is
//! found by where its results go: a target with `output_location` has each query write to a folder of its own, called
//! as the attempt's key. A target without one leaves that to its workgroup, and a start that was not answered is then
//! only found by being repeated.
//!
//! What a query scanned is its usage. Where its results are, the first row by the names of its columns, and the first
//! rows as JSON are its outputs, as far as they are small.
//!
//! Start reading at [`AthenaExecutor`], then `start.rs` for how a job becomes a request.

mod dolphin;
mod error;
mod event;
mod executor;
mod find;
mod outputs;
mod request;
mod settings;
mod start;
mod state;
mod usage;

pub use executor::AthenaExecutor;
pub use settings::Settings;

/// The kind of target that this executor serves.
pub const KIND: &str = "athena";

/// Makes the client of a place, with the rights of a role if a target has one.
pub type ClientOf = porpoise_ports::target::ClientOf<aws_sdk_athena::Client>;
