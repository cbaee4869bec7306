//! The infrastructure: the CDK app in `infra-cdk` and the modules in `terraform`, checked and tested with the programs
//! of their own world.
//!
//! What they need comes from the registries of npm and `PyPI`, pinned by files of the tree, into the cache outside it. A
//! folder of the cache is named by what pins it, so that an old one is never used for a new pin.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::components::{self, Servers};
use crate::machine;
use crate::program;
use crate::steps::Steps;

/// `cargo xtask infra`: all of it.
pub(crate) fn infra() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    check(&mut steps);
    match components::install().and_then(|()| Servers::start()) {
        Ok(servers) => {
            program::build(&["porpoise"])?;
            test(&mut steps, &servers, &program::path("porpoise")?);
        }
        Err(error) => steps.fail("components", &error),
    }
    steps.finish()
}

/// What CI does before the tests: types, drift of the templates for Terraform, lints of the templates.
pub(crate) fn check(steps: &mut Steps) {
    match Tools::install() {
        Ok(tools) => {
            steps.run("types of the infrastructure", &mut tools.npm_run("lint"));
            let mut drift = tools.npm_run("templates");
            drift.args(["--", "--check"]);
            steps.run("drift of the templates", &mut drift);
            steps.run("lints of the templates", &mut tools.cfn_lint());
        }
        Err(error) => steps.fail("tools of the infrastructure", &error),
    }
}

/// Writes the templates for Terraform again.
pub(crate) fn generate(steps: &mut Steps) {
    match Tools::install() {
        Ok(tools) => _ = steps.run("templates", &mut tools.npm_run("templates")),
        Err(error) => steps.fail("tools of the infrastructure", &error),
    }
}

/// Every test of the CDK app; those of its deployment on the servers, of which the caller says where they answer, and
/// with the program that it names: `deploy` and `doctor` are tested with our own command line and with that of AWS.
pub(crate) fn test(steps: &mut Steps, servers: &Servers, porpoise: &Path) {
    match Tools::install() {
        Ok(tools) => {
            let mut tests = tools.npm_run("test");
            servers.tell(&mut tests);
            match second_opinion(&tools.infra) {
                Ok(Some(python)) => _ = tests.env("PORPOISE_LOCALSTACK_PYTHON", python),
                Ok(None) => {} // said loudly
                Err(error) => steps.fail("LocalStack", &error),
            }
            tests.env("PORPOISE_CLI", porpoise);
            match python("python3".as_ref(), &tools.infra.join("aws.txt")) {
                Ok(python) => _ = tests.env("PORPOISE_AWS_PYTHON", python),
                Err(error) => steps.fail("the command line of AWS", &error),
            }
            steps.run("tests of the infrastructure", &mut tests);
            terraform(steps);
        }
        Err(error) => steps.fail("tools of the infrastructure", &error),
    }
}

/// Terraform itself cannot be had from any registry that this knows: where it is missing, its tests are skipped, loudly.
fn terraform(steps: &mut Steps) {
    let version = Command::new("terraform").arg("version").output();
    let Ok(said) = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    else {
        eprintln!("xtask: WARNING: there is no terraform: the tests of the modules are SKIPPED");
        return;
    };
    eprintln!("xtask: {}", said.lines().next().unwrap_or_default());
    match module_tests() {
        Ok(mut tests) => _ = steps.run("tests of the Terraform modules", &mut tests),
        Err(error) => steps.fail("tools of the Terraform modules", &error),
    }
}

fn module_tests() -> anyhow::Result<Command> {
    let stub = machine::root()?.join("terraform/stub");
    let requirements = stub.join("requirements.txt");
    let mut tests = Command::new(python("python3".as_ref(), &requirements)?);
    tests.arg(stub.join("check.py"));
    tests.arg(machine::cache()?.join("tools/terraform"));
    tests.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(tests)
}

/// Writes the templates of a deployment with these settings into a folder.
pub(crate) fn synthesise(settings: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut synth = Tools::install()?.npm_run("synth");
    synth.env("PORPOISE_SETTINGS", settings);
    run(synth.env("CDK_OUTDIR", folder))
}

/// The packages of npm and of Python that the infrastructure needs.
#[derive(Debug)]
struct Tools {
    infra: PathBuf,
    python: PathBuf,
}

impl Tools {
    fn install() -> anyhow::Result<Self> {
        let infra = machine::root()?.join("infra-cdk");
        node_modules(&infra)?;
        let python = python("python3".as_ref(), &infra.join("requirements.txt"))?;
        Ok(Self { infra, python })
    }

