//! The directory of an attempt: what stands where, and who may write it.
//!
//! ```text
//! DIR/attempts/<first 2 characters>/<key>/      mode 0700
//!     job      what to do, as CBOR; secrets are references
//!     lock     who took the attempt: a process, or a tombstone
//!     cancel   somebody asked to stop it
//!     control  a pipe by which the wrapper is woken after `cancel` was written
//!     script   the script of a shell or Python task
//!     work/    where the job runs, with copies of its files
//!     output   $PORPOISE_OUTPUT, made if outputs are declared
//!     log      both streams, each line with its time and its stream; made by the first line
//!     tail.0, tail.1   the end of a log that grew too long, until the job is over
//!     told     what a program of ours told of the job that it did
//!     status   how it ended; nothing changes after it
//! ```
//!
//! **At most one process for a key.** `lock` is the one decision about an attempt, and it is taken once: whoever
//! wants it writes a file of its own and calls it `lock` unless there is one, which the kernel grants to one of them,
//! with its content complete. A wrapper that does not get it exits without a trace, so that wrappers may be started any
//! number of times. The name and the directories above it are synced before the job starts: not even a power failure
//! makes an attempt look as if it had never begun.
//!
//! **Cancel against start.** A cancel writes `cancel` first, then tries to take the lock as a tombstone. If it gets
//! the lock, no wrapper ever will. If it does not, a wrapper has it; that wrapper opens `control` and then looks for
//! `cancel`, before it starts anything. So either the wrapper sees `cancel` there and starts nothing, or it looked
//! before `cancel` was written; then its `control` is open, and the cancel, which writes there last, wakes it.
//!
//! **Durable before it is told.** `status` is synced, and its directory, before the wrapper exits; and as long as the
//! wrapper lives, the job is said to run. Its exit, therefore, is the news.
//!
//! **Few files, and none is removed** but the copies in `work`, which may be large. Making files is most of what an
//! attempt costs. ext4 does not use an inode again for some minutes after its removal, and looks at each such inode
//! whenever it makes a file: a few thousand removals make every attempt several times slower.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::AttemptKey;
use porpoise_ports::executor::{Job, JobState};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::helper::Told;
use crate::process::Identity;

/// The directory of an attempt.
#[derive(Debug, Clone)]
pub struct AttemptDir {
    path: PathBuf,
}

/// Who took an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Lock {
    /// A wrapper.
    #[n(0)]
    Process {
        #[n(0)]
        identity: Identity,
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        at: Timestamp,
    },
    /// A cancel that came first: nothing was or will be started.
    #[n(1)]
    Canceled {
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        at: Timestamp,
    },
    /// No wrapper could be run: nothing was or will be started.
    #[n(2)]
    Refused {
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        at: Timestamp,
        #[n(1)]
        message: String,
    },
}

/// Makes names of temporary files distinct within this process.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

impl AttemptDir {
    /// The directory of `key` below the executor's own.
    pub fn of(root: &Path, key: AttemptKey) -> Self {
        let name = key.to_string();
        let shard: String = name.chars().take(2).collect();
        Self {
            path: root.join("attempts").join(shard).join(name),
        }
    }

    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// All that has to stand before a wrapper is started.
    pub fn prepare(&self, job: &Job) -> io::Result<()> {
        self.create()?;
        self.write_job(job)
    }

    /// Makes it, and what lies above it, unless they are there.
    pub(crate) fn create(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match builder.create(&self.path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        builder.recursive(true).create(&self.path)?;
        let attempts = self.path.parent().and_then(Path::parent);
        attempts.map_or(Ok(()), sync_dir)
    }

    /// What is to be done; `None` if nobody said.
    pub(crate) fn read_job(&self) -> io::Result<Option<Job>> {
        self.read("job")
    }

    pub(crate) fn write_job(&self, job: &Job) -> io::Result<()> {
        let bytes = encode(job)?;
        let temporary = self.write_temporary("job", &bytes)?;
        fs::rename(temporary, self.file("job"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.file(name)).is_ok()
    }

    pub(crate) fn read_lock(&self) -> io::Result<Option<Lock>> {
        match self.read("lock") {
            // Written before a power failure that took the content: whoever took it is gone.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(Lock::Process {
                identity: Identity::nobody(),
                at: Timestamp::UNIX_EPOCH,
            })),
            read => read,
        }
    }

    /// Takes the attempt, durably, unless somebody took it before.
    pub(crate) fn take(&self, lock: &Lock) -> io::Result<bool> {
        let temporary = self.write_temporary("lock", &encode(lock)?)?;
        if !name_once(&temporary, &self.file("lock"))? {
            return Ok(false);
        }
        sync_dir(&self.path)?;
        self.path.parent().map_or(Ok(()), sync_dir)?;
        Ok(true)
    }

    /// How the job ended; `None` while nobody wrote it down. Asked only when its wrapper is gone.
    pub fn read_status(&self) -> io::Result<Option<JobState>> {
        match self.read("status") {
            // Cut off by a power failure: nobody was told.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            read => read,
        }
    }

    /// Writes how it ended, durably.
    ///
    /// In place, not by another name: the sync of a new file is that of its name, so that the directory's costs little
    /// more. What is cut off in between does not decode, and nobody looks before the wrapper is gone.
    pub(crate) fn write_status(&self, state: &JobState) -> io::Result<()> {
        let mut file = private(&self.file("status"))?;
        file.write_all(&encode(state)?)?;
        file.sync_all()?;
        sync_dir(&self.path)
    }

    /// What the program that did the job said of it.
    pub(crate) fn read_told(&self) -> io::Result<Option<Told>> {
        self.read("told")
    }

    pub(crate) fn write_told(&self, told: &Told) -> io::Result<()> {
        let bytes = encode(told)?;
        private(&self.file("told"))?.write_all(&bytes)
    }

    /// Writes that it is to be stopped.
    pub(crate) fn write_cancel(&self) -> io::Result<()> {
        if self.has("cancel") {
            return Ok(());
        }
        private(&self.file("cancel")).map(drop)
    }

    fn read<T: for<'b> Decode<'b, ()>>(&self, name: &str) -> io::Result<Option<T>> {
        let bytes = match fs::read(self.file(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        minicbor::decode(&bytes)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn write_temporary(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let count = TEMPORARY.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let path = self.file(&format!(".{name}.{pid}.{count}"));
        private(&path)?.write_all(bytes)?;
        Ok(path)
    }
}

/// Gives a file its name, unless there is one of that name: then the file is removed.
fn name_once(temporary: &Path, name: &Path) -> io::Result<bool> {
    let renamed = match renameat_with(CWD, temporary, CWD, name, RenameFlags::NOREPLACE) {
        // A file system that cannot (NFS): a second name, which is refused as well if it is taken.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let linked = fs::hard_link(temporary, name);
            fs::remove_file(temporary)?;
            linked
        }
        Err(Errno::EXIST) => {
            fs::remove_file(temporary)?;
            Err(Errno::EXIST.into())
        }
        renamed => renamed.map_err(io::Error::from),
    };
    match renamed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// An empty file that only its owner reads.
pub(crate) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

fn encode<T: Encode<()>>(value: &T) -> io::Result<Vec<u8>> {
    minicbor::to_vec(value).map_err(io::Error::other)
}

pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
