//! What every table promises of single items.

use std::sync::Arc;

use bytes::Bytes;
use porpoise_model::limits::ITEM_BYTES_MAX;
use tokio::task::JoinSet;

use crate::table::{Condition, Consistency, Item, Key, Query, Table, WriteError};

pub(crate) fn item(partition: &str, sort: &str, revision: u64, body: impl Into<Bytes>) -> Item {
    Item {
        key: Key::new(partition, sort),
        revision,
        body: body.into(),
    }
}

pub(crate) async fn put(table: &impl Table, item: Item) {
    table.put(item, Condition::None).await.expect("put");
}

async fn get(table: &impl Table, key: &Key) -> Option<Item> {
    table.get(key, Consistency::Strong).await.expect("get")
}

/// Any text as key, any bytes as body, any number as revision.
pub async fn what_is_put_is_read_back<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let (table, _guard) = make().await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let items = [
        item("p", "empty", 0, ""),
        item("p", "bytes", u64::MAX, every_byte),
        item("p", "large", 1 << 63, vec![0xff; 300_000]),
        item("依赖", "节点 / 😀 \u{0}%_'\"", 1, "unicode"),
    ];
    for item in &items {
        put(&table, item.clone()).await;
    }
    for item in items {
        assert_eq!(get(&table, &item.key).await, Some(item));
    }
}

/// The whole of it, also by less.
pub async fn a_put_replaces_what_stood_there<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let (table, _guard) = make().await;
    for replacement in [
        item("p", "s", 5, "five, and long"),
        item("p", "s", 4, "four"),
        item("p", "s", 4, ""),
    ] {
        put(&table, replacement.clone()).await;
        assert_eq!(get(&table, &replacement.key).await, Some(replacement));
    }
}

/// A condition, what stands there, and whether the write happens.
const CONDITIONS: [(Condition, Option<u64>, bool); 15] = [
    (Condition::None, None, true),
    (Condition::None, Some(5), true),
    (Condition::Absent, None, true),
    (Condition::Absent, Some(0), false),
    (Condition::Absent, Some(5), false),
    (Condition::Revision(5), None, false),
    (Condition::Revision(0), None, false),
    (Condition::Revision(5), Some(5), true),
    (Condition::Revision(5), Some(4), false),
    (Condition::Revision(u64::MAX), Some(u64::MAX), true),
    (Condition::OlderThan(5), None, true),
    (Condition::OlderThan(5), Some(4), true),
    (Condition::OlderThan(5), Some(5), false),
    (Condition::OlderThan(5), Some(u64::MAX), false),
    (Condition::OlderThan(u64::MAX), Some(1 << 63), true),
];

/// And changes nothing otherwise; in a hurry or not.
pub async fn a_put_happens_only_if_its_condition_holds<T: Table, G>(
    make: impl AsyncFn() -> (T, G),
) {
    let (table, _guard) = make().await;
    let cases = CONDITIONS.into_iter().chain(CONDITIONS).enumerate();
    for (number, (condition, stands, happens)) in cases {
        let sort = format!("{number:02}");
        let before = stands.map(|revision| item("p", &sort, revision, "before"));
        if let Some(before) = &before {
            put(&table, before.clone()).await;
        }
        let after = item("p", &sort, 7, "after");
        let outcome = if number < CONDITIONS.len() {
            table.put(after.clone(), condition).await
        } else {
            table.put_unhurried(after.clone(), condition).await
        };
        assert_outcome(&outcome, happens, &after.key, condition, stands);
        let expected = if happens { Some(after) } else { before };
        assert_eq!(get(&table, &Key::new("p", sort)).await, expected);
    }
}

/// Removing what is not there is no error, unless a revision was asked for. In a hurry or not.
pub async fn a_delete_happens_only_if_its_condition_holds<T: Table, G>(
    make: impl AsyncFn() -> (T, G),
) {
    let (table, _guard) = make().await;
    let cases = CONDITIONS.into_iter().chain(CONDITIONS).enumerate();
    for (number, (condition, stands, happens)) in cases {
        let key = Key::new("p", format!("{number:02}"));
        let before = stands.map(|revision| item("p", &key.sort, revision, "before"));
        if let Some(before) = &before {
            put(&table, before.clone()).await;
        }
        let outcome = if number < CONDITIONS.len() {
            table.delete(&key, condition).await
        } else {
            table.delete_unhurried(&key, condition).await
        };
        assert_outcome(&outcome, happens, &key, condition, stands);
        let expected = if happens { None } else { before };
        assert_eq!(get(&table, &key).await, expected);
    }
}

