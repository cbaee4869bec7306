//! The command of a job, with its environment.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use porpoise_ports::executor::{Job, Work};

use crate::helper::is_helped;
use crate::layout::{AttemptDir, private};
use crate::secret::replace;

/// What a job sees of the server's environment.
pub(crate) const KEPT_VARIABLES: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];
/// What programs of ours see beside: whom they trust.
pub(crate) const HELPER_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Makes the directory that the job runs in.
pub(super) fn folder(dir: &AttemptDir) -> Result<PathBuf, String> {
    let work = dir.file("work");
    match fs::create_dir(&work) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(format!("cannot make the working directory: {error}"))
        }
        Ok(()) | Err(_) => Ok(work),
    }
}

/// Starts the job; an error says what the job's owner can do about it. `helper` is the program, with its first arguments,
/// that does what is no program by itself.
pub(super) fn spawn(
    dir: &AttemptDir,
    job: &Job,
    secrets: &[(String, String)],
    helper: &[OsString],
) -> Result<Child, String> {
    let io = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
    let work = dir.file("work");
    if is_helped(&job.work) {
        return help(dir, job, helper, &work);
    }
    if !job.outputs.is_empty() {
        private(&dir.file("output")).map_err(io("make the file for outputs"))?;
    }
    let argv = argv(dir, job, secrets)?;
    let (program, arguments) = argv.split_first().ok_or("the command is empty")?;
    let path = find(program, &work);
    let mut command = Command::new(&path);
    command
        .args(arguments)
        .arg0(program)
        .current_dir(&work)
        .env_clear()
        .envs(environment(dir, job, secrets)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command.spawn().map_err(|error| {
        let program: String = program.chars().take(200).collect();
        format!("cannot start `{program}`: {error}")
    })
}

/// Starts the program that does what is no program by itself: `helper DIR`. It reads its job from the directory, and has
/// its secrets from variables, as this process has.
fn help(dir: &AttemptDir, job: &Job, helper: &[OsString], work: &Path) -> Result<Child, String> {
    let Some((program, arguments)) = helper.split_first() else {
        let word = job.work.word();
        return Err(format!("no program here does tasks of the kind `{word}`"));
    };
    let own = KEPT_VARIABLES.iter().chain(&HELPER_VARIABLES);
    let own = own.filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let secrets = super::secret_variables(job);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(dir.path())
        .current_dir(work)
        .env_clear()
        .envs(own)
        .envs(secrets)
        // By this, what is left of a job is found.
        .env("PORPOISE_ATTEMPT_KEY", job.key.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let program = Path::new(program).display().to_string();
    command
        .spawn()
        .map_err(|error| format!("cannot start `{program}`: {error}"))
}

fn argv(dir: &AttemptDir, job: &Job, secrets: &[(String, String)]) -> Result<Vec<String>, String> {
    let script = |interpreter: &str, text: &str| {
        let path = dir.file("script");
        private(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("cannot write the script: {error}"))?;
        let path = path.into_os_string().into_string();
        let path = path.map_err(|_| "the data directory is not named in UTF-8".to_owned())?;
        Ok(vec![interpreter.to_owned(), path])
    };
    match &job.work {
        Work::Shell { script: text } => script("sh", text),
        Work::Python { script: text } => script("python3", text),
        Work::Command { argv } => {
            let reveal = |part: &String| reveal(part, &job.secrets, secrets);
            argv.iter().map(reveal).collect()
        }
        Work::Noop
        | Work::Sleep { .. }
        | Work::External { .. }
        | Work::Spark { .. }
        | Work::Hive { .. }
        | Work::Sql { .. }
        | Work::Function { .. }
        | Work::Http { .. }
        | Work::StateMachine { .. } => Err(format!(
            "tasks of the kind `{}` do not run as processes",
            job.work.word()
        )),
    }
}

fn reveal(
    text: &str,
    named: &BTreeSet<String>,
    secrets: &[(String, String)],
) -> Result<String, String> {
    let value = |name: &str| {
        let mut known = secrets.iter();
        known
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.clone())
    };
    replace(text, named, value).ok_or_else(|| "a secret was not handed over".to_owned())
}

/// Where the server's `PATH` finds a program; one that it does not find is left to fail by its name.
fn find(program: &str, work: &Path) -> PathBuf {
    if program.contains('/') {
        return work.join(program);
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let is_program = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(is_program)
        .unwrap_or_else(|| PathBuf::from(program))
}

/// What is kept of the server's own, the job's parameters that a shell could name, and ours, which win.
fn environment(
    dir: &AttemptDir,
    job: &Job,
    secrets: &[(String, String)],
) -> Result<BTreeMap<OsString, OsString>, String> {
    let mut all = BTreeMap::new();
    for name in KEPT_VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            all.insert(OsString::from(name), value);
        }
    }
    for (name, value) in job.env.iter().filter(|(name, _)| is_variable(name)) {
        all.insert(name.into(), reveal(value, &job.secrets, secrets)?.into());
    }
    let task = job.task_name.replace('\0', "");
    let ours = [
        ("PORPOISE_RUN_ID", job.run.to_string().into()),
        ("PORPOISE_TASK", task.into()),
        ("PORPOISE_ATTEMPT", job.attempt.to_string().into()),
        ("PORPOISE_ATTEMPT_KEY", job.key.to_string().into()),
        ("PORPOISE_OUTPUT", dir.file("output").into_os_string()),
    ];
    all.extend(ours.map(|(name, value): (&str, OsString)| (OsString::from(name), value)));
    Ok(all)
}

/// As POSIX defines names of variables; every shell can read these.
fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
