//! Bytes that are too large for an item: stored definitions, large values, rejected inputs.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_model::{ProjectId, VersionHash};

use crate::Unavailable;

/// Bytes under the hash of their content. Putting the same bytes again changes nothing.
#[async_trait]
pub trait Blobs: Debug + Send + Sync {
    /// Stores bytes durably; returns their hash.
    async fn put(
        &self,
        place: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable>;

    /// Reads them back; `None` if there are none of this hash. What is read has been checked against the hash.
    async fn get(
        &self,
        place: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable>;
}
