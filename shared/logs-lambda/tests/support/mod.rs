//! What several tests share.

pub mod config;
