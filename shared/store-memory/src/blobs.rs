//! Blobs in a map.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_model::{ProjectId, VersionHash};
use porpoise_ports::{Blobs, Unavailable};

/// Blobs in memory, apart by place and project.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Mutex<BTreeMap<(String, ProjectId, VersionHash), Bytes>>,
}

impl MemoryBlobs {
    /// No blobs.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(
        &self,
        place: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable> {
        let hash = VersionHash::of(&bytes);
        self.blobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((place.to_owned(), project, hash), bytes);
        Ok(hash)
    }

    async fn get(
        &self,
        place: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        Ok(self
            .blobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&(place.to_owned(), project, hash))
            .cloned())
    }
}
