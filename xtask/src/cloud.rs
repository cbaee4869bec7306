//! A region in a box: functions, templates, and the program of `tests/cloud` that deploys them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::functions::{self, Form};
use crate::{components, infra, program};

/// What the templates are synthesised with: two data places and another account with targets, for an emulator.
const SETTINGS: &str = r#"{
  "homeRegion": "eu-central-1",
  "dataRegions": ["eu-central-1", "eu-west-1"],
  "artefacts": "parameters",
  "architecture": "x86_64",
  "emulator": true,
  "protectData": false,
  "reservedConcurrency": {},
  "targets": { "accounts": ["444455556666"] }
}
"#;

/// What the box is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The folder with NAME/bootstrap.zip for each function.
    pub(crate) functions: PathBuf,
    /// The folder with the templates of the stacks.
    pub(crate) templates: PathBuf,
    /// The program `porpoise`, where [`Form::QuickWithTests`] builds it.
    pub(crate) program: PathBuf,
}

/// `cargo xtask cloud up`: everything that it needs, then the box, until Ctrl-C.
pub(crate) fn up(args: Vec<OsString>) -> anyhow::Result<()> {
    components::install()?;
    eprintln!("xtask: builds the functions and synthesises the templates");
    let parts = Parts::make(Form::Quick)?;
    let mut run = program::built("cloud")?;
    run.args(["up", "--functions"]).arg(parts.functions);
    run.arg("--templates").arg(parts.templates);
    run.args(args);
    program::hand_over(run)
}

impl Parts {
    /// Builds the functions and synthesises the templates.
    pub(crate) fn make(form: Form) -> anyhow::Result<Self> {
        Ok(Self {
            functions: functions::quick(form)?,
            templates: synthesise()?,
            program: program::path("porpoise")?,
        })
    }

    /// Tells tests where they are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("PORPOISE_FUNCTIONS", &self.functions);
        command.env("PORPOISE_TEMPLATES", &self.templates);
    }
}

fn synthesise() -> anyhow::Result<PathBuf> {
    let folder = functions::target()?.join("cloud");
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let settings = folder.join("settings.json");
    std::fs::write(&settings, SETTINGS)?;
    let templates = folder.join("templates");
    infra::synthesise(&settings, &templates)?;
    Ok(templates)
}
