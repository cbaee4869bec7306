//! What the meter counted of a run, against what DynamoDB itself says when it is asked for the same.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use porpoise_ports::Ledger;
use porpoise_ports::table::{Condition, Consistency, Item, Key, Query, Table as _};
use porpoise_ports::usage::{Line, Usage};
use porpoise_store_dynamodb::{DynamoTable, Patience, create};

use super::scenario::{Measured, Scenario, play};
use super::template::Template;
use crate::shape::Shape;

/// What was asked of a table.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Get(Key, Consistency),
    Query(Query),
    Put(Item, Condition),
    Delete(Key, Condition),
}

/// Of which table: a number of its own.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) table: usize,
    pub(crate) op: Op,
}

fn config(endpoint: &str) -> Builder {
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
}

/// The server shares two cores with all other tests.
const PATIENCE: Patience = Patience {
    tries_max: 1,
    connect: Duration::from_secs(10),
    attempt: Duration::from_secs(30),
    call: Duration::from_secs(30),
};

/// Asks the same of DynamoDB Local. A query that finds nothing is free there, and a unit for the meter: what is not
/// known to be free is counted.
async fn asked_again((tape, from): &(Vec<Asked>, usize)) -> Usage {
    let server = tokio::task::spawn_blocking(porpoise_region::dynamodb);
    let server = server.await.unwrap().unwrap();
    let ledger = Ledger::default();
    let mut tables = BTreeMap::new();
    let (mut before, mut nothing_found) = (Usage::default(), 0);
    for (number, asked) in tape.iter().enumerate() {
        if !tables.contains_key(&asked.table) {
            let name = format!("replay-{}-{}", std::process::id(), tables.len());
            let client = Client::from_conf(config(server.endpoint()).build());
            create(&client, &name).await.unwrap();
            let table = DynamoTable::new(config(server.endpoint()), name, PATIENCE);
            tables.insert(asked.table, table.with_ledger(ledger.clone()));
        }
        if number == *from {
            before = ledger.usage();
            nothing_found = 0;
        }
        let table = &tables[&asked.table];
        match asked.op.clone() {
            Op::Get(key, consistency) => drop(table.get(&key, consistency).await.unwrap()),
            Op::Query(query) => {
                let found = table.query(&query).await.unwrap();
                if found.items.is_empty() {
                    nothing_found += if query.consistency == Consistency::Strong {
                        2
                    } else {
                        1
                    };
                }
            }
            Op::Put(item, condition) => drop(table.put(item, condition).await),
            Op::Delete(key, condition) => drop(table.delete(&key, condition).await),
        }
    }
    let mut usage = ledger.usage().since(&before);
    usage.add(Line::TableHalfReads, nothing_found);
    usage
}

fn of_tables(measured: &Measured) -> [u64; 2] {
    let accounts = measured.books.accounts.values();
    let sums = accounts.fold(Usage::default(), |mut sum, account| {
        sum.add_all(&account.usage);
        sum
    });
    [Line::TableWrites, Line::TableHalfReads].map(|line| sums.of(line))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dynamodb_bills_what_was_counted() {
    let template = Template::read().unwrap();
    let scenario = Scenario {
        runs: 2,
        every: Duration::from_mins(5),
        ..Scenario::of(Shape::Layers {
            layers: 3,
            width: 10,
        })
    };
    let measured = play(&scenario, &template).unwrap();
    let billed = asked_again(&measured.tape).await;
    let billed = [Line::TableWrites, Line::TableHalfReads].map(|line| billed.of(line));
    assert_eq!(of_tables(&measured), billed);
    assert!(billed[0] > 60 * 3 && billed[1] > 60, "{billed:?}");
}

#[test]
fn the_same_seed_gives_the_same_bill_but_for_the_time_of_the_processor() {
    let template = Template::read().unwrap();
    let of = |seed| {
        let scenario = Scenario {
            seed,
            ..Scenario::of(Shape::Fan(12))
        };
        let measured = play(&scenario, &template).unwrap();
        assert_eq!(measured.tasks, 12);
        let usage = measured.books.of_the_tasks();
        let lines = usage.lines().filter(|(line, _)| {
            !matches!(line, Line::FunctionMegabyteMilliseconds | Line::LogBytes)
        });
        (lines.collect::<Vec<_>>(), measured.took)
    };
    let (first, again, other) = (of(1), of(1), of(2));
    assert_eq!(first, again);
    assert_ne!(first.1, other.1);
    assert!(
        first.0.iter().any(|(line, _)| *line == Line::FifoRequests),
        "{first:?}"
    );
}
