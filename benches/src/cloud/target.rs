//! EMR Serverless, as far as its times and its calls go: what a call is asked and how often it is called is as the
//! product's executor does it; rate and events are read by that executor itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use porpoise_executor_emr_serverless as emr;
use porpoise_model::{AttemptKey, Target};
use porpoise_ports::executor::{
    Job, JobRef, JobReport, JobState, JobUsage, JobUsageLine, LogChunk, LogError, News, Rate,
    SubmitError, Submitted,
};
use porpoise_ports::{Clock as _, Executor, Unavailable};

use super::assumed::{BUS_DELIVERS, Service};
use super::region::Region;
use super::time::lock;
use super::world::Caller;

const APPLICATION: &str = "00fk2h4l7a9s1b2c";
/// Runs that a page of a list holds at most. Source: EMR Serverless API reference, `ListJobRuns`.
const PAGE: usize = 50;
/// So much before the oldest job that it asks for does the executor have lists begin.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);

/// How long jobs take, each between so much and so much, evenly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobTimes {
    pub(crate) to_start: (Duration, Duration),
    pub(crate) to_run: (Duration, Duration),
}

impl JobTimes {
    /// A minute to start, give or take 20 seconds; so long to run, give or take a half.
    pub(crate) fn about(run: Duration) -> Self {
        let second = Duration::from_secs;
        Self {
            to_start: (second(40), second(80)),
            to_run: (run / 2, run / 2 * 3),
        }
    }
}

/// The service.
#[derive(Debug)]
pub(crate) struct Emr {
    runs: Mutex<BTreeMap<AttemptKey, Run>>,
    /// When those were submitted that were not over when somebody looked, and when they end.
    open: Mutex<Vec<(Timestamp, Timestamp)>>,
    times: JobTimes,
}

#[derive(Debug, Clone)]
struct Run {
    id: String,
    submitted: Timestamp,
    started: Timestamp,
    ended: Timestamp,
}

impl Emr {
    pub(crate) fn new(times: JobTimes) -> Self {
        Self {
            runs: Mutex::default(),
            open: Mutex::default(),
            times,
        }
    }

    /// Runs that are not over.
    fn open_since(&self, from: Timestamp, now: Timestamp) -> usize {
        let mut open = lock(&self.open);
        open.retain(|(_, ended)| *ended > now);
        open.iter()
            .filter(|(submitted, _)| *submitted >= from)
            .count()
    }

    /// Runs that are over.
    pub(crate) fn over(&self, now: Timestamp) -> usize {
        lock(&self.runs)
            .values()
            .filter(|run| run.ended <= now)
            .count()
    }

    /// How long all runs ran.
    pub(crate) fn job_hours(&self) -> f64 {
        let runs = lock(&self.runs);
        let hours = runs
            .values()
            .map(|run| run.ended.duration_since(run.submitted).as_secs_f64());
        hours.sum::<f64>() / 3600.0
    }
}

/// The executor of a copy of a function.
#[derive(Debug)]
pub(crate) struct CloudEmr {
    pub(crate) caller: Caller,
    pub(crate) region: Weak<Region>,
}

fn between((least, most): (Duration, Duration), dice: f64) -> Duration {
    least + most.saturating_sub(least).mul_f64(dice)
}

fn event(kind: &str, run: &str, more: &serde_json::Value) -> String {
    let mut detail = serde_json::json!({
        "jobRunId": run, "jobRunName": run, "applicationId": APPLICATION, "arn":
        format!("arn:aws:emr-serverless:eu-central-1:111122223333:/applications/{APPLICATION}/jobruns/{run}"),
        "releaseLabel": "emr-7.9.0", "attempt": 1, "mode": "BATCH",
    });
    if let (Some(detail), Some(more)) = (detail.as_object_mut(), more.as_object()) {
        detail.extend(more.clone());
    }
    serde_json::json!({
        "version": "0", "id": "00df3ec6-5da1-36e6-ab71-20f0de68f8a0", "detail-type": kind, "source": "aws.emr-serverless",
        "account": "111122223333", "region": "eu-central-1", "resources": [], "detail": detail,
    })
    .to_string()
}

const STATE: &str = "EMR Serverless Job Run State Change";

impl CloudEmr {
    fn region(&self) -> Result<Arc<Region>, Unavailable> {
        let gone = || Unavailable::new("EMR Serverless", "the region is over");
        self.region.upgrade().ok_or_else(gone)
    }

    /// What the service says of a run by itself, as far as the rules of the deployment let it through.
    fn tell(region: &Arc<Region>, run: &Run) {
        let clock = region.world.now();
        let after =
            |at: Timestamp| Duration::try_from(at.duration_since(clock)).unwrap_or_default();
        let state = |word: &str, at: Timestamp| {
            event(
                STATE,
                &run.id,
                &serde_json::json!({"state": word, "updatedAt": at}),
            )
        };
        let told = [(after(run.ended), JOB_ENDED, state("SUCCESS", run.ended))];
        for (wait, what, event) in told {
            let region = Arc::clone(region);
            region.world.time.clone().spawn(async move {
                region.world.time.sleep(wait).await;
                region.world.deliver(|| what.to_owned(), BUS_DELIVERS).await;
                region.hear(&event).await;
            });
        }
    }
}

