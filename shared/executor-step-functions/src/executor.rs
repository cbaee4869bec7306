//! The executor.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use jiff::Timestamp;
use porpoise_model::job::Job;
use porpoise_model::{AwsPlace, Target};
use porpoise_ports::executor::{
    JobRef, JobReport, JobState, LogChunk, LogError, News, NoLog, Rate, SubmitError, Submitted,
};
use porpoise_ports::target::Clients;
use porpoise_ports::{Executor, Unavailable};

use crate::arn::Machine;
use crate::error::{Failure, unusable};
use crate::machines::Machines;
use crate::settings::Settings;
use crate::start::start;
use crate::state::{Seen, instant};
use crate::{ClientOf, event, find};

/// `StartExecution` may be called 150 times a second, and 800 times at once, in the smaller regions; in the larger ones
/// twice as often. Source: "Service quotas" in the Step Functions developer guide.
const START_EVERY_MS: u32 = 7;
const START_BURST: u32 = 800;

/// From so many jobs of one state machine on, those that run are asked for by a list.
const LIST_FROM: usize = 8;

/// Executions on Step Functions: of state machines, and of those that call functions.
#[derive(Debug, Clone)]
pub struct StepFunctionsExecutor {
    clients: Clients<Client>,
    machines: Machines,
}

#[derive(Debug, thiserror::Error)]
#[error("a job on Step Functions or Lambda needs a target: the task names none")]
struct NoTarget;

fn rejected(job: &Job, message: impl Into<String>) -> SubmitError {
    SubmitError::Rejected {
        task: job.task_name.clone(),
        message: message.into(),
    }
}

fn refusal(job: &Job, failure: Failure) -> SubmitError {
    match failure {
        Failure::Refused(message) | Failure::Missing(message) => rejected(job, message),
        Failure::Full => SubmitError::Busy,
        Failure::Throttled(_) => SubmitError::Throttled,
        other @ (Failure::Exists | Failure::Unknown(_)) => SubmitError::Unavailable(other.into()),
    }
}

/// A target as a place to call.
struct Reached<'a> {
    client: Client,
    settings: Settings,
    place: &'a AwsPlace,
}

impl StepFunctionsExecutor {
    /// One that speaks to places through these clients.
    pub fn new(client_of: ClientOf) -> Self {
        Self {
            clients: Clients::new(client_of),
            machines: Machines::default(),
        }
    }

    fn reach<'a>(&self, target: Option<&'a Target>) -> Result<Reached<'a>, String> {
        let target = target.ok_or_else(|| NoTarget.to_string())?;
        let settings = Settings::of(target).map_err(|error| error.to_string())?;
        let place = target.place.aws().ok_or_else(|| NoTarget.to_string())?;
        Ok(Reached {
            client: self.clients.of(target),
            settings,
            place,
        })
    }

    fn reach_job<'a>(&self, job: &'a JobRef) -> Result<Reached<'a>, Unavailable> {
        self.reach(job.target.as_ref()).map_err(unusable)
    }
}

impl Reached<'_> {
    /// What is known of a job: nothing, if it was never started.
    async fn report(
        &self,
        job: &JobRef,
        running: &BTreeMap<String, Timestamp>,
    ) -> Result<Option<JobReport>, Failure> {
        let report = |arn: &str, state: JobState| JobReport {
            key: job.key,
            external_id: arn.to_owned(),
            state,
        };
        let Some(arn) = &job.external_id else {
            let found = find::lost(&self.client, &self.settings, self.place, job.key).await?;
            return Ok(found.map(|found| report(&found.execution_arn, state(&found))));
        };
        if let Some(started) = running.get(arn) {
            let started = *started;
            return Ok(Some(report(arn, JobState::Running { started })));
        }
        if let Some(found) = find::describe(&self.client, arn).await? {
            return Ok(Some(report(arn, state(&found))));
        }
        // reads lag behind starts: it was started, and will be seen as long as its state machine is there
        let machine = Machine::of_execution(arn);
        let stands = match &machine {
            Some(machine) => find::stands(&self.client, machine).await?,
            None => false,
        };
        let why = Some("not visible yet".to_owned());
        Ok(stands.then(|| report(arn, JobState::Waiting { why })))
    }

    /// The executions that run, of state machines with many of these jobs.
    async fn running(&self, jobs: &[&JobRef]) -> Result<BTreeMap<String, Timestamp>, Failure> {
        let mut by_machine: BTreeMap<Machine, (usize, Timestamp)> = BTreeMap::new();
        for job in jobs {
            let machine = job.external_id.as_deref().and_then(Machine::of_execution);
            let Some(machine) = machine else { continue };
            let (count, since) = by_machine.entry(machine).or_insert((0, job.since));
            *count += 1;
            *since = job.since.min(*since);
        }
        let mut running = BTreeMap::new();
        for (machine, (count, since)) in by_machine {
            if count >= LIST_FROM {
                running.extend(find::running(&self.client, &machine, since).await?);
            }
        }
        Ok(running)
    }

    /// Stops an execution; one that is over or was never there needs no stop.
    async fn stop(&self, arn: &str) -> Result<(), Failure> {
        let stop = self.client.stop_execution().execution_arn(arn).send().await;
        match stop.map_err(Failure::of) {
            Ok(_) | Err(Failure::Missing(_)) => Ok(()),
            Err(Failure::Refused(message)) => match find::describe(&self.client, arn).await? {
                Some(found) if !state(&found).is_terminal() => Err(Failure::Refused(message)),
                Some(_) | None => Ok(()),
            },
            Err(failure) => Err(failure),
        }
    }
}

