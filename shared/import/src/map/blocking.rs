//! BLOCKING: a task that looks at how tasks above it ended, and stops the run until somebody lets it go on.
//!
//! It becomes `conditions` that pick an approval, or nothing; what follows it follows the approval, too.

use std::collections::BTreeSet;

use porpoise_model::Name;
use porpoise_model::limits::NAME_CHARS_MAX;
use porpoise_model::workflow::{Kind, Task};

use super::Mapper;
use super::branch::{Here, Map};
use super::graph::Draft;
use crate::json::{At, Mark};
use crate::report::Topic;

pub(super) const BLOCKING: &str = "BLOCKING";
/// What the name of the approval ends with.
const SUFFIX: &str = " (approval)";

/// An approval that is to come: behind the task at this place, which came from that node.
pub(super) struct Gate<'t> {
    pub(super) place: usize,
    pub(super) at: At<'t>,
}

impl<'t> Mapper<'t> {
    /// What picks the approval at the place `gate`. `None`: it names tasks that are none of its neighbours.
    pub(super) fn blocking(
        &mut self,
        params: At<'t>,
        map: &Map<'_>,
        here: Here,
        gate: usize,
    ) -> Option<Kind> {
        let opportunity = params.get("blockingOpportunity")?;
        let gate = vec![u32::try_from(gate).ok()?];
        let (then, otherwise) = match opportunity.text()? {
            "BlockingOnSuccess" => (gate, Vec::new()),
            "BlockingOnFailed" => (Vec::new(), gate),
            _ => return None,
        };
        let when = self.tests(params.get("dependence")?, map, here)?;
        opportunity.used();
        if let Some(at) = params.get("isAlertWhenBlocking") {
            at.mark_all(Mark::Used);
        }
        let message = "what follows it waits for an approval; the rest of the run goes on";
        self.notes.add(params, Topic::Blocking, "", message);
        Some(Kind::Conditions {
            when,
            then,
            otherwise,
        })
    }
}

/// Puts the approvals behind what picks them, and what follows that behind them.
pub(super) fn add<'t>(
    gates: Vec<Gate<'t>>,
    tasks: &mut Vec<Draft<'t>>,
    edges: &mut Vec<BTreeSet<usize>>,
    order: &mut Vec<usize>,
) {
    for Gate { place, at } in gates {
        let gate = tasks.len();
        let index = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        for (above, (_, _, task)) in edges.iter_mut().zip(tasks.iter_mut()) {
            if above.contains(&place)
                && let Some(task) = task
            {
                above.insert(gate);
                task.after.push(index(gate));
            }
        }
        let task = tasks.get(place).and_then(|(_, _, task)| task.as_ref());
        let approval = task.map(|task| {
            let question = format!("`{}` holds the run up: is it to go on?", task.name);
            let mut approval = Task::new(name(&task.name, tasks), Kind::Approval { question });
            approval.after = vec![index(place)];
            approval.disabled = task.disabled;
            approval
        });
        edges.push(BTreeSet::from([place]));
        let behind = order.iter().position(|each| *each == place);
        order.insert(behind.map_or(order.len(), |at| at + 1), gate);
        tasks.push((at, None, approval));
    }
}

/// A name that no task has.
fn name(of: &Name, tasks: &[Draft<'_>]) -> Name {
    let taken = |name: &Name| {
        let mut tasks = tasks.iter().filter_map(|(_, _, task)| task.as_ref());
        tasks.any(|task| task.name == *name)
    };
    let numbered = (1..).map(|number: u32| match number {
        1 => SUFFIX.to_owned(),
        _ => format!("{SUFFIX} {number}"),
    });
    let mut free = numbered.filter_map(|suffix| {
        let room = NAME_CHARS_MAX.saturating_sub(suffix.chars().count());
        let stem: String = of.as_str().chars().take(room).collect();
        let name: Name = format!("{}{suffix}", stem.trim_end()).parse().ok()?;
        (!taken(&name)).then_some(name)
    });
    free.next().unwrap_or_else(|| of.clone())
}
