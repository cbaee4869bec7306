//! The other process: this test binary again, with one test that does what it is told.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use porpoise_ports::table::{Condition, Item, Key, Table};
use porpoise_store_sqlite::SqliteTable;
use tokio::task::JoinSet;

use crate::{chain, item};

const TASK: &str = "PORPOISE_TEST_CHILD";
const DIRECTORY: &str = "PORPOISE_TEST_DIRECTORY";
/// Tasks that write at once in `write`.
pub(crate) const WRITERS: u64 = 8;

/// Another process, which does `task` to the store in `dir` and says so on its standard output.
pub(crate) fn start(task: &str, dir: &Path) -> Child {
    let this = std::env::current_exe().unwrap();
    with_arguments(Command::new(this), task, dir)
        .spawn()
        .unwrap()
}

/// The same under a shell that limits the size of files.
pub(crate) fn start_with_small_files(task: &str, dir: &Path, kilobytes: usize) -> Child {
    let mut shell = Command::new("bash");
    let limit = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(limit);
    shell.arg(std::env::current_exe().unwrap());
    with_arguments(shell, task, dir).spawn().unwrap()
}

fn with_arguments(mut command: Command, task: &str, dir: &Path) -> Command {
    command
        .args(["--exact", "child::child", "--ignored", "--nocapture"])
        .env(TASK, task)
        .env(DIRECTORY, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// What a child says, line by line, without what the test harness says. A last line that was cut off is left out.
pub(crate) fn words(output: ChildStdout) -> impl Iterator<Item = String> {
    let mut lines = BufReader::new(output);
    std::iter::from_fn(move || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line.ends_with('\n').then_some(line)
    })
    .filter_map(|line| line.trim_end().strip_prefix("child: ").map(str::to_owned))
}

fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\nchild: {word}\n").as_bytes())
        .unwrap();
    out.flush().unwrap();
}

#[test]
#[ignore = "the other tests run it as a child process"]
fn child() {
    let Some(task) = std::env::var_os(TASK) else {
        return;
    };
    let dir = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    match task.to_str().unwrap() {
        "open" => match SqliteTable::open(dir) {
            Ok(_) => say("opened"),
            Err(error) => say(&chain(&error)),
        },
        "hold" => {
            let _table = SqliteTable::open(dir).unwrap();
            say("opened");
            std::thread::park();
        }
        "write" => runtime.block_on(write(Arc::new(SqliteTable::open(dir).unwrap()))),
        "fill" => runtime.block_on(fill(&SqliteTable::open(dir).unwrap())),
        unknown => unreachable!("{unknown}"),
    }
}

/// Writes without end: each writer adds items and moves its counter, and says what was acknowledged.
async fn write(table: Arc<SqliteTable>) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let table = Arc::clone(&table);
        writers.spawn(async move {
            let counter = Key::new("counter", writer.to_string());
            let read = table.get(&counter, porpoise_ports::table::Consistency::Strong);
            let stands = read.await.unwrap().map(|item| item.revision);
            let mut condition = stands.map_or(Condition::Absent, Condition::Revision);
            // An item may stand without its count: the process was killed between the two.
            for number in stands.map_or(0, |last| last + 1).. {
                let item = item(
                    &format!("writer {writer}"),
                    number,
                    50 + usize::try_from(number % 100).unwrap() * 11,
                );
                table
                    .put(item, Condition::OlderThan(number + 1))
                    .await
                    .unwrap();
                say(&format!("item {writer} {number}"));
                let count = Item {
                    key: counter.clone(),
                    revision: number,
                    body: "count".into(),
                };
                table.put(count, condition).await.unwrap();
                say(&format!("count {writer} {number}"));
                condition = Condition::Revision(number);
            }
        });
    }
    writers.join_all().await;
}

/// Writes until that fails, and a few times more; gives up where it never fails.
async fn fill(table: &SqliteTable) {
    let mut failures = 0;
    for number in 0..2000 {
        match table
            .put(item("fill", number, 16_000), Condition::Absent)
            .await
        {
            Ok(()) => say(&format!("item {number}")),
            Err(error) => {
                say(&format!("failed {}", chain(&error)));
                failures += 1;
            }
        }
        if failures == 5 {
            break;
        }
    }
    let first = item("fill", 0, 16_000);
    let read = table.get(&first.key, porpoise_ports::table::Consistency::Strong);
    assert_eq!(read.await.unwrap(), Some(first));
    say("still reads");
}
