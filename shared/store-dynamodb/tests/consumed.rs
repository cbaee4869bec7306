//! What the meter of the port estimates against what DynamoDB reports.

use porpoise_model::limits::ITEM_BYTES_MAX;
use porpoise_ports::meter::Counts;
use porpoise_ports::table::{Condition, Consistency, Item, Key, Query, Table as _};
use porpoise_ports::usage::Line;
use porpoise_ports::{Ledger, Metered};
use porpoise_store_dynamodb::{Consumed, DynamoTable, Patience};

use crate::support;

async fn metered() -> (Metered<DynamoTable>, porpoise_region::DynamoDbLocal) {
    let (server, name) = support::table().await;
    let config = support::config(server.endpoint());
    let table = DynamoTable::new(config, name, Patience::default());
    (Metered::new(table), server)
}

/// An item of so many bytes as the port counts them.
fn item(sort: &str, size: usize) -> Item {
    Item {
        key: Key::new("partition", sort),
        revision: 12,
        body: vec![7; size - 9 - sort.len() - 8].into(),
    }
}

/// What the port estimates, in the words of DynamoDB.
fn estimate(counts: Counts) -> Consumed {
    let units = |units: u64| f64::from(u32::try_from(units).unwrap());
    Consumed {
        read_units: units(counts.strong_read_units) + units(counts.eventual_read_units) / 2.0,
        write_units: units(counts.write_units),
        refused: counts.refused,
    }
}

/// Units come in halves.
fn same(one: f64, two: f64) -> bool {
    (one - two).abs() < 0.1
}

/// Away from the edges of units: an item has eight bytes more there than the port counts.
#[tokio::test]
async fn the_estimate_of_the_port_is_what_dynamodb_reports() {
    let (table, _server) = metered().await;
    let check = |what: &str| {
        let (estimate, told) = (
            estimate(table.meter().snapshot().total),
            table.inner().consumed(),
        );
        assert_eq!(estimate, told, "after {what}");
    };
    for (number, size) in [100, 900, 1100, 3000, 5000, 65_000, 300_000]
        .into_iter()
        .enumerate()
    {
        let item = item(&format!("{number}"), size);
        table.put(item.clone(), Condition::Absent).await.unwrap();
        check("a put");
        for consistency in [Consistency::Strong, Consistency::Eventual] {
            table.get(&item.key, consistency).await.unwrap();
            check("a get");
        }
        for consistency in [Consistency::Strong, Consistency::Eventual] {
            let query = Query {
                consistency,
                ..Query::prefix("partition", "")
            };
            let page = table.query(&query).await.unwrap();
            assert_eq!((page.items.len(), page.next), (number + 1, None));
            check("a query");
        }
    }
    table
        .get(&Key::new("partition", "none"), Consistency::Strong)
        .await
        .unwrap();
    check("a get of nothing");
    table
        .put(item("0", 120), Condition::Revision(12))
        .await
        .unwrap();
    check("a put in the place of another");
    for size in [3500, 200, 200] {
        let put = table.put(item("0", size), Condition::None).await;
        put.unwrap();
        check("a put in the place of a smaller or larger one");
    }
    let before = table.inner().consumed();
    assert!(before.write_units > 300.0 && before.read_units > 300.0);
}

/// The meter reads what stands there, uncounted, to know what a delete removes.
#[tokio::test]
async fn the_estimate_of_a_delete_is_what_dynamodb_reports_as_written() {
    let (table, _server) = metered().await;
    table.put(item("s", 5000), Condition::Absent).await.unwrap();
    for units in [5.0 + 5.0, 5.0 + 5.0 + 1.0] {
        let key = Key::new("partition", "s");
        table.delete(&key, Condition::None).await.unwrap();
        let estimate = estimate(table.meter().snapshot().total).write_units;
        let told = table.inner().consumed().write_units;
        assert!(
            same(estimate, units) && same(told, units),
            "{estimate}, {told}"
        );
    }
}

/// The local engine says that a query that finds nothing is free. The estimate is a unit, as for a get that finds
/// nothing: what is not known to be free is counted.
#[tokio::test]
async fn a_query_of_nothing_is_estimated_with_care() {
    let (table, _server) = metered().await;
    table.query(&Query::prefix("nowhere", "")).await.unwrap();
    let estimate = estimate(table.meter().snapshot().total).read_units;
    let told = table.inner().consumed().read_units;
    assert!(same(estimate, 1.0) && same(told, 0.0), "{estimate}, {told}");
}

