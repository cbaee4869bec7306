//! A table against a sorted map.

use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::table::item;
use crate::table::{Condition, Consistency, Item, Key, Query, Table, WriteError};

/// What stands in a partition.
type Model = BTreeMap<String, (u64, Bytes)>;

#[derive(Debug, Clone)]
enum Call {
    Put(String, u64, Vec<u8>, Condition),
    Delete(String, Condition),
    Get(String),
    Query(Query),
}

/// Random calls answer as a `BTreeMap` would, refusals included.
pub fn a_table_behaves_as_a_sorted_map<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let runtime = super::runtime();
    let (table, _guard) = runtime.block_on(make());
    let cases = Cell::new(0);
    let config = Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(call(), 1..40), |calls| {
        cases.set(cases.get() + 1);
        let partition = format!("case {}", cases.get());
        let mut model = Model::new();
        for call in calls {
            runtime.block_on(check(&table, &partition, &mut model, call))?;
        }
        Ok(())
    });
    if let Err(error) = outcome {
        unreachable!("{error}");
    }
}

fn call() -> impl Strategy<Value = Call> {
    let body = prop::collection::vec(any::<u8>(), 0..8);
    prop_oneof![
        4 => (sort(), 0..4_u64, body, condition()).prop_map(|(sort, revision, body, condition)| {
            Call::Put(sort, revision, body, condition)
        }),
        1 => (sort(), condition()).prop_map(|(sort, condition)| Call::Delete(sort, condition)),
        1 => sort().prop_map(Call::Get),
        2 => query().prop_map(Call::Query),
    ]
}

fn sort() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,2}", "[a-z\u{0}ä依😀]{1,3}"]
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        Just(Condition::None),
        Just(Condition::Absent),
        (0..4_u64).prop_map(Condition::Revision),
        (0..5_u64).prop_map(Condition::OlderThan),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let end = || prop_oneof![Just(String::new()), sort()];
    let limit = prop_oneof![1..5_usize, Just(usize::MAX)];
    let after = prop::option::of(sort());
    (end(), end(), any::<bool>(), limit, after, any::<bool>()).prop_map(
        |(from, to, descending, limit, after, strong)| Query {
            partition: String::new(),
            from,
            to,
            descending,
            limit,
            after,
            consistency: if strong {
                Consistency::Strong
            } else {
                Consistency::Eventual
            },
        },
    )
}

async fn check(
    table: &impl Table,
    partition: &str,
    model: &mut Model,
    call: Call,
) -> Result<(), TestCaseError> {
    match call {
        Call::Put(sort, revision, body, condition) => {
            let body = Bytes::from(body);
            let new = item(partition, &sort, revision, body.clone());
            let done = happened(table.put(new, condition).await)?;
            prop_assert_eq!(done, condition.holds(revision_of(model, &sort)));
            if done {
                model.insert(sort, (revision, body));
            }
        }
        Call::Delete(sort, condition) => {
            let key = Key::new(partition, sort.as_str());
            let done = happened(table.delete(&key, condition).await)?;
            prop_assert_eq!(done, condition.holds(revision_of(model, &sort)));
            if done {
                model.remove(&sort);
            }
        }
        Call::Get(sort) => {
            let key = Key::new(partition, sort.as_str());
            let found = table.get(&key, Consistency::Strong).await.expect("get");
            let expected = model
                .get(&sort)
                .map(|stored| expected(partition, &sort, stored));
            prop_assert_eq!(found, expected);
        }
        Call::Query(mut query) => {
            // An eventual read may be late, so what it holds cannot be foretold.
            let strong = query.consistency == Consistency::Strong;
            partition.clone_into(&mut query.partition);
            let page = table.query(&query).await.expect("query");
            if strong {
                check_page(partition, model, &query, &page.items, page.next.as_deref())?;
            }
        }
    }
    Ok(())
}

fn check_page(
    partition: &str,
    model: &Model,
    query: &Query,
    items: &[Item],
    next: Option<&str>,
) -> Result<(), TestCaseError> {
    let mut wanted: Vec<Item> = model
        .iter()
        .filter(|(sort, _)| query.wants(sort))
        .map(|(sort, stored)| expected(partition, sort, stored))
        .collect();
    if query.descending {
        wanted.reverse();
    }
    let more = wanted.len() > items.len();
    prop_assert!(
        !more || next.is_some(),
        "{} left without a successor",
        wanted.len()
    );
    wanted.truncate(query.limit);
    prop_assert_eq!(items, wanted);
    if let (Some(next), Some(last)) = (next, items.last()) {
        prop_assert_eq!(next, last.key.sort.as_str());
    }
    Ok(())
}

fn expected(partition: &str, sort: &str, (revision, body): &(u64, Bytes)) -> Item {
    item(partition, sort, *revision, body.clone())
}

fn revision_of(model: &Model, sort: &str) -> Option<u64> {
    model.get(sort).map(|(revision, _)| *revision)
}

/// Whether a write happened; anything but a refusal by condition is a failure.
fn happened(outcome: Result<(), WriteError>) -> Result<bool, TestCaseError> {
    match outcome {
        Ok(()) => Ok(true),
        Err(WriteError::Condition(_)) => Ok(false),
        Err(
            error @ (WriteError::TooLarge { .. }
            | WriteError::BadKey(_)
            | WriteError::Throttled
            | WriteError::Unavailable(_)),
        ) => Err(TestCaseError::fail(error.to_string())),
    }
}
