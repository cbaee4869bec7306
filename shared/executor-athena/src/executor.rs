//! The executor.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_athena::Client;
use aws_sdk_athena::types::QueryExecution;
use jiff::SignedDuration;
use porpoise_model::Target;
use porpoise_model::job::Job;
use porpoise_model::value::Outputs;
use porpoise_ports::executor::{
    JobRef, JobReport, JobUsage, LogChunk, LogError, News, NoLog, Rate, SubmitError, Submitted,
};
use porpoise_ports::target::Clients;
use porpoise_ports::{Executor, Unavailable};

use crate::ClientOf;
use crate::error::{Failure, unusable};
use crate::outputs::outputs;
use crate::settings::Settings;
use crate::state::{is_over, of_query, word};
use crate::usage::usage;
use crate::{event, find, start};

/// `StartQueryExecution` may be called twenty times a second, and 80 times at once. Source: "Service quotas" in the user
/// guide of Athena.
const START_EVERY_MS: u32 = 50;
const START_BURST: u32 = 80;

/// Queries on Athena.
#[derive(Debug, Clone)]
pub struct AthenaExecutor {
    clients: Clients<Client>,
}

#[derive(Debug, thiserror::Error)]
#[error("a job on Athena needs a target: the task names none")]
struct NoTarget;

fn rejected(job: &Job, message: impl Into<String>) -> SubmitError {
    SubmitError::Rejected {
        task: job.task_name.clone(),
        message: message.into(),
    }
}

/// Jobs that are asked for with one client.
struct Group<'a> {
    client: Client,
    jobs: Vec<(&'a JobRef, Settings)>,
}

impl AthenaExecutor {
    /// One that speaks to places through these clients.
    pub fn new(client_of: ClientOf) -> Self {
        Self {
            clients: Clients::new(client_of),
        }
    }

    fn reach(&self, job: &JobRef) -> Result<(Client, Settings), Unavailable> {
        let target = job.target.as_ref().ok_or_else(|| unusable(NoTarget))?;
        let settings = Settings::of(target).map_err(unusable)?;
        Ok((self.clients.of(target), settings))
    }

    /// The query of a job, if there is one.
    async fn query(
        client: &Client,
        settings: &Settings,
        job: &JobRef,
    ) -> Result<Option<QueryExecution>, Failure> {
        match &job.external_id {
            Some(id) => Ok(find::get(client, std::slice::from_ref(id)).await?.pop()),
            None => find::lost(client, settings, job).await,
        }
    }
}

impl Group<'_> {
    async fn reports(&self) -> Result<Vec<JobReport>, Failure> {
        let ids = self
            .jobs
            .iter()
            .filter_map(|(job, _)| job.external_id.clone());
        let known = find::get(&self.client, &ids.collect::<Vec<_>>()).await?;
        let known: BTreeMap<&str, &QueryExecution> = known
            .iter()
            .filter_map(|query| Some((query.query_execution_id()?, query)))
            .collect();
        let mut reports = Vec::new();
        for (job, settings) in &self.jobs {
            let query = match &job.external_id {
                Some(id) => known.get(id.as_str()).map(|query| (*query).clone()),
                None => find::lost(&self.client, settings, job).await?,
            };
            if let Some(query) = query {
                reports.push(self.report(job, settings, &query).await?);
            }
        }
        Ok(reports)
    }

    async fn report(
        &self,
        job: &JobRef,
        settings: &Settings,
        query: &QueryExecution,
    ) -> Result<JobReport, Failure> {
        let succeeded = word(query) == Some(&aws_sdk_athena::types::QueryExecutionState::Succeeded);
        let outputs = if succeeded {
            outputs(&self.client, query, settings.rows_max).await?
        } else {
            Outputs::new()
        };
        Ok(JobReport {
            key: job.key,
            external_id: query.query_execution_id().unwrap_or_default().to_owned(),
            state: of_query(query, outputs),
        })
    }
}

/// Why there is nothing to read.
const NO_LOG: &str = "Athena writes no log of a query: its error is the cause of the attempt, its result is where the target says";

