//! From the lock to the outcome: starts the job, carries its streams to the log, stops it when asked.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, ChildStderr, ChildStdout};
use std::time::Duration;

use jiff::Timestamp;
use porpoise_model::Cause;
use porpoise_ports::executor::{Job, JobState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_setfl, mknodat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpid, pidfd_open, wait};
use rustix::time::{ClockId, clock_gettime};

use super::files::{self, Put, Refused};
use super::log::{Lines, Log};
use super::outcome::outcome;
use super::outputs::{Setter, told};
use super::{Settings, secrets, spawn};
use crate::helper::is_helped;
use crate::layout::AttemptDir;
use crate::process::{descendants, signal};
use crate::secret::Mask;

/// Between two looks for processes that do not say when they end.
const LOOK: Duration = Duration::from_millis(20);
/// After which those that even SIGKILL does not end are left alone: they hang in the kernel.
const KILL_WAIT: Duration = Duration::from_secs(30);
const CHUNK: usize = 64 * 1024;

pub(super) fn run(
    dir: &AttemptDir,
    job: &Job,
    started: Timestamp,
    settings: Settings,
    helper: &[OsString],
) -> io::Result<JobState> {
    let control = open_control(dir)?;
    if dir.has("cancel") {
        return Ok(JobState::Canceled {
            ended: crate::now(),
        });
    }
    let mut log = Log::new(dir, settings.log_bytes_max);
    let secrets = secrets(job);
    let work = dir.file("work");
    let begun = begin(dir, job, &secrets, helper);
    let mut child = match begun {
        Ok(Some(child)) => child,
        Ok(None) => {
            files::remove(job, &work);
            log.line("sys", b"asked to stop while its files were copied")?;
            return Ok(JobState::Canceled {
                ended: crate::now(),
            });
        }
        Err(refused) => {
            files::remove(job, &work);
            log.line("sys", refused.message().as_bytes())?;
            return Ok(JobState::Failed {
                started: Some(started),
                ended: crate::now(),
                cause: refused.cause(),
            });
        }
    };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("the job has no process id"))?;
    let mut attempt = Attempt {
        pid,
        ended: Some(pidfd_open(pid, PidfdFlags::empty())?),
        control,
        out: Stream::new("out", child.stdout.take())?,
        err: Stream::new("err", child.stderr.take())?,
        log,
        mask: Mask::new(secrets.iter().map(|(_, value)| value)),
        job,
        setter: Setter::new(job),
        exit: None,
        children: true,
        kill_at: None,
        canceled: false,
        grace: settings.grace,
        buffer: vec![0; CHUNK],
    };
    attempt.follow()?;
    attempt.end_rest()?;
    files::remove(job, &work);
    attempt.finish(dir, started)
}

/// Starts the job, with its files in its folder; `None` if it is to stop before.
fn begin(
    dir: &AttemptDir,
    job: &Job,
    secrets: &[(String, String)],
    helper: &[OsString],
) -> Result<Option<Child>, Refused> {
    let work = spawn::folder(dir).map_err(Refused::Final)?;
    if files::put(dir, job, &work)? == Put::Stopped {
        return Ok(None);
    }
    let child = spawn::spawn(dir, job, secrets, helper);
    child.map(Some).map_err(Refused::Final)
}

/// A named pipe: opened for both ends, so that it never says that nobody writes.
fn open_control(dir: &AttemptDir) -> io::Result<File> {
    let path = dir.file("control");
    match mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::NONBLOCK.bits();
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(flags.try_into().unwrap_or_default());
    options.open(path)
}

/// Time that does not jump.
fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    )
}

fn unresolved(message: String) -> Cause {
    Cause::Unresolved { message }
}

/// One of the job's streams.
#[derive(Debug)]
struct Stream<R> {
    mark: &'static str,
    /// Until its end.
    pipe: Option<R>,
    lines: Lines,
}

