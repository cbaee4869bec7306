//! The import of every file: what is sound comes in whole and reads back, what is not is refused with its place.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use porpoise_import::{Folder, Imported, ImportedWorkflow, Input, Options, import, import_all};

use crate::Table;

/// Folders of sound files, and how the names of these end.
const SOUND: [(&str, &[&str]); 5] = [
    ("exports", &["json"]),
    ("create-requests", &["json"]),
    ("pydolphinscheduler", &["yaml", "yml"]),
    ("pydolphinscheduler/golden", &["json"]),
    ("synthetic", &["json"]),
];
const MALFORMED: &str = "malformed";
/// What lies among the malformed files and is sound, and why.
const SOUND_AFTER_ALL: [(&str, &str); 1] = [(
    "task-params-as-string.json",
    "task parameters may be a text",
)];
/// What lies among the sound files and holds no workflow.
const NO_WORKFLOW: [&str; 1] = ["taskDefinition.json"];

pub(crate) fn tables(folder: &Path) -> anyhow::Result<Vec<Table>> {
    let mut sound = Table::new("imports: sound files, imported");
    let mut refused = Table::new("imports: other files, refused with their place");
    for (part, ends) in SOUND {
        for file in files(&folder.join(part), ends)? {
            if is_one_of(&file, &NO_WORKFLOW) {
                refused.row(refusal(folder, &file)?);
            } else {
                sound.row(import_difference(folder, &file)?);
            }
        }
    }
    for file in files(&folder.join(MALFORMED), &["json", "yaml", "yml"])? {
        if SOUND_AFTER_ALL
            .iter()
            .any(|(name, _)| is_one_of(&file, &[name]))
        {
            sound.row(import_difference(folder, &file)?);
        } else {
            refused.row(refusal(folder, &file)?);
        }
    }
    Ok(vec![sound, refused])
}

fn is_one_of(file: &Path, names: &[&str]) -> bool {
    names.iter().any(|name| file.ends_with(name))
}

/// The files below a folder, by name.
fn files(folder: &Path, ends: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries,
        };
        for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if extension.is_some_and(|extension| ends.contains(&extension)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The folder of a file, for what the file names.
#[derive(Debug)]
struct Beside(PathBuf);

impl Folder for Beside {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.0.join(path)).ok()
    }
}

fn read(folder: &Path, file: &Path) -> anyhow::Result<(String, Result<Imported, String>)> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = file
        .strip_prefix(folder)
        .unwrap_or(file)
        .display()
        .to_string();
    let path = file
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let beside = Beside(file.parent().unwrap_or(folder).to_owned());
    let input = Input {
        path: &path,
        folder: Some(&beside),
        ..Input::new(&name, &bytes)
    };
    let imported = import_all(&[input], &Options::default()).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        faults.join("; ")
    });
    Ok((name, imported))
}

fn import_difference(folder: &Path, file: &Path) -> anyhow::Result<Option<String>> {
    let (name, imported) = read(folder, file)?;
    let imported = match imported {
        Ok(imported) => imported,
        Err(faults) => return Ok(Some(format!("{name} is refused: {faults}"))),
    };
    let report = &imported.report;
    let said = report.used + report.reported + report.ignored.values().sum::<usize>();
    if said != report.leaves {
        let silent = report.leaves.saturating_sub(said);
        return Ok(Some(format!(
            "{name}: {silent} values are neither used nor reported"
        )));
    }
    for each in &imported.workflows {
        let text = each.definition();
        match porpoise_definition::read(&each.file_name, text.as_bytes()) {
            Ok(read) if read.iter().all(|read| read.workflow == each.workflow) => {}
            Ok(_) => {
                return Ok(Some(format!(
                    "{name}: {} reads back as another",
                    each.file_name
                )));
            }
            Err(faults) => {
                return Ok(Some(format!(
                    "{name}: {} reads back as {faults}",
                    each.file_name
                )));
            }
        }
    }
    Ok(None)
}

fn refusal(folder: &Path, file: &Path) -> anyhow::Result<Option<String>> {
    let (name, imported) = read(folder, file)?;
    Ok(match imported {
        Ok(_) => Some(format!("{name} is imported")),
        Err(faults) if faults.is_empty() => Some(format!("{name} is refused without a word")),
        Err(_) => None,
    })
}

/// What an import took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// From bytes to the texts of the definitions and of the report.
    pub took: Duration,
    /// The most memory that this process ever had, in KiB, where the system tells.
    pub peak: Option<u64>,
    /// Tasks that were imported.
    pub tasks: usize,
}

/// Imports a file once.
///
/// # Errors
/// It cannot be read or imported.
pub fn once(file: &Path) -> anyhow::Result<Cost> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = file.display().to_string();
    #[expect(clippy::disallowed_methods, reason = "it is measured")]
    let start = Instant::now();
    let imported = import(&name, &bytes, &Options::default())?;
    let texts: Vec<_> = imported
        .workflows
        .iter()
        .map(ImportedWorkflow::definition)
        .collect();
    let report = imported.report.to_string();
    let took = start.elapsed();
    anyhow::ensure!(
        !texts.is_empty() && !report.is_empty(),
        "nothing was imported"
    );
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    let tasks = imported
        .workflows
        .iter()
        .map(|each| each.workflow.tasks.len())
        .sum();
    Ok(Cost { took, peak, tasks })
}
