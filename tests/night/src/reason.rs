//! Whether what the API says of tasks is so, as the service of their jobs knows it.
//!
//! What is said may be behind what is so, because events are lost and functions are killed; but not for long, and it may
//! never be ahead.

use std::collections::BTreeMap;

use jiff::Timestamp;
use porpoise_fake_aws::JobRun;
use porpoise_model::{AttemptKey, RunId};
use serde_json::Value;

use crate::world::MINUTE;

/// How long what is said may be behind: a call that is never answered takes a function's minute, its messages come again
/// after three, and what is tried again and again waits longer each time.
const BEHIND_MAX: i64 = 25 * MINUTE;

/// A task as the API has it at a moment.
#[derive(Debug)]
struct Said<'a> {
    name: &'a str,
    state: &'a str,
    kind: &'a str,
    text: &'a str,
    of: &'a str,
    until: Option<Timestamp>,
    upstream: Vec<&'a str>,
    /// Of the present attempt, if it has one at the service.
    job: Option<&'a JobRun>,
    /// Its job belongs to the service.
    placed: bool,
}

/// The pools of the night, and whether somebody could have a slot.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    pub(crate) slots: BTreeMap<String, usize>,
    /// By task: its pool.
    pub(crate) of_task: Vec<Option<String>>,
    /// At each look since then it had a slot that nobody held.
    pub(crate) free_since: BTreeMap<String, Timestamp>,
    /// By task: at each look since then it waited for a slot.
    pub(crate) waits_since: BTreeMap<String, Timestamp>,
}

impl Pools {
    fn look(&mut self, tasks: &[Value], now: Timestamp) {
        let mut held: BTreeMap<&str, usize> = BTreeMap::new();
        for (task, pool) in tasks.iter().zip(&self.of_task) {
            let waits = text(&task["reason"], "kind") == "pool";
            let name = text(task, "name");
            if waits {
                self.waits_since.entry(name.to_owned()).or_insert(now);
            } else {
                self.waits_since.remove(name);
            }
            let has_slot = match text(task, "state") {
                "dispatched" | "running" | "canceling" => true,
                "queued" => !waits,
                _ => false,
            };
            if let Some(pool) = pool.as_deref().filter(|_| has_slot) {
                *held.entry(pool).or_default() += 1;
            }
        }
        for (pool, slots) in &self.slots {
            if held.get(&**pool).is_some_and(|held| held >= slots) {
                self.free_since.remove(pool);
            } else {
                self.free_since.entry(pool.clone()).or_insert(now);
            }
        }
    }
}

impl Pools {
    /// Since when a task could have had a slot for which it still waits.
    fn free_for(&self, said: &Said<'_>) -> Option<Timestamp> {
        let free = self.free_since.get(said.of)?;
        self.waits_since.get(said.name).max(Some(free)).copied()
    }
}

/// What is so.
#[derive(Debug)]
pub(crate) struct Truth {
    /// When the API was asked.
    pub(crate) asked: Timestamp,
    /// When the service of the jobs was, after the API had answered.
    pub(crate) now: Timestamp,
    pub(crate) jobs: BTreeMap<AttemptKey, JobRun>,
}

/// What was compared.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) reasons: usize,
    /// The longest that one of them was behind, in microseconds.
    pub(crate) behind: i64,
}

/// Compares what the API says of all tasks with what is so.
///
/// # Errors
/// What is not so.
pub(crate) fn compare(
    tasks: &[Value],
    placed: &[bool],
    run: RunId,
    truth: &Truth,
    pools: &mut Pools,
) -> Result<Compared, String> {
    let Truth { asked, now, jobs } = truth;
    let now = *now;
    let open: BTreeMap<&str, bool> = tasks
        .iter()
        .map(|task| (text(task, "name"), !is_over(text(task, "state"))))
        .collect();
    let mut compared = Compared::default();
    pools.look(tasks, now);
    for (index, task) in tasks.iter().enumerate() {
        let said = read(index, task, run, jobs, placed[index]);
        let wrong_since = match said.kind {
            "" => running(&said)?,
            "upstream" => upstream(&said, &open, *asked)?,
            "pool" if pools.slots.contains_key(said.of) => pools.free_for(&said),
            _ => waiting(&said, now)?,
        };
        compared.reasons += usize::from(!is_over(said.state));
        let Some(since) = wrong_since else { continue };
        let behind = now.as_microsecond() - since.as_microsecond();
        compared.behind = compared.behind.max(behind);
        if behind > BEHIND_MAX {
            let minutes = behind / MINUTE;
            return Err(format!(
                "for {minutes} minutes it has not been so: {said:?}"
            ));
        }
    }
    Ok(compared)
}

