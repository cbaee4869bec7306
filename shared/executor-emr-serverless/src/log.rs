//! Logs on S3: what the driver of a run wrote, once it is over.
//!
//! The log is the driver's standard output and then its standard error. Both are compressed, so a later piece costs
//! reading what is before it again.

use std::io::{self, Write};

use aws_sdk_emrserverless::types::{JobDriver, JobRun};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::operation::get_object::GetObjectError;
use flate2::write::MultiGzDecoder;
use porpoise_ports::Unavailable;
use porpoise_ports::executor::LogChunk;

const FILES: [&str; 2] = ["stdout.gz", "stderr.gz"];

/// Where the files of a run's driver are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    bucket: String,
    prefix: String,
}

impl Folder {
    /// As the run's own request says; `None`: it asked for no logs on S3.
    ///
    /// Source: "Storing logs" in the EMR Serverless user guide.
    pub(crate) fn of(run: &JobRun) -> Option<Self> {
        let overrides = run.configuration_overrides()?;
        let monitoring = overrides.monitoring_configuration()?;
        let uri = monitoring.s3_monitoring_configuration()?.log_uri()?;
        let rest = uri.strip_prefix("s3://")?;
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        let hive = run.job_driver().is_some_and(JobDriver::is_hive);
        let driver = if hive { "HIVE_DRIVER" } else { "SPARK_DRIVER" };
        let attempt = run.attempt().filter(|attempt| *attempt > 1);
        let attempt = attempt.map(|attempt| format!("attempts/{attempt}/"));
        let folder = match folder.trim_end_matches('/') {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let (application, run) = (&run.application_id, &run.job_run_id);
        let attempt = attempt.unwrap_or_default();
        Some(Self {
            bucket: bucket.to_owned(),
            prefix: format!("{folder}applications/{application}/jobs/{run}/{attempt}{driver}/"),
        })
    }

    /// A piece of what the files hold together; `None`: there are none (yet).
    pub(crate) async fn read(
        &self,
        client: &Client,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, Unavailable> {
        let mut piece = Piece::new(from, limit);
        let mut any = false;
        for file in FILES {
            let key = format!("{}{file}", self.prefix);
            any |= self.unpack(client, &key, &mut piece).await?;
            if piece.more {
                break;
            }
        }
        Ok(any.then(|| piece.done(from)))
    }

    /// Whether there is such a file.
    async fn unpack(
        &self,
        client: &Client,
        key: &str,
        piece: &mut Piece,
    ) -> Result<bool, Unavailable> {
        let told = |error: String| {
            let address = format!("s3://{}/{key}", self.bucket);
            Unavailable::new("a log of EMR Serverless", format!("{address}: {error}"))
        };
        let get = client.get_object().bucket(&self.bucket).key(key);
        let mut body = match get.send().await {
            Ok(answer) => answer.body,
            Err(error) => {
                let missing = error
                    .as_service_error()
                    .is_some_and(GetObjectError::is_no_such_key);
                if missing {
                    return Ok(false);
                }
                return Err(told(DisplayErrorContext(error).to_string()));
            }
        };
        let mut decoder = MultiGzDecoder::new(&mut *piece);
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| told(error.to_string()))?;
            decoder
                .write_all(&bytes)
                .map_err(|error| told(error.to_string()))?;
            if decoder.get_ref().more {
                return Ok(true);
            }
        }
        decoder
            .try_finish()
            .map_err(|error| told(error.to_string()))?;
        Ok(true)
    }
}

/// The piece that is wanted of all that is written.
#[derive(Debug)]
struct Piece {
    skip: u64,
    room: usize,
    bytes: Vec<u8>,
    /// There is more behind it.
    more: bool,
}

impl Piece {
    const fn new(skip: u64, room: usize) -> Self {
        Self {
            skip,
            room,
            bytes: Vec::new(),
            more: false,
        }
    }

    fn done(self, from: u64) -> LogChunk {
        // whoever asks for what is behind the end is told where that is
        let from = from.saturating_sub(self.skip);
        let length = u64::try_from(self.bytes.len()).unwrap_or_default();
        LogChunk {
            next: from.saturating_add(length),
            end: !self.more,
            bytes: self.bytes.into(),
        }
    }
}

impl Write for Piece {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let skipped = skipped.min(bytes.len());
        self.skip -= u64::try_from(skipped).unwrap_or_default();
        let rest = bytes.get(skipped..).unwrap_or_default();
        let taken = rest.len().min(self.room - self.bytes.len());
        self.bytes.extend(rest.iter().take(taken));
        self.more |= taken < rest.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
