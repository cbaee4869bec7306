//! Processes killed at random moments while they write.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tempfile::TempDir;

use crate::{child, open, revisions, run};
use porpoise_ports::table::{Consistency, Key, Table};

const KILLS: usize = 24;

/// The last that was acknowledged, by what it is (`item`, `count`) and writer.
type Acknowledged = BTreeMap<(String, u64), u64>;

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let dir = TempDir::new().unwrap();
    let mut moments = Pcg64::seed_from_u64(7);
    let mut acknowledged = Acknowledged::new();
    for _ in 0..KILLS {
        let before = acknowledged.len();
        let mut child = child::start("write", dir.path());
        let mut words = child::words(child.stdout.take().unwrap());
        let first = words.next().unwrap();
        let listener = std::thread::spawn(move || words.collect::<Vec<String>>());
        std::thread::sleep(Duration::from_micros(moments.random_range(0..40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let rest = listener.join().unwrap();
        note(&mut acknowledged, std::iter::once(first).chain(rest));
        assert!(acknowledged.len() >= before.max(1));
        assert_all_there(&dir, &acknowledged);
    }
    let writes: u64 = acknowledged.values().sum();
    assert!(writes > 500, "only {writes} writes in {KILLS} rounds");
}

fn note(acknowledged: &mut Acknowledged, words: impl Iterator<Item = String>) {
    for word in words {
        let parts: Vec<&str> = word.split(' ').collect();
        let [what, writer, number] = parts[..] else {
            unreachable!("{word}");
        };
        let key = (what.to_owned(), writer.parse().unwrap());
        let number = number.parse().unwrap();
        let before = acknowledged.insert(key, number);
        assert!(before.is_none_or(|before| before <= number), "{word}");
    }
}

fn assert_all_there(dir: &TempDir, acknowledged: &Acknowledged) {
    let table = open(dir.path());
    table.check().unwrap();
    for ((what, writer), last) in acknowledged {
        if what == "item" {
            let stands = revisions(&table, &format!("writer {writer}"));
            let expected: Vec<u64> = (0..).take(stands.len()).collect();
            assert_eq!(stands, expected);
            assert!(stands.contains(last), "{writer} {last}");
        } else {
            let counter = Key::new("counter", writer.to_string());
            let stands = run(table.get(&counter, Consistency::Strong))
                .unwrap()
                .unwrap();
            assert!(stands.revision >= *last, "{writer} {last}");
        }
    }
}
