//! The server's side: writes jobs down, starts wrappers, and reads what they wrote.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_model::AttemptKey;
use porpoise_ports::executor::{
    Job, JobRef, JobReport, LogChunk, LogError, SubmitError, Submitted, Work,
};
use porpoise_ports::source::{self, Source};
use porpoise_ports::target::{Fault, TargetError};
use porpoise_ports::{Executor, Secrets, Unavailable};
use rustix::fs::OFlags;
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::layout::{AttemptDir, Lock, sync_dir};
use crate::secret::{self, SecretFileError};
use crate::wrapper::{GRACE_VARIABLE, LOG_BYTES_VARIABLE, SECRET_VARIABLE};

const WHAT: &str = "the local executor";
/// Bytes of an argument or a variable, its end included: Linux hands a program no more (`MAX_ARG_STRLEN`).
const ARGUMENT_BYTES_MAX: usize = 128 * 1024;

/// What jobs may use of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that run at the same time.
    pub parallel: usize,
    /// Size of a log in bytes; of a larger one the middle is cut out.
    pub log_bytes_max: u64,
    /// How long a job that is to stop has between SIGTERM and SIGKILL.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 64,
            log_bytes_max: 16 * 1024 * 1024,
            grace: Duration::from_secs(10),
        }
    }
}

/// The directory of attempts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not there and cannot be made, or cannot be written.
    #[error("cannot use `{0}` for the attempts of jobs")]
    Directory(PathBuf, #[source] io::Error),
    /// There is no program to start.
    #[error("no wrapper is named for the processes of jobs")]
    NoWrapper,
}

/// Runs `shell`, `python` and `command` tasks as processes of this machine. See [`crate::layout`] for its promises.
///
/// Its calls need a tokio runtime with time and I/O.
pub struct LocalExecutor {
    root: PathBuf,
    wrapper: Vec<OsString>,
    limits: Limits,
    secrets: Option<Arc<dyn Secrets>>,
    /// For watches and calls that outlast a borrow.
    me: Weak<Self>,
    /// Attempts whose wrappers are watched, and by how many watches.
    pub(crate) watched: Mutex<BTreeMap<AttemptKey, usize>>,
    listeners: Mutex<Vec<mpsc::UnboundedSender<AttemptKey>>>,
}

