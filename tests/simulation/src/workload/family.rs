//! Workflows that are tasks of others: two levels of them, some that nobody applies, and some that run themselves.

use indexmap::IndexMap;
use porpoise_model::workflow::{Each, Items, Kind, Task};

use super::{Profile, Workload, name};
use crate::random::Chance;
use crate::world::SECOND;

/// Of one workflow, at the most: a run of it is a tree.
const CALLS_MAX: usize = 4;

impl Workload {
    /// The lower ones first: each may call those below it.
    pub(super) fn add_family(&mut self, profile: Profile, span: i64, chance: &mut Chance) {
        if profile.families == 0 || chance.below(profile.families) > 0 {
            return;
        }
        for level in (0..chance.between(1, 2)).rev() {
            let title = format!("below {level}");
            let tasks = chance.between(1, 4);
            let workflow = self.workflow(&title, tasks, chance);
            let late = if chance.happens(0.1) {
                span as u64
            } else {
                5 * SECOND as u64
            };
            let at = crate::world::BEGIN + chance.below(late) as i64;
            self.apply(at, &workflow);
            self.below.insert(0, title);
        }
    }
}

/// A few elements, one to three at a time.
fn mapped(chance: &mut Chance) -> Each {
    let mut lists = IndexMap::new();
    for at in 0..chance.between(1, 2) {
        let count = chance.between(0, 4);
        let values = (0..count).map(|_| chance.below(5).to_string()).collect();
        lists.insert(format!("list {at}"), Items::Values(values));
    }
    let mut each = Each::of(lists);
    each.parallel = chance.between(1, 3) as u32;
    each.at_most = *chance.pick(&[1, 3, 6]);
    if chance.happens(0.3) {
        each.without = vec![chance.below(5).to_string()];
    }
    each
}

/// Turns some tasks into other workflows.
pub(super) fn call(tasks: &mut [Task], below: &[String], chance: &mut Chance) {
    if below.is_empty() {
        return;
    }
    let share = *chance.pick(&[0.3, 0.7, 1.0]);
    let is_job = |task: &&mut Task| {
        matches!(
            task.kind,
            Kind::Noop | Kind::Sleep { .. } | Kind::Shell { .. } | Kind::Python { .. }
        )
    };
    for task in tasks.iter_mut().filter(is_job).take(CALLS_MAX) {
        if !chance.happens(share) {
            continue;
        }
        let workflow = match chance.below(20) {
            0 => "nobody's".to_owned(),
            1 => "below 0".to_owned(),
            2 => "workflow 0".to_owned(),
            _ => chance.pick(below).clone(),
        };
        task.kind = Kind::Workflow {
            workflow: name(&workflow),
            each: chance.happens(0.4).then(|| Box::new(mapped(chance))),
        };
        task.target = None;
    }
}
