//! The embedded store against the suites of its ports.

use porpoise_ports::{blobs_conformance, table_conformance};
use porpoise_store_sqlite::{DirectoryBlobs, SqliteTable};
use tempfile::TempDir;

table_conformance!(sqlite_table, async || {
    let dir = TempDir::new().unwrap();
    (SqliteTable::open(dir.path()).unwrap(), dir)
});
blobs_conformance!(directory_blobs, async || {
    let dir = TempDir::new().unwrap();
    (DirectoryBlobs::new(dir.path()), dir)
});
