//! What the machine itself takes for things, and what `/proc` says of processes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Samples of one figure.
const SAMPLES: usize = 300;

/// The median time of appending 4 KB to a file and syncing it: what a durable write costs on this disk.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn fsync(dir: &Path) -> anyhow::Result<Duration> {
    let mut file = fs::File::create(dir.join("fsync"))?;
    let mut took = Vec::new();
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok(percentile(&took, 50))
}

/// Of ascending figures.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// Milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// CPU time of all threads of a process that live. Source: Linux, Documentation/scheduler/sched-stats.rst.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = text.split_ascii_whitespace().next();
        nanos += on_cpu.unwrap_or("0").parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// CPU time of the children of a process that have ended, and of theirs. Source: `proc_pid_stat(5)`, fields 16 and 17.
pub(crate) fn cpu_of_children(pid: u32) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').unwrap_or_default();
    let fields = rest.split_ascii_whitespace().skip(13).take(2);
    let mut ticks = 0;
    for field in fields {
        ticks += field.parse::<u64>()?;
    }
    Ok(Duration::from_millis(
        ticks * 1000 / rustix::param::clock_ticks_per_second().max(1),
    ))
}

/// Resident memory of a process in MiB: now, and at its peak.
pub(crate) fn memory(pid: u32) -> anyhow::Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> anyhow::Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let text = line.and_then(|line| line.split_ascii_whitespace().next());
        let kib: f64 = text.unwrap_or("0").parse()?;
        Ok(kib / 1024.0)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

/// CPUs that programs may use.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
