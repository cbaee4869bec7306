//! What every function is made of: configuration, clients, events, log lines, metrics. The binaries beside it wire it
//! to the app and do nothing more.
//!
//! A function's environment is frozen between calls and may be thrown away: nothing here keeps anything that could not
//! be read again, and nothing works on after an answer. What is made once per cold start: the configuration
//! ([`config`]), clients with their connections ([`aws`]), the app with its warm copies.
//!
//! Left out on purpose: rules, routes and adapters (crates of their own); making anything in AWS (the deployment's);
//! assuming roles (the executors').
//!
//! Start reading at [`run`], then [`batch`].

pub mod aws;
pub mod batch;
pub mod changes;
pub mod config;
pub mod home;
pub mod log;
pub mod metric;
pub mod place;
pub mod ports;
pub mod run;
pub mod steps;
pub mod targets;
pub mod wakes;
