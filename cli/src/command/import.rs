//! `import`: workflows of other systems become definition files.

mod source;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use porpoise_api::Code;
use porpoise_import::{Imported, Version, import_all};
use porpoise_model::workflow::{Kind, Task, Workflow};
use serde_json::json;

use crate::failure::{Failure, REFUSED, USAGE};
use crate::output::{Session, lines, note};

use super::define;
use source::Sources;

/// Workflows and files that the steps after an import name.
const STEPS_SHOWN: usize = 3;

/// What to do with what is imported.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) out: Option<PathBuf>,
    pub(crate) apply: bool,
    pub(crate) verbose: bool,
    pub(crate) from_version: Option<String>,
    pub(crate) timezone: Option<String>,
    pub(crate) env: Vec<String>,
    pub(crate) report: ReportForm,
    pub(crate) report_html: Option<PathBuf>,
}

/// How the report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportForm {
    /// For people.
    Text,
    /// As data; what was written is told on standard error.
    Json,
}

/// Imports files of DolphinScheduler: writes definition files, stores them, or both. They are written into the current
/// directory unless another one or `--apply` is given.
pub(crate) fn dolphinscheduler(
    session: &Session,
    files: &[PathBuf],
    options: &Options,
) -> Result<u8, Failure> {
    let imported = read(session, files, options)?;
    let here = (!options.apply).then(|| PathBuf::from("."));
    let written = match options.out.clone().or(here) {
        Some(out) => write(&imported, &out)?,
        None => Vec::new(),
    };
    let mut applied = Vec::new();
    if options.apply {
        let client = session.client()?;
        for each in &imported.workflows {
            let text = each.definition();
            applied.extend(define::apply_text(
                &client,
                &each.file_name,
                text.as_bytes(),
            )?);
        }
    }
    if let Some(path) = &options.report_html {
        let written = std::fs::write(path, imported.report.html());
        written.map_err(|error| cannot_write(path, &error))?;
    }
    let files: Vec<_> = written.iter().map(Written::name).collect();
    let value = json!({"files": files, "applied": applied, "report": imported.report});
    let as_data = options.report == ReportForm::Json && !session.json;
    session.result(&value, || {
        let report = &imported.report;
        if as_data {
            return serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
        }
        let mut text = if options.verbose {
            report.full().to_string()
        } else {
            report.to_string()
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text + &lines(written.iter().map(Written::line))
    });
    if as_data {
        for file in &written {
            note(&file.line());
        }
    } else if !session.json {
        define::print_applied(&applied);
        note("next:");
        for step in next(&imported, &written) {
            note(&format!("  {step}"));
        }
    }
    Ok(0)
}

fn read(session: &Session, files: &[PathBuf], options: &Options) -> Result<Imported, Failure> {
    let from_version = options.from_version.as_deref().map(|version| {
        version.parse::<Version>().map_err(|error| {
            Failure::new(
                USAGE,
                format!("`{version}` is no version that can be imported"),
            )
            .because(&error)
        })
    });
    let options = porpoise_import::Options {
        project: session.config.project.clone(),
        from_version: from_version.transpose()?,
        timezone: options.timezone.clone(),
        env: options
            .env
            .iter()
            .map(|text| variable(text))
            .collect::<Result<_, _>>()?,
    };
    let sources = Sources::read(files)?;
    import_all(&sources.inputs(), &options).map_err(|faults| {
        let message = match (files, &*faults) {
            ([file], _) => format!("`{}` cannot be imported; nothing of it was", file.display()),
            (_, [faults]) => format!("`{}` cannot be imported; nothing was", faults.file),
            (_, faults) => format!("{} files cannot be imported; nothing was", faults.len()),
        };
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        Failure::new(REFUSED, message)
            .coded(Code::Faults)
            .cause(faults.join("\n"))
    })
}

/// `NAME=VALUE`.
fn variable(text: &str) -> Result<(String, String), Failure> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Failure::new(USAGE, format!("`--env {text}` is not `NAME=VALUE`")))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What became of a file.
#[derive(Debug)]
struct Written {
    path: PathBuf,
    /// It was there already, byte for byte.
    unchanged: bool,
}

