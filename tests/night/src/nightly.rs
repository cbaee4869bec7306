//! The night: 320 tasks that were a night of DolphinScheduler.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use porpoise_import::{Options, import};
use porpoise_model::workflow::{Kind, Workflow};

/// Names the folder with files of others.
const FOLDER: &str = "PORPOISE_DS_DATA";
const FILE: &str = "synthetic/nightly-320-tasks-3.1.json";

/// The project that it is run in.
pub(crate) const PROJECT: &str = "night";

/// Half of its tasks have no retry: the first job that fails would end the night.
const RETRIES: u32 = 3;
const DELAY_MAX: Duration = Duration::from_mins(5);
/// The same, where time is real.
const DELAY_MAX_REAL: Duration = Duration::from_secs(5);

/// The workflow: what was Hive and Spark has a target, all else does nothing.
#[derive(Debug, Clone)]
pub struct Nightly {
    pub(crate) workflow: Workflow,
    pub(crate) definition: String,
}

impl Nightly {
    /// From the folder that `PORPOISE_DS_DATA` names; `None`: it names none, or one that does not have it.
    ///
    /// # Errors
    /// The file cannot be read or imported.
    pub fn read() -> anyhow::Result<Option<Self>> {
        Self::with_delays_of(DELAY_MAX)
    }

    /// The same, for a night in real time: nothing waits long before it is tried again.
    ///
    /// # Errors
    /// The file cannot be read or imported.
    pub fn read_for_real_time() -> anyhow::Result<Option<Self>> {
        Self::with_delays_of(DELAY_MAX_REAL)
    }

    fn with_delays_of(most: Duration) -> anyhow::Result<Option<Self>> {
        let folder = std::env::var_os(FOLDER).map(PathBuf::from);
        let folder = folder.filter(|folder| folder.join(FILE).exists());
        folder.map(|folder| Self::of(&folder, most)).transpose()
    }

    fn of(folder: &Path, delay_max: Duration) -> anyhow::Result<Self> {
        let file = folder.join(FILE);
        let bytes = std::fs::read(&file);
        let bytes = bytes.with_context(|| format!("cannot read {}", file.display()))?;
        let options = Options {
            project: Some(PROJECT.to_owned()),
            ..Options::default()
        };
        let mut imported = import("nightly.json", &bytes, &options)?;
        anyhow::ensure!(imported.workflows.len() == 1, "the night is one workflow");
        let mut imported = imported.workflows.remove(0);
        imported.workflow.schedule = None;
        for (number, task) in imported.workflow.tasks.iter_mut().enumerate() {
            if let Kind::External { name, .. } = &task.kind {
                let sort = if name == "SPARK" { "spark" } else { "hive" };
                task.target = Some(target(sort, number % 2));
                task.retry.limit = task.retry.limit.max(RETRIES);
                task.retry.delay = task.retry.delay.min(delay_max);
            } else {
                task.kind = Kind::Noop;
            }
        }
        Ok(Self {
            definition: imported.definition(),
            workflow: imported.workflow,
        })
    }
}

impl Nightly {
    /// Addresses of the programs that its Spark tasks name by ids.
    pub(crate) fn resources(&self) -> BTreeMap<String, String> {
        let programs = self.workflow.tasks.iter().filter_map(|task| {
            let Kind::External { parameters, .. } = &task.kind else {
                return None;
            };
            parameters["mainJar"]["id"].as_u64()
        });
        let named = programs.map(|id| (id.to_string(), format!("s3://programs/{id}.py")));
        named.collect()
    }
}

/// The name of the target of a sort at a place.
pub(crate) fn target(sort: &str, place: usize) -> String {
    format!("{}-{place}", sort.to_lowercase())
}
