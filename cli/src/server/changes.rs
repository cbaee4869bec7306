//! Who waits for a run to move is told by the table, and let go when the server stops.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use porpoise_api::Waited;
use porpoise_model::Address;
use porpoise_ports::Table as _;
use porpoise_ports::table::{Consistency, Key};
use porpoise_store_sqlite::SqliteTable;
use tokio::sync::watch;

use crate::host::Watched;

/// Tells when the log of an aggregate may have grown.
#[derive(Debug)]
pub(super) struct Changes {
    table: Arc<Watched<SqliteTable>>,
    stop: watch::Receiver<bool>,
}

impl Changes {
    pub(super) fn new(table: Arc<Watched<SqliteTable>>, stop: watch::Receiver<bool>) -> Self {
        Self { table, stop }
    }
}

#[async_trait]
impl porpoise_api::Changes for Changes {
    async fn moved(&self, aggregate: Address, sequence: u64, wait: Duration) -> Waited {
        let written = self.table.written(&aggregate.to_string());
        // Before the log is read: what is written in between is not missed.
        let next = written.notified();
        let key = Key::new(aggregate.to_string(), format!("log/{:016x}", sequence + 1));
        if !matches!(self.table.get(&key, Consistency::Strong).await, Ok(None)) {
            return Waited::Moved;
        }
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Waited::Closing,
            () = next => Waited::Moved,
            // What it returns says only whether the time was up.
            _ = tokio::time::timeout(wait, std::future::pending::<()>()) => Waited::TimeUp,
        }
    }
}