fn read<'a>(
    index: usize,
    task: &'a Value,
    run: RunId,
    jobs: &'a BTreeMap<AttemptKey, JobRun>,
    placed: bool,
) -> Said<'a> {
    let reason = &task["reason"];
    let attempt = task["attempt"].as_u64().unwrap_or_default();
    let key = AttemptKey::of(
        run,
        index as u32,
        0,
        u32::try_from(attempt).unwrap_or_default(),
    );
    let upstream = task["upstream"].as_array().into_iter().flatten();
    Said {
        name: text(task, "name"),
        state: text(task, "state"),
        kind: text(reason, "kind"),
        text: text(reason, "text"),
        of: text(reason, "of"),
        until: text(reason, "until").parse().ok(),
        upstream: upstream.filter_map(Value::as_str).collect(),
        job: jobs.get(&key),
        placed,
    }
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

pub(crate) fn is_over(state: &str) -> bool {
    [
        "succeeded",
        "failed",
        "canceled",
        "skipped",
        "upstream_failed",
        "disabled",
    ]
    .contains(&state)
}

/// Nothing is said of why it waits: it runs, or is over. Since when that is not so any more.
fn running(said: &Said<'_>) -> Result<Option<Timestamp>, String> {
    if is_over(said.state) {
        return Ok(None);
    }
    if said.state != "running" {
        return Err(format!("nothing says why it does not run: {said:?}"));
    }
    let started = said.job.filter(|job| job.started.is_some());
    if started.is_none() && said.placed {
        return Err(format!("it has not started: {said:?}"));
    }
    Ok(started.and_then(|job| job.ended))
}

/// It waited for others when the API was asked, and each of those was open.
fn upstream(
    said: &Said<'_>,
    open: &BTreeMap<&str, bool>,
    asked: Timestamp,
) -> Result<Option<Timestamp>, String> {
    let is_open = |name: &&&str| open.get(**name) == Some(&true);
    let count = said.upstream.iter().filter(is_open).count();
    let told = match count {
        1 => format!("waits for `{}`", said.of),
        count => format!(
            "waits for `{}` and {} more",
            said.of,
            count.saturating_sub(1)
        ),
    };
    let known = said
        .upstream
        .iter()
        .filter(is_open)
        .any(|name| *name == said.of);
    let has_job = said.job.is_some_and(|job| job.created <= asked);
    if !known || told != said.text || has_job {
        return Err(format!("{count} tasks above it are open: {said:?}"));
    }
    Ok(None)
}

/// It waits for something else: since when that is not so any more.
fn waiting(said: &Said<'_>, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let job = said.job;
    let since = match said.kind {
        "retry" | "delay" => said.until.filter(|until| *until < now),
        "dispatch" => job.map(|job| job.created),
        "target"
            if ["budget", "throttled"]
                .iter()
                .any(|why| said.text.ends_with(why)) =>
        {
            job.map(|job| job.created)
        }
        "target" | "submitted" => match job {
            Some(job) => job.started.or(job.ended),
            None if !said.placed => None,
            None => return Err(format!("there is no job: {said:?}")),
        },
        "cancel" => job.and_then(|job| job.ended),
        "beginning" => None, // there is nothing to compare it with
        _ => return Err(format!("nobody does that here: {said:?}")),
    };
    Ok(since)
}
