//! Waiting for a run to move: a function is told of nothing, so it looks again from time to time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use porpoise_api::Waited;
use porpoise_model::Address;
use porpoise_ports::Table;
use porpoise_ports::table::{Consistency, Key};

/// Between two looks. Each is a strong read of one item, which is half a read unit when it is not there yet.
const LOOK: Duration = Duration::from_millis(500);

/// Looks whether the next record of a log is there.
#[derive(Debug)]
pub struct Looking {
    table: Arc<dyn Table>,
}

impl Looking {
    /// Looks into this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self { table }
    }
}

#[async_trait]
impl porpoise_api::Changes for Looking {
    async fn moved(&self, aggregate: Address, sequence: u64, wait: Duration) -> Waited {
        let key = Key::new(aggregate.to_string(), format!("log/{:016x}", sequence + 1));
        let mut left = wait;
        loop {
            if !matches!(self.table.get(&key, Consistency::Strong).await, Ok(None)) {
                return Waited::Moved; // or the store does not answer, which whoever waits will find out
            }
            if left.is_zero() {
                return Waited::TimeUp;
            }
            let nap = left.min(LOOK);
            pause(nap).await;
            left -= nap;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a request that waits, which is nothing that a timer effect could do"
)]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
