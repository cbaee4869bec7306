//! Blobs as objects.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use porpoise_model::{ProjectId, VersionHash};
use porpoise_ports::backoff::backoff;
use porpoise_ports::usage::{Ledger, Line};
use porpoise_ports::{Blobs, BoxError, Unavailable};

use crate::error::BlobError;

/// Times that a put is tried again while others put the same, and a read of which only a part arrived.
const REPEATS: u32 = 6;

/// Where blobs lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The bucket of each place. Blobs of another place are refused.
    pub buckets: BTreeMap<String, String>,
    /// What keys begin with: nothing, or for example `blobs/`.
    pub prefix: String,
    /// After this long, repeats and the client's retries included, a put or a read has failed.
    pub patience: Duration,
}

/// Blobs in the buckets of places.
///
/// The role that reads needs `s3:GetObject` and `s3:ListBucket`: without the latter, S3 answers `AccessDenied` for a
/// blob that is not there, which is an error here.
#[derive(Debug, Clone)]
pub struct S3Blobs {
    client: Client,
    settings: Settings,
    ledger: Ledger,
}

/// What became of a put.
enum Put {
    /// It stands there: now, or already.
    Stands,
    /// Another put of the same was under way, and nobody can say yet what becomes of it.
    Conflict(BoxError),
}

impl S3Blobs {
    /// Blobs in the buckets of `settings`.
    pub fn new(client: Client, settings: Settings) -> Self {
        Self {
            client,
            settings,
            ledger: Ledger::default(),
        }
    }

    /// Counts what it uses in `ledger`, and no longer in one that nobody reads.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// What was answered is billed, whatever the answer was.
    fn count<T, E>(&self, line: Line, answer: &Result<T, SdkError<E>>) {
        let answered = match answer {
            Ok(_) => true,
            Err(error) => error.raw_response().is_some(),
        };
        self.ledger.count(line, u64::from(answered));
    }

    async fn within<T>(
        &self,
        place: &str,
        call: impl Future<Output = Result<T, BlobError>>,
    ) -> Result<T, BlobError> {
        let done = tokio::time::timeout(self.settings.patience, call).await;
        done.unwrap_or_else(|_| Err(BlobError::Late(place.to_owned())))
    }

    fn location(
        &self,
        place: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<(&str, String), BlobError> {
        let bucket = self.settings.buckets.get(place);
        let bucket = bucket.ok_or_else(|| BlobError::Place(place.to_owned()))?;
        let prefix = &self.settings.prefix;
        Ok((bucket, format!("{prefix}{place}/{project}/{hash}")))
    }

    async fn write(
        &self,
        place: &str,
        project: ProjectId,
        bytes: &Bytes,
    ) -> Result<VersionHash, BlobError> {
        let hash = VersionHash::of(bytes);
        let (bucket, key) = self.location(place, project, hash)?;
        let mut tries = 0;
        loop {
            let source = match self.put_if_absent(bucket, &key, bytes).await {
                Ok(Put::Stands) => return Ok(hash),
                Ok(Put::Conflict(_)) if tries < REPEATS => {
                    pause(&key, tries).await;
                    tries += 1;
                    continue;
                }
                Ok(Put::Conflict(error)) | Err(error) => error,
            };
            let bucket = bucket.to_owned();
            return Err(BlobError::Put {
                bucket,
                key,
                source,
            });
        }
    }

    async fn put_if_absent(&self, bucket: &str, key: &str, bytes: &Bytes) -> Result<Put, BoxError> {
        let put = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .if_none_match("*")
            .content_type("application/octet-stream")
            .body(ByteStream::from(bytes.clone()))
            .send()
            .await;
        self.count(Line::BlobPuts, &put);
        match put {
            Ok(_) => Ok(Put::Stands),
            Err(error) => match status(&error) {
                Some(412) => Ok(Put::Stands),
                Some(409) => Ok(Put::Conflict(error.into())),
                Some(_) | None => Err(error.into()),
            },
        }
    }

    async fn read(
        &self,
        place: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, BlobError> {
        let (bucket, key) = self.location(place, project, hash)?;
        let bucket = bucket.to_owned();
        let bytes = match self.get_object(&bucket, &key).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(source) => {
                return Err(BlobError::Get {
                    bucket,
                    key,
                    source,
                });
            }
        };
        let found = VersionHash::of(&bytes);
        if found == hash {
            Ok(Some(bytes))
        } else {
            Err(BlobError::Damaged { bucket, key, found })
        }
    }

    /// The client's own tries end with the head of an answer. One that breaks off after it is asked for again here.
    async fn get_object(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, BoxError> {
        let mut tries = 0;
        loop {
            let get = self.client.get_object().bucket(bucket).key(key);
            let got = get.send().await;
            self.count(Line::BlobGets, &got);
            let body = match got {
                Ok(object) => object.body,
                Err(error) => {
                    let absent = error
                        .as_service_error()
                        .is_some_and(GetObjectError::is_no_such_key);
                    return if absent { Ok(None) } else { Err(error.into()) };
                }
            };
            match body.collect().await {
                Ok(bytes) => return Ok(Some(bytes.into_bytes())),
                Err(_) if tries < REPEATS => {
                    pause(key, tries).await;
                    tries += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn status(error: &SdkError<PutObjectError>) -> Option<u16> {
    let response = error.raw_response();
    response.map(|response| response.status().as_u16())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a repeat inside one call of the port, which is nothing that a timer effect could do"
)]
async fn pause(seed: &str, tries: u32) {
    tokio::time::sleep(backoff(seed.as_bytes(), tries)).await;
}

#[async_trait]
impl Blobs for S3Blobs {
    async fn put(
        &self,
        place: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable> {
        let put = Box::pin(self.write(place, project, &bytes));
        let put = self.within(place, put).await;
        put.map_err(|error| Unavailable::new("the blob store", error))
    }

    async fn get(
        &self,
        place: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        let got = Box::pin(self.read(place, project, hash));
        let got = self.within(place, got).await;
        got.map_err(|error| Unavailable::new("the blob store", error))
    }
}