    fn npm_run(&self, script: &str) -> Command {
        let mut npm = Command::new("npm");
        npm.args(["--silent", "--prefix"]).arg(&self.infra);
        npm.args(["run", script]);
        npm
    }

    fn cfn_lint(&self) -> Command {
        let mut lint = Command::new(&self.python);
        // its script names the folder in which it was installed
        let main = "import sys; from cfnlint.runner import main; sys.exit(main())";
        lint.current_dir(&self.infra).args(["-c", main]);
        lint
    }
}

/// What `package-lock.json` names; `node_modules` is a link to it, or a folder that somebody filled by hand.
fn node_modules(infra: &Path) -> anyhow::Result<()> {
    let pins = [infra.join("package-lock.json"), infra.join("package.json")];
    let home = pinned("node", &pins)?;
    let link = infra.join("node_modules");
    if link.is_dir() && !link.is_symlink() {
        return Ok(());
    }
    let modules = home.join("node_modules");
    if !modules.is_dir() {
        install(&home, &pins, |work| {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--no-audit", "--no-fund", "--silent", "--prefix"]);
            run(npm.arg(work))
        })?;
    }
    if fs::read_link(&link).ok().as_ref() != Some(&modules) {
        _ = fs::remove_file(&link); // it leads to what an older pin names
        std::os::unix::fs::symlink(&modules, &link)
            .with_context(|| format!("cannot link {}", link.display()))?;
    }
    Ok(())
}

/// The release of Python that `LocalStack` is pinned for; it does not run on the one before.
const LATER_PYTHON: &str = "3.13";

/// `LocalStack`, which interprets the poll loop a second time. It needs a later Python than the rest, which not every
/// machine can get from its packages: where it is missing, those tests are skipped, loudly.
fn second_opinion(infra: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Some(interpreter) = later_python() else {
        eprintln!(
            "xtask: WARNING: there is no Python {LATER_PYTHON}: the poll loop on LocalStack is SKIPPED"
        );
        return Ok(None);
    };
    python(&interpreter, &infra.join("localstack.txt")).map(Some)
}

/// From the path, or of pyenv.
fn later_python() -> Option<PathBuf> {
    let on_path = PathBuf::from(format!("python{LATER_PYTHON}"));
    if runs(&on_path) {
        return Some(on_path);
    }
    let said = |args: &[&str]| {
        let output = Command::new("pyenv").args(args).output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let versions = said(&["versions", "--bare"])?;
    let mut versions = versions.lines().map(str::trim);
    let version = versions.find(|version| version.starts_with(LATER_PYTHON))?;
    let prefix = said(&["prefix", version])?;
    Some(Path::new(prefix.trim()).join("bin/python")).filter(|python| runs(python))
}

fn runs(python: &Path) -> bool {
    let output = Command::new(python).arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

/// The interpreter of a virtual environment that holds what a file of requirements names.
fn python(interpreter: &Path, requirements: &Path) -> anyhow::Result<PathBuf> {
    let pins = [requirements.to_path_buf()];
    let home = pinned("python", &pins)?;
    let inside = home.join("bin/python");
    if !inside.exists() {
        install(&home, &pins, |work| {
            run(Command::new(interpreter).args(["-m", "venv"]).arg(work))?;
            let mut pip = Command::new(work.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--no-deps"]);
            pip.args(["--disable-pip-version-check", "--requirement"]);
            run(pip.arg(requirements))
        })?;
    }
    Ok(inside)
}

/// The folder for what these files pin.
fn pinned(kind: &str, pins: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    for pin in pins {
        let text = fs::read(pin).with_context(|| format!("cannot read {}", pin.display()))?;
        text.hash(&mut hasher);
    }
    let name = format!("{kind}-{:016x}", hasher.finish());
    Ok(machine::cache()?.join("tools").join(name))
}

/// Makes a folder whole or not at all: beside its place, with copies of the pins, and moved there when it is done.
fn install(
    home: &Path,
    pins: &[PathBuf],
    fill: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    eprintln!("xtask: installs into {}, once", home.display());
    let work = home.with_extension(format!("new-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    for pin in pins {
        fs::copy(pin, work.join(pin.file_name().unwrap_or(OsStr::new("pin"))))?;
    }
    let filled = fill(&work).and_then(|()| match fs::rename(&work, home) {
        Err(_) if home.is_dir() => Ok(fs::remove_dir_all(&work)?), // somebody else was faster
        done => Ok(done?),
    });
    if filled.is_err() {
        _ = fs::remove_dir_all(&work); // the first error is the one to tell
    }
    filled
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.status();
    let status = status.with_context(|| format!("cannot start `{program}`"))?;
    anyhow::ensure!(status.success(), "`{program}` failed: {status}");
    Ok(())
}
