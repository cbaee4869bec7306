//! `after`: from names to indices, and the cycles that they make.

use indexmap::IndexMap;
use porpoise_model::Name;
use porpoise_model::limits::EDGES_MAX;

use super::context::{At, Reader};
use super::order::{at as place_of, topological};
use crate::fault::{FaultKind, quoted};
use crate::tree::NodeId;

/// Tasks of a cycle that a message names.
const CYCLE_SHOWN: usize = 12;

/// The edges of a workflow, by task.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// Indices, ascending, each once.
    pub(crate) after: Vec<Vec<u32>>,
    /// Each task behind those that it follows, if no edge is at fault.
    pub(crate) order: Option<Vec<u32>>,
    count: usize,
}

impl Reader<'_> {
    /// Reads the `after` of every task, which stand at `lists`.
    pub(crate) fn edges(
        &mut self,
        tasks: At<'_>,
        names: &IndexMap<Name, u32>,
        lists: &[(&str, Option<NodeId>)],
    ) -> Edges {
        let faults = self.findings.count();
        let mut edges = Edges::default();
        for (index, (key, list)) in (0_u32..).zip(lists) {
            let after = match list {
                None => Vec::new(),
                Some(list) => {
                    let at = tasks.key(key, *list);
                    self.after(
                        At {
                            node: *list,
                            path: super::path::Path::Key(&at.path, "after"),
                        },
                        index,
                        names,
                        &mut edges,
                    )
                }
            };
            edges.after.push(after);
        }
        let after: Vec<_> = edges.after.iter().map(Vec::as_slice).collect();
        match topological(&after) {
            Ok(order) if self.findings.count() == faults => edges.order = Some(order),
            Ok(_) => {}
            Err(cycles) => {
                for cycle in cycles {
                    self.cycle(tasks, &cycle, lists);
                }
            }
        }
        edges
    }

    fn after(
        &mut self,
        at: At<'_>,
        index: u32,
        names: &IndexMap<Name, u32>,
        edges: &mut Edges,
    ) -> Vec<u32> {
        let hint = self.scalar(at).and_then(|scalar| scalar.non_null());
        let hint = hint.map(|name| format!("write `after: [{name}]`"));
        let Some(items) = self.list(at, hint) else {
            return Vec::new();
        };
        let before = edges.count;
        edges.count = edges.count.saturating_add(items.len());
        if edges.count > EDGES_MAX {
            if before <= EDGES_MAX {
                self.fault(
                    at,
                    FaultKind::TooLarge,
                    format!("more than {EDGES_MAX} dependencies"),
                    None,
                );
            }
            return Vec::new();
        }
        let mut after = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            let at = at.index(position, *item);
            match self.task_named(at, names) {
                Some(above) if above == index => {
                    self.fault(at, FaultKind::Cycle, "a task cannot follow itself", None);
                }
                Some(above) => after.push(above),
                None => {}
            }
        }
        let count = after.len();
        after.sort_unstable();
        after.dedup();
        if after.len() < count {
            self.note(at, "a task is named more than once".into(), None);
        }
        after
    }

    /// The index of the task that is named there.
    pub(super) fn task_named(&mut self, at: At<'_>, names: &IndexMap<Name, u32>) -> Option<u32> {
        let text = self.scalar(at).and_then(|scalar| scalar.non_null());
        if let Some(index) = text.and_then(|text| names.get(text)) {
            return Some(*index);
        }
        // Another form of the same characters, or no name at all.
        let name = self.name(at)?;
        if let Some(index) = names.get(&name) {
            return Some(*index);
        }
        let hint = self
            .suggester
            .hint(name.as_str(), names.keys().map(Name::as_str));
        self.fault(
            at,
            FaultKind::UnknownTask,
            format!("no task named {}", quoted(name.as_str())),
            hint,
        );
        None
    }

    /// Reports a cycle at the `after` of its first task.
    fn cycle(&mut self, tasks: At<'_>, cycle: &[u32], lists: &[(&str, Option<NodeId>)]) {
        let list = |index: &u32| lists.get(place_of(*index));
        let name = |index: &u32| list(index).map_or_else(String::new, |(key, _)| shown(key));
        let mut steps: Vec<_> = cycle.iter().take(CYCLE_SHOWN).map(name).collect();
        if cycle.len() > CYCLE_SHOWN {
            steps.push(format!("({} more)", cycle.len() - CYCLE_SHOWN));
        }
        steps.extend(cycle.first().map(name));
        let Some((key, node)) = cycle.first().and_then(list) else {
            return;
        };
        let at = tasks.key(key, node.unwrap_or(tasks.node));
        let path = super::path::Path::Key(&at.path, "after");
        let message = format!("tasks wait for each other: {}", steps.join(" -> "));
        self.fault(At { path, ..at }, FaultKind::Cycle, message, None);
    }
}

/// A name without quotes, as it stands between arrows.
fn shown(name: &str) -> String {
    quoted(name).trim_matches('`').to_owned()
}