impl<R: Read + AsFd> Stream<R> {
    fn new(mark: &'static str, pipe: Option<R>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            fcntl_setfl(pipe, OFlags::NONBLOCK)?;
        }
        Ok(Self {
            mark,
            pipe,
            lines: Lines::default(),
        })
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// What is there to be read, up to a buffer; 0 if there is nothing for now, or nothing any more.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(0);
        };
        match pipe.read(buffer) {
            Ok(0) => {
                self.pipe = None;
                Ok(0)
            }
            Ok(read) => Ok(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// A job that runs.
#[derive(Debug)]
struct Attempt<'a> {
    pid: Pid,
    /// Readable when the job's first process has ended.
    ended: Option<OwnedFd>,
    control: File,
    out: Stream<ChildStdout>,
    err: Stream<ChildStderr>,
    log: Log,
    mask: Mask,
    job: &'a Job,
    setter: Setter<'a>,
    exit: Option<WaitStatus>,
    /// Whether any process of the job is left.
    children: bool,
    /// When those that did not obey are killed.
    kill_at: Option<Duration>,
    canceled: bool,
    grace: Duration,
    buffer: Vec<u8>,
}

impl Attempt<'_> {
    /// Until the job's first process has ended.
    fn follow(&mut self) -> io::Result<()> {
        while self.exit.is_none() && self.children {
            let timeout = self
                .kill_at
                .map(|at| at.saturating_sub(monotonic()).max(LOOK));
            self.wait(timeout)?;
            self.reap();
            if self.kill_at.is_some_and(|at| monotonic() >= at) {
                Self::kill();
            }
        }
        self.ended = None;
        Ok(())
    }

    /// Ends what the job left behind: at once, or after the rest of the grace if it was told to stop.
    fn end_rest(&mut self) -> io::Result<()> {
        self.reap();
        let begun = monotonic();
        let kill_at = self.kill_at.unwrap_or(begun);
        let mut noted = self.canceled;
        while self.children && monotonic() < kill_at.max(begun) + KILL_WAIT {
            if monotonic() >= kill_at {
                let killed = Self::kill();
                if killed > 0 && !std::mem::replace(&mut noted, true) {
                    let line = format!("processes that the job left behind were ended: {killed}");
                    self.log.line("sys", line.as_bytes())?;
                }
            }
            self.wait(Some(LOOK))?;
            self.reap();
        }
        self.read_streams()
    }

    fn finish(mut self, dir: &AttemptDir, started: Timestamp) -> io::Result<JobState> {
        let Self {
            log,
            setter,
            mask,
            out,
            err,
            ..
        } = &mut self;
        out.lines.finish(mask, |line, masked| {
            setter.line(line);
            log.line("out", masked)
        })?;
        err.lines
            .finish(mask, |_, masked| log.line("err", masked))?;
        let Self {
            mut setter, mask, ..
        } = self;
        let outputs = || {
            if is_helped(&self.job.work) {
                return told(dir, self.job, &mask);
            }
            setter.file(dir).map_err(unresolved)?;
            let outputs = setter.collect(&mask);
            outputs.map_err(unresolved)
        };
        let state = outcome(started, self.canceled, self.exit, outputs);
        if let JobState::Failed {
            cause: Cause::Unresolved { message },
            ..
        } = &state
        {
            self.log.line("sys", message.as_bytes())?;
        }
        self.log.finish()?;
        Ok(state)
    }

    /// Waits until something happens, and takes it in.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let fds = [
            Some(self.control.as_fd()),
            self.ended.as_ref().map(AsFd::as_fd),
            self.out.fd(),
            self.err.fd(),
        ];
        let polled = fds.into_iter().flatten();
        let mut polled: Vec<PollFd<'_>> = polled
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(polled);
        self.read_streams()?;
        self.read_control()
    }

    fn read_control(&mut self) -> io::Result<()> {
        let mut bytes = [0; 64];
        match self.control.read(&mut bytes) {
            Ok(0) => Ok(()),
            Ok(_) if self.canceled || self.exit.is_some() => Ok(()),
            Ok(_) => {
                self.canceled = true;
                self.kill_at = Some(monotonic() + self.grace);
                signal(&Self::tree(), Signal::TERM);
                self.log.line("sys", b"asked to stop: SIGTERM was sent")
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn read_streams(&mut self) -> io::Result<()> {
        let Self {
            out,
            err,
            log,
            setter,
            mask,
            buffer,
            ..
        } = self;
        // Turn and turn about, so that neither stream waits for the other one's end.
        for _ in 0..16 {
            let read = out.read(buffer)?;
            let bytes = buffer.get(..read).unwrap_or_default();
            out.lines.push(bytes, mask, |line, masked| {
                setter.line(line);
                log.line(out.mark, masked)
            })?;
            let also = err.read(buffer)?;
            let bytes = buffer.get(..also).unwrap_or_default();
            err.lines
                .push(bytes, mask, |_, masked| log.line(err.mark, masked))?;
            if read == 0 && also == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Takes note of everything that ended.
    fn reap(&mut self) {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if pid == self.pid {
                        self.exit = Some(status);
                    }
                }
                Ok(None) => return,
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.children = false;
                    return;
                }
            }
        }
    }

    /// Kills what is left, and says how many there were.
    fn kill() -> usize {
        let tree = Self::tree();
        signal(&tree, Signal::KILL);
        tree.len()
    }

    /// All processes of the job, wherever they put themselves: what loses its parent becomes ours.
    fn tree() -> Vec<i32> {
        descendants(getpid().as_raw_nonzero().get())
    }
}
