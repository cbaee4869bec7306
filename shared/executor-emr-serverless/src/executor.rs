//! The executor.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_emrserverless::Client;
use aws_sdk_emrserverless::operation::start_job_run::StartJobRunInput;
use aws_sdk_emrserverless::types::JobRun;
use jiff::{SignedDuration, Timestamp};
use porpoise_model::job::Job;
use porpoise_model::{AwsPlace, Place, Target};
use porpoise_ports::executor::{
    JobRef, JobReport, JobUsage, LogChunk, LogError, News, NoLog, Rate, SubmitError, Submitted,
};
use porpoise_ports::target::Clients;
use porpoise_ports::{Executor, Unavailable};

use crate::application::{Applications, Reason, look};
use crate::error::{Failure, unusable};
use crate::find::{Runs, ends, external_id, parts};
use crate::log::{Kept, asked};
use crate::settings::Settings;
use crate::state::is_over;
use crate::usage::{Hours, prices, usage};
use crate::{ClientOf, S3ClientOf, event, start};

/// `StartJobRun` may be called once a second, and 25 times at once. Source: "Endpoints and quotas" in the EMR Serverless
/// user guide.
const START_EVERY_MS: u32 = 1_000;
const START_BURST: u32 = 25;

/// What the executor says of whether the service remembers runs that are over.
pub const REMEMBERS: bool = true;
/// Usage is complete a few minutes after the end. Source: EMR Serverless user guide, "Job resource utilization".
pub const BILLED_AFTER: SignedDuration = SignedDuration::from_mins(3);

/// How fast jobs may be started at a place.
pub fn start_rate(place: &Place) -> Rate {
    Rate {
        name: format!("emr-serverless {place} StartJobRun"),
        every_ms: START_EVERY_MS,
        burst: START_BURST,
    }
}

/// Job runs on EMR Serverless.
#[derive(Debug, Clone)]
pub struct EmrServerlessExecutor {
    clients: Clients<Client>,
    applications: Applications,
    logs: Option<Clients<aws_sdk_s3::Client>>,
}

impl EmrServerlessExecutor {
    /// One that speaks to places through these clients.
    pub fn new(client_of: ClientOf) -> Self {
        Self {
            clients: Clients::new(client_of),
            applications: Applications::default(),
            logs: None,
        }
    }

    /// With logs, for runs that keep them on S3.
    #[must_use]
    pub fn with_logs(mut self, client_of: S3ClientOf) -> Self {
        self.logs = Some(Clients::new(client_of));
        self
    }

    /// A target as a place to call: its client, what it says, and its application.
    async fn reach(&self, target: &Target) -> Result<Reached, Failure> {
        let settings = Settings::of(target).map_err(|error| Failure::Refused(error.to_string()))?;
        let client = self.clients.of(target);
        let application = self.applications.id(&client, target, &settings).await?;
        Ok(Reached {
            client,
            settings,
            application,
        })
    }

    /// Where a job that somebody asks for is, by its id if it has one.
    async fn reach_job(&self, job: &JobRef) -> Result<Reached, Unavailable> {
        let target = job.target.as_ref().ok_or_else(|| unusable(NoTarget))?;
        if let Some((application, _)) = job.external_id.as_deref().and_then(parts) {
            return Ok(Reached {
                client: self.clients.of(target),
                settings: Settings::of(target).map_err(unusable)?,
                application: application.to_owned(),
            });
        }
        Ok(self.reach(target).await?)
    }

