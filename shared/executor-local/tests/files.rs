//! Files that scripts find in their folders.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use porpoise_executor_local::layout::AttemptDir;
use porpoise_model::Cause;
use porpoise_ports::Executor;
use porpoise_ports::executor::{JobRef, JobState};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::support::{appears, cause, end, log, open, run, shell};

#[tokio::test(flavor = "multi_thread")]
async fn a_script_has_copies_of_its_files_in_its_folder() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("from.txt");
    fs::write(&source, "first\n").unwrap();
    let path = source.to_str().unwrap().to_owned();
    let executor = open(dir.path());
    // nobody writes it, and the copy is the task's own all the same
    fs::set_permissions(&source, fs::Permissions::from_mode(0o4545)).unwrap();
    let mut with = shell(
        1,
        "echo more >> lib/a.txt; cat lib/a.txt b.txt; stat -c %a b.txt",
    );
    with.files = [("lib/a.txt", &path), ("b.txt", &path)]
        .map(|(name, from)| (name.to_owned(), from.clone()))
        .into();
    let ended = run(&executor, &with).await;
    let said = log(&executor, with.key).await;
    assert!(matches!(ended, JobState::Succeeded { .. }), "{said}");
    let lines = said.lines().filter_map(|line| line.rsplit_once(' '));
    let lines: Vec<_> = lines.map(|(_, last)| last).collect();
    assert_eq!(lines, ["first", "more", "first", "745"], "{said}");
    // what a script does to its copy is nobody else's
    assert_eq!(fs::read_to_string(&source).unwrap(), "first\n");
    let work = AttemptDir::of(dir.path(), with.key).path().join("work");
    assert!(work.join("lib").exists() && !work.join("lib/a.txt").exists());
    assert!(!work.join("b.txt").exists());

    let folder = dir.path().to_str().unwrap().to_owned();
    let pipe = dir.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let long = format!("/{}", "x".repeat(100_000));
    let outside = dir.path().join("outside");
    for (number, name, from, wanted) in [
        (
            2,
            "a",
            "/no/such/file",
            "there is no `/no/such/file` on this machine",
        ),
        (3, "a", &*folder, "is no file"),
        (4, "a", "s3://code/a", "is no absolute path of this machine"),
        (5, "../../outside", &*path, "would not be in the folder"),
        (
            6,
            outside.to_str().unwrap(),
            &*path,
            "would not be in the folder",
        ),
        (8, "a", pipe.to_str().unwrap(), "is no file"),
        (9, "a", &*long, "File name too long"),
        (7, "", &*path, "would not be in the folder"),
    ] {
        let mut with = shell(number, "true");
        with.files = [(name.to_owned(), from.to_owned())].into();
        let Cause::Rejected { message } = cause(run(&executor, &with).await) else {
            panic!("{name}")
        };
        assert!(message.contains(wanted), "{message}");
        assert!(message.len() < 500, "{message}");
    }
    assert!(!outside.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_stop_copies_no_further() {
    let dir = TempDir::new().unwrap();
    let large = dir.path().join("large");
    // a hole of a terabyte
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let executor = open(dir.path());
    let mark = dir.path().join("mark");
    let mut with = shell(1, &format!("touch {}", mark.display()));
    with.files = [("copy".to_owned(), large.to_str().unwrap().to_owned())].into();
    executor.submit(&with).await.unwrap();
    let copy = AttemptDir::of(dir.path(), with.key)
        .path()
        .join("work/copy");
    appears(&copy).await;
    executor.cancel(&JobRef::of(with.key)).await.unwrap();
    let end = end(&executor, with.key).await;
    assert!(matches!(end, JobState::Canceled { .. }), "{end:?}");
    assert!(!mark.exists() && !copy.exists());
}
