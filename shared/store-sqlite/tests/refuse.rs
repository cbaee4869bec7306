//! Directories and files that cannot be used, each with a message that says so.

use std::fs;

use porpoise_model::{ProjectId, VersionHash};
use porpoise_ports::Blobs;
use porpoise_ports::table::{Condition, Consistency, Query, Table};
use porpoise_store_sqlite::{DirectoryBlobs, OpenError, SqliteTable};
use tempfile::TempDir;

use crate::{chain, item, open, run};

const DATA: &str = "porpoise.db";

/// What opening says, and that it left the file as it was.
fn refusal(dir: &TempDir) -> (OpenError, String) {
    let before = fs::read(dir.path().join(DATA)).ok();
    let error = SqliteTable::open(dir.path()).unwrap_err();
    assert_eq!(fs::read(dir.path().join(DATA)).ok(), before);
    let message = chain(&error);
    (error, message)
}

fn database(dir: &TempDir, statements: &str) {
    let connection = rusqlite::Connection::open(dir.path().join(DATA)).unwrap();
    connection.execute_batch(statements).unwrap();
}

#[test]
fn a_file_where_the_directory_should_be_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = SqliteTable::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Directory { .. }), "{error:?}");
        assert!(
            chain(&error).contains(&format!("`{}`", path.display())),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(DATA), "not a database, ".repeat(1000)).unwrap();
    let (_, message) = refusal(&dir);
    assert!(
        message.contains("the database file is damaged or not a database"),
        "{message}"
    );
}

#[test]
fn the_database_of_another_program_is_refused() {
    let dir = TempDir::new().unwrap();
    database(&dir, "CREATE TABLE theirs (x)");
    let (error, _) = refusal(&dir);
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
}

#[test]
fn the_file_of_a_later_release_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    database(&dir, "PRAGMA user_version = 99");
    let (error, message) = refusal(&dir);
    assert!(
        matches!(error, OpenError::Newer { found: 99, .. }),
        "{error:?}"
    );
    assert!(
        message.ends_with("has schema version 99, this release knows versions up to 1"),
        "{message}"
    );
}

#[test]
fn an_empty_file_is_a_new_store() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(DATA), "").unwrap();
    fs::write(dir.path().join("porpoise.lock"), "no number").unwrap();
    run(open(dir.path()).put(item("p", 1, 10), Condition::Absent)).unwrap();
}

#[test]
fn damaged_pages_are_reported_and_never_taken_for_items() {
    let dir = TempDir::new().unwrap();
    let table = open(dir.path());
    run(async {
        for number in 0..300 {
            table
                .put(item("p", number, 500), Condition::Absent)
                .await
                .unwrap();
        }
    });
    drop(table);
    let path = dir.path().join(DATA);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0xee);
    fs::write(&path, bytes).unwrap();

    let table = open(dir.path());
    assert!(table.check().is_err());
    run(async {
        let read = table.get(&item("p", 5, 0).key, Consistency::Strong).await;
        assert!(chain(&read.unwrap_err()).contains("damaged"));
        let read = table.query(&Query::prefix("p", "")).await;
        assert!(chain(&read.unwrap_err()).contains("damaged"));
        let written = table.put(item("p", 500, 10), Condition::None).await;
        assert!(chain(&written.unwrap_err()).contains("damaged"));
    });
}

#[test]
fn a_damaged_blob_is_reported_and_can_be_put_again() {
    let dir = TempDir::new().unwrap();
    let blobs = DirectoryBlobs::new(dir.path());
    let (project, bytes) = (
        ProjectId::of_name("retail"),
        bytes::Bytes::from_static(b"whole"),
    );
    let hash = VersionHash::of(&bytes);
    run(async {
        blobs.put("home", project, bytes.clone()).await.unwrap();
        let name = hash.to_string();
        let shelf = dir
            .path()
            .join("blobs")
            .join(project.to_string())
            .join(&name[..2]);
        assert_eq!(fs::read_dir(&shelf).unwrap().count(), 1);
        fs::write(shelf.join(&name), b"wh0le").unwrap();
        let damaged = blobs.get("home", project, hash).await.unwrap_err();
        assert!(chain(&damaged).contains("is damaged"), "{damaged}");
        blobs.put("home", project, bytes.clone()).await.unwrap();
        assert_eq!(blobs.get("home", project, hash).await.unwrap(), Some(bytes));
    });
}