fn assert_outcome(
    outcome: &Result<(), WriteError>,
    happens: bool,
    key: &Key,
    condition: Condition,
    stands: Option<u64>,
) {
    match outcome {
        Ok(()) => assert!(happens, "{condition:?} held of {stands:?}"),
        Err(WriteError::Condition(refused)) => {
            assert!(!happens, "{condition:?} did not hold of {stands:?}");
            assert_eq!(refused, key);
        }
        Err(
            error @ (WriteError::TooLarge { .. }
            | WriteError::BadKey(_)
            | WriteError::Throttled
            | WriteError::Unavailable(_)),
        ) => unreachable!("{condition:?} of {stands:?}: {error}"),
    }
}

/// Neither read nor found nor in the way.
pub async fn a_deleted_item_is_gone_and_can_be_put_again<T: Table, G>(
    make: impl AsyncFn() -> (T, G),
) {
    let (table, _guard) = make().await;
    let item = item("p", "s", 3, "here");
    for _ in 0..3 {
        table
            .put(item.clone(), Condition::Absent)
            .await
            .expect("put");
        table
            .delete(&item.key, Condition::Revision(3))
            .await
            .expect("delete");
        assert_eq!(get(&table, &item.key).await, None);
        let page = table.query(&Query::prefix("p", "")).await.expect("query");
        assert_eq!(page.items, []);
        table
            .delete(&item.key, Condition::None)
            .await
            .expect("delete again");
    }
}

/// Also where one's name starts with the other's.
pub async fn partitions_are_apart<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let (table, _guard) = make().await;
    let items = [("a", "bc"), ("ab", "c"), ("a\u{0}", "bc"), ("A", "bc")]
        .map(|(partition, sort)| item(partition, sort, 1, partition.to_owned()));
    for item in &items {
        table
            .put(item.clone(), Condition::Absent)
            .await
            .expect("put");
    }
    for item in items {
        let query = Query::prefix(item.key.partition.clone(), "");
        let page = table.query(&query).await.expect("query");
        assert_eq!(page.items, [item]);
    }
}

/// Keys and revision count.
pub async fn items_are_taken_up_to_the_limit_and_refused_beyond<T: Table, G>(
    make: impl AsyncFn() -> (T, G),
) {
    let (table, _guard) = make().await;
    let largest = item("p", "largest", 1, vec![1; ITEM_BYTES_MAX - 8 - 8]);
    assert_eq!(largest.size(), ITEM_BYTES_MAX);
    put(&table, largest.clone()).await;
    assert_eq!(get(&table, &largest.key).await, Some(largest));

    let larger = item("p", "larger!", 1, vec![1; ITEM_BYTES_MAX - 8 - 8 + 1]);
    let refused = table.put(larger.clone(), Condition::None).await;
    let wanted = ITEM_BYTES_MAX + 1;
    assert!(
        matches!(&refused, Err(WriteError::TooLarge { key, size }) if *key == larger.key && *size == wanted),
        "{refused:?}"
    );
    assert_eq!(get(&table, &larger.key).await, None);
}

/// 2048 bytes of partition, 1024 of sort key, and neither empty. Bytes, not characters.
pub async fn keys_are_taken_up_to_the_limit_and_refused_beyond<T: Table, G>(
    make: impl AsyncFn() -> (T, G),
) {
    let (table, _guard) = make().await;
    let (partition, sort) = ("ä".repeat(1024), "ä".repeat(512));
    let longest = item(&partition, &sort, 1, "longest");
    put(&table, longest.clone()).await;
    assert_eq!(get(&table, &longest.key).await, Some(longest));

    let (long_partition, long_sort) = (format!("{partition}p"), format!("{sort}s"));
    for (partition, sort) in [
        ("", "s"),
        ("p", ""),
        (long_partition.as_str(), "s"),
        ("p", long_sort.as_str()),
    ] {
        let bad = item(partition, sort, 1, "bad");
        let refused = table.put(bad.clone(), Condition::None).await;
        assert!(
            matches!(&refused, Err(WriteError::BadKey(key)) if *key == bad.key),
            "{refused:?}"
        );
        let refused = table.delete(&bad.key, Condition::None).await;
        assert!(matches!(refused, Err(WriteError::BadKey(_))), "{refused:?}");
    }
}

