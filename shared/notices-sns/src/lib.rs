//! Notices through SNS: whoever wants to know what became of runs and tasks subscribes to a topic.
//!
//! [`SnsNotices`] publishes a notice as JSON that chat applications of AWS show as it is ([`body`]), with attributes that
//! subscriptions filter by: `project`, `workflow`, `event`. A notice may come twice, and out of order: `id` tells.
//!
//! What is left out on purpose: subscriptions and the topic itself, which are the deployment's; topics of the FIFO sort,
//! which mail and chat cannot subscribe to; values of parameters and outputs, which a topic is no place for.
//!
//! Start reading at [`SnsNotices`], then `body.rs`.

mod body;
mod error;
mod notices;

pub use body::body;
pub use error::PublishError;
pub use notices::{Settings, SnsNotices};
