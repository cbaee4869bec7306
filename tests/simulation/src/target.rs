//! The target: runs jobs, loses some, is slow to stop others, and writes down every physical start.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use porpoise_model::job::{Job, Work};
use porpoise_model::{Address, AttemptKey, Cause, Outputs, RunId, Value};
use porpoise_ports::executor::{
    JobRef, JobReport, JobState, JobUsage, JobUsageLine, Rate, SubmitError, Submitted,
};

use crate::fault::{Fault, Op};
use crate::random::Chance;
use crate::world::{Event, MILLI, MINUTE, SECOND, World};

/// What happens to a job.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Start,
    End,
    Stopped,
    Forget,
}

/// A job, as only the target knows it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) address: Address,
    pub(crate) task: u32,
    pub(crate) attempt: u32,
    pub(crate) state: State,
    /// Of a process at a site.
    site: bool,
    external: usize,
    duration: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    Waiting,
    Running { started: Timestamp },
    Ended(JobState),
    Forgotten,
}

/// An attempt, whatever key it came under.
pub(crate) type Who = (RunId, u32, u32);

/// The target.
#[derive(Debug)]
pub(crate) struct Target {
    jobs: BTreeMap<AttemptKey, Known>,
    by_attempt: BTreeMap<Who, AttemptKey>,
    external: Vec<AttemptKey>,
    canceled: BTreeSet<AttemptKey>,
    /// How often a job was physically started for an attempt.
    starts: BTreeMap<Who, u32>,
    busy: usize,
    /// How fast it takes jobs, if it says so, and what is left of its bucket: calls, and since when.
    rate: Option<Rate>,
    bucket: (f64, i64),
    capacity: usize,
    /// Longest duration of a job, in milliseconds.
    longest: u64,
    /// How much jobs say: of large DAGs more, so that their logs outgrow their snapshots.
    chatter: usize,
    /// Whether it tells of jobs that are over for as long as anybody asks.
    remembers: bool,
}

impl Target {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        Self {
            jobs: BTreeMap::new(),
            by_attempt: BTreeMap::new(),
            external: Vec::new(),
            canceled: BTreeSet::new(),
            starts: BTreeMap::new(),
            busy: 0,
            rate: chance.happens(0.4).then(|| Rate {
                name: "sim/submit".to_owned(),
                every_ms: *chance.pick(&[100, 1_000, 1_000, 5_000]),
                burst: *chance.pick(&[1, 5, 25]),
            }),
            bucket: (25.0, 0),
            capacity: *chance.pick(&[1, 3, 10, 1_000, 1_000]),
            longest: *chance.pick(&[10, 1_000, 10_000, 60_000, 600_000]),
            chatter: 1,
            remembers: chance.happens(0.5),
        }
    }

    pub(crate) fn resize(&mut self, capacity: usize) {
        self.capacity = self.capacity.max(capacity);
    }

    /// The job of an attempt.
    pub(crate) fn of(&self, who: Who) -> Option<&Known> {
        self.by_attempt.get(&who).and_then(|key| self.jobs.get(key))
    }

    /// The attempt behind an external id.
    pub(crate) fn behind(&self, external_id: &str) -> Option<&Known> {
        let at: usize = external_id.strip_prefix('x')?.parse().ok()?;
        self.jobs.get(self.external.get(at)?)
    }

    /// When a job succeeded, if that is all there is to say of its end.
    pub(crate) fn succeeded(&self, external_id: &str) -> Option<Timestamp> {
        match &self.behind(external_id)?.state {
            State::Ended(JobState::Succeeded { ended, outputs, .. }) if outputs.is_empty() => {
                Some(*ended)
            }
            State::Ended(_) | State::Waiting | State::Running { .. } | State::Forgotten => None,
        }
    }

    /// What its service says when something happens to a job: which one, in its own words.
    pub(crate) fn event(&self, key: &AttemptKey) -> Option<String> {
        let known = self.jobs.get(key)?;
        Some(format!("x{}", known.external))
    }

    /// Whether it is a process at a site.
    pub(crate) fn is_at_site(&self, key: &AttemptKey) -> bool {
        self.jobs.get(key).is_some_and(|known| known.site)
    }

    /// What it bills for a job that is over, once it knows.
    pub(crate) fn bill(&self, key: &AttemptKey) -> Option<JobUsage> {
        let known = self.jobs.get(key)?;
        let over = matches!(known.state, State::Ended(_));
        over.then(|| JobUsage {
            lines: vec![JobUsageLine {
                measure: "sim_jobs".to_owned(),
                millionths: 1_000_000,
                nanodollars: Some(u64::from(known.task)),
            }],
        })
    }

    /// The jobs for which it bills: those that have ended.
    pub(crate) fn bills(&self) -> impl Iterator<Item = (String, u32, u32)> {
        let ended = |job: &&Known| !job.site && matches!(job.state, State::Ended(_));
        let jobs = self.jobs.values().filter(ended);
        jobs.map(|job| (job.address.to_string(), job.task, job.attempt))
    }

    /// Whether it tells of jobs that are over for as long as anybody asks.
    pub(crate) const fn remembers(&self) -> bool {
        self.remembers
    }

    /// What it publishes of its limits.
    pub(crate) fn rate(&self) -> Option<Rate> {
        self.rate.clone()
    }

    /// Whether one more call is within its limits; takes it.
    fn admits(&mut self, now: i64) -> bool {
        let Some(rate) = &self.rate else { return true };
        let (left, since) = self.bucket;
        let came = (now - since) as f64 / (f64::from(rate.every_ms) * MILLI as f64);
        let left = (left + came).min(f64::from(rate.burst));
        let admits = left >= 1.0;
        self.bucket = (if admits { left - 1.0 } else { left }, now);
        admits
    }

    /// Jobs that wait or run.
    pub(crate) fn busy(&self) -> usize {
        self.busy
    }

    pub(crate) fn starts(&self) -> usize {
        self.starts.values().map(|count| *count as usize).sum()
    }

    pub(crate) fn list(&self, asked: &[JobRef]) -> Vec<JobReport> {
        let report = |JobRef { key, .. }: &JobRef| {
            let known = self.jobs.get(key)?;
            let state = match &known.state {
                State::Waiting => JobState::Waiting { why: None },
                State::Running { started } => JobState::Running { started: *started },
                State::Ended(end) => end.clone(),
                State::Forgotten => return None,
            };
            Some(JobReport {
                key: *key,
                external_id: format!("x{}", known.external),
                state,
            })
        };
        asked.iter().filter_map(report).collect()
    }
}