impl Written {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn line(&self) -> String {
        let done = if self.unchanged { "unchanged" } else { "wrote" };
        format!("{done} {}", self.path.display())
    }
}

/// Writes all files, or none if another one is there under the name of any.
fn write(imported: &Imported, out: &Path) -> Result<Vec<Written>, Failure> {
    let files = imported.workflows.iter().map(|each| {
        let (path, text) = (out.join(&each.file_name), each.definition());
        let unchanged = same(&path, text.as_bytes())?;
        Ok((Written { path, unchanged }, text))
    });
    let files = files.collect::<Result<Vec<_>, Failure>>()?;
    std::fs::create_dir_all(out).map_err(|error| cannot_write(out, &error))?;
    for (file, text) in files.iter().filter(|(file, _)| !file.unchanged) {
        let path = &file.path;
        let opened = OpenOptions::new().write(true).create_new(true).open(path);
        let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| cannot_write(path, &error))?;
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

/// Whether the file is there with these bytes already; an error if it is there with others.
fn same(path: &Path, bytes: &[u8]) -> Result<bool, Failure> {
    match std::fs::read(path) {
        Ok(found) if found == bytes => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Ok(_) | Err(_) => Err(Failure::new(
            REFUSED,
            format!(
                "`{}` exists and differs; nothing was written",
                path.display()
            ),
        )
        .coded(Code::File)
        .hint("choose another directory with `--out DIR`")),
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(REFUSED, format!("cannot write `{}`", path.display()))
        .coded(Code::File)
        .because(error)
}

/// What a user does after an import, as commands, each where it is needed.
fn next(imported: &Imported, written: &[Written]) -> Vec<String> {
    let workflows = || imported.workflows.iter().map(|each| &each.workflow);
    let pools: BTreeSet<_> = workflows().flat_map(pool_steps).collect();
    let runs = workflows().take(STEPS_SHOWN).map(|workflow| {
        let external = |task: &Task| matches!(task.kind, Kind::External { .. });
        let simulates = workflow.tasks.iter().any(external);
        let simulate = if simulates { " --simulate" } else { "" };
        format!("porpoise run {}{simulate}", name(workflow))
    });
    let scheduled = workflows().filter(|workflow| workflow.schedule.is_some());
    let schedules = scheduled.take(STEPS_SHOWN).map(|workflow| {
        let name = name(workflow);
        format!("porpoise schedule {name} --online   # once it is off in DolphinScheduler")
    });
    apply_step(written)
        .into_iter()
        .chain(pools)
        .chain(runs)
        .chain(schedules)
        .collect()
}

fn apply_step(written: &[Written]) -> Option<String> {
    let files: Vec<_> = written.iter().map(|file| quoted(&file.name())).collect();
    match files.len() {
        0 => None,
        1..=STEPS_SHOWN => Some(format!("porpoise apply {}", files.join(" "))),
        _ => {
            let folder = written.first()?.path.parent()?;
            Some(format!(
                "porpoise apply {}",
                folder.join("*.yaml").display()
            ))
        }
    }
}

fn pool_steps(workflow: &Workflow) -> impl Iterator<Item = String> {
    let pools = workflow.tasks.iter().filter_map(|task| task.pool.as_ref());
    pools.map(|pool| {
        let name = format!("{}/{}", workflow.project, pool.name);
        format!("porpoise pool {} --slots SIZE", quoted(&name))
    })
}

/// The name of a workflow in a command: where it is not in the default project, with its project.
fn name(workflow: &Workflow) -> String {
    match workflow.project.as_str() {
        "default" => quoted(workflow.name.as_str()),
        project => quoted(&format!("{project}/{}", workflow.name)),
    }
}

/// A word of a command, as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
