//! Logs whose end did not reach the disk, or reached it damaged.

use std::fs;
use std::path::{Path, PathBuf};

use porpoise_ports::table::{Condition, Table};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tempfile::TempDir;

use crate::{item, open, revisions, run};

const WRITES: u64 = 150;
const DATA: &str = "porpoise.db";
const LOG: &str = "porpoise.db-wal";

/// A data directory as a power cut would leave it: copied under an open table.
struct Stopped {
    data: Vec<u8>,
    log: Vec<u8>,
    /// Bytes of the log that were written; zeros follow.
    written: usize,
}

fn stopped() -> Stopped {
    let dir = TempDir::new().unwrap();
    let table = open(dir.path());
    for number in 0..WRITES {
        let item = item("p", number, 40 + usize::try_from(number).unwrap());
        run(table.put(item, Condition::Absent)).unwrap();
    }
    let log = fs::read(dir.path().join(LOG)).unwrap();
    let written = log.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    assert!(written > 4096 * usize::try_from(WRITES).unwrap());
    Stopped {
        data: fs::read(dir.path().join(DATA)).unwrap(),
        log,
        written,
    }
}

/// Opens the directory with this log: the writes that are left, which are the first ones, and the table works.
fn survivors(stopped: &Stopped, log: &[u8]) -> u64 {
    let dir = TempDir::new().unwrap();
    let file = |name: &str| -> PathBuf { Path::new(dir.path()).join(name) };
    fs::write(file(DATA), &stopped.data).unwrap();
    fs::write(file(LOG), log).unwrap();
    let table = open(dir.path());
    table.check().unwrap();
    let left = revisions(&table, "p");
    let expected: Vec<u64> = (0..).take(left.len()).collect();
    assert_eq!(left, expected);
    run(table.put(item("after", 1, 3000), Condition::Absent)).unwrap();
    drop(table);
    let table = open(dir.path());
    assert_eq!(revisions(&table, "after"), [1]);
    assert_eq!(revisions(&table, "p"), left);
    u64::try_from(left.len()).unwrap()
}

#[test]
fn a_log_that_was_written_to_the_end_holds_every_write() {
    let stopped = stopped();
    assert_eq!(survivors(&stopped, &stopped.log), WRITES);
    assert_eq!(survivors(&stopped, &stopped.log[..stopped.written]), WRITES);
}

#[test]
fn garbage_behind_the_log_is_ignored() {
    let stopped = stopped();
    let mut random = Pcg64::seed_from_u64(1);
    let mut log = stopped.log.clone();
    random.fill_bytes(&mut log[stopped.written..]);
    assert_eq!(survivors(&stopped, &log), WRITES);
    let mut log = stopped.log[..stopped.written].to_vec();
    log.extend_from_slice(&stopped.log[4096..12_345]);
    assert_eq!(survivors(&stopped, &log), WRITES);
}

#[test]
fn a_log_that_was_cut_off_holds_the_first_writes() {
    let stopped = stopped();
    let mut random = Pcg64::seed_from_u64(2);
    let mut seen = Vec::new();
    for _ in 0..25 {
        let end = random.random_range(0..stopped.written);
        seen.push((end, survivors(&stopped, &stopped.log[..end])));
    }
    seen.push((
        stopped.written - 1,
        survivors(&stopped, &stopped.log[..stopped.written - 1]),
    ));
    seen.sort_unstable();
    assert!(seen.is_sorted_by_key(|(_, left)| *left), "{seen:?}");
    assert_eq!(seen.last().unwrap().1, WRITES - 1);
}

#[test]
fn a_damaged_log_holds_the_writes_before_the_damage() {
    let stopped = stopped();
    let mut random = Pcg64::seed_from_u64(3);
    for _ in 0..25 {
        let at = random.random_range(0..stopped.written);
        let length = random.random_range(1..5000).min(stopped.written - at);
        let mut log = stopped.log.clone();
        for byte in &mut log[at..at + length] {
            *byte ^= random.random_range(1..=255);
        }
        let left = survivors(&stopped, &log);
        let whole = survivors(&stopped, &stopped.log[..at]);
        assert_eq!(left, whole, "damage of {length} bytes at {at}");
    }
}
