//! What `/proc` says of processes.

use std::fs;
use std::io;

use minicbor::{Decode, Encode};
use rustix::process::{Pid, Signal, kill_process};

/// A process, told apart from every other one before and after it: numbers are used again, start times and boots not.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Identity {
    #[n(0)]
    pub(crate) pid: i32,
    /// In clock ticks since the boot.
    #[n(1)]
    pub(crate) start: u64,
    #[n(2)]
    pub(crate) boot: String,
}

/// What is needed of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    dead: bool,
    parent: i32,
    start: u64,
}

impl Identity {
    /// This process.
    pub(crate) fn own() -> io::Result<Self> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let stat = stat(pid).ok_or_else(|| io::Error::other("/proc does not show this process"))?;
        Ok(Self {
            pid,
            start: stat.start,
            boot: boot_id(),
        })
    }

    /// A process that is gone.
    pub(crate) fn nobody() -> Self {
        Self {
            pid: 0,
            start: 0,
            boot: String::new(),
        }
    }

    /// Whether it still runs; one that waits for its parent to ask for its end does not.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot == boot_id()
            && stat(self.pid).is_some_and(|stat| !stat.dead && stat.start == self.start)
    }

    /// Whether it ran since this machine started: if not, nothing of it is left.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        self.boot == boot_id()
    }
}

fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&text))
}

/// The name of the program, in parentheses, may hold anything: what counts comes after the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // Field 22 of proc_pid_stat(5); the state is field 3, the parent field 4.
    let start = fields.nth(17)?.parse().ok()?;
    Some(Stat {
        dead: matches!(state, "Z" | "X" | "x"),
        parent,
        start,
    })
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The living processes below `root`, in no order.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    let known: Vec<(i32, Stat)> = all().filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = known.iter().filter(|(_, stat)| stat.parent == parent);
        found.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    let dead = |pid: i32| known.iter().any(|(p, stat)| *p == pid && stat.dead);
    found.retain(|&pid| pid != root && !dead(pid));
    found
}

/// The living processes that were started with this entry (`NAME=value`) in their environment.
pub(crate) fn carrying(entry: &str) -> Vec<i32> {
    let carries = |pid: &i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut entries = environ.split(|byte| *byte == 0);
        entries.any(|found| found == entry.as_bytes())
    };
    all()
        .filter(carries)
        .filter(|pid| stat(*pid).is_some_and(|stat| !stat.dead))
        .collect()
}

/// Sends a signal to each of them; whoever is gone needs none.
pub(crate) fn signal(pids: &[i32], signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        let text = "42 (a) S 1 (b) R 7 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9876 0 0";
        let expected = Stat {
            dead: false,
            parent: 7,
            start: 9876,
        };
        assert_eq!(parse_stat(text), Some(expected));
    }

    #[test]
    fn this_process_is_alive_and_one_of_another_start_is_not() {
        let own = Identity::own().unwrap();
        assert!(own.is_alive());
        let later = Identity {
            start: own.start + 1,
            ..own.clone()
        };
        assert!(!later.is_alive());
        let boot = String::from("another");
        assert!(!Identity { boot, ..own }.is_alive());
        assert!(!Identity::nobody().is_alive());
    }
}
