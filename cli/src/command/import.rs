//! `import`: workflows of other systems become definition files.

pub(crate) mod live;
mod mapping;
mod parameters;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use porpoise_api::Code;
use porpoise_import::{Imported, Version, import_all};
use porpoise_model::workflow::{Kind, Task, Workflow};
use serde_json::json;

use crate::failure::{Failure, REFUSED, USAGE};
use crate::output::{Session, lines, note, print};

use super::define;
use parameters::Outcome;
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
    pub(crate) switch_date: Option<jiff::civil::Date>,
    pub(crate) env: Vec<String>,
    pub(crate) report: ReportForm,
    pub(crate) report_html: Option<PathBuf>,
    /// Where to write the mapping file, instead of definition files.
    pub(crate) plan: Option<PathBuf>,
    pub(crate) mapping: Option<PathBuf>,
    /// Lists of names, beside the files.
    pub(crate) catalogue: Vec<PathBuf>,
    /// With the token of a DolphinScheduler to read from.
    pub(crate) token_file: Option<PathBuf>,
    /// Where its answers are kept.
    pub(crate) answers: Option<PathBuf>,
    /// Whether definition files that are there may be written again.
    pub(crate) replace: bool,
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
    let here;
    let (session, files) = match live(session, files, options)? {
        None => (session, files),
        Some((folder, own)) => {
            here = (vec![folder], own);
            (&here.1, &*here.0)
        }
    };
    let mut imported = read(session, files, options)?;
    if let Some(path) = &options.plan {
        let file = mapping::write(&imported.plan, path)?;
        write_page(&imported, options)?;
        mapping::tell(session, &imported, &file, &command(session, files, None));
        return Ok(0);
    }
    let here = (!options.apply).then(|| PathBuf::from("."));
    let out = options.out.clone().or(here);
    let mut written = match &out {
        Some(out) => write(&imported, out, options.replace)?,
        None => Vec::new(),
    };
    let of_parameters = written.split_off(written.len().min(imported.workflows.len()));
    let beside = out.filter(|_| options.mapping.is_none());
    let beside = beside.and_then(|out| mapping::beside(&imported, &out));
    let to_fill_in = beside.map(|path| mapping::write(&imported.plan, &path));
    let to_fill_in = to_fill_in.transpose()?;
    let (mut applied, mut put) = (Vec::new(), Vec::new());
    if options.apply {
        let client = session.client()?;
        put = parameters::put(&client, &mut imported)?;
        for each in &imported.workflows {
            let text = each.definition();
            applied.extend(define::apply_text(
                &client,
                &each.file_name,
                text.as_bytes(),
            )?);
        }
    }
    write_page(&imported, options)?;
    let names: Vec<_> = written.iter().map(Written::name).collect();
    let value = json!({
        "files": names, "applied": applied, "report": imported.report, "plan": imported.plan,
        "mapping": to_fill_in.as_ref().map(Written::name),
        "parameters": parameters::as_data(&imported, &of_parameters, &put),
    });
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
        text + &lines(written.iter().chain(&of_parameters).map(Written::line))
    });
    if as_data {
        for file in written.iter().chain(&of_parameters) {
            note(&file.line());
        }
    } else if !session.json {
        print(&lines(put.iter().map(Outcome::line)));
        define::print_applied(&applied);
        note("next:");
        if let Some(file) = &to_fill_in {
            let command = command(session, files, options.out.as_deref());
            note(&format!("  fill in {}, and then", file.name()));
            note(&format!(
                "  {command} --replace --mapping {}",
                quoted(&file.name())
            ));
        }
        let of_parameters = parameters::steps(&imported, &of_parameters);
        let to_put = of_parameters.into_iter().filter(|_| !options.apply);
        for step in to_put.chain(next(&imported, &written)) {
            note(&format!("  {step}"));
        }
    }
    Ok(0)
}

/// The folder with the answers of a server, if that is what is to be imported; and the session beside it, for which
/// the options of the command line say nothing.
fn live(
    session: &Session,
    files: &[PathBuf],
    options: &Options,
) -> Result<Option<(PathBuf, Session)>, Failure> {
    let url = session.config.said_url.clone().filter(|_| files.is_empty());
    let Some(url) = url else {
        if files.is_empty() {
            let message = "nothing is named that could be imported";
            let hint = "name files or folders, or the address of a DolphinScheduler: `--url https://HOST:12345/dolphinscheduler`";
            return Err(Failure::new(USAGE, message).hint(hint));
        }
        return Ok(None);
    };
    let live = live::Live {
        url,
        project: session.config.said_project.clone(),
        token_file: options.token_file.clone(),
        answers: options.answers.clone(),
    };
    let folder = live::read(session, &live)?;
    let own = Session {
        json: session.json,
        config: session.config.of_environment(),
        zone: session.zone.clone(),
    };
    Ok(Some((folder, own)))
}