/// What a delivery is called that tells of the end of a job.
pub(crate) const JOB_ENDED: &str = "a job ended";

#[async_trait]
impl Executor for CloudEmr {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        self.caller.call(Service::Emr, "StartJobRun").await;
        let region = self.region()?;
        let now = region.world.now();
        let mut runs = lock(&region.emr.runs);
        let number = u64::try_from(runs.len()).unwrap_or_default();
        let fresh = !runs.contains_key(&job.key);
        let run = runs.entry(job.key).or_insert_with(|| {
            let times = region.emr.times;
            let started = now + between(times.to_start, region.world.dice(number, 1));
            Run {
                id: format!("00fk2jr{number:09}"),
                submitted: now,
                started,
                ended: started + between(times.to_run, region.world.dice(number, 2)),
            }
        });
        let run = run.clone();
        drop(runs);
        if fresh {
            lock(&region.emr.open).push((run.submitted, run.ended));
            Self::tell(&region, &run);
        }
        Ok(Submitted {
            external_id: format!("{APPLICATION}/{}", run.id),
        })
    }

    /// Few that are known by their ids each alone; of more, pages of what is open, one after the other, then each that is
    /// not among it alone.
    async fn list(&self, asked: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let region = self.region()?;
        let Some(since) = asked.iter().map(|job| job.since).min() else {
            return Ok(Vec::new());
        };
        let few = asked.len() <= emr::FEW && asked.iter().all(|job| job.external_id.is_some());
        let open = region
            .emr
            .open_since(since - CLOCKS_DIFFER, region.world.now());
        let pages = if few { 0 } else { open.div_ceil(PAGE).max(1) };
        for _ in 0..pages {
            self.caller.call(Service::Emr, "ListJobRuns").await;
        }
        let now = region.world.now();
        let mut reports = Vec::new();
        let mut unknown = false;
        for job in asked {
            let found = lock(&region.emr.runs).get(&job.key).cloned();
            let Some(run) = found else {
                unknown |= job.external_id.is_none();
                continue;
            };
            if few || now >= run.ended {
                self.caller.call(Service::Emr, "GetJobRun").await;
            }
            let state = if now < run.started {
                JobState::Waiting {
                    why: Some("SCHEDULED".to_owned()),
                }
            } else if now < run.ended {
                JobState::Running {
                    started: run.started,
                }
            } else {
                JobState::Succeeded {
                    started: run.started,
                    ended: run.ended,
                    outputs: BTreeMap::new(),
                }
            };
            reports.push(JobReport {
                key: job.key,
                external_id: format!("{APPLICATION}/{}", run.id),
                state,
            });
        }
        if unknown {
            self.caller.call(Service::Emr, "ListJobRuns").await;
        }
        Ok(reports)
    }

    async fn cancel(&self, _: &JobRef) -> Result<(), Unavailable> {
        self.caller.call(Service::Emr, "CancelJobRun").await;
        Ok(())
    }

    async fn log(&self, _: &JobRef, _: u64, _: usize) -> Result<Option<LogChunk>, LogError> {
        Ok(None)
    }

    fn rate(&self, target: Option<&Target>) -> Option<Rate> {
        Some(emr::start_rate(&target?.place))
    }

    fn remembers(&self) -> bool {
        emr::REMEMBERS
    }

    fn billed_after(&self) -> Option<SignedDuration> {
        Some(emr::BILLED_AFTER)
    }

    async fn usage(&self, _: &JobRef) -> Result<Option<JobUsage>, Unavailable> {
        self.caller.call(Service::Emr, "GetJobRun").await;
        let measures = [
            ("vcpu_hours", 1_500_000),
            ("memory_gb_hours", 6_000_000),
            ("storage_gb_hours", 0),
        ];
        let lines = measures.map(|(measure, millionths)| JobUsageLine {
            measure: measure.to_owned(),
            millionths,
            nanodollars: Some(millionths * 50),
        });
        Ok(Some(JobUsage {
            lines: lines.into(),
        }))
    }

    fn read_event(&self, event: &str) -> Option<News> {
        emr::read_event(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executor_reads_what_the_service_says_here() {
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let more = serde_json::json!({"state": "SUCCESS", "updatedAt": at});
        let news = emr::read_event(&event(STATE, "r1", &more)).unwrap();
        assert_eq!(news.external_id, format!("{APPLICATION}/r1"));
        assert_eq!((news.state, news.succeeded), (None, Some(at)));
        let more = serde_json::json!({"state": "RUNNING", "updatedAt": at});
        let news = emr::read_event(&event(STATE, "r1", &more)).unwrap();
        assert_eq!(news.state, Some(JobState::Running { started: at }));
    }
}