#[async_trait]
impl Executor for AthenaExecutor {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let Some(target) = &job.target else {
            return Err(rejected(job, NoTarget.to_string()));
        };
        let settings = Settings::of(target).map_err(|error| rejected(job, error.to_string()))?;
        let input = start::input(job, &settings).map_err(|message| rejected(job, message))?;
        let client = self.clients.of(target);
        let start = client
            .start_query_execution()
            .set_query_string(input.query_string)
            .set_client_request_token(input.client_request_token)
            .set_query_execution_context(input.query_execution_context)
            .set_result_configuration(input.result_configuration)
            .set_work_group(input.work_group)
            .set_execution_parameters(input.execution_parameters)
            .set_result_reuse_configuration(input.result_reuse_configuration);
        match start.send().await.map_err(Failure::of) {
            Ok(answer) => Ok(Submitted {
                external_id: answer.query_execution_id.unwrap_or_default(),
            }),
            Err(Failure::Refused(message)) => Err(rejected(job, message)),
            Err(Failure::Full) => Err(SubmitError::Busy),
            Err(Failure::Throttled(_)) => Err(SubmitError::Throttled),
            Err(Failure::Unknown(error)) => Err(SubmitError::Unavailable(error)),
        }
    }

    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
        for job in jobs {
            let (client, settings) = self.reach(job)?;
            let target = job.target.as_ref().ok_or_else(|| unusable(NoTarget))?;
            let role = target.role.as_ref().map_or("", |role| role.arn.as_str());
            let group = groups.entry(format!("{} {role}", target.place));
            let group = group.or_insert_with(|| Group {
                client,
                jobs: Vec::new(),
            });
            group.jobs.push((job, settings));
        }
        let mut reports = Vec::new();
        for group in groups.values() {
            reports.extend(group.reports().await?);
        }
        Ok(reports)
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        let (client, settings) = self.reach(job)?;
        let id = if let Some(id) = &job.external_id {
            Some(id.clone())
        } else {
            let query = find::lost(&client, &settings, job).await?;
            query.and_then(|query| query.query_execution_id)
        };
        let Some(id) = id else { return Ok(()) };
        let stop = client
            .stop_query_execution()
            .query_execution_id(&id)
            .send()
            .await;
        match stop.map_err(Failure::of) {
            Ok(_) => Ok(()),
            // one that is over or gone need not be stopped
            Err(Failure::Refused(message)) => {
                let query = find::get(&client, std::slice::from_ref(&id)).await?.pop();
                match query.filter(|query| !is_over(query)) {
                    Some(_) => Err(Failure::Refused(message).into()),
                    None => Ok(()),
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn log(
        &self,
        job: &JobRef,
        _from: u64,
        _limit: usize,
    ) -> Result<Option<LogChunk>, LogError> {
        let link = self.link(job).await?;
        Err(NoLog {
            link,
            ..NoLog::never(NO_LOG)
        }
        .into())
    }

    // Athena keeps what became of a query for 45 days. Source: user guide, "View recent queries".
    fn remembers(&self) -> bool {
        true
    }

    fn rate(&self, target: Option<&Target>) -> Option<Rate> {
        let place = &target?.place;
        Some(Rate {
            name: format!("athena {place} StartQueryExecution"),
            every_ms: START_EVERY_MS,
            burst: START_BURST,
        })
    }

    fn billed_after(&self) -> Option<SignedDuration> {
        Some(SignedDuration::ZERO)
    }

    async fn usage(&self, job: &JobRef) -> Result<Option<JobUsage>, Unavailable> {
        let (client, settings) = self.reach(job)?;
        let query = Self::query(&client, &settings, job).await?;
        Ok(query.and_then(|query| usage(&query, settings.price_per_tb)))
    }

    fn read_event(&self, event: &str) -> Option<News> {
        event::read(event)
    }

    async fn link(&self, job: &JobRef) -> Result<Option<String>, Unavailable> {
        let place = job.target.as_ref().and_then(|target| target.place.aws());
        let (Some(place), Some(id)) = (place, &job.external_id) else {
            return Ok(None);
        };
        let (domain, region) = (place.console(), place.region());
        let link = format!(
            "https://{region}.{domain}/athena/home?region={region}#/query-editor/history/{id}"
        );
        Ok(Some(link))
    }
}