fn state(found: &DescribeExecutionOutput) -> JobState {
    let seen = Seen {
        arn: &found.execution_arn,
        status: found.status.as_str(),
        started: instant(&found.start_date),
        ended: found.stop_date.as_ref().map(instant),
        output: found.output.as_deref(),
        error: found.error.as_deref(),
        cause: found.cause.as_deref(),
    };
    seen.state()
}

/// Why there is nothing to read.
const NO_LOG: &str = "Step Functions keeps no log of an execution, but its history; functions and state machines write logs of their own";

#[async_trait]
impl Executor for StepFunctionsExecutor {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let reached = self.reach(job.target.as_ref());
        let reached = reached.map_err(|message| rejected(job, message))?;
        let started = start(job, &reached.settings, reached.place);
        let started = started.map_err(|message| rejected(job, message))?;
        let machine = &started.machine;
        let checked = self.machines.check(&reached.client, machine).await;
        checked.map_err(|failure| refusal(job, failure))?;
        let start = reached.client.start_execution();
        let start = start
            .state_machine_arn(machine.arn())
            .name(job.key.to_string())
            .input(started.input);
        match start.send().await.map_err(Failure::of) {
            Ok(answer) => Ok(Submitted {
                external_id: answer.execution_arn,
            }),
            // it is over by now: its name is this attempt's, so it is this attempt's execution
            Err(Failure::Exists) => Ok(Submitted {
                external_id: machine.execution(job.key),
            }),
            Err(failure) => Err(refusal(job, failure)),
        }
    }

    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let mut groups: BTreeMap<String, (Reached<'_>, Vec<&JobRef>)> = BTreeMap::new();
        for job in jobs {
            let reached = self.reach_job(job)?;
            let target = job.target.as_ref().ok_or_else(|| unusable(NoTarget))?;
            let role = target.role.as_ref().map_or("", |role| role.arn.as_str());
            // targets of one place may name other state machines
            let group = format!("{} {role} {}", target.place, target.name);
            let (_, jobs) = groups.entry(group).or_insert_with(|| (reached, Vec::new()));
            jobs.push(job);
        }
        let mut reports = Vec::new();
        for (reached, jobs) in groups.values() {
            let running = reached.running(jobs).await?;
            for job in jobs {
                reports.extend(reached.report(job, &running).await?);
            }
        }
        Ok(reports)
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        let reached = self.reach_job(job)?;
        if let Some(arn) = &job.external_id {
            return Ok(reached.stop(arn).await?);
        }
        // a stop sees what a read does not see yet
        let Reached {
            client,
            settings,
            place,
        } = &reached;
        let named = settings.machines(place).is_some();
        for arn in find::candidates(client, settings, place, job.key).await? {
            match reached.stop(&arn).await {
                Err(Failure::Refused(_)) if !named => {}
                stopped => stopped?,
            }
        }
        Ok(())
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

    // An execution is kept for 90 days after it is over. Source: "Service quotas" in the Step Functions developer guide.
    fn remembers(&self) -> bool {
        true
    }

    fn rate(&self, target: Option<&Target>) -> Option<Rate> {
        let place = &target?.place;
        Some(Rate {
            name: format!("states {place} StartExecution"),
            every_ms: START_EVERY_MS,
            burst: START_BURST,
        })
    }

    fn read_event(&self, event: &str) -> Option<News> {
        event::read(event)
    }

    async fn link(&self, job: &JobRef) -> Result<Option<String>, Unavailable> {
        let place = job.target.as_ref().and_then(|target| target.place.aws());
        let (Some(place), Some(arn)) = (place, &job.external_id) else {
            return Ok(None);
        };
        let (domain, region) = (place.console(), place.region());
        let link = format!(
            "https://{region}.{domain}/states/home?region={region}#/v2/executions/details/{arn}"
        );
        Ok(Some(link))
    }
}
