//! How many messages nobody could handle, as an emulator of SQS tells it.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use porpoise_queue_sqs::{DeadLetters, Settings};
use porpoise_region::unique;

use crate::support::client;

#[tokio::test]
async fn dead_letters_are_seen_until_they_are_gone() {
    let client = client();
    let created = client.create_queue();
    let created = created
        .queue_name(format!("{}.fifo", unique("dead")))
        .attributes(QueueAttributeName::FifoQueue, "true");
    let url = created.send().await.unwrap().queue_url.unwrap();
    let settings = Settings {
        url: url.clone(),
        patience: Duration::from_secs(30),
    };
    let dead = DeadLetters::new(client.clone(), settings);
    assert_eq!(dead.count().await.unwrap(), 0);
    for group in ["a", "b"] {
        let send = client.send_message().queue_url(&url).message_body("input");
        let send = send
            .message_group_id(group)
            .message_deduplication_id(unique(group));
        send.send().await.unwrap();
    }
    assert_eq!(dead.count().await.unwrap(), 2);
    // somebody looks at one of them
    let receive = client.receive_message().queue_url(&url);
    let received = receive.visibility_timeout(60).send().await.unwrap();
    assert_eq!(dead.count().await.unwrap(), 2);
    for message in received.messages() {
        let handle = message.receipt_handle().unwrap();
        let delete = client.delete_message().queue_url(&url);
        delete.receipt_handle(handle).send().await.unwrap();
    }
    assert_eq!(dead.count().await.unwrap(), 1);
}
