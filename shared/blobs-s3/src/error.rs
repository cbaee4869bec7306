//! Why a blob could not be put or read.

use porpoise_model::VersionHash;
use porpoise_ports::BoxError;

/// A blob could not be put or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is nowhere to put it.
    #[error("no bucket is known for place `{0}`: give it one in the settings")]
    Place(String),
    /// It was not put.
    #[error("cannot put blob `{key}` into bucket `{bucket}`")]
    Put {
        /// Where to.
        bucket: String,
        /// As what.
        key: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// It was not read.
    #[error("cannot read blob `{key}` of bucket `{bucket}`")]
    Get {
        /// Where from.
        bucket: String,
        /// Which.
        key: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// Its bytes are not those that were put.
    #[error(
        "blob `{key}` of bucket `{bucket}` is damaged: its bytes have hash `{found}`; delete it, and whoever makes it puts it again"
    )]
    Damaged {
        /// Where from.
        bucket: String,
        /// Which.
        key: String,
        /// The hash of what was read.
        found: VersionHash,
    },
    /// Neither put nor read in time.
    #[error("the bucket of place `{0}` did not answer in time")]
    Late(String),
}
