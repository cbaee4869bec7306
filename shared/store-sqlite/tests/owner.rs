//! A data directory has one owner at a time.

use porpoise_store_sqlite::{OpenError, SqliteTable};
use tempfile::TempDir;

use crate::{chain, child, open};

fn answer(dir: &TempDir) -> String {
    let mut child = child::start("open", dir.path());
    let said = child::words(child.stdout.take().unwrap()).last();
    child.wait().unwrap();
    said.unwrap()
}

#[test]
fn another_process_is_refused_and_told_who_holds_the_directory() {
    let dir = TempDir::new().unwrap();
    let table = open(dir.path());
    let (dir_name, pid) = (dir.path().display(), std::process::id());
    let expected = format!("data directory `{dir_name}` is in use by process {pid}");
    assert_eq!(answer(&dir), expected);
    drop(table);
    assert_eq!(answer(&dir), "opened");
}

#[test]
fn the_same_process_is_refused_too() {
    let dir = TempDir::new().unwrap();
    let table = open(dir.path());
    let refused = SqliteTable::open(dir.path());
    let pid = std::process::id();
    assert!(
        matches!(refused, Err(OpenError::Locked { pid: Some(holder), .. }) if holder == pid),
        "{refused:?}"
    );
    drop(table);
    open(dir.path());
}

#[test]
fn the_directory_of_a_killed_process_is_free() {
    let dir = TempDir::new().unwrap();
    let mut holder = child::start("hold", dir.path());
    let said = child::words(holder.stdout.take().unwrap()).next();
    assert_eq!(said.as_deref(), Some("opened"));
    let refused = SqliteTable::open(dir.path()).unwrap_err();
    let pid = holder.id().to_string();
    assert!(
        chain(&refused).ends_with(&format!("process {pid}")),
        "{refused}"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    open(dir.path());
}
