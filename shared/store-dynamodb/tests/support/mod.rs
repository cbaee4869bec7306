//! Tables for one test each.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use porpoise_region::DynamoDbLocal;
use porpoise_store_dynamodb::create;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// How a client finds a server on loopback. Each has tokens of its own for tries: else the clients of a process share
/// them, and one test's outages take them from another.
pub(crate) fn config(endpoint: &str) -> Builder {
    let partition = format!("client {}", NUMBER.fetch_add(1, Ordering::Relaxed));
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_partition(RetryPartition::new(partition))
        .endpoint_url(endpoint)
}

/// The server, and a new table in it that nobody else knows.
pub(crate) async fn table() -> (DynamoDbLocal, String) {
    let server = tokio::task::spawn_blocking(porpoise_region::dynamodb);
    let server = server.await.unwrap().unwrap();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("test-{}-{number}", std::process::id());
    let client = Client::from_conf(config(server.endpoint()).build());
    create(&client, &name).await.unwrap();
    (server, name)
}