/// The meter counts them as if they had happened; DynamoDB bills them and does not say how much.
#[tokio::test]
async fn a_refused_write_is_counted_and_its_units_are_not_reported() {
    let (table, _server) = metered().await;
    let table = table.inner();
    table.put(item("s", 100), Condition::Absent).await.unwrap();
    let refused = Consumed {
        refused: 2,
        ..table.consumed()
    };
    let put = table.put(item("s", 100), Condition::Absent).await;
    put.unwrap_err();
    let key = Key::new("partition", "s");
    let delete = table.delete(&key, Condition::Revision(5)).await;
    delete.unwrap_err();
    assert_eq!(table.consumed(), refused);
}

/// The edge of a unit is where the bytes that DynamoDB counts beside make a difference: never more than one unit.
#[tokio::test]
async fn at_the_edge_of_a_unit_dynamodb_asks_for_one_more() {
    let (table, _server) = metered().await;
    for (size, more) in [(1024 - 30, 0.0), (1024, 1.0), (1025, 0.0)] {
        let before = (
            estimate(table.meter().snapshot().total),
            table.inner().consumed(),
        );
        table
            .put(item(&format!("{size}"), size), Condition::Absent)
            .await
            .unwrap();
        let after = (
            estimate(table.meter().snapshot().total),
            table.inner().consumed(),
        );
        let (estimated, told) = (
            after.0.write_units - before.0.write_units,
            after.1.write_units - before.1.write_units,
        );
        assert!(
            same(told, estimated + more),
            "{size} bytes: {told}, not {estimated}"
        );
    }
    let largest = item("largest", ITEM_BYTES_MAX);
    table.put(largest, Condition::Absent).await.unwrap();
}

/// What is reported, and refused writes by the larger of what stands and what was to be written.
#[tokio::test]
async fn the_ledger_has_what_is_billed_refused_writes_included() {
    let (server, name) = support::table().await;
    let config = support::config(server.endpoint());
    let ledger = Ledger::default();
    let table = DynamoTable::new(config, name, Patience::default()).with_ledger(ledger.clone());
    let used = || {
        let usage = ledger.usage();
        (usage.of(Line::TableWrites), usage.of(Line::TableHalfReads))
    };
    let (small, large) = (item("s", 900), item("s", 5000));
    table.put(large.clone(), Condition::Absent).await.unwrap();
    assert_eq!(used(), (5, 0));
    // 5,008 bytes are two units of 4 KB
    let key = &large.key;
    table.get(key, Consistency::Strong).await.unwrap();
    table.get(key, Consistency::Eventual).await.unwrap();
    assert_eq!(used(), (5, 4 + 2));
    let refused = table.put(small.clone(), Condition::Absent).await;
    refused.unwrap_err();
    assert_eq!(used(), (5 + 5, 6), "what stands is larger");
    let refused = table.delete(key, Condition::Revision(5)).await;
    refused.unwrap_err();
    assert_eq!(used(), (10 + 5, 6));
    let elsewhere = Key::new("partition", "none");
    let refused = table.delete(&elsewhere, Condition::Revision(5)).await;
    refused.unwrap_err();
    assert_eq!(used(), (15 + 1, 6), "nothing stands");
    table.put(small, Condition::None).await.unwrap();
    let refused = table.put(large, Condition::Absent).await;
    refused.unwrap_err();
    // the put in the place of a larger item has its units, too
    assert_eq!(used(), (16 + 5 + 5, 6), "what was to be written is larger");
}

/// At the edge of a unit: the same bytes as DynamoDB counts.
#[tokio::test]
async fn refused_writes_are_counted_by_the_bytes_that_dynamodb_counts() {
    let (server, name) = support::table().await;
    let config = support::config(server.endpoint());
    let ledger = Ledger::default();
    let table = DynamoTable::new(config, name, Patience::default()).with_ledger(ledger.clone());
    for (size, units) in [(1024 - 8, 1), (1024 - 7, 2), (2048 - 8, 2), (2048 - 7, 3)] {
        let item = item(&format!("{size}"), size);
        let used = || ledger.usage().of(Line::TableWrites);
        let before = used();
        table.put(item.clone(), Condition::Absent).await.unwrap();
        let written = used() - before;
        let refused = table.put(item.clone(), Condition::Absent).await;
        refused.unwrap_err();
        let put = used() - before - written;
        let refused = table.delete(&item.key, Condition::Revision(5)).await;
        refused.unwrap_err();
        let deleted = used() - before - written - put;
        assert_eq!(
            (written, put, deleted),
            (units, units, units),
            "{size} bytes"
        );
    }
}
