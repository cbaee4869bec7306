//! The table on DynamoDB.
//!
//! One table with a partition key `p` and a sort key `s`, both strings, which DynamoDB orders by their bytes as the
//! port does. Each item has two attributes more: `revision`, a number, and `body`, binary. Only `PutItem`,
//! `DeleteItem` (each of one item, with a condition), `GetItem` and `Query` are called.
//!
//! Left out on purpose: transactions, expiry, indexes and scans, which multi-region tables with strong consistency
//! lack or which cost by the size of the table; and waiting longer than [`Patience`] says, because whoever calls comes
//! back later anyway.
//!
//! # Calls that are tried again
//! The SDK tries a call again when it was throttled, when the service failed, and when nobody answered; a connection
//! that was closed while a function was frozen is the usual case. In the last two the first try may have taken effect,
//! and then the condition of the second does not hold *because of the first*. So `doubt.rs` notes whether any try of a
//! write ended without a word; if one did and the condition fails, what stands there, which DynamoDB sends along with
//! its refusal, tells: if it is what was to be written, the write succeeded. If it is something else, a write of ours
//! may have come before it, and the answer is [`Unavailable`](porpoise_ports::Unavailable): it may have happened or
//! not. Nothing is ever reported as refused that was written.
//!
//! Start reading at [`DynamoTable`].

mod attribute;
mod consumed;
mod create;
mod doubt;
mod patience;
mod range;
mod table;

pub use consumed::Consumed;
pub use create::{CreateError, create};
pub use patience::Patience;
pub use table::DynamoTable;