/// Nothing can stand under them, so there is nothing, and it is no error.
pub async fn reads_of_impossible_keys_find_nothing<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let (table, _guard) = make().await;
    put(&table, item("p", "s", 1, "")).await;
    let long = "x".repeat(3000);
    for (partition, sort) in [
        ("", "s"),
        ("p", ""),
        (long.as_str(), "s"),
        ("p", long.as_str()),
    ] {
        assert_eq!(get(&table, &Key::new(partition, sort)).await, None);
    }
    for partition in ["", long.as_str()] {
        let page = table
            .query(&Query::prefix(partition, ""))
            .await
            .expect("query");
        assert_eq!((page.items, page.next), (vec![], None));
    }
}

/// Exactly one, and it is the one whose item stands there.
pub async fn one_of_several_writers_that_put_if_absent_wins<T: Table + 'static, G>(
    make: impl AsyncFn() -> (T, G),
) {
    let (table, _guard) = make().await;
    let table = Arc::new(table);
    for round in 0..20 {
        let key = Key::new("race", format!("{round:02}"));
        let mut writers = JoinSet::new();
        for writer in 0..8_u64 {
            let (table, item) = (Arc::clone(&table), item("race", &key.sort, writer, "mine"));
            writers.spawn(async move { (writer, table.put(item, Condition::Absent).await) });
        }
        let outcomes = writers.join_all().await;
        let winners: Vec<u64> = outcomes
            .iter()
            .filter(|(_, outcome)| outcome.is_ok())
            .map(|(writer, _)| *writer)
            .collect();
        let stands = get(&table, &key).await.map(|item| item.revision);
        assert_eq!(winners, Vec::from_iter(stands), "{outcomes:?}");
    }
}

/// Read, add one, write if the revision is still the one that was read, else again.
pub async fn counters_of_several_writers_add_up<T: Table + 'static, G>(
    make: impl AsyncFn() -> (T, G),
) {
    const WRITERS: u64 = 6;
    const ROUNDS: u64 = 25;
    let (table, _guard) = make().await;
    let table = Arc::new(table);
    let key = Key::new("counter", "c");
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (table, key) = (Arc::clone(&table), key.clone());
        writers.spawn(async move {
            let mut done = 0;
            while done < ROUNDS {
                let read = get(&table, &key).await.map(|item| item.revision);
                let condition = read.map_or(Condition::Absent, Condition::Revision);
                let next = item("counter", "c", read.unwrap_or(0) + 1, "");
                match table.put(next, condition).await {
                    Ok(()) => done += 1,
                    Err(error) => assert!(matches!(error, WriteError::Condition(_)), "{error}"),
                }
            }
        });
    }
    writers.join_all().await;
    let stands = get(&table, &key).await.map(|item| item.revision);
    assert_eq!(stands, Some(WRITERS * ROUNDS));
}

/// By get and by query, by whoever asks, while others write.
pub async fn a_strong_read_sees_what_was_acknowledged<T: Table + 'static, G>(
    make: impl AsyncFn() -> (T, G),
) {
    let (table, _guard) = make().await;
    let table = Arc::new(table);
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let table = Arc::clone(&table);
        writers.spawn(async move {
            for round in 0..25 {
                let written = item(&format!("w{writer}"), &format!("{round:02}"), round, "mine");
                put(&table, written.clone()).await;
                let reader = Arc::clone(&table);
                let key = written.key.clone();
                let elsewhere = JoinSet::from_iter([async move { get(&reader, &key).await }]);
                assert_eq!(elsewhere.join_all().await, [Some(written.clone())]);
                let query = Query {
                    limit: 1,
                    descending: true,
                    ..Query::prefix(written.key.partition.clone(), "")
                };
                let last = table.query(&query).await.expect("query").items;
                assert_eq!(last, [written]);
            }
        });
    }
    writers.join_all().await;
}
