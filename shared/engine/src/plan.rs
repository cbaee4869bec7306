//! A plan: a version compiled for running. Indices instead of names, all edges in two arrays, one rule per task.

use std::sync::{Arc, OnceLock};

use porpoise_model::Name;
use porpoise_model::limits::{EDGES_MAX, TASKS_MAX};
use porpoise_model::workflow::{Each, Kind, Priority, Task, TriggerRule, Workflow};

use crate::run::parameters::Named;

/// The place and target of kinds that run wherever the control plane runs.
pub const LOCAL_PLACE: &str = "local";

/// A compiled version. Immutable and shared by every run of it.
#[derive(Debug)]
pub struct Plan {
    workflow: Arc<Workflow>,
    upstream: Adjacency,
    downstream: Adjacency,
    rules: Vec<TriggerRule>,
    ranks: Vec<u8>,
    traits: Vec<u8>,
    conditions: bool,
    /// Indices in the order of names.
    by_name: Vec<u32>,
    /// Found when it is first asked for.
    named: OnceLock<Named>,
}

/// Marks of a task that the decider asks for on its hot path, as bits.
mod mark {
    pub(super) const DISABLED: u8 = 1;
    pub(super) const POOL: u8 = 2;
    pub(super) const DELAY: u8 = 4;
    pub(super) const TEXTS: u8 = 8;
    pub(super) const BRANCH: u8 = 16;
    pub(super) const APPROVAL: u8 = 32;
    pub(super) const WORKFLOW: u8 = 64;
    pub(super) const DEPENDENT: u8 = 128;
}

/// Why a workflow cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Nothing to do.
    #[error("the workflow has no tasks")]
    Empty,
    /// Beyond [`TASKS_MAX`].
    #[error("the workflow has {0} tasks, at most {TASKS_MAX} are allowed")]
    TooManyTasks(usize),
    /// Beyond [`EDGES_MAX`].
    #[error("the workflow has {0} edges, at most {EDGES_MAX} are allowed")]
    TooManyEdges(usize),
    /// An edge from a task that is not there.
    #[error("task {task} follows task {after}, which does not exist")]
    Dangling {
        /// Index of the task.
        task: u32,
        /// What it names.
        after: u32,
    },
    /// Tasks that wait for each other.
    #[error("tasks wait for each other in a circle, task {0} among them")]
    Cycle(u32),
}

/// Neighbours of each task, in one array: those of task `i` are `targets[starts[i]..starts[i + 1]]`.
#[derive(Debug)]
struct Adjacency {
    starts: Vec<u32>,
    targets: Vec<u32>,
}

impl Adjacency {
    fn of(&self, task: u32) -> &[u32] {
        let at = index(task);
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(from), Some(to)) => self
                .targets
                .get(index(*from)..index(*to))
                .unwrap_or_default(),
            (None | Some(_), None | Some(_)) => &[],
        }
    }

    /// Turns edges (from, to) into the neighbours of `from`; counting sort, so that each list is in order of `to` if
    /// the edges are.
    fn build(tasks: usize, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = vec![0_u32; tasks + 1];
        for (from, _) in edges.clone() {
            if let Some(count) = starts.get_mut(index(from) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut targets = vec![0; index(sum)];
        for (from, to) in edges {
            if let Some(at) = next.get_mut(index(from)) {
                if let Some(target) = targets.get_mut(index(*at)) {
                    *target = to;
                }
                *at += 1;
            }
        }
        Self { starts, targets }
    }
}

/// An index as a position. Never larger than [`TASKS_MAX`] or [`EDGES_MAX`].
#[expect(
    clippy::as_conversions,
    reason = "u32 fits usize on every target that is built"
)]
const fn index(task: u32) -> usize {
    task as usize
}

