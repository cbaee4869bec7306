//! The table while network and service misbehave, by many seeds, on DynamoDB Local.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use porpoise_faults::{Fault, Faults, Plan, Tally};
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, Table, WriteError,
};
use porpoise_region::DynamoDbLocal;
use porpoise_store_dynamodb::{DynamoTable, Patience};
use tokio::task::JoinSet;

use crate::support;

const fn patience(tries_max: u32) -> Patience {
    Patience {
        tries_max,
        connect: Duration::from_secs(10),
        attempt: Duration::from_secs(30),
        call: Duration::from_mins(1),
    }
}

/// The table of that name, through faults, and with so few tries that some calls fail for good.
fn shaky(server: &DynamoDbLocal, name: &str, faults: &Faults, tries: u32) -> DynamoTable {
    let config = support::config(server.endpoint()).http_client(faults.client());
    DynamoTable::new(config, name, patience(tries))
}

/// What each writer was told of each of its additions.
type Told = BTreeMap<String, Result<(), WriteError>>;

/// Adds `mine` to the list at one key, if nobody was faster.
async fn add(table: &DynamoTable, mine: &str) -> Result<(), WriteError> {
    let key = Key::new("list", "l");
    let Ok(stands) = table.get(&key, Consistency::Strong).await else {
        return Err(WriteError::Throttled); // nothing was written
    };
    let condition = stands.as_ref().map(|item| item.revision);
    let list = stands.map(|item| String::from_utf8(item.body.to_vec()).unwrap());
    let next = Item {
        key,
        revision: condition.map_or(1, |revision| revision + 1),
        body: format!("{}{mine} ", list.unwrap_or_default()).into(),
    };
    let condition = condition.map_or(Condition::Absent, Condition::Revision);
    table.put(next, condition).await
}

/// Four writers, each behind faults of its own, add to one list. The list in the end, and what they were told.
async fn race(seed: u64) -> (Vec<String>, Told, Tally) {
    let (server, name) = support::table().await;
    let mut writers = JoinSet::new();
    for writer in 0..4_u64 {
        let faults = Faults::new(seed * 4 + writer, Plan::each(30));
        let table = shaky(&server, &name, &faults, 3);
        writers.spawn(async move {
            let mut told = Told::new();
            for round in 0..12 {
                let mine = format!("{writer}.{round}");
                let outcome = add(&table, &mine).await;
                told.insert(mine, outcome);
            }
            (told, faults.tally())
        });
    }
    let (mut told, mut tally) = (Told::new(), Tally::default());
    for (one, faults) in writers.join_all().await {
        told.extend(one);
        tally.add(&faults);
    }
    settle().await;
    let direct = DynamoTable::new(support::config(server.endpoint()), name, patience(1));
    let key = Key::new("list", "l");
    let stands = direct.get(&key, Consistency::Strong).await.unwrap();
    let list = String::from_utf8(stands.unwrap().body.to_vec()).unwrap();
    let list = list.split_whitespace().map(str::to_owned).collect();
    (list, told, tally)
}

/// Stragglers are in after this.
#[expect(clippy::disallowed_methods, reason = "stragglers take real time")]
async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// What was acknowledged stands once, what was refused or throttled does not stand, and who was told neither may look.
#[tokio::test]
async fn nobody_is_told_the_wrong_thing_of_a_conditional_write() {
    let mut tally = Tally::default();
    let (mut written, mut refused, mut unknown) = (0, 0, 0);
    for some in (0..24).collect::<Vec<u64>>().chunks(12) {
        let mut races = JoinSet::new();
        for seed in some.iter().copied() {
            races.spawn(async move { (seed, race(seed).await) });
        }
        for (seed, (list, told, faults)) in races.join_all().await {
            tally.add(&faults);
            for (mine, outcome) in told {
                let stands = list.iter().filter(|one| **one == mine).count();
                match outcome {
                    Ok(()) => {
                        assert_eq!(stands, 1, "seed {seed}: {mine} was acknowledged");
                        written += 1;
                    }
                    Err(WriteError::Condition(_) | WriteError::Throttled) => {
                        assert_eq!(stands, 0, "seed {seed}: {mine} was refused");
                        refused += 1;
                    }
                    Err(WriteError::Unavailable(_)) => {
                        assert!(stands <= 1, "seed {seed}: {mine} stands twice");
                        unknown += 1;
                    }
                    Err(error) => panic!("seed {seed}: {error}"),
                }
            }
        }
    }
    for operation in ["PutItem", "GetItem"] {
        let missing = tally.missing("dynamodb", operation);
        assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
    }
    assert!(
        written > 300 && refused > 100 && unknown > 10,
        "{written} written, {refused} refused, {unknown} unknown"
    );
}

/// Who is not told what became of a call asks again, as the application does.
#[derive(Debug)]
struct Asking(DynamoTable);

macro_rules! asking {
    ($call:expr, $error:ident) => {{
        for _ in 0..10 {
            match $call.await {
                Err($error::Throttled | $error::Unavailable(_)) => {}
                told => return told,
            }
        }
        $call.await
    }};
}

#[async_trait]
impl Table for Asking {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        asking!(self.0.get(key, consistency), ReadError)
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        asking!(self.0.query(query), ReadError)
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        asking!(self.0.put(item.clone(), condition), WriteError)
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        asking!(self.0.delete(key, condition), WriteError)
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1000);

/// Without stragglers: a write without a condition that comes late undoes what came meanwhile, on the real thing too.
async fn asking() -> (Asking, DynamoDbLocal) {
    let (server, name) = support::table().await;
    let plan = Plan::each(25).with(Fault::Straggler, 0);
    let faults = Faults::new(NEXT.fetch_add(1, Ordering::Relaxed), plan);
    (Asking(shaky(&server, &name, &faults, 12)), server)
}

/// What the suite promises to a single writer, and to those who never overwrite each other.
mod suite_under_faults {
    use super::*;

    porpoise_ports::conformance_tests! { asking;
        table::what_is_put_is_read_back
        table::a_put_replaces_what_stood_there
        table::a_put_happens_only_if_its_condition_holds
        table::partitions_are_apart
        table::items_are_taken_up_to_the_limit_and_refused_beyond
        table::one_of_several_writers_that_put_if_absent_wins
        table::a_strong_read_sees_what_was_acknowledged
        table_pages::sort_keys_are_ordered_by_their_bytes
        table_pages::a_range_includes_both_ends
        table_pages::pages_of_a_limit_give_every_item_once
        table_pages::pages_hold_a_megabyte_at_most
    }
}
