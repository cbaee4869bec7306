//! A table and blobs in memory, for the simulator and for tests.
//!
//! They keep the promises and the limits of the ports exactly, so that code which passes here has met DynamoDB's page
//! and item sizes. Nothing is durable, nothing is ever late, throttled or unavailable: faults are the simulator's
//! affair, which wraps these. Every future is ready when it is first polled.
//!
//! Start reading at [`MemoryTable`].

mod blobs;
mod table;

pub use blobs::MemoryBlobs;
pub use table::MemoryTable;
