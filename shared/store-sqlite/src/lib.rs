//! The embedded store of the local server: a table in one SQLite file, blobs in a directory.
//!
//! An acknowledged write is durable: it was committed with `synchronous=FULL`, which syncs the write-ahead log, before
//! its future became ready. Writes that arrive while a commit is under way share the next one (group commit), so many
//! aggregates share one sync. A data directory belongs to one process at a time.
//!
//! What is left out on purpose: transactions over several items, secondary indexes, several processes on one
//! directory, memory mapping of the data.
//!
//! Whoever writes commits, on its own thread, and whoever reads does so on its own, through one of a few connections.
//! Two threads beside, asleep when nothing happens: the writer commits what came meanwhile and whatever nothing waits
//! for; the checkpointer copies the log into the file.
//!
//! SQLite is compiled with `HAVE_FDATASYNC` (`.cargo/config.toml`): without it, each commit would also sync the log's
//! time stamps.
//!
//! Start reading at [`SqliteTable`], then `writer.rs`.

mod blobs;
mod checkpoint;
mod commit;
mod error;
mod lock;
mod open;
mod reader;
mod table;
mod wal;
mod writer;

pub use blobs::DirectoryBlobs;
pub use error::{OpenError, StoreError};
pub use table::SqliteTable;
