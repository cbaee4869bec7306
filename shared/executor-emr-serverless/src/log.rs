//! Logs on S3: what the driver of a run wrote, once it is over.
//!
//! The log is the driver's standard output and then its standard error. Both are compressed, so a later piece costs
//! reading what is before it again.

use std::fmt;
use std::io::{self, Write};

use aws_sdk_emrserverless::types::{
    JobDriver, JobRun, ManagedPersistenceMonitoringConfiguration, MonitoringConfiguration,
};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use flate2::write::MultiGzDecoder;
use porpoise_model::Target;
use porpoise_ports::Unavailable;
use porpoise_ports::executor::{LogChunk, LogError, NoLog};

const FILES: [&str; 2] = ["stdout.gz", "stderr.gz"];
/// What calls of this sort are called in errors.
const WHAT: &str = "a log of EMR Serverless";
/// What people do about a log that is not on S3.
const TO_S3: &str = "to read logs of later jobs here, set `s3MonitoringConfiguration` in the `request` of the target";

/// Where the files of a run's driver are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    bucket: String,
    prefix: String,
}

/// Where a run keeps its logs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// On S3.
    S3(Folder),
    /// In a log group.
    CloudWatch(String),
    /// In storage that the service manages.
    Managed,
    /// Nowhere.
    Nowhere,
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// Where logs go that no group was named for. Source: `CloudWatchLoggingConfiguration` in the API reference.
const GROUP: &str = "/aws/emr-serverless";

impl Kept {
    /// As the run's own request says, or else its application.
    ///
    /// Source: "Storing logs" in the EMR Serverless user guide: managed storage, unless it is switched off.
    pub(crate) fn of(run: &JobRun, application: Option<&MonitoringConfiguration>) -> Self {
        let own = asked(run).or(application);
        let s3 = own.and_then(|own| own.s3_monitoring_configuration()?.log_uri());
        if let Some(folder) = s3.and_then(|uri| Folder::of(run, uri)) {
            return Self::S3(folder);
        }
        let watched = own.and_then(|own| own.cloud_watch_logging_configuration());
        if let Some(watched) = watched.filter(|watched| watched.enabled()) {
            return Self::CloudWatch(watched.log_group_name().unwrap_or(GROUP).to_owned());
        }
        let managed = own.and_then(|own| own.managed_persistence_monitoring_configuration());
        match managed.and_then(ManagedPersistenceMonitoringConfiguration::enabled) {
            Some(false) => Self::Nowhere,
            Some(true) | None => Self::Managed,
        }
    }

    /// In words that people can look for.
    pub(crate) fn address(&self) -> Option<String> {
        match self {
            Self::S3(folder) => Some(folder.to_string()),
            Self::CloudWatch(group) => Some(format!("CloudWatch, log group `{group}`")),
            Self::Managed => Some("the Spark UI of the job run".to_owned()),
            Self::Nowhere => None,
        }
    }

    /// The folder on S3, or why there is none.
    pub(crate) fn folder(self) -> Result<Folder, NoLog> {
        let address = self.address();
        let none = match self {
            Self::S3(folder) => return Ok(folder),
            Self::CloudWatch(_) => {
                NoLog::never("the job writes its log to CloudWatch, which is not read here")
            }
            Self::Managed => NoLog::never(
                "the job keeps its log in storage that EMR Serverless manages, which only its own UI reads",
            ),
            Self::Nowhere => NoLog::never("the job keeps no log: its target has switched that off"),
        };
        let none = none.hint(TO_S3);
        Err(NoLog { address, ..none })
    }
}

/// What the run itself asked for.
pub(crate) fn asked(run: &JobRun) -> Option<&MonitoringConfiguration> {
    run.configuration_overrides()?.monitoring_configuration()
}

impl Folder {
    fn of(run: &JobRun, uri: &str) -> Option<Self> {
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

    /// A piece of what the files hold together. `target` is whose log it is, and with whose rights it is read.
    pub(crate) async fn read(
        &self,
        client: &Client,
        target: &Target,
        from: u64,
        limit: usize,
    ) -> Result<LogChunk, LogError> {
        let mut piece = Piece::new(from, limit);
        let mut any = false;
        for file in FILES {
            let unpacked = self.unpack(client, file, &mut piece).await;
            any |= unpacked.map_err(|failure| self.told(failure, file, target))?;
            if piece.more {
                break;
            }
        }
        if any {
            return Ok(piece.done(from));
        }
        let none = NoLog::yet(
            "the job is over, and EMR Serverless has put no log of its driver on S3 so far",
        );
        let address = Some(self.to_string());
        Err(NoLog { address, ..none }.into())
    }

    /// Whether there is such a file.
    async fn unpack(
        &self,
        client: &Client,
        file: &str,
        piece: &mut Piece,
    ) -> Result<bool, Failure> {
        let key = format!("{}{file}", self.prefix);
        let get = client.get_object().bucket(&self.bucket).key(key);
        let mut body = match get.send().await.map_err(Failure::of) {
            Ok(answer) => answer.body,
            Err(Failure::Missing) => return Ok(false),
            Err(failure) => return Err(failure),
        };
        let mut decoder = MultiGzDecoder::new(&mut *piece);
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| Failure::Unknown(error.to_string()))?;
            decoder.write_all(&bytes).map_err(Failure::packed)?;
            if decoder.get_ref().more {
                return Ok(true);
            }
        }
        decoder.try_finish().map_err(Failure::packed)?;
        Ok(true)
    }

    fn told(&self, failure: Failure, file: &str, target: &Target) -> LogError {
        let Self { bucket, .. } = self;
        let none = match failure {
            Failure::Denied(said) => {
                let who = match &target.role {
                    Some(role) => format!("the role `{}`", role.arn),
                    None => format!("the role of the poller at `{}`", target.place),
                };
                let why = format!("{who} may not read {self}{file} ({said})");
                let hint = format!(
                    "grant {who} `s3:GetObject` on the objects of the log and `s3:ListBucket` on the bucket `{bucket}`, \
                     and `kms:Decrypt` on its key if it has one of its own"
                );
                NoLog::never(why).hint(hint)
            }
            Failure::NoBucket => NoLog::never(format!(
                "the job writes its log to the bucket `{bucket}`, which does not exist"
            )),
            Failure::Missing => NoLog::yet("there is no such file"),
            Failure::Unknown(error) => {
                return Unavailable::new(WHAT, format!("{self}{file}: {error}")).into();
            }
        };
        let address = Some(self.to_string());
        NoLog { address, ..none }.into()
    }
}

/// Why a file of a log was not read.
#[derive(Debug)]
enum Failure {
    /// There is none.
    Missing,
    /// Nor is there its bucket.
    NoBucket,
    /// Whoever reads may not; a reader that may not list is told so of files that are not there, too.
    Denied(String),
    /// Nobody knows, or it is damaged.
    Unknown(String),
}

impl Failure {
    fn of(error: SdkError<GetObjectError>) -> Self {
        let refused = error.as_service_error();
        let code = refused.and_then(|refused| refused.code());
        match code {
            Some("NoSuchKey") => Self::Missing,
            Some("NoSuchBucket") => Self::NoBucket,
            Some(code @ ("AccessDenied" | "AccessDeniedException" | "AllAccessDisabled")) => {
                let said = refused.and_then(|refused| refused.message());
                Self::Denied(said.unwrap_or(code).to_owned())
            }
            Some(_) | None => Self::Unknown(DisplayErrorContext(error).to_string()),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "the signature of `map_err`")]
    fn packed(error: io::Error) -> Self {
        Self::Unknown(error.to_string())
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