impl Plan {
    /// Compiles a version.
    ///
    /// # Errors
    /// What `porpoise-definition` would have refused: nothing to do, too large, dangling, circular.
    pub fn compile(workflow: Arc<Workflow>) -> Result<Self, CompileError> {
        let tasks = workflow.tasks.len();
        if tasks == 0 {
            return Err(CompileError::Empty);
        }
        let count = u32::try_from(tasks).ok().filter(|_| tasks <= TASKS_MAX);
        let count = count.ok_or(CompileError::TooManyTasks(tasks))?;
        let edges: usize = workflow.tasks.iter().map(|task| task.after.len()).sum();
        if edges > EDGES_MAX {
            return Err(CompileError::TooManyEdges(edges));
        }
        check_ends(&workflow, count)?;
        let up = || {
            (0..count)
                .zip(&workflow.tasks)
                .flat_map(|(to, task)| task.after.iter().map(move |from| (to, *from)))
        };
        let upstream = Adjacency::build(tasks, up());
        let downstream = Adjacency::build(tasks, up().map(|(to, from)| (from, to)));
        check_order(count, &upstream, &downstream)?;
        let mut by_name: Vec<u32> = (0..count).collect();
        by_name.sort_by_key(|task| workflow.tasks.get(index(*task)).map(|task| &task.name));
        Ok(Self {
            upstream,
            downstream,
            by_name,
            named: OnceLock::new(),
            rules: workflow.tasks.iter().map(|task| task.trigger).collect(),
            ranks: workflow
                .tasks
                .iter()
                .map(|task| task.priority.rank())
                .collect(),
            traits: workflow
                .tasks
                .iter()
                .map(|task| marks(&workflow, task))
                .collect(),
            conditions: workflow
                .tasks
                .iter()
                .any(|task| matches!(task.kind, Kind::Conditions { .. })),
            workflow,
        })
    }

    /// What it was compiled from.
    pub fn workflow(&self) -> &Arc<Workflow> {
        &self.workflow
    }

    /// Number of tasks.
    pub fn len(&self) -> u32 {
        u32::try_from(self.rules.len()).unwrap_or(u32::MAX)
    }

    /// Never: a workflow without tasks does not compile.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The task at an index.
    pub fn task(&self, task: u32) -> Option<&Task> {
        self.workflow.tasks.get(index(task))
    }

    /// The index of the task of this name.
    pub fn find(&self, name: &str) -> Option<u32> {
        let name_at = |task: &u32| self.task(*task).map(|task| task.name.as_str());
        let at = self
            .by_name
            .binary_search_by(|task| name_at(task).cmp(&Some(name)))
            .ok()?;
        self.by_name.get(at).copied()
    }

    /// Indices of the tasks that a task follows.
    pub fn upstream(&self, task: u32) -> &[u32] {
        self.upstream.of(task)
    }

    /// Indices of the tasks that follow a task.
    pub fn downstream(&self, task: u32) -> &[u32] {
        self.downstream.of(task)
    }

    /// What must hold of the tasks above.
    pub fn rule(&self, task: u32) -> TriggerRule {
        self.rules.get(index(task)).copied().unwrap_or_default()
    }

    /// Rank of its priority: smaller goes first.
    pub fn rank(&self, task: u32) -> u8 {
        self.ranks
            .get(index(task))
            .copied()
            .unwrap_or(Priority::Medium.rank())
    }

    fn has(&self, task: u32, mark: u8) -> bool {
        self.traits
            .get(index(task))
            .is_some_and(|marks| marks & mark != 0)
    }

    /// Not to be run.
    pub fn is_disabled(&self, task: u32) -> bool {
        self.has(task, mark::DISABLED)
    }

    /// Holds slots while it runs.
    pub fn has_pool(&self, task: u32) -> bool {
        self.has(task, mark::POOL)
    }

    /// Picks among the tasks below.
    pub fn is_branch(&self, task: u32) -> bool {
        self.has(task, mark::BRANCH)
    }

    /// Waits for a person.
    pub fn is_approval(&self, task: u32) -> bool {
        self.has(task, mark::APPROVAL)
    }

    /// Has a run of another workflow made.
    pub fn is_workflow(&self, task: u32) -> bool {
        self.has(task, mark::WORKFLOW)
    }

    /// The workflow whose runs a mapped task has made, and for what.
    pub fn each(&self, task: u32) -> Option<(&Name, &Each)> {
        let kind = self.is_workflow(task).then(|| self.task(task))??;
        let Kind::Workflow { workflow, each } = &kind.kind else {
            return None;
        };
        Some((workflow, each.as_deref()?))
    }

    /// Waits for runs of other workflows.
    pub fn is_dependent(&self, task: u32) -> bool {
        self.has(task, mark::DEPENDENT)
    }

    /// Whether any task picks by how tasks above ended.
    pub const fn has_conditions(&self) -> bool {
        self.conditions
    }

    /// Whether a task goes on below one that picked this branch: it is in it, or in none.
    pub fn lets(&self, above: u32, branch: u32, below: u32) -> bool {
        let branches = self.task(above).map(|task| task.kind.branches());
        let branches = branches.unwrap_or_default();
        let picked = branches.get(index(branch));
        picked.is_none_or(|picked| picked.contains(&below))
            || !branches.iter().any(|tasks| tasks.contains(&below))
    }

