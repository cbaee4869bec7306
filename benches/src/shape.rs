//! The workflows that are measured.

use std::collections::BTreeMap;
use std::sync::Arc;

use porpoise_model::workflow::{
    Concurrency, FailureStrategy, Kind, Priority, STORED_FORM, Task, Workflow,
};

/// A DAG of tasks that all do the same.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// One after the other.
    Chain(u32),
    /// One, then all but two at once, then one.
    Fan(u32),
    /// Layers of this width, each task behind three of the layer above.
    Layers { layers: u32, width: u32 },
}

impl Shape {
    /// What tables call it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Chain(tasks) => format!("chain-{tasks}"),
            Self::Fan(tasks) => format!("fan-{tasks}"),
            Self::Layers { layers, width } => format!("layered-{}", layers * width),
        }
    }

    /// How many tasks.
    pub(crate) fn tasks(self) -> u32 {
        match self {
            Self::Chain(tasks) | Self::Fan(tasks) => tasks,
            Self::Layers { layers, width } => layers * width,
        }
    }

    fn after(self, task: u32) -> Vec<u32> {
        match self {
            Self::Chain(_) => task.checked_sub(1).into_iter().collect(),
            Self::Fan(tasks) if task + 1 == tasks => (1..task).collect(),
            Self::Fan(_) => (task > 0).then_some(0).into_iter().collect(),
            Self::Layers { width, .. } if task < width => Vec::new(),
            Self::Layers { width, .. } => {
                let above = task / width * width - width;
                let mut after: Vec<u32> = (0..3)
                    .map(|step| above + (task + step * 7) % width)
                    .collect();
                after.sort_unstable();
                after.dedup();
                after
            }
        }
    }

    /// The workflow, with this work in every task.
    pub(crate) fn workflow(self, kind: &Kind) -> anyhow::Result<Arc<Workflow>> {
        let mut tasks = Vec::new();
        for index in 0..self.tasks() {
            let mut task = Task::new(format!("t{index}").parse()?, kind.clone());
            task.after = self.after(index);
            tasks.push(task);
        }
        Ok(Arc::new(Workflow {
            form: STORED_FORM,
            project: "bench".parse()?,
            name: self.name().parse()?,
            description: String::new(),
            dialect: "porpoise/1".to_owned(),
            schedule: None,
            parameters: indexmap::IndexMap::new(),
            outputs: indexmap::IndexMap::new(),
            timeout: None,
            on_failure: FailureStrategy::Continue,
            concurrency: Concurrency::Parallel,
            priority: Priority::Medium,
            notify: std::collections::BTreeSet::new(),
            labels: BTreeMap::new(),
            tasks,
        }))
    }
}
