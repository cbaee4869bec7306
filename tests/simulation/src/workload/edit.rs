//! What people make of the definition of a run that is over: tasks are changed, added, removed, and moved about.

use porpoise_model::workflow::{Kind, PoolUse, Task, Test, Workflow};

use super::name;
use crate::random::Chance;

/// Another version of a workflow. Its first task stays where it is: others look into it.
pub(crate) fn edited(workflow: &Workflow, pools: &[String], chance: &mut Chance) -> Workflow {
    let mut workflow = workflow.clone();
    for _ in 0..chance.between(1, 3) {
        let count = workflow.tasks.len();
        let at = chance.index(count);
        match chance.below(7) {
            0 => add(&mut workflow, chance),
            1 | 2 if count > 1 && at > 0 => {
                let order = (0..count).filter(|old| *old != at).map(Some);
                reorder(&mut workflow, &order.collect::<Vec<_>>());
            }
            3 if count > 2 && at > 0 => {
                let mut order: Vec<Option<usize>> = (0..count).map(Some).collect();
                let moved = order.remove(at);
                order.insert(1 + chance.index(count - 1), moved);
                reorder(&mut workflow, &order);
            }
            4 => {
                let pool = chance.index(pools.len() + 1);
                workflow.tasks[at].pool = pools.get(pool).map(|pool| PoolUse {
                    name: name(pool),
                    slots: 1,
                    weight: 0,
                });
            }
            _ => {
                let value = chance.below(1_000).to_string();
                workflow.tasks[at].env.insert("edited".to_owned(), value);
            }
        }
    }
    workflow
}

/// Puts a task between some task and those that this one comes after.
fn add(workflow: &mut Workflow, chance: &mut Chance) {
    let count = workflow.tasks.len();
    let title = format!("new {}", chance.below(1_000_000));
    let mut task = Task::new(name(&title), Kind::Noop);
    let place = 1 + chance.index(count);
    let mut order: Vec<Option<usize>> = (0..count).map(Some).collect();
    order.insert(place, None);
    reorder(workflow, &order);
    let below = chance.index(count);
    let below = if below >= place { below + 1 } else { below };
    task.after.clone_from(&workflow.tasks[below].after);
    workflow.tasks[place] = task;
    if below > 0 {
        let after = &mut workflow.tasks[below].after;
        after.push(place as u32);
        after.sort_unstable();
    }
}

/// The tasks in this order; `None` is room for one that is new. What is left out is left out everywhere.
fn reorder(workflow: &mut Workflow, order: &[Option<usize>]) {
    let now = |old: u32| {
        let at = order.iter().position(|it| *it == Some(old as usize));
        at.map(|at| at as u32)
    };
    let moved = |tasks: &mut Vec<u32>| {
        *tasks = tasks.iter().filter_map(|old| now(*old)).collect();
        tasks.sort_unstable();
    };
    let old = std::mem::take(&mut workflow.tasks);
    for was in order {
        let Some(was) = was else {
            let room = Task::new(name("room"), Kind::Noop);
            workflow.tasks.push(room);
            continue;
        };
        let mut task = old[*was].clone();
        moved(&mut task.after);
        match &mut task.kind {
            Kind::Switch { cases, otherwise } => {
                for case in cases {
                    moved(&mut case.then);
                }
                otherwise.iter_mut().for_each(moved);
            }
            Kind::Conditions {
                when,
                then,
                otherwise,
            } => {
                moved_test(when, &now);
                moved(then);
                moved(otherwise);
            }
            _ => {}
        }
        workflow.tasks.push(task);
    }
}

fn moved_test(test: &mut Test, now: &dyn Fn(u32) -> Option<u32>) {
    if let Test::All(tests) | Test::Any(tests) = test {
        tests.retain(|test| match test {
            Test::Task { task, .. } => now(*task).is_some(),
            _ => true,
        });
        for test in tests {
            moved_test(test, now);
        }
    } else if let Test::Task { task, .. } = test {
        *task = now(*task).unwrap_or_default();
    }
}