impl World {
    pub(crate) fn submit(&mut self, job: &Job) -> Result<Submitted, SubmitError> {
        self.mix_bytes(job.key.as_bytes());
        if let Some(known) = self.target.jobs.get(&job.key) {
            let external_id = format!("x{}", known.external);
            return Ok(Submitted { external_id });
        }
        if self.target.canceled.contains(&job.key) {
            return Err(SubmitError::Canceled);
        }
        let [first, second, ..] = *job.key.as_bytes();
        let drawn = f64::from(u16::from_be_bytes([first, second])) / 65_536.0;
        if drawn < self.rates.refuse {
            self.matrix.count(Fault::Refused, Op::Submit);
            let message = "not here".to_owned();
            let task = job.task_name.clone();
            return Err(SubmitError::Rejected { task, message });
        }
        if job.target.is_none() && !self.target.admits(self.now) {
            self.matrix.count(Fault::Refused, Op::Submit);
            return Err(SubmitError::Throttled);
        }
        let full = self.target.busy >= self.target.capacity;
        if full || self.strikes(self.rates.busy, Fault::Refused, Op::Submit) {
            let often = !full && self.chance.below(2) == 0;
            return Err(if often {
                SubmitError::Throttled
            } else {
                SubmitError::Busy
            });
        }
        Ok(self.take(job))
    }

    fn take(&mut self, job: &Job) -> Submitted {
        let external = self.target.external.len();
        self.target.external.push(job.key);
        let known = Known {
            address: Address::run(job.project, job.run),
            task: job.task,
            attempt: job.attempt,
            state: State::Waiting,
            site: job.target.is_some(),
            external,
            duration: match &job.work {
                Work::Noop => Some(0),
                Work::Sleep { millis } => Some(*millis as i64 * MILLI),
                Work::Shell { .. }
                | Work::Python { .. }
                | Work::Command { .. }
                | Work::External { .. }
                | Work::Spark { .. }
                | Work::Hive { .. }
                | Work::Sql { .. }
                | Work::Function { .. }
                | Work::Http { .. }
                | Work::StateMachine { .. } => None,
            },
        };
        let who = (job.run, job.task, job.attempt);
        self.target.jobs.insert(job.key, known);
        self.target.by_attempt.insert(who, job.key);
        self.target.busy += 1;
        self.matrix.passed(Op::Job);
        let late = self.strikes(self.rates.late * 0.2, Fault::Late, Op::Job);
        let wait = match late {
            true => self.chance.log_between(1_000_000, 300_000_000),
            false => self.chance.log_between(100, 200_000),
        };
        self.after(wait as i64, Event::Job(job.key, Step::Start));
        Submitted {
            external_id: format!("x{external}"),
        }
    }

