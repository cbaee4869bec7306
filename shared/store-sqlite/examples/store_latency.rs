//! What a durable write and a read cost, beside the bare disk: `cargo run --release --example store_latency [DIRECTORY]`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement for people: it looks at the clock, prints, and stops at the first fault"
)]

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use porpoise_ports::table::{Condition, Consistency, Item, Key, Query, Table};
use porpoise_store_sqlite::SqliteTable;
use tokio::task::JoinSet;

const ROUNDS: u32 = 3000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let parent = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let dir = tempfile::tempdir_in(parent).unwrap();
    let began = Instant::now();
    let table = Arc::new(SqliteTable::open(dir.path()).unwrap());
    println!("open, new directory        {:>9.1?}", began.elapsed());

    // The bare disk and the table by turns, so that both see the same weather.
    let (mut append, mut overwrite, mut put) = (Vec::new(), Vec::new(), Vec::new());
    let mut growing = File::create(dir.path().join("growing")).unwrap();
    let mut reused = reused(&dir.path().join("reused"));
    for round in 0..ROUNDS {
        append.push(timed(|| sync(&mut growing)));
        reused
            .seek(std::io::SeekFrom::Start(u64::from(round % 1000) * 4096))
            .unwrap();
        overwrite.push(timed(|| sync(&mut reused)));
        let began = Instant::now();
        table
            .put(item("chain", round, 300), Condition::Absent)
            .await
            .unwrap();
        put.push(began.elapsed());
    }
    show("append 4 KB + fdatasync", &mut append);
    show("overwrite 4 KB + fdatasync", &mut overwrite);
    show("put 300 B, one at a time", &mut put);

    reads(&table).await;
    for writers in [8, 64, 512] {
        together(&table, writers).await;
    }
    let wal = std::fs::metadata(dir.path().join("porpoise.db-wal")).unwrap();
    println!("log file at the end        {:>9} KB", wal.len() / 1024);
    drop(table);
    let began = Instant::now();
    drop(SqliteTable::open(dir.path()).unwrap());
    println!("open and close again       {:>9.1?}", began.elapsed());
}

async fn reads(table: &SqliteTable) {
    let mut gets = Vec::new();
    for round in 0..ROUNDS {
        let key = item("chain", round, 0).key;
        let began = Instant::now();
        table.get(&key, Consistency::Strong).await.unwrap().unwrap();
        gets.push(began.elapsed());
    }
    show("get", &mut gets);
    let mut fresh = Vec::new();
    let mut pages = Vec::new();
    for round in 0..200 {
        let item = item("fresh", round, 300);
        table.put(item.clone(), Condition::None).await.unwrap();
        let began = Instant::now();
        table
            .get(&item.key, Consistency::Strong)
            .await
            .unwrap()
            .unwrap();
        fresh.push(began.elapsed());
        let began = Instant::now();
        table.query(&Query::prefix("chain", "")).await.unwrap();
        pages.push(began.elapsed());
    }
    show("get after each put", &mut fresh);
    show("query of a page of 1 MB", &mut pages);
}

async fn together(table: &Arc<SqliteTable>, writers: u32) {
    let syncs = table.sync_count();
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    let rounds = 20_000 / writers;
    for writer in 0..writers {
        let table = Arc::clone(table);
        tasks.spawn(async move {
            let mut times = Vec::new();
            for round in 0..rounds {
                let partition = format!("writer {writers} {writer}");
                let began = Instant::now();
                table
                    .put(item(&partition, round, 300), Condition::Absent)
                    .await
                    .unwrap();
                times.push(began.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    let puts = f64::from(rounds * writers);
    let seconds = began.elapsed().as_secs_f64();
    show(&format!("put, {writers} writers"), &mut times);
    println!(
        "    {:.0} puts a second, {} syncs",
        puts / seconds,
        table.sync_count() - syncs
    );
}

fn item(partition: &str, round: u32, bytes: usize) -> Item {
    Item {
        key: Key::new(partition, format!("log#{round:08}")),
        revision: u64::from(round),
        body: vec![7; bytes].into(),
    }
}

fn reused(path: &Path) -> File {
    let mut file = File::create(path).unwrap();
    file.write_all(&vec![0; 4096 * 1000]).unwrap();
    file.sync_all().unwrap();
    file
}

fn sync(file: &mut File) {
    file.write_all(&[7; 4096]).unwrap();
    file.sync_data().unwrap();
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 1000)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{what:<26} median {:>8.1?}  p90 {:>8.1?}  p99 {:>8.1?}  p99.9 {:>8.1?}",
        at(500),
        at(900),
        at(990),
        at(999)
    );
}
