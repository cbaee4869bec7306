//! Jobs that run in the world.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use jiff::SignedDuration;
use porpoise_model::job::{Job, Work};
use porpoise_ports::executor::{
    JobRef, JobReport, JobState, JobUsage, News, SubmitError, Submitted,
};
use porpoise_ports::{Clock as _, Executor, Unavailable};

use super::{Port, bill, counts_down, event, log, lost};

#[async_trait]
impl Executor for Port {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let heard = self.0.fuse.pass(&format!("submit {}", job.task)).await;
        let running = u64::try_from(self.0.running()).unwrap();
        let known = self.0.jobs.lock().unwrap().contains_key(&job.key);
        if !known {
            if self.0.canceled.lock().unwrap().contains(&job.key) {
                return Err(SubmitError::Canceled);
            }
            if counts_down(&self.0.throttled) {
                return Err(SubmitError::Throttled);
            }
            if running >= self.0.capacity.load(Ordering::SeqCst) {
                return Err(SubmitError::Busy);
            }
            let started = self.now();
            let state = match job.work {
                Work::Noop => JobState::Succeeded {
                    started,
                    ended: started,
                    outputs: BTreeMap::new(),
                },
                Work::Sleep { .. }
                | Work::Shell { .. }
                | Work::Python { .. }
                | Work::Command { .. }
                | Work::External { .. }
                | Work::Spark { .. }
                | Work::Hive { .. }
                | Work::Sql { .. }
                | Work::Function { .. }
                | Work::Http { .. }
                | Work::StateMachine { .. } => JobState::Running { started },
            };
            self.0.submits.lock().unwrap().push((job.task, job.attempt));
            self.0
                .jobs
                .lock()
                .unwrap()
                .insert(job.key, (job.clone(), state));
        }
        if !heard {
            return Err(lost().into());
        }
        Ok(Submitted {
            external_id: format!("job of {}", job.key),
        })
    }

    async fn list(&self, asked: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let heard = self.0.fuse.pass(&format!("list {}", asked.len())).await;
        let jobs = self.0.jobs.lock().unwrap();
        let report = |asked: &JobRef| {
            let key = asked.key;
            jobs.get(&key).map(|(_, state)| JobReport {
                key,
                external_id: format!("job of {key}"),
                state: state.clone(),
            })
        };
        if heard {
            Ok(asked.iter().filter_map(report).collect())
        } else {
            Err(lost())
        }
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        let key = job.key;
        let heard = self.0.fuse.pass("cancel").await;
        let ended = self.now();
        self.0.canceled.lock().unwrap().push(key);
        if let Some((_, state)) = self.0.jobs.lock().unwrap().get_mut(&key)
            && !state.is_terminal()
        {
            *state = JobState::Canceled { ended };
        }
        if heard { Ok(()) } else { Err(lost()) }
    }

    async fn log(&self, job: &JobRef, _: u64, _: usize) -> log::Read {
        self.0.logs.lock().unwrap().push(job.clone());
        log::of(job)
    }

    fn remembers(&self) -> bool {
        self.0.remembers.load(Ordering::SeqCst)
    }

    fn billed_after(&self) -> Option<SignedDuration> {
        self.remembers().then_some(SignedDuration::from_mins(3))
    }

    async fn usage(&self, job: &JobRef) -> Result<Option<JobUsage>, Unavailable> {
        let heard = self.0.fuse.pass("usage").await;
        let jobs = self.0.jobs.lock().unwrap();
        let over = jobs
            .get(&job.key)
            .is_some_and(|(_, state)| state.is_terminal());
        if heard {
            Ok(over.then(|| bill(7)))
        } else {
            Err(lost())
        }
    }

    fn read_event(&self, event: &str) -> Option<News> {
        event::read(event)
    }
}
