//! What several tests share.

pub mod depend;
