//! Writes that arrive together share a sync.

use std::sync::Arc;

use porpoise_ports::table::{Condition, Table, WriteError};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{item, open, revisions, run};

#[test]
fn one_write_after_another_costs_a_sync_each() {
    let dir = TempDir::new().unwrap();
    let table = open(dir.path());
    run(async {
        for number in 0..10 {
            table
                .put(item("p", number, 10), Condition::Absent)
                .await
                .unwrap();
        }
    });
    assert_eq!(table.sync_count(), 10);
}

#[test]
fn writes_that_change_nothing_cost_no_sync() {
    let dir = TempDir::new().unwrap();
    let table = open(dir.path());
    run(async {
        let one = item("p", 1, 10);
        table.put(one.clone(), Condition::Absent).await.unwrap();
        let refused = table.put(one.clone(), Condition::Absent).await;
        assert!(matches!(refused, Err(WriteError::Condition(_))));
        let other = item("p", 2, 10);
        table.delete(&other.key, Condition::None).await.unwrap();
    });
    assert_eq!(table.sync_count(), 1);
}

#[test]
fn writes_at_once_share_syncs_and_a_refused_one_fails_alone() {
    const WRITES: u64 = 2000;
    let dir = TempDir::new().unwrap();
    let table = Arc::new(open(dir.path()));
    run(table.put(item("p", 7, 10), Condition::Absent)).unwrap();
    let outcomes = run(async {
        let mut writes = JoinSet::new();
        for number in 0..WRITES {
            let table = Arc::clone(&table);
            writes.spawn(async move {
                let put = table.put(item("p", number, 10), Condition::Absent);
                (number, put.await.is_ok())
            });
        }
        writes.join_all().await
    });
    for (number, done) in outcomes {
        assert_eq!(done, number != 7, "write {number}");
    }
    let expected: Vec<u64> = (0..WRITES).collect();
    assert_eq!(revisions(&table, "p"), expected);
    let syncs = table.sync_count();
    assert!(syncs < WRITES / 20, "{syncs} syncs for {WRITES} writes");
}

#[test]
fn writes_that_nothing_waits_for_share_the_sync_of_one_in_a_hurry() {
    let dir = TempDir::new().unwrap();
    let table = open(dir.path());
    run(async {
        for number in (0..100).step_by(2) {
            let held = table.put_unhurried(item("p", number, 10), Condition::Absent);
            let hurried = table.put(item("p", number + 1, 10), Condition::Absent);
            let (held, hurried) = tokio::join!(held, hurried);
            held.and(hurried).unwrap();
        }
    });
    // 50, and some more where this process did not get its turn.
    let syncs = table.sync_count();
    assert!(syncs < 75, "{syncs} syncs for 100 writes in pairs");
    // With no company, it is done by itself.
    let gone = item("p", 0, 10).key;
    run(table.delete_unhurried(&gone, Condition::None)).unwrap();
    assert_eq!(table.sync_count(), syncs + 1);
    assert_eq!(revisions(&table, "p"), (1..100).collect::<Vec<u64>>());
}

#[test]
fn the_log_stays_short_under_a_load_that_never_rests() {
    let dir = TempDir::new().unwrap();
    let table = Arc::new(open(dir.path()));
    run(async {
        let mut writers = JoinSet::new();
        for writer in 0..32 {
            let table = Arc::clone(&table);
            writers.spawn(async move {
                for number in 0..120 {
                    let item = item(&format!("writer {writer}"), number, 12_000);
                    table.put(item, Condition::Absent).await.unwrap();
                }
            });
        }
        writers.join_all().await;
    });
    let log = dir.path().join("porpoise.db-wal").metadata().unwrap().len();
    assert!(
        log < 32 * 1024 * 1024,
        "the log has {log} bytes, the items 46 MB"
    );
}

#[test]
fn what_was_handed_over_before_the_close_is_written() {
    let dir = TempDir::new().unwrap();
    let table = open(dir.path());
    run(async {
        // Polled once, then forgotten: nobody waits for the answer.
        let mut put = table.put(item("p", 1, 10), Condition::Absent);
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(put.as_mut().poll(context).is_pending())
        });
        polled.await;
    });
    drop(table);
    assert_eq!(revisions(&open(dir.path()), "p"), [1]);
}
