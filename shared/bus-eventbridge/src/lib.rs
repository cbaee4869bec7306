//! The bus of intents on EventBridge: one event carries many intents to the bus of their place.
//!
//! [`EventBridgeBus`] sends; the dispatcher of the place receives what a rule of that bus matched, by [`SOURCE`],
//! [`DETAIL_TYPE`] and `detail.place`, and reads the event's detail as [`Intents`]. Each bus is spoken to in its own
//! region, so that no event crosses regions by a rule, which would cost another event and another way to lose it.
//!
//! What is left out on purpose: buses, rules and their dead-letter queues, which are the deployment's; order and
//! deduplication, which EventBridge does not have; retries of whole calls, of which the client knows by its own
//! settings. Only what a call that succeeded says it did not take is sent again here.
//!
//! Start reading at [`EventBridgeBus`], then `event.rs`.

mod bus;
mod error;
mod event;

pub use bus::{EventBridgeBus, Settings, outline};
pub use error::{NoRegion, SendError};
pub use event::{DETAIL_TYPE, SOURCE};
pub use porpoise_ports::intents::Intents;
