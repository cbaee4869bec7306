//! The bus against the suite of its port, on an emulator that really invokes a function for each place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_bus_lambda::{LambdaBus, Settings};
use porpoise_ports::bus_conformance;
use porpoise_ports::conformance::bus::{Dispatched, PLACES};
use tempfile::TempDir;

use crate::support::inbox::{arrived, client, function};

/// Looks until the first invocation, which waits until its function has started; and between two of one that runs.
const LOOKS: [u32; 2] = [150, 20];

/// The inboxes of dispatchers, each with its place.
#[derive(Debug)]
struct Dispatchers {
    inboxes: Vec<(String, TempDir)>,
    begun: AtomicBool,
}

#[async_trait]
impl Dispatched for Dispatchers {
    async fn next(&self) -> Vec<(String, Vec<Bytes>)> {
        let begun = self.begun.load(Ordering::Relaxed);
        for _ in 0..LOOKS[usize::from(begun)] {
            let mut all = Vec::new();
            for (place, inbox) in &self.inboxes {
                let some = arrived(inbox.path());
                assert!(some.iter().all(|(of, _)| of == place), "at another's");
                all.extend(some);
            }
            if !all.is_empty() {
                self.begun.store(true, Ordering::Relaxed);
                return all;
            }
            pause().await;
        }
        Vec::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "functions take real time")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn lambda() -> (LambdaBus, Dispatchers, ()) {
    let mut settings = Settings {
        dispatchers: [].into(),
        patience: Duration::from_secs(30),
    };
    let mut inboxes = Vec::new();
    for place in PLACES {
        let inbox = tempfile::tempdir().unwrap();
        let arn = Box::pin(function(inbox.path())).await;
        settings.dispatchers.insert(place.to_owned(), arn);
        inboxes.push((place.to_owned(), inbox));
    }
    let client = client();
    let bus = LambdaBus::new(settings, |_| client.clone()).unwrap();
    let begun = AtomicBool::new(false);
    (bus, Dispatchers { inboxes, begun }, ())
}

bus_conformance!(lambda_invocations, lambda);
