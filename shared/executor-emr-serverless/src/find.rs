//! Runs of jobs: by their id, and by their name when the id was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_emrserverless::Client;
use aws_sdk_emrserverless::primitives::DateTime;
use aws_sdk_emrserverless::types::{JobRun, JobRunState, JobRunSummary};
use jiff::Timestamp;
use porpoise_ports::executor::{JobRef, JobReport};

use crate::error::Failure;
use crate::state::{OPEN, OVER, instant, is_over, of_run, of_summary};

/// Clocks differ: runs are looked for from this long before a job was submitted by ours.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);

/// What we call a run: an id of a run means nothing without its application.
pub(crate) fn external_id(application: &str, run: &str) -> String {
    format!("{application}/{run}")
}

/// Application and run of an id.
pub(crate) fn parts(external_id: &str) -> Option<(&str, &str)> {
    external_id.split_once('/')
}

/// So few runs are asked for one by one: `GetJobRun` may be called ten times as often as `ListJobRuns`, and says whatever
/// state a run is in. Source: "Endpoints and quotas" in the EMR Serverless user guide.
pub const FEW: usize = 3;

/// The ids of these jobs, if they are few and all known.
fn few<'a>(jobs: &[&'a JobRef]) -> Option<Vec<&'a str>> {
    let run = |job: &&'a JobRef| Some(parts(job.external_id.as_deref()?)?.1);
    let ids: Option<Vec<&str>> = jobs.iter().map(run).collect();
    ids.filter(|_| jobs.len() <= FEW)
}

/// An application, and who may ask for its runs.
#[derive(Debug)]
pub(crate) struct Runs<'a> {
    pub(crate) client: &'a Client,
    pub(crate) application: &'a str,
}

impl Runs<'_> {
    /// What is known of these jobs, which are all of this application.
    pub(crate) async fn reports(&self, jobs: &[&JobRef]) -> Result<Vec<JobReport>, Failure> {
        let Some(since) = jobs.iter().map(|job| job.since).min() else {
            return Ok(Vec::new());
        };
        if let Some(ids) = few(jobs) {
            let mut reports = Vec::new();
            for (job, id) in jobs.iter().zip(ids) {
                reports.extend(self.report_one(job, id).await?);
            }
            return Ok(reports);
        }
        let open = self.list(&OPEN, (since, None)).await?;
        let open = by_name(&open);
        let (mut reports, mut lost) = (Vec::new(), Vec::new());
        for job in jobs {
            let name = job.key.to_string();
            let id = job
                .external_id
                .as_deref()
                .and_then(parts)
                .map(|(_, run)| run);
            // a name may be of several runs, an id is not
            let named = open.get(name.as_str());
            match (named.filter(|run| id.is_none_or(|id| run.id == id)), id) {
                (Some(summary), _) => reports.push(self.report_open(job, summary)),
                (None, Some(id)) => reports.extend(self.report_one(job, id).await?),
                (None, None) => lost.push(*job),
            }
        }
        let Some(since) = lost.iter().map(|job| job.since).min() else {
            return Ok(reports);
        };
        let over = self.list(&OVER, (since, None)).await?;
        let over = by_name(&over);
        for job in lost {
            if let Some(summary) = over.get(job.key.to_string().as_str()) {
                reports.extend(self.report_one(job, &summary.id).await?);
            }
        }
        Ok(reports)
    }

    /// The run of a job, if there is one.
    pub(crate) async fn id(&self, job: &JobRef) -> Result<Option<String>, Failure> {
        if let Some((_, run)) = job.external_id.as_deref().and_then(parts) {
            return Ok(Some(run.to_owned()));
        }
        let name = job.key.to_string();
        self.named(&name, (job.since, job.until)).await
    }

    /// The run of this name that was created in this time, over or not.
    pub(crate) async fn named(
        &self,
        name: &str,
        created: (Timestamp, Option<Timestamp>),
    ) -> Result<Option<String>, Failure> {
        for states in [&OPEN[..], &OVER[..]] {
            let runs = self.list(states, created).await?;
            if let Some(run) = by_name(&runs).get(name) {
                return Ok(Some(run.id.clone()));
            }
        }
        Ok(None)
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<JobRun>, Failure> {
        let get = self.client.get_job_run().application_id(self.application);
        match get.job_run_id(id).send().await.map_err(Failure::of) {
            Ok(answer) => Ok(answer.job_run),
            Err(Failure::Missing(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn list(
        &self,
        states: &[JobRunState],
        (since, until): (Timestamp, Option<Timestamp>),
    ) -> Result<Vec<JobRunSummary>, Failure> {
        let from = since.checked_sub(CLOCKS_DIFFER).unwrap_or(since);
        // no run is older than the service, and a date of long ago is none that it takes
        let from = (from > Timestamp::UNIX_EPOCH).then(|| DateTime::from_secs(from.as_second()));
        let to = until.map(|until| until.checked_add(CLOCKS_DIFFER).unwrap_or(until));
        let to = to.map(|to| DateTime::from_secs(to.as_second()));
        let list = self.client.list_job_runs().application_id(self.application);
        let list = list
            .set_created_at_after(from)
            .set_created_at_before(to)
            .set_states(Some(states.to_vec()));
        let mut items = list.into_paginator().items().send();
        let mut runs = Vec::new();
        while let Some(run) = items.next().await {
            runs.push(run.map_err(Failure::of)?);
        }
        Ok(runs)
    }

    fn report_open(&self, job: &JobRef, summary: &JobRunSummary) -> JobReport {
        JobReport {
            key: job.key,
            external_id: external_id(self.application, &summary.id),
            state: of_summary(summary),
        }
    }

    async fn report_one(&self, job: &JobRef, id: &str) -> Result<Option<JobReport>, Failure> {
        let run = self.get(id).await?;
        Ok(run.map(|run| JobReport {
            key: job.key,
            external_id: external_id(self.application, id),
            state: of_run(&run),
        }))
    }
}

/// The runs by their names. A name that several have is of the first that was created: a token is remembered for as
/// long as the service likes, and then the name is all that tells.
fn by_name(runs: &[JobRunSummary]) -> BTreeMap<&str, &JobRunSummary> {
    let mut named: BTreeMap<&str, &JobRunSummary> = BTreeMap::new();
    for run in runs {
        let Some(name) = run.name.as_deref() else {
            continue;
        };
        let known = named.entry(name).or_insert(run);
        let (new, old) = (instant(&run.created_at), instant(&known.created_at));
        if new < old {
            *known = run;
        }
    }
    named
}

/// Whether a run needs no cancel any more: it is over, or on its way there.
pub(crate) fn ends(run: &JobRun) -> bool {
    is_over(&run.state) || run.state == JobRunState::Cancelling
}
