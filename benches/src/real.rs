//! The running server, from outside: `porpoise up` as a process of its own, spoken to over HTTP.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use porpoise_model::workflow::Kind;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::machine::{cpu, cpu_of_children, memory};
use crate::process;
use crate::shape::Shape;

/// How long an answer may be held back.
const WAIT: &str = "10s";
/// After this long a run is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Real {
    child: Child,
    /// Where it logs to.
    log: PathBuf,
    base: String,
    token: String,
    agent: ureq::Agent,
    /// From its start to its first answer.
    pub(crate) ready: Duration,
}

/// What a run took, seen from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// From the request that starts the run to the answer that tells its end.
    pub(crate) wall: Duration,
    /// CPU time of the server.
    pub(crate) cpu: Duration,
    /// CPU time of the jobs and their wrappers.
    pub(crate) jobs_cpu: Duration,
    pub(crate) peak_rss_mib: f64,
}

impl Real {
    /// Starts a server on the store in `dir`, and waits for its first answer.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) fn start(dir: &Path) -> anyhow::Result<Self> {
        let log = dir.join("bench.log");
        let mut command = Command::new(process::binary()?);
        command
            .args(["up", "--json", "--port", "0", "--data"])
            .arg(dir)
            .env("PORPOISE_LOG", "porpoise::host=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?);
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let told: Value = serde_json::from_str(&line)?;
        let url = told.get("url").and_then(Value::as_str).unwrap_or_default();
        let mut server = Self {
            child,
            log,
            base: format!("{url}/v1"),
            token: std::fs::read_to_string(dir.join("token"))?
                .trim()
                .to_owned(),
            agent: ureq::Agent::new_with_defaults(),
            ready: Duration::ZERO,
        };
        server.get("/health")?;
        server.ready = begun.elapsed();
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let mut answer = request.header("authorization", self.bearer()).call()?;
        let body = answer.body_mut().with_config().limit(1 << 30);
        Ok(serde_json::from_reader(body.reader())?)
    }

    fn post(&self, path: &str, kind: &str, body: &str) -> anyhow::Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request.header("content-type", kind);
        let request = request.header("authorization", self.bearer());
        let mut answer = request.send(body)?;
        Ok(serde_json::from_reader(answer.body_mut().as_reader())?)
    }

    /// Stores the workflow of a shape.
    pub(crate) fn apply(&self, shape: Shape, kind: &Kind) -> anyhow::Result<()> {
        let file = porpoise_definition::write(&*shape.workflow(kind)?);
        let path = "/projects/bench/workflows";
        self.post(path, "application/yaml", &file).map(drop)
    }

    /// Runs a stored shape to its end.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) fn run(&self, shape: Shape) -> anyhow::Result<Seen> {
        let pid = self.pid();
        // The peak is forgotten. Source: Linux, Documentation/filesystems/proc.rst, `clear_refs`.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        let (before, jobs, begun) = (cpu(pid)?, cpu_of_children(pid)?, Instant::now());
        let path = format!("/projects/bench/workflows/{}/runs", shape.name());
        let started = self.post(&path, "application/json", &json!({}).to_string())?;
        let run = started.get("run_id").and_then(Value::as_str);
        let run = run.ok_or_else(|| anyhow::anyhow!("no run: {started}"))?;
        let mut after = 0;
        while !self.follow(run, &mut after)? {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "run {run} does not end");
        }
        let wall = begun.elapsed();
        let run = self.get(&format!("/projects/bench/runs/{run}"))?;
        let state = run.get("state").and_then(Value::as_str).unwrap_or_default();
        anyhow::ensure!(state == "succeeded", "the run ended as {state}");
        Ok(Seen {
            wall,
            cpu: cpu(pid)?.saturating_sub(before),
            jobs_cpu: cpu_of_children(pid)?.saturating_sub(jobs),
            peak_rss_mib: memory(pid)?.1,
        })
    }

    /// Reads on in the log of a run; whether it has ended.
    fn follow(&self, run: &str, after: &mut u64) -> anyhow::Result<bool> {
        let path = format!("/projects/bench/runs/{run}/facts?after={after}&limit=500&wait={WAIT}");
        let answer = self.get(&path)?;
        let sequence = answer.get("sequence").and_then(Value::as_u64);
        *after = sequence.unwrap_or(*after);
        let items = answer.get("items").and_then(Value::as_array);
        let facts = items.into_iter().flatten();
        let mut facts = facts
            .filter_map(|item| item.get("facts")?.as_array())
            .flatten();
        Ok(facts.any(|fact| fact.get("type").and_then(Value::as_str) == Some("ended")))
    }

    /// The longest of the steps that the server logged, and how many there were.
    pub(crate) fn slowest_step(&self) -> anyhow::Result<(Duration, usize)> {
        let log = std::fs::read_to_string(&self.log)?;
        let steps = log.lines().filter(|line| line.contains("stepped"));
        let micros = steps.filter_map(|line| {
            let (_, rest) = line.split_once("took_us=")?;
            rest.split_ascii_whitespace().next()?.parse::<u64>().ok()
        });
        let took: Vec<u64> = micros.collect();
        let slowest = took.iter().max().copied();
        let slowest = slowest.ok_or_else(|| anyhow::anyhow!("the server logged no steps"))?;
        Ok((Duration::from_micros(slowest), took.len()))
    }

    /// Stops it in good order.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        self.child.wait()?;
        Ok(())
    }
}

/// One that is still there was not stopped in good order.
impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