impl fmt::Debug for LocalExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalExecutor")
            .field("root", &self.root)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl LocalExecutor {
    /// Opens the attempts below `dir`, those of earlier processes included. `wrapper` is the program, with its first
    /// arguments, that calls [`crate::wrapper::run`] with the directory that follows them.
    pub fn open(
        dir: &Path,
        wrapper: Vec<OsString>,
        limits: Limits,
    ) -> Result<Arc<Self>, OpenError> {
        Self::build(dir, wrapper, limits, None)
    }

    /// The same with somebody who knows the secrets that jobs refer to.
    pub fn open_with_secrets(
        dir: &Path,
        wrapper: Vec<OsString>,
        limits: Limits,
        secrets: Arc<dyn Secrets>,
    ) -> Result<Arc<Self>, OpenError> {
        Self::build(dir, wrapper, limits, Some(secrets))
    }

    fn build(
        dir: &Path,
        wrapper: Vec<OsString>,
        limits: Limits,
        secrets: Option<Arc<dyn Secrets>>,
    ) -> Result<Arc<Self>, OpenError> {
        if wrapper.is_empty() {
            return Err(OpenError::NoWrapper);
        }
        let prepare = || {
            std::fs::create_dir_all(dir.join("attempts"))?;
            sync_dir(dir)?;
            dir.canonicalize()
        };
        let root = prepare().map_err(|error| OpenError::Directory(dir.to_owned(), error))?;
        Ok(Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            root,
            wrapper,
            limits,
            secrets,
            watched: Mutex::default(),
            listeners: Mutex::default(),
        }))
    }

    /// Keys of jobs that started or ended from now on. Only a hint, so that nobody has to ask all the time: what
    /// happened while nobody listened is not said again, and a key may come more than once.
    pub fn completions(&self) -> mpsc::UnboundedReceiver<AttemptKey> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.push(sender);
        receiver
    }

    pub(crate) fn announce(&self, key: AttemptKey) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.send(key).is_ok());
    }

    pub(crate) fn dir(&self, key: AttemptKey) -> AttemptDir {
        AttemptDir::of(&self.root, key)
    }

    pub(crate) fn is_watched(&self, key: AttemptKey) -> bool {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.contains_key(&key)
    }

    fn me(&self) -> Result<Arc<Self>, Unavailable> {
        let me = self.me.upgrade();
        me.ok_or_else(|| Unavailable::new(WHAT, "it is being closed"))
    }

    fn is_full(&self) -> bool {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.len() >= self.limits.parallel
    }

    /// The values of the job's secrets, in the order of their names.
    pub(crate) async fn resolve(&self, job: &Job) -> Result<Vec<String>, SubmitError> {
        let mut values = Vec::new();
        for name in secret::names(job) {
            let resolved = match &self.secrets {
                Some(secrets) => secrets.resolve(job.project, &name).await,
                None => Ok(None),
            };
            match resolved {
                Ok(Some(secret)) if secret.value.contains('\0') => {
                    return Err(rejected(job, format!("secret `{name}` holds a zero byte")));
                }
                Ok(Some(secret)) => values.push(secret.value),
                Ok(None) => {
                    return Err(rejected(job, format!("there is no secret `{name}` here")));
                }
                Err(error) => {
                    return Err(match error.source.downcast_ref::<SecretFileError>() {
                        Some(fault) => rejected(job, fault.to_string()),
                        None => error.into(),
                    });
                }
            }
        }
        Ok(values)
    }

    /// Starts a wrapper and watches it. One that is not needed ends by itself.
    pub(crate) fn start(
        self: &Arc<Self>,
        key: AttemptKey,
        dir: &AttemptDir,
        secrets: &[String],
    ) -> io::Result<()> {
        let Some((program, arguments)) = self.wrapper.split_first() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let kept = crate::wrapper::KEPT_VARIABLES.iter();
        let kept = kept
            .chain(&crate::wrapper::HELPER_VARIABLES)
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let numbered = secrets.iter().enumerate();
        let child = Command::new(program)
            .args(arguments)
            .arg(dir.path())
            .env_clear()
            .envs(kept)
            .env(GRACE_VARIABLE, self.limits.grace.as_millis().to_string())
            .env(LOG_BYTES_VARIABLE, self.limits.log_bytes_max.to_string())
            .envs(numbered.map(|(index, value)| (format!("{SECRET_VARIABLE}{index}"), value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.watch_child(key, child);
        Ok(())
    }

    fn submit_now(self: &Arc<Self>, job: &Job, secrets: &[String]) -> Result<(), SubmitError> {
        let dir = self.dir(job.key);
        let failed = |error: io::Error| Unavailable::new(WHAT, error);
        match taken(&dir).map_err(failed)? {
            Taken::Canceled => return Err(SubmitError::Canceled),
            Taken::Started => return Ok(()),
            // Its wrapper is about to take it.
            Taken::No if self.is_watched(job.key) => return Ok(()),
            Taken::No if self.is_full() => return Err(SubmitError::Busy),
            Taken::No => {}
        }
        dir.prepare(job).map_err(failed)?;
        self.start(job.key, &dir, secrets).map_err(failed)?;
        Ok(())
    }
}

enum Taken {
    No,
    Started,
    Canceled,
}

/// What the lock says; a cancel that was cut off before it took the lock is completed.
fn taken(dir: &AttemptDir) -> io::Result<Taken> {
    if let Some(lock) = dir.read_lock()? {
        return Ok(match lock {
            Lock::Canceled { .. } => Taken::Canceled,
            Lock::Process { .. } | Lock::Refused { .. } => Taken::Started,
        });
    }
    if !dir.has("cancel") {
        return Ok(Taken::No);
    }
    let canceled = dir.take(&Lock::Canceled { at: crate::now() })?;
    Ok(if canceled {
        Taken::Canceled
    } else {
        Taken::Started
    })
}

/// Stops what runs under the attempt's key, or makes sure that nothing ever will.
fn cancel(dir: &AttemptDir) -> io::Result<()> {
    dir.create()?;
    dir.write_cancel()?;
    if dir.read_lock()?.is_none() && dir.take(&Lock::Canceled { at: crate::now() })? {
        return Ok(());
    }
    let flags = OFlags::NONBLOCK.bits().try_into().unwrap_or_default();
    let control = OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(dir.file("control"));
    // Nobody who listens: it is over, gone, or has yet to look for `cancel`.
    if let Ok(mut control) = control {
        let _ = control.write(b"x");
    }
    Ok(())
}

fn rejected(job: &Job, message: String) -> SubmitError {
    SubmitError::Rejected {
        task: job.task_name.clone(),
        message,
    }
}

/// Statements are for data sources, and nothing else is.
fn check_source(job: &Job) -> Result<(), SubmitError> {
    let target = job.target.as_ref();
    let source = target.filter(|target| source::KINDS.contains(&target.kind.as_str()));
    let is_statement = matches!(job.work, Work::Sql { .. });
    match source {
        Some(target) if is_statement => {
            let read = Source::read(&target.kind, &target.settings);
            let unusable = |faults: Vec<Fault>| TargetError {
                target: target.name.to_string(),
                faults: faults
                    .into_iter()
                    .map(|fault| fault.within("settings"))
                    .collect(),
            };
            let checked = read.map_err(unusable);
            checked
                .map(drop)
                .map_err(|error| rejected(job, error.to_string()))
        }
        Some(target) => Err(rejected(
            job,
            format!(
                "`{}` is a data source, which runs `sql` tasks, not `{}`",
                target.name,
                job.work.word()
            ),
        )),
        None if is_statement => Err(rejected(
            job,
            format!(
                "a statement needs a target that is a data source: {}",
                source::KINDS.join(", ")
            ),
        )),
        None => Ok(()),
    }
}

/// What no process can be given.
fn check(job: &Job) -> Result<(), SubmitError> {
    let fault = |what: &str| Err(rejected(job, what.to_owned()));
    check_source(job)?;
    match &job.work {
        Work::Shell { .. } | Work::Python { .. } | Work::Http { .. } | Work::Sql { .. } => {}
        Work::Command { argv } if argv.first().is_none_or(String::is_empty) => {
            return fault("the command names no program");
        }
        Work::Command { argv } => {
            if argv.iter().any(|part| part.contains('\0')) {
                return fault("an argument of the command holds a zero byte");
            }
            if argv.iter().any(|part| part.len() >= ARGUMENT_BYTES_MAX) {
                return fault("an argument of the command is longer than 128 KiB");
            }
        }
        Work::Noop
        | Work::Sleep { .. }
        | Work::External { .. }
        | Work::Spark { .. }
        | Work::Hive { .. }
        | Work::Function { .. }
        | Work::StateMachine { .. } => {
            return Err(rejected(
                job,
                format!(
                    "tasks of the kind `{}` do not run as processes",
                    job.work.word()
                ),
            ));
        }
    }
    for (name, value) in &job.env {
        if value.contains('\0') {
            return Err(rejected(
                job,
                format!("variable `{name}` holds a zero byte"),
            ));
        }
        if name.len() + value.len() + 2 > ARGUMENT_BYTES_MAX {
            return Err(rejected(
                job,
                format!("variable `{name}` is longer than 128 KiB"),
            ));
        }
    }
    Ok(())
}

/// Runs what reads or writes files where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unavailable> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Unavailable::new(WHAT, error))
}

#[async_trait]
impl Executor for LocalExecutor {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        check(job)?;
        let secrets = self.resolve(job).await?;
        let (this, copy) = (self.me()?, job.clone());
        blocking(move || this.submit_now(&copy, &secrets)).await??;
        Ok(Submitted {
            external_id: job.key.to_string(),
        })
    }

    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let keys: Vec<AttemptKey> = jobs.iter().map(|job| job.key).collect();
        let this = self.me()?;
        let (reports, unstarted) = blocking(move || this.inspect(&keys)).await??;
        for job in unstarted {
            self.me()?.start_again(job).await?;
        }
        Ok(reports)
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        let key = job.key;
        let (this, dir) = (self.me()?, self.dir(key));
        let canceled = move || {
            cancel(&dir)?;
            if !this.is_watched(key) {
                this.announce(key);
            }
            Ok(())
        };
        let result: io::Result<()> = blocking(canceled).await?;
        result.map_err(|error| Unavailable::new(WHAT, error))
    }

    async fn log(
        &self,
        job: &JobRef,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, LogError> {
        let dir = self.dir(job.key);
        let chunk = blocking(move || read_log(&dir, from, limit)).await?;
        Ok(chunk.map_err(|error| Unavailable::new(WHAT, error))?)
    }
}

fn read_log(dir: &AttemptDir, from: u64, limit: usize) -> io::Result<Option<LogChunk>> {
    // Asked first: nothing is written to the log after the status.
    let over = dir.has("status");
    let mut file = match std::fs::File::open(dir.file("log")) {
        Ok(file) => file,
        // It said nothing (yet).
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(over.then(|| LogChunk {
                bytes: Bytes::new(),
                next: 0,
                end: true,
            }));
        }
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    let from = from.min(size);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(limit.try_into().unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)?;
    let next = from + u64::try_from(bytes.len()).unwrap_or_default();
    Ok(Some(LogChunk {
        bytes: Bytes::from(bytes),
        next,
        end: over && next >= size,
    }))
}
