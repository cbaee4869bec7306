//! Who waits for a run to move is told by the table, and let go when the server stops.

use std::sync::Arc;

use porpoise_store_sqlite::SqliteTable;
use tokio::sync::watch;

use crate::host::Watched;

/// Tells when the log of an aggregate may have grown.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) table: Arc<Watched<SqliteTable>>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Changes {
    pub(super) fn new(table: Arc<Watched<SqliteTable>>, stop: watch::Receiver<bool>) -> Self {
        Self { table, stop }
    }
}
