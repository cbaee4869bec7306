//! Every test of this package in one program: its ports' suites, and that what was acknowledged is durable: after kills,
//! torn logs, full disks; and a directory has one owner.

#![expect(
    clippy::unwrap_used,
    reason = "what tests share fails by panicking, as tests do"
)]

mod child;
mod conformance;
mod full;
mod group;
mod kill;
mod owner;
mod refuse;
mod torn;

use std::error::Error;
use std::future::Future;
use std::path::Path;

use porpoise_ports::table::{Item, Key, Page, Query, Table};
use porpoise_store_sqlite::SqliteTable;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(work)
}

fn open(dir: &Path) -> SqliteTable {
    SqliteTable::open(dir).unwrap()
}

fn item(partition: &str, number: u64, bytes: usize) -> Item {
    Item {
        key: Key::new(partition, format!("{number:08}")),
        revision: number,
        body: vec![0x61; bytes].into(),
    }
}

/// The revisions in a partition, in order.
fn revisions(table: &SqliteTable, partition: &str) -> Vec<u64> {
    let mut query = Query::prefix(partition, "");
    let mut revisions = Vec::new();
    loop {
        let Page { items, next } = run(table.query(&query)).unwrap();
        revisions.extend(items.iter().map(|item| item.revision));
        match next {
            Some(_) => query.after = next,
            None => return revisions,
        }
    }
}

/// An error with everything beneath it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
