//! The queue of inputs on SQS FIFO, and timers of up to a quarter of an hour on a standard queue with delay.
//!
//! [`SqsQueue`] sends; what receives is a function that the queue invokes, or a loop: both read what came with
//! [`receive`]. A message of SQS carries all that one call has for a group, as far as it fits a billed chunk: the
//! aggregate is stepped once for it, and a group's messages cannot overtake each other within a call.
//!
//! [`SqsTimers`] sends wakes to a queue of their own, since a FIFO queue refuses delays for single messages. Whoever
//! receives one reads it as a [`Wake`]: if it [is due], the aggregate gets its `Woken` input through the
//! queue; if not, the timers are asked for the same wake again, which then waits for what remains. So a wake may be as
//! far away as it likes, at a message for each quarter of an hour.
//!
//! [`DeadLetters`] counts what nobody could handle.
//!
//! What is left out on purpose: making the queues, which is the deployment's; receiving and deleting, which is Lambda's;
//! retries of whole calls, of which the client knows by its own settings. Only what a call that succeeded says it did
//! not take is sent again here.
//!
//! Start reading at [`SqsQueue`], then `pack.rs`.
//!
//! [`Wake`]: porpoise_ports::timers::Wake
//! [is due]: porpoise_ports::timers::Wake::is_due

mod dead;
mod error;
mod outline;
mod pack;
mod queue;
mod receive;
mod timers;

pub use dead::DeadLetters;
pub use error::SendError;
pub use outline::{Call, Packed, WAKE, rounds};
pub use queue::{Settings, SqsQueue};
pub use receive::{ReceiveError, Received, receive};
pub use timers::{DELAY_MAX, SqsTimers};
