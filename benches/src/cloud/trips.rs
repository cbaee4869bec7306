//! What has to be awaited, one after the other, between the end of a job and the start of the next one.
//!
//! Each step, a call or a delivery, begins at the very moment at which the one ends that it waited for, and no two end
//! at the same moment: so the way back from a start is found by its times. What was called at the same time as another
//! step of the way is not on it.

use std::collections::BTreeMap;

use super::target::JOB_ENDED;
use super::time::Nanos;
use super::world::Step;

/// From the end of a job to the start of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    /// Calls of AWS among the steps.
    pub(crate) calls: usize,
    /// In their order: `function: call`, and `→ delivery`.
    pub(crate) steps: Vec<String>,
}

/// All ways, with how often each was gone.
pub(crate) fn ways(steps: &[Step]) -> BTreeMap<Way, usize> {
    let by_end: BTreeMap<Nanos, &Step> = steps.iter().map(|step| (step.ended, step)).collect();
    let mut ways = BTreeMap::new();
    for start in steps
        .iter()
        .filter(|step| step.what.ends_with("StartJobRun"))
    {
        if let Some(way) = way(start, &by_end) {
            *ways.entry(way).or_default() += 1;
        }
    }
    ways
}

/// `None`: the start follows from something else than the end of a job.
fn way(start: &Step, by_end: &BTreeMap<Nanos, &Step>) -> Option<Way> {
    let mut back = vec![start];
    let mut step = start;
    while step.what != JOB_ENDED {
        step = by_end.get(&step.begun)?;
        back.push(step);
    }
    back.reverse();
    let calls = back.iter().filter(|step| step.by.is_some()).count();
    let told = back.iter().map(|step| match step.by {
        Some(function) => format!("{function}: {}", step.what),
        None => format!("→ {}", step.what),
    });
    Some(Way {
        calls,
        steps: told.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(what: &str, by: Option<&'static str>, begun: Nanos, ended: Nanos) -> Step {
        Step {
            what: what.to_owned(),
            by,
            begun,
            ended,
        }
    }

    #[test]
    fn calls_at_the_same_time_count_once_and_what_nobody_waits_for_does_not() {
        let steps = [
            step(JOB_ENDED, None, 0, 10),
            step("GetJobRun", Some("poller"), 10, 20),
            step("short", Some("poller"), 20, 25),
            step("long", Some("poller"), 20, 30),
            step("not awaited", Some("poller"), 20, 90),
            step("queue", None, 30, 40),
            step("StartJobRun", Some("dispatcher"), 40, 50),
            step("StartJobRun", Some("dispatcher"), 41, 51),
        ];
        let ways = ways(&steps);
        let wanted = [
            "→ a job ended",
            "poller: GetJobRun",
            "poller: long",
            "→ queue",
            "dispatcher: StartJobRun",
        ];
        let (way, count) = ways.first_key_value().unwrap();
        assert_eq!((way.calls, *count, ways.len()), (3, 1, 1));
        assert_eq!(way.steps, wanted);
    }
}
