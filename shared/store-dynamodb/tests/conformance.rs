//! DynamoDB against the suite of its port.

use aws_sdk_dynamodb::Client;
use porpoise_model::limits::ITEM_BYTES_MAX;
use porpoise_ports::table::{Condition, Consistency, Item, Key, Query, Table as _};
use porpoise_ports::table_conformance;
use porpoise_store_dynamodb::{DynamoTable, Patience, create};

use crate::support;

async fn dynamo_table() -> (DynamoTable, porpoise_region::DynamoDbLocal) {
    let (server, name) = support::table().await;
    let config = support::config(server.endpoint());
    (DynamoTable::new(config, name, PATIENCE), server)
}

/// The server shares two cores with all other tests.
const PATIENCE: Patience = Patience {
    tries_max: 1,
    connect: std::time::Duration::from_secs(10),
    attempt: std::time::Duration::from_secs(30),
    call: std::time::Duration::from_secs(30),
};

table_conformance!(dynamo_table, dynamo_table);

/// DynamoDB counts names of attributes and digits of revisions, which the port does not.
#[tokio::test]
async fn the_largest_item_has_room_for_the_longest_revision() {
    let (table, _server) = dynamo_table().await;
    let item = Item {
        key: Key::new("p", "s"),
        revision: u64::MAX - 1, // ...614: no trailing zero that a number would drop
        body: vec![7; ITEM_BYTES_MAX - 2 - 8].into(),
    };
    assert_eq!(item.size(), ITEM_BYTES_MAX);
    table.put(item.clone(), Condition::Absent).await.unwrap();
    let found = table.get(&item.key, Consistency::Strong).await.unwrap();
    assert_eq!(found, Some(item));
}

#[tokio::test]
async fn bounds_that_no_key_can_have_are_bounds_all_the_same() {
    let (table, _server) = dynamo_table().await;
    let sorts = ["a".to_owned(), "b".repeat(1024), "c".to_owned()];
    for sort in &sorts {
        let item = Item {
            key: Key::new("p", sort),
            revision: 1,
            body: "".into(),
        };
        table.put(item, Condition::Absent).await.unwrap();
    }
    let long = "b".repeat(3000);
    let found = async |query: Query| {
        let items = table.query(&query).await.unwrap().items;
        let sorts = items.into_iter().map(|item| item.key.sort);
        sorts.collect::<Vec<String>>()
    };
    let all = Query::prefix("p", "");
    let query = |from: &str, to: &str, after: Option<&str>, descending| Query {
        from: from.to_owned(),
        to: to.to_owned(),
        after: after.map(str::to_owned),
        descending,
        ..all.clone()
    };
    assert_eq!(found(query(&long, "", None, false)).await, ["c"]);
    assert_eq!(found(query("", &long, None, false)).await, sorts[..2]);
    assert_eq!(found(query("", "", Some(&long), false)).await, ["c"]);
    let behind: Vec<String> = sorts[..2].iter().rev().cloned().collect();
    assert_eq!(found(query("", "", Some(&long), true)).await, behind);
    assert_eq!(found(query("b", "a", None, false)).await, [""; 0]);
}

#[tokio::test]
async fn a_table_is_made_once_only() {
    let (server, name) = support::table().await;
    let client = Client::from_conf(support::config(server.endpoint()).build());
    let error = create(&client, &name).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot make the table `{name}`"));
}

#[tokio::test]
async fn an_item_of_somebody_else_is_no_item() {
    let (server, name) = support::table().await;
    let client = Client::from_conf(support::config(server.endpoint()).build());
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let put = client.put_item().table_name(&name);
    let put = put.item("p", text("p")).item("s", text("s"));
    put.item("revision", text("1")).send().await.unwrap();
    let table = DynamoTable::new(support::config(server.endpoint()), name, PATIENCE);
    let error = table.get(&Key::new("p", "s"), Consistency::Strong).await;
    let error = std::error::Error::source(&error.unwrap_err())
        .unwrap()
        .to_string();
    assert_eq!(
        error,
        "an item has no attribute `revision` of the right type"
    );
}