    /// What people read of a choice: `case 1: big, audit`.
    pub fn branch_in_words(&self, task: u32, branch: u32) -> String {
        let Some(kind) = self.task(task).map(|task| &task.kind) else {
            return String::new();
        };
        let branches = kind.branches();
        let at = index(branch);
        let name = |below: &u32| self.task(*below).map(|task| task.name.as_str());
        let below = branches.get(at).copied().unwrap_or_default();
        let below: Vec<&str> = below.iter().filter_map(name).collect();
        let below = if below.is_empty() {
            "nothing".to_owned()
        } else {
            below.join(", ")
        };
        let which = if matches!(kind, Kind::Conditions { .. }) && branch == 0 {
            "then".to_owned()
        } else if at + 1 >= branches.len() {
            "otherwise".to_owned()
        } else {
            format!("case {}", at + 1)
        };
        format!("{which}: {below}")
    }

    /// Waits after it became ready.
    pub fn has_delay(&self, task: u32) -> bool {
        self.has(task, mark::DELAY)
    }

    /// The names that its texts use. Reads all of them when it is first asked.
    pub fn named(&self) -> &Named {
        self.named.get_or_init(|| Named::by(&self.workflow))
    }

    /// Has texts in which expressions may stand, or parameters.
    pub fn has_texts(&self, task: u32) -> bool {
        self.has(task, mark::TEXTS)
    }

    /// The tasks and all that follow them, ascending.
    pub fn with_downstream(&self, tasks: &[u32]) -> Vec<u32> {
        self.reached(tasks, &self.downstream)
    }

    /// The tasks and all that they follow, ascending.
    pub fn with_upstream(&self, tasks: &[u32]) -> Vec<u32> {
        self.reached(tasks, &self.upstream)
    }

    fn reached(&self, tasks: &[u32], neighbours: &Adjacency) -> Vec<u32> {
        let mut seen = vec![false; self.rules.len()];
        let mut open: Vec<u32> = tasks.to_vec();
        while let Some(task) = open.pop() {
            if let Some(seen) = seen.get_mut(index(task)).filter(|seen| !**seen) {
                *seen = true;
                open.extend(neighbours.of(task));
            }
        }
        (0..self.len())
            .zip(seen)
            .filter_map(|(task, seen)| seen.then_some(task))
            .collect()
    }
}

fn marks(workflow: &Workflow, task: &Task) -> u8 {
    let plain = matches!(
        task.kind,
        Kind::Noop | Kind::Sleep { .. } | Kind::Approval { .. } | Kind::Dependent { .. }
    );
    let texts = !plain
        || !task.env.is_empty()
        || !task.files.is_empty()
        || !task.parameters.is_empty()
        || !workflow.parameters.is_empty();
    [
        (task.disabled, mark::DISABLED),
        (task.pool.is_some(), mark::POOL),
        (!task.delay.is_zero(), mark::DELAY),
        (texts || !task.outputs.is_empty(), mark::TEXTS),
        (task.kind.is_branch(), mark::BRANCH),
        (matches!(task.kind, Kind::Approval { .. }), mark::APPROVAL),
        (matches!(task.kind, Kind::Workflow { .. }), mark::WORKFLOW),
        (matches!(task.kind, Kind::Dependent { .. }), mark::DEPENDENT),
    ]
    .into_iter()
    .fold(
        0,
        |marks, (set, mark)| if set { marks | mark } else { marks },
    )
}

fn check_ends(workflow: &Workflow, count: u32) -> Result<(), CompileError> {
    for (task, after) in (0..count).zip(workflow.tasks.iter().map(|task| &task.after)) {
        if let Some(after) = after.iter().find(|after| **after >= count) {
            return Err(CompileError::Dangling {
                task,
                after: *after,
            });
        }
    }
    Ok(())
}

/// Kahn's order: what is left over waits in a circle.
fn check_order(
    count: u32,
    upstream: &Adjacency,
    downstream: &Adjacency,
) -> Result<(), CompileError> {
    let mut waits: Vec<u32> = (0..count)
        .map(|task| u32::try_from(upstream.of(task).len()).unwrap_or(u32::MAX))
        .collect();
    let mut free: Vec<u32> = (0..count)
        .filter(|task| upstream.of(*task).is_empty())
        .collect();
    let mut ordered = 0;
    while let Some(task) = free.pop() {
        ordered += 1;
        for next in downstream.of(task) {
            if let Some(waits) = waits.get_mut(index(*next)) {
                *waits -= 1;
                if *waits == 0 {
                    free.push(*next);
                }
            }
        }
    }
    if ordered == count {
        return Ok(());
    }
    let stuck = (0..count)
        .zip(waits)
        .find(|(_, waits)| *waits > 0)
        .map_or(0, |(task, _)| task);
    Err(CompileError::Cycle(stuck))
}
