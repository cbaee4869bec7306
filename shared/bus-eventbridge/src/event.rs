//! What one event carries: intents for one place.

use porpoise_ports::intents::{ENVELOPE_BYTES, Room};
use porpoise_ports::usage::{CHUNK_BYTES, chunks};

/// The source of the events, which rules match.
pub const SOURCE: &str = "porpoise";
/// Their detail type, which rules match.
pub const DETAIL_TYPE: &str = "Intents";

/// Bytes of all events of a call, which have to be fewer than a megabyte. Source: EventBridge API reference,
/// `PutEvents`.
pub(crate) const CALL_BYTES_MAX: usize = 1_000_000 - 1;
/// What an event may hold. Each 64 KB that are begun are billed as an event of their own, so that fuller events save
/// nothing, and several are carried out side by side. Source: EventBridge pricing.
pub(crate) const ROOM: Room = Room {
    shared_bytes: CHUNK_BYTES,
    bytes_max: CALL_BYTES_MAX,
};

/// How many events an event is billed as: by the chunks of its size. Source: EventBridge user guide, "Calculating event
/// entry size": 14 bytes for its time, which is never given here.
pub(crate) fn billed(detail: &str) -> u64 {
    chunks(SOURCE.len() + DETAIL_TYPE.len() + detail.len())
}

/// What an event counts for in a call: its detail and what stands around it.
pub(crate) const fn event_bytes(detail: &str) -> usize {
    detail.len() + ENVELOPE_BYTES
}
