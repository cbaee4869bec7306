//! What several tests share.

pub mod config;
pub mod inbox;
