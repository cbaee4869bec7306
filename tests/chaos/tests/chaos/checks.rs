//! What the journal of the tasks proves, without a word of the server.

use std::collections::BTreeMap;

use crate::markers::{Attempt, Journal, Tasks};
use crate::workload::{EXIT, End, SLOTS, Shape, Task};

/// What is known of a run without asking the server.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub shape: &'a Shape,
    /// Tasks were run again.
    pub rerun: bool,
    /// Somebody tried to kill it.
    pub attacked: bool,
}

/// Everything that is wrong with the journal of these runs.
pub fn journal_faults(journal: &Journal, runs: &BTreeMap<String, Known<'_>>) -> Vec<String> {
    let mut faults: Vec<String> = Vec::new();
    let damaged = journal.damaged.iter();
    faults.extend(damaged.map(|line| format!("no line of a task: {line:?}")));
    let seen = journal.runs();
    let strange = seen.keys().filter(|run| !runs.contains_key(*run));
    faults.extend(strange.map(|run| format!("{run}: nobody submitted this run")));
    let nothing = Tasks::new();
    for (run, known) in runs {
        let tasks = seen.get(run).unwrap_or(&nothing);
        let mut found = Vec::new();
        run_faults(journal, known, tasks, &mut found);
        faults.extend(
            found
                .into_iter()
                .map(|fault| format!("{run} ({}): {fault}", known.shape.name)),
        );
    }
    pool_faults(journal, runs, &seen, &mut faults);
    serial_faults(runs, &seen, &mut faults);
    faults
}

fn run_faults(journal: &Journal, known: &Known<'_>, tasks: &Tasks, faults: &mut Vec<String>) {
    let strange = tasks.keys().filter(|task| known.shape.find(task).is_none());
    faults.extend(strange.map(|task| format!("there is no task {task}")));
    let nothing = BTreeMap::new();
    for (task, end) in known.shape.tasks.iter().zip(known.shape.ends()) {
        if task.silent {
            continue;
        }
        let attempts = tasks.get(&task.name).unwrap_or(&nothing);
        for (number, attempt) in attempts {
            let found = attempt_fault(journal, known, task, *number, attempt);
            faults.extend(found.map(|fault| format!("{}#{number}: {fault}", task.name)));
            let found = order_fault(journal, known.shape, tasks, task, attempt);
            faults.extend(found.map(|fault| format!("{}#{number}: {fault}", task.name)));
        }
        let found = count_fault(journal, known, task, end, attempts);
        faults.extend(found.map(|fault| format!("{}: {fault}", task.name)));
    }
}

/// One beginning, one end of the same process behind it, with the right code.
fn attempt_fault(
    journal: &Journal,
    known: &Known<'_>,
    task: &Task,
    number: u32,
    attempt: &Attempt,
) -> Option<String> {
    let code = if number > task.fails { 0 } else { EXIT };
    match (attempt.begins.as_slice(), attempt.ends.as_slice()) {
        ([begin], [end]) => {
            let (begin, end, mark) = (&journal.marks[*begin], *end > *begin, &journal.marks[*end]);
            let right = end && begin.pid == mark.pid && mark.code == Some(code);
            (!right).then(|| format!("began as {begin:?}, ended as {mark:?}"))
        }
        ([_], []) if known.attacked => None,
        ([_], []) => Some("began and never ended".to_owned()),
        (begins, _) if begins.len() > 1 => Some(format!("ran {} times", begins.len())),
        (begins, ends) => Some(format!("{} beginnings, {} ends", begins.len(), ends.len())),
    }
}

