//! Jobs on EMR Serverless: Spark and Hive.
//!
//! A job of an attempt is a job run whose client token and name are the attempt's key: the token has a repeated start
//! be the same run, and the name has lists find a run whose id was lost. Nothing is remembered between calls but the
//! ids of applications that are found by their name.
//!
//! # What it costs
//! The service allows one start, one cancel and one list a second for each account and region. So a start is one call,
//! which is not preceded by a look at the application: only if it is refused is the application looked at, and started
//! if it is stopped. What became of jobs is asked by lists of runs that are not over, fifty a page, from the creation
//! of the oldest; a run that is not among them is over, and one `GetJobRun` tells when it ran, how it ended and what
//! it was billed.
//!
//! # What is never done
//! The service is never told to try a job again by itself, unless the job's own request says so: retries are the run's
//! business, and happen in one place. Time-outs are as well, but the service insists on one of its own: it is set to
//! the longest that there is.
//!
//! Start reading at [`EmrServerlessExecutor`], then `start.rs` for how a job becomes a request.

mod application;
mod build;
mod dolphin;
mod error;
mod event;
mod executor;
mod find;
mod log;
mod request;
mod settings;
mod start;
mod state;
mod tags;
mod usage;

pub use event::read as read_event;
pub use executor::{BILLED_AFTER, EmrServerlessExecutor, REMEMBERS, start_rate};
pub use find::FEW;
pub use settings::{Imported, Prices, Settings};

/// The kind of target that this executor serves.
pub const KIND: &str = "emr-serverless";

/// Makes the client of a place, with the rights of a role if a target has one.
pub type ClientOf = porpoise_ports::target::ClientOf<aws_sdk_emrserverless::Client>;

/// The same for S3, where logs are.
pub type S3ClientOf = porpoise_ports::target::ClientOf<aws_sdk_s3::Client>;