    /// Why a start failed, and what is to be done.
    async fn failed(&self, reached: &Reached, job: &Job, failure: Failure) -> SubmitError {
        match failure {
            Failure::Throttled(_) => SubmitError::Throttled,
            Failure::Full => SubmitError::Busy,
            Failure::Unknown(error) => SubmitError::Unavailable(error),
            Failure::Conflict => rejected(
                job,
                "a run was started under this attempt's token with another request, and is not there any more",
            ),
            Failure::Missing(message) => {
                self.applications.forget(&reached.application);
                rejected(job, message)
            }
            Failure::Refused(message) => {
                let start = reached.settings.start_application;
                match look(&reached.client, &reached.application, start).await {
                    Ok(Reason::NotYet) => SubmitError::Busy,
                    Ok(Reason::Never(reason)) => rejected(job, reason),
                    Ok(Reason::Other) | Err(Failure::Refused(_) | Failure::Missing(_)) => {
                        rejected(job, message)
                    }
                    Err(Failure::Throttled(_)) => SubmitError::Throttled,
                    Err(other) => SubmitError::Unavailable(other.into()),
                }
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a job on EMR Serverless needs a target: the task names none")]
struct NoTarget;

#[derive(Debug)]
struct Reached {
    client: Client,
    settings: Settings,
    application: String,
}

impl Reached {
    fn runs(&self) -> Runs<'_> {
        Runs {
            client: &self.client,
            application: &self.application,
        }
    }

    /// Where a run keeps its logs.
    async fn kept(&self, run: &JobRun) -> Result<Kept, Failure> {
        if asked(run).is_some() {
            return Ok(Kept::of(run, None));
        }
        let get = self.client.get_application();
        let get = get.application_id(&self.application).send().await;
        let application = match get.map_err(Failure::of) {
            Ok(answer) => answer.application,
            Err(Failure::Missing(_)) => None,
            Err(failure) => return Err(failure),
        };
        let monitoring = application.and_then(|known| known.monitoring_configuration);
        Ok(Kept::of(run, monitoring.as_ref()))
    }

    /// Where people look at a run, for a while; there is nothing before it runs.
    async fn dashboard(&self, run: &str) -> Result<Option<String>, Failure> {
        let get = self.client.get_dashboard_for_job_run();
        let get = get.application_id(&self.application).job_run_id(run);
        match get.send().await.map_err(Failure::of) {
            Ok(answer) => Ok(answer.url),
            Err(Failure::Refused(_) | Failure::Missing(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn start(&self, input: StartJobRunInput) -> Result<String, Failure> {
        let start = self
            .client
            .start_job_run()
            .set_application_id(input.application_id)
            .set_client_token(input.client_token)
            .set_execution_role_arn(input.execution_role_arn)
            .set_execution_iam_policy(input.execution_iam_policy)
            .set_job_driver(input.job_driver)
            .set_configuration_overrides(input.configuration_overrides)
            .set_tags(input.tags)
            .set_execution_timeout_minutes(input.execution_timeout_minutes)
            .set_name(input.name)
            .set_mode(input.mode)
            .set_retry_policy(input.retry_policy);
        Ok(start.send().await.map_err(Failure::of)?.job_run_id)
    }
}

fn rejected(job: &Job, message: impl Into<String>) -> SubmitError {
    SubmitError::Rejected {
        task: job.task_name.clone(),
        message: message.into(),
    }
}

#[async_trait]
impl Executor for EmrServerlessExecutor {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let Some(target) = &job.target else {
            return Err(rejected(job, NoTarget.to_string()));
        };
        let reached = match self.reach(target).await {
            Ok(reached) => reached,
            Err(Failure::Refused(message) | Failure::Missing(message)) => {
                return Err(rejected(job, message));
            }
            Err(Failure::Throttled(_)) => return Err(SubmitError::Throttled),
            Err(other) => return Err(SubmitError::Unavailable(other.into())),
        };
        let input = start::input(job, &reached.settings, &reached.application);
        let input = input.map_err(|message| rejected(job, message))?;
        let started = match reached.start(input).await {
            // an earlier release of ours may have asked for the same run in other words
            Err(Failure::Conflict) => {
                let name = job.key.to_string();
                let known = reached
                    .runs()
                    .named(&name, (Timestamp::UNIX_EPOCH, None))
                    .await;
                known.and_then(|known| known.ok_or(Failure::Conflict))
            }
            other => other,
        };
        match started {
            Ok(run) => Ok(Submitted {
                external_id: external_id(&reached.application, &run),
            }),
            Err(failure) => Err(self.failed(&reached, job, failure).await),
        }
    }

    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        // one list for each application, whoever may ask for it
        let mut groups: BTreeMap<String, (Reached, Vec<&JobRef>)> = BTreeMap::new();
        for job in jobs {
            let reached = self.reach_job(job).await?;
            let target = job.target.as_ref().ok_or_else(|| unusable(NoTarget))?;
            let role = target.role.as_ref().map_or("", |role| role.arn.as_str());
            let group = format!("{} {role} {}", target.place, reached.application);
            let (_, jobs) = groups.entry(group).or_insert_with(|| (reached, Vec::new()));
            jobs.push(job);
        }
        let mut reports = Vec::new();
        for (reached, jobs) in groups.values() {
            reports.extend(reached.runs().reports(jobs).await?);
        }
        Ok(reports)
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        let reached = self.reach_job(job).await?;
        let Some(run) = reached.runs().id(job).await? else {
            return Ok(());
        };
        let cancel = reached.client.cancel_job_run();
        let cancel = cancel.application_id(&reached.application).job_run_id(&run);
        let grace = reached.settings.cancel_grace_seconds;
        let cancel = cancel.set_shutdown_grace_period_in_seconds(grace);
        match cancel.send().await.map_err(Failure::of) {
            Ok(_) | Err(Failure::Missing(_)) => Ok(()),
            // one that is over, or is being canceled, need not be canceled
            Err(Failure::Refused(message)) => match reached.runs().get(&run).await? {
                Some(run) if !ends(&run) => Err(Failure::Refused(message).into()),
                Some(_) | None => Ok(()),
            },
            Err(failure) => Err(failure.into()),
        }
    }

    async fn log(
        &self,
        job: &JobRef,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, LogError> {
        let Some(target) = &job.target else {
            return Ok(None);
        };
        let reached = self.reach_job(job).await?;
        let run = match reached.runs().id(job).await? {
            Some(id) => reached.runs().get(&id).await?,
            None => None,
        };
        let Some(run) = run else {
            return Ok(None);
        };
        // files of a run that goes on are written anew again and again
        if !is_over(&run.state) {
            let none = NoLog::yet("its log is read here once the job is over");
            let link = reached.dashboard(&run.job_run_id).await.unwrap_or_default();
            return Err(NoLog { link, ..none }.into());
        }
        let folder = match (&self.logs, reached.kept(&run).await?.folder()) {
            (Some(logs), Ok(folder)) => {
                let client = logs.of(target);
                let read = folder.read(&client, target, from, limit).await;
                return Ok(Some(read?));
            }
            (None, Ok(folder)) => NoLog {
                address: Some(folder.to_string()),
                ..NoLog::never("this server has no client of S3")
            },
            (_, Err(none)) => none,
        };
        let link = reached.dashboard(&run.job_run_id).await.unwrap_or_default();
        Err(NoLog { link, ..folder }.into())
    }

    async fn log_address(&self, job: &JobRef) -> Result<Option<String>, Unavailable> {
        let reached = self.reach_job(job).await?;
        let run = match reached.runs().id(job).await? {
            Some(id) => reached.runs().get(&id).await?,
            None => None,
        };
        match run {
            Some(run) => Ok(reached.kept(&run).await?.address()),
            None => Ok(None),
        }
    }

    // A run that is over is told of by its id for as long as its application stands.
    fn remembers(&self) -> bool {
        REMEMBERS
    }

    fn rate(&self, target: Option<&Target>) -> Option<Rate> {
        Some(start_rate(&target?.place))
    }

    fn billed_after(&self) -> Option<SignedDuration> {
        Some(BILLED_AFTER)
    }

    async fn usage(&self, job: &JobRef) -> Result<Option<JobUsage>, Unavailable> {
        let reached = self.reach_job(job).await?;
        let Some(id) = reached.runs().id(job).await? else {
            return Ok(None);
        };
        let run = reached.runs().get(&id).await?;
        let Some(billed) = run.and_then(|run| run.billed_resource_utilization) else {
            return Ok(None);
        };
        let hours = Hours {
            vcpu: billed.v_cpu_hour.unwrap_or_default(),
            memory_gb: billed.memory_gb_hour.unwrap_or_default(),
            storage_gb: billed.storage_gb_hour.unwrap_or_default(),
        };
        let place = job.target.as_ref().and_then(|target| target.place.aws());
        let prices = prices(reached.settings.prices, place.map(AwsPlace::region));
        Ok(Some(usage(hours, prices)))
    }

    fn read_event(&self, event: &str) -> Option<News> {
        event::read(event)
    }

    async fn link(&self, job: &JobRef) -> Result<Option<String>, Unavailable> {
        let reached = self.reach_job(job).await?;
        let Some(run) = reached.runs().id(job).await? else {
            return Ok(None);
        };
        Ok(reached.dashboard(&run).await?)
    }
}
