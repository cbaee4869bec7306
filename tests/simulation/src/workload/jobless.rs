//! Tasks without a job: such as pick among those below them, ask a person, or wait for other workflows.

use std::time::Duration;

use porpoise_model::dependence::{Need, Part, Period, Runs};
use porpoise_model::workflow::{Case, Ending, Kind, Task, Test, TriggerRule};

use super::name;
use crate::random::Chance;

/// Turns some tasks into such as pick among those below them.
pub(super) fn branches(tasks: &mut [Task], chance: &mut Chance) {
    for at in 0..tasks.len() {
        if !chance.happens(0.25) {
            continue;
        }
        let follows = |task: &Task| task.after.contains(&(at as u32));
        let below = (0_u32..).zip(tasks.iter());
        let below: Vec<u32> = below
            .filter(|(_, task)| follows(task))
            .map(|(below, _)| below)
            .collect();
        let mut some = || -> Vec<u32> {
            let some = below.iter().copied();
            some.filter(|_| chance.happens(0.4)).collect()
        };
        let (one, other, rest) = (some(), some(), some());
        let task = &mut tasks[at];
        if chance.happens(0.2) {
            let question = "go on?".to_owned();
            let mut asks = Task::new(task.name.clone(), Kind::Approval { question });
            asks.after.clone_from(&task.after);
            (asks.trigger, asks.timeout) = (task.trigger, task.timeout);
            *task = asks;
            continue;
        }
        let kind = if task.after.is_empty() || chance.happens(0.4) {
            let case = |then, chance: &mut Chance| Case {
                when: (*chance.pick(&["true", "false", "false", "${nobody}"])).to_owned(),
                then,
            };
            Kind::Switch {
                cases: vec![case(one, chance), case(other, chance)],
                otherwise: chance.happens(0.7).then_some(rest),
            }
        } else {
            let is = [Ending::Succeeded, Ending::Failed, Ending::Skipped];
            let tests = task.after.iter().map(|above| Test::Task {
                task: *above,
                is: *chance.pick(&is),
            });
            let tests = tests.collect();
            let all = chance.happens(0.5);
            Kind::Conditions {
                when: if all {
                    Test::All(tests)
                } else {
                    Test::Any(tests)
                },
                then: one,
                otherwise: other,
            }
        };
        let mut branch = Task::new(task.name.clone(), kind);
        branch.after.clone_from(&task.after);
        branch.trigger = match chance.happens(0.6) {
            true => TriggerRule::AllDoneMinOneRan,
            false => task.trigger,
        };
        (branch.delay, branch.disabled) = (task.delay, task.disabled);
        tasks[at] = branch;
    }
}

/// Turns some tasks into such as wait for runs of other workflows: of the first one, or for earlier ones of their own.
pub(super) fn waiting(tasks: &mut [Task], n: u64, chance: &mut Chance) {
    for at in 0..tasks.len() {
        // A task that others look into stays what it is.
        let first = at == 0 && n == 0;
        if first || !chance.happens(if tasks.len() < 5 { 0.5 } else { 0.15 }) {
            continue;
        }
        let runs = |chance: &mut Chance| {
            let own = n == 0 || chance.happens(0.15);
            let part = match chance.below(6) {
                0 => Part::Task(name("t0")),
                1 => Part::AllTasks,
                _ => Part::Whole,
            };
            Need::Runs(Box::new(Runs {
                project: chance.happens(0.5).then(|| name("sim")),
                workflow: name(&format!("workflow {}", if own { n } else { 0 })),
                part,
                period: *chance.pick(&[
                    Period::Today,
                    Period::Today,
                    Period::ThisHour,
                    Period::LastHour,
                ]),
                only_scheduled: false,
            }))
        };
        let needs = match chance.below(5) {
            0 => Need::All(vec![runs(chance), runs(chance)]),
            1 => Need::Any(vec![runs(chance), runs(chance)]),
            _ => runs(chance),
        };
        let kind = Kind::Dependent {
            needs,
            timezone: None,
            failure_wait: Duration::from_secs(*chance.pick(&[0, 0, 20, 600])),
        };
        let task = &mut tasks[at];
        let mut waits = Task::new(task.name.clone(), kind);
        waits.after.clone_from(&task.after);
        (waits.trigger, waits.delay, waits.disabled) = (task.trigger, task.delay, task.disabled);
        waits.timeout = task.timeout.filter(|_| chance.happens(0.5));
        tasks[at] = waits;
    }
}
