//! Porpoise on one machine: the local server and the command line.
//!
//! Start reading at [`host`], the loops that stand in for what AWS does in the cloud.

pub mod host;
