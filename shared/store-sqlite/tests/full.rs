//! A disk that takes no more.

use tempfile::TempDir;

use crate::{child, open, revisions};

/// Files of this process may have so many kilobytes: the log has more than half of it from the start.
const KILOBYTES: usize = 6000;

#[test]
fn a_write_that_finds_no_room_fails_and_what_was_acknowledged_stays() {
    let dir = TempDir::new().unwrap();
    let mut child = child::start_with_small_files("fill", dir.path(), KILOBYTES);
    let said: Vec<String> = child::words(child.stdout.take().unwrap()).collect();
    assert!(child.wait().unwrap().success(), "{said:?}");

    let (done, rest): (Vec<&String>, Vec<&String>) =
        said.iter().partition(|word| word.starts_with("item "));
    assert!(done.len() > 200, "{} writes", done.len());
    let (reads, failures) = rest.split_last().unwrap();
    assert_eq!(*reads, "still reads");
    assert_eq!(failures.len(), 5);
    let message =
        "the table is unavailable: the disk of the data directory failed to read, write or sync";
    for failure in failures {
        assert!(failure.contains(message), "{failure}");
    }

    let table = open(dir.path());
    table.check().unwrap();
    let stands = revisions(&table, "fill");
    for word in done {
        let number = word.strip_prefix("item ").unwrap().parse().unwrap();
        assert!(stands.contains(&number), "{word} is lost");
    }
}