/// When it began, everything that it comes after had ended, and as it must.
fn order_fault(
    journal: &Journal,
    shape: &Shape,
    tasks: &Tasks,
    task: &Task,
    attempt: &Attempt,
) -> Option<String> {
    let begin = *attempt.begins.first()?;
    let upstreams = task.after.iter().map(|at| &shape.tasks[*at]);
    for upstream in upstreams.filter(|upstream| !upstream.silent) {
        let marks = tasks
            .get(&upstream.name)
            .into_iter()
            .flat_map(BTreeMap::values);
        let places = marks.flat_map(|attempt| attempt.begins.iter().chain(&attempt.ends));
        let last = places.filter(|place| **place < begin).max();
        let code = last.and_then(|place| journal.marks[*place].code);
        let fits = match (last, code) {
            (_, Some(0)) => true,
            (Some(_), None) => false,
            // Failed, or never ran.
            (_, code) => task.in_any_case && code.is_none_or(|code| code == EXIT),
        };
        if !fits {
            return Some(format!("began before {} had succeeded", upstream.name));
        }
    }
    None
}

/// It ran as often as it must, and ended as it must.
fn count_fault(
    journal: &Journal,
    known: &Known<'_>,
    task: &Task,
    end: End,
    attempts: &BTreeMap<u32, Attempt>,
) -> Option<String> {
    let tries = match end {
        End::Succeeded => task.fails + 1,
        End::Failed => task.retries + 1,
        End::UpstreamFailed => 0,
    };
    let numbers: Vec<u32> = attempts.keys().copied().collect();
    let least: Vec<u32> = (1..=tries).collect();
    let right = match (known.attacked, known.rerun) {
        // Attempts that were stopped before they began may be missing.
        (true, _) => return None,
        (false, true) => {
            tries == 0 && numbers.is_empty() || tries > 0 && numbers.starts_with(&least)
        }
        (false, false) => numbers == least,
    };
    if !right {
        return Some(format!("attempts {least:?} are right, {numbers:?} ran"));
    }
    let gap = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1);
    if let Some([before, behind, ..]) = gap {
        return Some(format!("no attempt between {before} and {behind}"));
    }
    let last = attempts.values().next_back()?.ends.first()?;
    let code = journal.marks[*last].code;
    let wanted = if end == End::Succeeded { 0 } else { EXIT };
    (code != Some(wanted)).then(|| format!("its last attempt ended with {code:?}"))
}

/// Never more attempts at work than the pool has slots.
fn pool_faults(
    journal: &Journal,
    runs: &BTreeMap<String, Known<'_>>,
    seen: &BTreeMap<String, Tasks>,
    faults: &mut Vec<String>,
) {
    let mut used = 0_usize;
    for mark in &journal.marks {
        let task = runs
            .get(&mark.run)
            .and_then(|known| known.shape.find(&mark.task));
        let over = |run: &String| {
            let attempt = seen.get(run)?.get(&mark.task)?.get(&mark.attempt)?;
            (!attempt.ends.is_empty()).then_some(())
        };
        if !task.is_some_and(|task| task.pooled) || over(&mark.run).is_none() {
            continue;
        }
        used = if mark.code.is_none() {
            used + 1
        } else {
            used.saturating_sub(1)
        };
        if used > SLOTS {
            faults.push(format!("{used} attempts in a pool of {SLOTS}: {mark:?}"));
        }
    }
}

/// Runs of a serial workflow do not overlap.
fn serial_faults(
    runs: &BTreeMap<String, Known<'_>>,
    seen: &BTreeMap<String, Tasks>,
    faults: &mut Vec<String>,
) {
    let serial = seen
        .iter()
        .filter(|(run, _)| runs.get(*run).is_some_and(|known| known.shape.serial));
    let mut spans: Vec<(usize, usize, &String)> = serial
        .filter_map(|(run, tasks)| {
            let attempts = tasks.values().flat_map(BTreeMap::values);
            let places = attempts.flat_map(|attempt| attempt.begins.iter().chain(&attempt.ends));
            let (first, last) = places.fold((usize::MAX, 0), |(first, last), place| {
                (first.min(*place), last.max(*place))
            });
            (first <= last).then_some((first, last, run))
        })
        .collect();
    spans.sort_unstable();
    let overlaps = spans.windows(2).filter(|pair| pair[1].0 < pair[0].1);
    faults.extend(
        overlaps.map(|pair| format!("serial runs {} and {} overlap", pair[0].2, pair[1].2)),
    );
}