/// The report as a page for a browser, if somebody wants one.
fn write_page(imported: &Imported, options: &Options) -> Result<(), Failure> {
    let Some(path) = &options.report_html else {
        return Ok(());
    };
    let written = std::fs::write(path, imported.report.html());
    written.map_err(|error| cannot_write(path, &error))
}

/// The command that imports the same files.
fn command(session: &Session, files: &[PathBuf], out: Option<&Path>) -> String {
    let files: Vec<_> = files
        .iter()
        .map(|file| quoted(&file.display().to_string()))
        .collect();
    let out = out.map(|out| format!(" --out {}", quoted(&out.display().to_string())));
    let project = session.config.said_project.as_deref();
    let project = project.map(|project| format!(" --project {}", quoted(project)));
    format!(
        "porpoise import dolphinscheduler {}{}{}",
        files.join(" "),
        out.unwrap_or_default(),
        project.unwrap_or_default()
    )
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
    let mapping = options.mapping.as_deref().map(mapping::read).transpose()?;
    let catalogue = options.catalogue.iter();
    let all: Vec<_> = files.iter().chain(catalogue).cloned().collect();
    let options = porpoise_import::Options {
        mapping,
        project: session.config.project.clone(),
        from_version: from_version.transpose()?,
        timezone: options.timezone.clone(),
        switch_date: options.switch_date,
        env: options
            .env
            .iter()
            .map(|text| variable(text))
            .collect::<Result<_, _>>()?,
    };
    let sources = Sources::read(&all)?;
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

    fn line_with(&self, what: &str) -> String {
        format!("{}: {what}", self.line())
    }
}

/// Writes all files, those of workflows first, or none if another one is there under the name of any and may not be
/// replaced.
fn write(imported: &Imported, out: &Path, replace: bool) -> Result<Vec<Written>, Failure> {
    let of_workflows = imported.workflows.iter();
    let of_workflows = of_workflows.map(|each| (out.join(&each.file_name), each.definition()));
    let files = of_workflows.chain(parameters::files(imported, out));
    let files = files.map(|(path, text)| {
        let unchanged = same(&path, text.as_bytes(), replace)?;
        Ok((Written { path, unchanged }, text))
    });
    let files = files.collect::<Result<Vec<_>, Failure>>()?;
    let folders = files.iter().filter_map(|(file, _)| file.path.parent());
    for folder in folders.chain([out]).collect::<BTreeSet<_>>() {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    }
    for (file, text) in files.iter().filter(|(file, _)| !file.unchanged) {
        let path = &file.path;
        let written = if replace {
            mapping::save(path, text.as_bytes())
        } else {
            let opened = OpenOptions::new().write(true).create_new(true).open(path);
            opened.and_then(|mut file| file.write_all(text.as_bytes()))
        };
        written.map_err(|error| cannot_write(path, &error))?;
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

/// Whether the file is there with these bytes already; an error if it is there with others and may not be replaced.
fn same(path: &Path, bytes: &[u8], replace: bool) -> Result<bool, Failure> {
    match std::fs::read(path) {
        Ok(found) if found == bytes => Ok(true),
        Ok(_) if replace => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Ok(_) | Err(_) => Err(Failure::new(
            REFUSED,
            format!(
                "`{}` exists and differs; nothing was written",
                path.display()
            ),
        )
        .coded(Code::File)
        .hint("choose another directory with `--out DIR`, or overwrite it with `--replace`")),
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
    let pools = workflows().flat_map(|workflow| pool_steps(workflow, &imported.pools));
    let pools: BTreeSet<_> = pools.collect();
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

fn pool_steps(workflow: &Workflow, known: &BTreeMap<String, u32>) -> impl Iterator<Item = String> {
    let pools = workflow.tasks.iter().filter_map(|task| task.pool.as_ref());
    pools.map(|pool| {
        let name = format!("{}/{}", workflow.project, pool.name);
        let slots = known
            .get(&name)
            .map_or_else(|| "SIZE".to_owned(), u32::to_string);
        format!("porpoise pool {} --slots {slots}", quoted(&name))
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
