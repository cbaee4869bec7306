//! Secrets, resolved at the target and nowhere else.

use std::fmt;

use async_trait::async_trait;
use porpoise_model::ProjectId;

use crate::Unavailable;

/// Resolves references to secrets in a place, as late as possible.
#[async_trait]
pub trait Secrets: fmt::Debug + Send + Sync {
    /// The value behind `name`, and which version of it; `None` if there is none.
    async fn resolve(&self, project: ProjectId, name: &str) -> Result<Option<Secret>, Unavailable>;
}

/// A secret value. It prints as `***`.
#[derive(Clone)]
pub struct Secret {
    /// The value.
    pub value: String,
    /// Which version was read, for the record.
    pub version: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret(***, version {})", self.version)
    }
}
