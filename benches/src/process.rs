//! What processes cost without a server: a bare loop over the wrapper, and one over nothing but the program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use porpoise_executor_local::layout::AttemptDir;
use porpoise_model::workflow::Kind;
use porpoise_model::{AttemptKey, ProjectId, RunId};
use porpoise_ports::executor::{Job, JobState, Work};
use serde::Serialize;

/// How a shape fared with a real process for each task.
#[derive(Debug, Serialize)]
pub(crate) struct ProcessRow {
    pub(crate) shape: String,
    /// Through the running server, over HTTP; the median of the runs.
    pub(crate) wall_ms: f64,
    pub(crate) tasks_per_second: f64,
    pub(crate) gap_median_ms: f64,
    pub(crate) gap_p99_ms: f64,
    /// Of the server.
    pub(crate) cpu_seconds: f64,
    /// Of the jobs and their wrappers.
    pub(crate) jobs_cpu_seconds: f64,
    pub(crate) peak_rss_mib: f64,
    /// As many attempts in a bare loop over the same wrapper, two at a time.
    pub(crate) bare_ms: f64,
    /// As many plain spawns, two at a time.
    pub(crate) spawns_ms: f64,
}

/// How many at a time.
const AT_ONCE: usize = 2;

/// The work of every task: it ends as soon as it has begun.
pub(crate) fn program() -> Vec<String> {
    vec!["true".to_owned()]
}

/// The same as a kind of task.
pub(crate) fn kind() -> Kind {
    Kind::Command { argv: program() }
}

/// The program and first arguments of the wrapper: the product is its own.
pub(crate) fn wrapper() -> anyhow::Result<Vec<OsString>> {
    Ok(vec![binary()?.into(), "__attempt".into()])
}

/// The release build of the product, which lies beside this program.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("porpoise");
    anyhow::ensure!(
        path.is_file(),
        "there is no `{}`: `cargo build --release -p porpoise`, or run `cargo xtask bench`",
        path.display()
    );
    Ok(path)
}

/// Plain spawns of the program, two at a time.
pub(crate) fn spawns(count: u32) -> anyhow::Result<Duration> {
    timed(count, |_| {
        let status = silent(&mut Command::new("true"))?;
        anyhow::ensure!(status, "`true` failed");
        Ok(())
    })
}

/// What the executor and its wrapper do for an attempt, with nobody who tells them: two at a time.
pub(crate) fn wrappers(dir: &Path, count: u32) -> anyhow::Result<Duration> {
    let root = dir.join("bare");
    std::fs::create_dir_all(root.join("attempts"))?;
    let wrapper = wrapper()?;
    let (program, arguments) = wrapper
        .split_first()
        .ok_or_else(|| anyhow::anyhow!("no wrapper"))?;
    let run = RunId::from_bytes([9; 16]);
    timed(count, |index| {
        let job = job(run, index);
        let attempt = AttemptDir::of(&root, job.key);
        attempt.prepare(&job)?;
        let mut command = Command::new(program);
        silent(command.args(arguments).arg(attempt.path()))?;
        match attempt.read_status()? {
            Some(JobState::Succeeded { .. }) => Ok(()),
            other => anyhow::bail!("a bare attempt ended as {other:?}"),
        }
    })
}

fn silent(command: &mut Command) -> anyhow::Result<bool> {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command.status()?.success())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed(count: u32, each: impl Fn(u32) -> anyhow::Result<()> + Sync) -> anyhow::Result<Duration> {
    let next = AtomicU32::new(0);
    let worker = || -> anyhow::Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(());
            }
            each(index)?;
        }
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            let joined = worker.join();
            joined.unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked")))
        })
    })?;
    Ok(begun.elapsed())
}

fn job(run: RunId, task: u32) -> Job {
    Job {
        key: AttemptKey::of(run, task, 0, 1),
        project: ProjectId::of_name("bench"),
        run,
        task,
        map: 0,
        attempt: 1,
        task_name: format!("t{task}"),
        work: Work::Command { argv: program() },
        env: BTreeMap::new(),
        outputs: BTreeMap::new(),
        dialect: "porpoise/1".to_owned(),
        secrets: std::collections::BTreeSet::new(),
        target: None,
        residency: std::collections::BTreeSet::new(),
        labels: std::collections::BTreeMap::new(),
        files: std::collections::BTreeMap::new(),
    }
}
