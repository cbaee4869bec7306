//! Bugs on purpose, by which it is shown that the checks of the night would find them.

use jiff::Timestamp;
use porpoise_model::job::Job;
use porpoise_model::{AttemptKey, Outputs};
use porpoise_ports::executor::{JobReport, JobState};

/// A bug at the border between the product and the service of its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// One job in eight is submitted a second time.
    SubmitsTwice,
    /// A job that failed is said to have ended well.
    SaysWrongEnd,
    /// A job that runs is said to have ended well.
    EndsEarly,
    /// A job that waits is said to run.
    RunsTooSoon,
    /// One job in eight that has ended well is said to run.
    ForgetsEnds,
    /// The poll loop goes on when nothing is in flight.
    LoopNeverEnds,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SubmitsTwice,
        Self::SaysWrongEnd,
        Self::EndsEarly,
        Self::RunsTooSoon,
        Self::ForgetsEnds,
        Self::LoopNeverEnds,
    ];

    /// The check that has to find it.
    pub const fn found_as(self) -> &'static str {
        match self {
            Self::SubmitsTwice | Self::SaysWrongEnd => "one-job-per-attempt",
            Self::EndsEarly => "dependencies-first",
            Self::RunsTooSoon | Self::ForgetsEnds => "reasons-are-true",
            Self::LoopNeverEnds => "nothing-stuck",
        }
    }

    /// The job that is submitted beside this one.
    pub(crate) fn second(self, job: &Job) -> Option<Job> {
        let key = job.key.to_string();
        (self == Self::SubmitsTwice && is_chosen(&job.key)).then(|| {
            let turned: String = key.chars().rev().collect();
            let mut second = job.clone();
            second.key = turned.parse().unwrap_or(job.key);
            second
        })
    }

    /// What is said of a job instead.
    pub(crate) fn says(self, report: JobReport, now: Timestamp) -> JobReport {
        let JobReport {
            key,
            external_id,
            state,
        } = report;
        let state = match (self, state) {
            (
                Self::SaysWrongEnd,
                JobState::Failed {
                    started: Some(started),
                    ended,
                    ..
                },
            ) => succeeded(started, ended),
            (Self::RunsTooSoon, JobState::Waiting { .. }) => JobState::Running { started: now },
            (Self::EndsEarly, JobState::Running { started }) => succeeded(started, started),
            (Self::ForgetsEnds, JobState::Succeeded { started, .. }) if is_chosen(&key) => {
                JobState::Running { started }
            }
            (_, state) => state,
        };
        JobReport {
            key,
            external_id,
            state,
        }
    }
}

fn succeeded(started: Timestamp, ended: Timestamp) -> JobState {
    JobState::Succeeded {
        started,
        ended,
        outputs: Outputs::default(),
    }
}

/// One in eight.
fn is_chosen(key: &AttemptKey) -> bool {
    key.to_string().bytes().map(usize::from).sum::<usize>() % 8 == 0
}
