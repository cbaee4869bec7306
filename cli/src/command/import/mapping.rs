//! Mapping files: what worker groups, data sources and their like are here.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use porpoise_api::Code;
use porpoise_import::{ImportFaults, Imported, Mapping, Plan, Section};
use serde_json::json;

use super::super::define;
use super::{Written, cannot_write, quoted};
use crate::failure::{Failure, REFUSED};
use crate::output::{Session, note};

/// Where it is written beside definition files: in a folder of its own, so that nobody applies it.
const BESIDE: &str = "mapping/dolphinscheduler.yaml";
/// The worker group that everything has that names none.
const DEFAULT_GROUP: &str = "default";

/// The mapping in a file.
pub(super) fn read(path: &Path) -> Result<Mapping, Failure> {
    let bytes = define::bytes(path)?;
    let name = path.display().to_string();
    Mapping::read(&name, &bytes).map_err(|faults| refused(&name, &faults))
}

fn refused(name: &str, faults: &ImportFaults) -> Failure {
    Failure::new(
        REFUSED,
        format!("`{name}` is no mapping file; nothing was imported"),
    )
    .coded(Code::Faults)
    .cause(faults.to_string())
}

/// Where a mapping file belongs beside what was imported; nowhere if there is nothing to fill in.
pub(super) fn beside(imported: &Imported, out: &Path) -> Option<PathBuf> {
    let is_default = |section, key: &str| section == Section::WorkerGroups && key == DEFAULT_GROUP;
    let things = imported.plan.things().iter();
    let mut others = things.filter(|thing| !is_default(thing.section, &thing.key));
    others.next().map(|_| out.join(BESIDE))
}

/// Writes everything that was met into a mapping file; what people filled in there stays.
pub(super) fn write(plan: &Plan, path: &Path) -> Result<Written, Failure> {
    let name = path.display().to_string();
    let there = match std::fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(cannot_write(path, &error)),
    };
    let before = there.as_deref().map(|bytes| (&*name, bytes));
    let text = plan
        .file(before)
        .map_err(|faults| refused(&name, &faults))?;
    let unchanged = there.is_some_and(|bytes| bytes == text.as_bytes());
    if !unchanged {
        save(path, text.as_bytes()).map_err(|error| cannot_write(path, &error))?;
    }
    Ok(Written {
        path: path.to_owned(),
        unchanged,
    })
}

/// All of a file, or what was there before.
pub(super) fn save(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = folder.join(format!(".{name}.part"));
    let mut file = std::fs::File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}

/// Tells what was met, and what to do with the file.
pub(super) fn tell(session: &Session, imported: &Imported, file: &Written, command: &str) {
    let value = json!({"mapping": file.name(), "plan": imported.plan});
    session.result(&value, || {
        format!("{}\n", file.line_with(&counts(&imported.plan)))
    });
    if !session.json {
        note("next:");
        note(&format!("  fill in {}", file.name()));
        note(&format!("  {command} --mapping {}", quoted(&file.name())));
    }
}

/// `2 worker groups, 1 data source`
fn counts(plan: &Plan) -> String {
    let mut counts: BTreeMap<Section, usize> = BTreeMap::new();
    for thing in plan.things() {
        *counts.entry(thing.section).or_default() += 1;
    }
    let shown = |(section, count): (&Section, &usize)| {
        let plural = if *count == 1 { "" } else { "s" };
        format!("{count} {}{plural}", section.noun())
    };
    let shown: Vec<_> = counts.iter().map(shown).collect();
    if shown.is_empty() {
        "nothing to fill in".to_owned()
    } else {
        shown.join(", ")
    }
}
