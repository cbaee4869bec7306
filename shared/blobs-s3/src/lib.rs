//! Blobs on S3: an object each, `place/project/hash` behind a prefix, in the bucket of its place.
//!
//! An object is named by the hash of its bytes and so never changes: it is put only if it is absent, which in a bucket
//! with versions or replication saves another copy of the same, and what is read is checked against its name.
//!
//! What is left out on purpose: buckets, their encryption and their lifecycle, which are the deployment's; multipart
//! uploads, since blobs are definitions and inputs, not data; retries other than of conflicts and of answers that break
//! off, of which the client knows by its own settings.
//!
//! Start reading at [`S3Blobs`].

mod blobs;
mod error;

pub use blobs::{S3Blobs, Settings};
pub use error::BlobError;
