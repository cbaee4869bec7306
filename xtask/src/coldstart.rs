//! How long a function takes from its start to its first poll, and how much memory: under a stand-in for Lambda's
//! runtime API that never has an event.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Starts, of which the median counts.
const STARTS: usize = 20;
/// A start that takes longer has failed.
const LATEST: Duration = Duration::from_secs(10);

/// What starts came to.
#[derive(Debug)]
pub(crate) struct Start {
    /// The median until the first poll.
    pub(crate) millis: f64,
    /// The most memory that any of them had.
    pub(crate) kilobytes: u64,
}

impl Start {
    /// For people.
    pub(crate) fn memory_mb(&self) -> f64 {
        let kilobytes = u32::try_from(self.kilobytes).unwrap_or(u32::MAX);
        f64::from(kilobytes) / 1024.0
    }
}

/// Starts a function again and again.
pub(crate) fn measure(name: &str, binary: &Path) -> anyhow::Result<Start> {
    let mut millis = Vec::new();
    let mut kilobytes = 0;
    for _ in 0..STARTS {
        let (took, memory) = start(name, binary)?;
        millis.push(took.as_secs_f64() * 1000.0);
        kilobytes = kilobytes.max(memory);
    }
    millis.sort_by(f64::total_cmp);
    let millis = millis.get(STARTS / 2).copied().context("no start")?;
    Ok(Start { millis, kilobytes })
}

#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn start(name: &str, binary: &Path) -> anyhow::Result<(Duration, u64)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let mut command = Command::new(binary);
    let address = listener.local_addr()?;
    command.env_clear().envs(environment(name));
    command.env("AWS_LAMBDA_RUNTIME_API", address.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let begun = Instant::now();
    let child = command.spawn();
    let child = child.with_context(|| format!("cannot start {}", binary.display()))?;
    let mut function = Function(child);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line)?;
                let took = begun.elapsed();
                anyhow::ensure!(
                    line.starts_with("GET /2018-06-01/runtime/invocation/next "),
                    "function `{name}` asks `{}`",
                    line.trim_end()
                );
                return Ok((took, function.kilobytes()?));
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if let Some(status) = function.0.try_wait()? {
                    anyhow::bail!("function `{name}` ended before its first poll: {status}");
                }
                anyhow::ensure!(begun.elapsed() < LATEST, "function `{name}` does not poll");
                std::thread::yield_now();
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A process that ends with this.
struct Function(Child);

impl Function {
    /// The most memory that it has had.
    fn kilobytes(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        let number = number.context("the system does not say how much memory it has")?;
        Ok(number.parse()?)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        _ = self.0.kill(); // an error means that it has ended
        _ = self.0.wait();
    }
}

/// What Lambda and a deployment tell a function. Nothing of it is called before an event comes.
fn environment(name: &str) -> Vec<(&'static str, String)> {
    let place = "aws.us-east-1.111122223333";
    let fixed = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("PORPOISE_HOME", place),
        ("PORPOISE_PLACE", place),
        ("PORPOISE_TABLE", "porpoise"),
        ("PORPOISE_BUCKET", "porpoise"),
        (
            "PORPOISE_INPUTS_URL",
            "https://sqs.us-east-1.amazonaws.com/1/i.fifo",
        ),
        (
            "PORPOISE_TIMERS_URL",
            "https://sqs.us-east-1.amazonaws.com/1/t",
        ),
        (
            "PORPOISE_DEAD_INPUTS_URL",
            "https://sqs.us-east-1.amazonaws.com/1/d.fifo",
        ),
        ("PORPOISE_TIMERS_ARN", "arn:aws:sqs:us-east-1:1:t"),
        ("PORPOISE_SCHEDULE_GROUP", "porpoise"),
        ("PORPOISE_SCHEDULER_ROLE_ARN", "arn:aws:iam::1:role/r"),
        (
            "PORPOISE_LOOP_ARN",
            "arn:aws:states:us-east-1:1:stateMachine:l",
        ),
    ];
    let mut all: Vec<_> = fixed.map(|(name, value)| (name, value.to_owned())).into();
    all.push(("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()));
    let bus = format!(r#"{{"{place}":"arn:aws:events:us-east-1:1:event-bus/b"}}"#);
    all.push(("PORPOISE_BUSES", bus));
    let dispatcher = format!(r#"{{"{place}":"arn:aws:lambda:us-east-1:1:function:d"}}"#);
    all.push(("PORPOISE_DISPATCHERS", dispatcher));
    all
}
