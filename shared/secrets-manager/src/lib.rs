//! Secrets from Secrets Manager: the secret `NAME` of a project is the one called `prefix/project/NAME`.
//!
//! Only the current version is read (stage `AWSCURRENT`), and which one it was is said with it. What was read is
//! remembered in memory for a while, since each call costs money and time; whoever hears of a rotation
//! [forgets](SecretsManager::forget) it.
//!
//! No value enters an error or a log: errors here carry what the service calls a failure, and never an answer.
//!
//! What is left out on purpose: making, rotating and deleting secrets, and secrets that are not text.
//!
//! Start reading at [`SecretsManager`].

mod cache;
mod error;
mod secrets;

pub use error::SecretError;
pub use secrets::{SecretsManager, Settings};
