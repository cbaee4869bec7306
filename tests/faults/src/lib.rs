//! Faults under the clients of AWS: what a service, or the network before it, does once in a thousand calls, made as
//! often as a test wants it.
//!
//! [`Faults`] stands in the place of the HTTP client of any client of the SDK. Each request gets a [`Fault`] or none, by
//! a seed, by its service and operation, and by how many calls of that operation came before it: the same seed and the
//! same calls in the same order give the same faults. Refusals have the shape that the service gives them. The real
//! component, or an emulator of it, answers everything else, so a write whose answer was lost really took effect.
//!
//! [`Faults::calm`] ends all faults, so that what was begun can settle before a test looks at it. [`Faults::tally`] says
//! which fault hit which operation how often: a test that means to meet a fault says so, and fails if it never did.
//!
//! Left out on purpose: virtual time (waits here are real and short), and faults that need to know what a request means
//! (half of a batch refused, an event lost between bus and rule): those are canned, or the emulator's.
//!
//! Start reading at [`Faults`], then `fault.rs`.

mod answer;
mod call;
mod client;
mod fault;
mod plan;
mod tally;
mod torn;

pub use call::Call;
pub use client::Faults;
pub use fault::Fault;
pub use plan::Plan;
pub use tally::{Hit, Tally, tally_of};
