//! `import`: workflows of other systems become definition files.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use porpoise_api::Code;
use porpoise_import::{Imported, Version, import};
use serde_json::json;

use crate::failure::{Failure, REFUSED, USAGE};
use crate::output::{Session, lines};

use super::define;

/// What to do with what is imported.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) out: Option<PathBuf>,
    pub(crate) apply: bool,
    pub(crate) verbose: bool,
    pub(crate) from_version: Option<String>,
}

/// Imports a file of DolphinScheduler: writes definition files, stores them, or both. They are written into the current
/// directory unless another one or `--apply` is given.
pub(crate) fn dolphinscheduler(
    session: &Session,
    file: &Path,
    options: &Options,
) -> Result<u8, Failure> {
    let imported = read(session, file, options)?;
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
    let files: Vec<_> = written
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let value = json!({"files": files, "applied": applied, "report": imported.report});
    session.result(&value, || {
        let report = &imported.report;
        let mut text = if options.verbose {
            report.full().to_string()
        } else {
            report.to_string()
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text + &lines(files.iter().map(|file| format!("wrote {file}")))
    });
    if !session.json {
        define::print_applied(&applied);
    }
    Ok(0)
}

fn read(session: &Session, file: &Path, options: &Options) -> Result<Imported, Failure> {
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
    };
    let bytes = define::bytes(file)?;
    let name = file.display().to_string();
    import(&name, &bytes, &options).map_err(|faults| {
        Failure::new(
            REFUSED,
            format!("`{name}` cannot be imported; nothing of it was"),
        )
        .coded(Code::Faults)
        .cause(faults.to_string())
    })
}

/// Writes all files, or none if one of them is there already.
fn write(imported: &Imported, out: &Path) -> Result<Vec<PathBuf>, Failure> {
    let paths: Vec<_> = imported
        .workflows
        .iter()
        .map(|each| out.join(&each.file_name))
        .collect();
    if let Some(path) = paths.iter().find(|path| path.exists()) {
        return Err(Failure::new(
            REFUSED,
            format!("`{}` exists; nothing was written", path.display()),
        )
        .coded(Code::File)
        .hint("choose another directory with `--out DIR`"));
    }
    let failed = |path: &Path, error: &std::io::Error| {
        Failure::new(REFUSED, format!("cannot write `{}`", path.display()))
            .coded(Code::File)
            .because(error)
    };
    std::fs::create_dir_all(out).map_err(|error| failed(out, &error))?;
    for (path, each) in paths.iter().zip(&imported.workflows) {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let written = file.and_then(|mut file| file.write_all(each.definition().as_bytes()));
        written.map_err(|error| failed(path, &error))?;
    }
    Ok(paths)
}
