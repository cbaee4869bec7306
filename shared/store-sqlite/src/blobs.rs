//! Blobs as files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_model::{ProjectId, VersionHash};
use porpoise_ports::{Blobs, BoxError, Unavailable};

use crate::open::sync_directory;

/// Blobs of one place in the directory `blobs` of a data directory: `blobs/<project>/<two characters>/<hash>`.
///
/// A file gets its name when its bytes are durable, so a name stands for whole bytes. The directory belongs to whoever
/// holds the table of the same data directory; what was being written when a server died is left as `*.new` and is
/// overwritten or removed by nobody but a person.
#[derive(Debug, Clone)]
pub struct DirectoryBlobs {
    root: PathBuf,
    /// Makes the names of files in the making differ.
    writes: Arc<AtomicU64>,
}

/// The bytes of a file do not have the hash that names it.
#[derive(Debug, thiserror::Error)]
#[error("blob `{}` is damaged: its bytes have hash `{found}`", .path.display())]
struct Damaged {
    path: PathBuf,
    found: VersionHash,
}

impl DirectoryBlobs {
    /// The blobs of this data directory, which need not hold any yet.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            root: dir.as_ref().join("blobs"),
            writes: Arc::default(),
        }
    }

    fn path(&self, project: ProjectId, hash: VersionHash) -> PathBuf {
        let name = hash.to_string();
        let prefix: String = name.chars().take(2).collect();
        self.root.join(project.to_string()).join(prefix).join(name)
    }
}

#[async_trait]
impl Blobs for DirectoryBlobs {
    async fn put(
        &self,
        _: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable> {
        let hash = VersionHash::of(&bytes);
        let path = self.path(project, hash);
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let root = self.root.clone();
        aside(move || {
            match read(&path, hash) {
                Ok(Some(_)) => sync_names(&root, &path)?,
                // A file that cannot be read or is damaged is written anew.
                Ok(None) | Err(_) => write(&root, &path, &bytes, number)?,
            }
            Ok(())
        })
        .await?;
        Ok(hash)
    }

    async fn get(
        &self,
        _: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        let path = self.path(project, hash);
        aside(move || read(&path, hash)).await
    }
}

/// Runs what blocks where it may.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
) -> Result<T, Unavailable> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(BoxError::from)
        .flatten()
        .map_err(|error| Unavailable::new("the blob directory", error))
}

/// Bytes first, then the name, then the names above it: each durable before the next.
fn write(root: &Path, path: &Path, bytes: &[u8], number: u64) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    let temporary = path.with_extension(format!("{}-{number}.new", std::process::id()));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // Best effort: the write has failed already.
        let _: io::Result<()> = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_names(root, path)
}

/// Makes the names of a file and of the directories above it durable, up to the data directory: also those that
/// another call made and has not synced yet.
fn sync_names(root: &Path, path: &Path) -> io::Result<()> {
    let data = root.parent().unwrap_or(root);
    let above = path.ancestors().skip(1);
    above
        .take_while(|dir| dir.starts_with(data))
        .try_for_each(sync_directory)
}

fn read(path: &Path, hash: VersionHash) -> Result<Option<Bytes>, BoxError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let found = VersionHash::of(&bytes);
    if found == hash {
        Ok(Some(bytes))
    } else {
        let path = path.to_owned();
        Err(Damaged { path, found }.into())
    }
}