    pub(crate) fn cancel(&mut self, key: AttemptKey) {
        self.mix_bytes(key.as_bytes());
        let first = self.target.canceled.insert(key);
        let ended = self.now_millis();
        let Some(known) = self.target.jobs.get_mut(&key) else {
            return;
        };
        match known.state {
            State::Waiting => {
                known.state = State::Ended(JobState::Canceled { ended });
                self.target.busy -= 1;
            }
            State::Running { .. } if first => {
                let slow = match self.chance.below(4) {
                    0 => self.chance.log_between(1_000, 300_000_000),
                    _ => self.chance.log_between(1_000, 2_000_000),
                };
                self.after(slow as i64, Event::Job(key, Step::Stopped));
            }
            State::Running { .. } | State::Ended(_) | State::Forgotten => {}
        }
    }

    /// A job goes on.
    pub(crate) fn job_step(&mut self, key: AttemptKey, step: Step) {
        let now = self.now_millis();
        let Some(known) = self.target.jobs.get_mut(&key) else {
            return;
        };
        let end = match (&known.state, step) {
            (State::Waiting, Step::Start) => {
                known.state = State::Running { started: now };
                return self.job_started(key);
            }
            (State::Running { started }, Step::End) => {
                let started = *started;
                self.job_end(key, started, now)
            }
            (State::Running { .. }, Step::Stopped) => {
                State::Ended(JobState::Canceled { ended: now })
            }
            (State::Waiting | State::Running { .. }, Step::Forget) => {
                self.matrix.count(Fault::Lost, Op::Job);
                State::Forgotten
            }
            _ => return,
        };
        self.tell(|| format!("    job {key} is over: {end:?}"));
        self.target.busy -= 1;
        if let Some(known) = self.target.jobs.get_mut(&key) {
            known.state = end;
        }
        if self.calm || self.chance.happens(self.rates.signal) {
            self.signal(key);
        }
    }

    fn job_started(&mut self, key: AttemptKey) {
        let known = &self.target.jobs[&key];
        let who = (
            RunId::from_bytes(known.address.id),
            known.task,
            known.attempt,
        );
        let (address, given) = (known.address, known.duration);
        let starts = self.target.starts.entry(who).or_default();
        *starts += 1;
        let starts = *starts;
        self.tell(|| format!("    job {key} of {address} starts: {who:?}"));
        if let Err((invariant, what)) = self.checks.job_starts(address, who, starts) {
            self.violate(invariant, what);
        }
        let longest = self.target.longest;
        let drawn = self.chance.log_between(1, longest) as i64 * MILLI;
        let duration = given.map_or(drawn, |given| given.min(10 * MINUTE));
        if !self.calm && self.chance.happens(self.rates.job_lost) {
            let when = self.chance.below(duration as u64 + 1) as i64;
            self.after(when, Event::Job(key, Step::Forget));
        }
        self.after(duration, Event::Job(key, Step::End));
    }

    fn job_end(&mut self, key: AttemptKey, started: Timestamp, ended: Timestamp) -> State {
        let code = self.chance.between(1, 3) as i32;
        let failed = self.strikes(self.rates.job_fails, Fault::Broken, Op::Job);
        let outputs = match self.chance.below(4) {
            0 => {
                let text = key.to_string().repeat(self.target.chatter);
                Outputs::from([("key".to_owned(), Value::text(text))])
            }
            _ => Outputs::new(),
        };
        State::Ended(if failed {
            JobState::Failed {
                started: Some(started),
                ended,
                cause: Cause::Exit { code },
            }
        } else {
            JobState::Succeeded {
                started,
                ended,
                outputs,
            }
        })
    }

    fn signal(&mut self, key: AttemptKey) {
        self.matrix.passed(Op::Signal);
        if self.strikes(self.rates.lose, Fault::Lost, Op::Signal) {
            return;
        }
        let twice = self.strikes(self.rates.duplicate, Fault::Duplicated, Op::Signal);
        for _ in 0..=u32::from(twice) {
            let late = self.strikes(self.rates.late, Fault::Late, Op::Signal);
            let delay = match late {
                true => self.chance.between(1, 120) as i64 * SECOND,
                false => MILLI,
            };
            self.after(delay, Event::Signal(key));
        }
    }
}

impl World {
    /// Large workloads get a target that is through with them within hours.
    pub(crate) fn fit(&mut self, tasks: u64) {
        if tasks > 60 {
            self.target.rate = None;
            self.target.capacity = self.target.capacity.max(tasks as usize / 4);
            self.target.longest = self.target.longest.min(20_000);
            self.target.chatter = if tasks > 600 { 30 } else { 1 };
        }
    }
}
