//! What people want of runs.

use std::time::Duration;

use jiff::Timestamp;
use porpoise_engine::input::RunCommand;
use porpoise_engine::run::State;

use crate::random::Chance;

/// A command for a run in this state.
pub(crate) fn command(state: &State, now: Timestamp, chance: &mut Chance) -> RunCommand {
    let count = u64::from(state.tasks.len()).max(1);
    let tasks = |chance: &mut Chance| {
        let some = chance.log_between(1, count.min(20));
        (0..some)
            .map(|_| chance.below(count) as u32)
            .collect::<Vec<u32>>()
    };
    match chance.below(17) {
        0 | 1 => RunCommand::Pause,
        2 | 3 => RunCommand::Resume,
        4 => RunCommand::Kill,
        5..8 => RunCommand::KillTasks {
            tasks: tasks(chance),
        },
        8 | 9 => {
            let span = Duration::from_millis(chance.log_between(100, 600_000));
            RunCommand::Hold {
                tasks: if chance.happens(0.5) {
                    tasks(chance)
                } else {
                    Vec::new()
                },
                why: "a test".to_owned(),
                until: chance.happens(0.5).then(|| now + span),
            }
        }
        10 => RunCommand::Release {
            tasks: if chance.happens(0.5) {
                tasks(chance)
            } else {
                Vec::new()
            },
        },
        11 => RunCommand::MarkSucceeded {
            tasks: tasks(chance),
        },
        12 => RunCommand::Skip {
            tasks: tasks(chance),
        },
        13 | 14 => RunCommand::RerunFailed,
        15 if chance.happens(0.3) => RunCommand::RerunAll,
        15 => RunCommand::Answer {
            tasks: tasks(chance),
            approved: chance.happens(0.7),
            why: String::new(),
        },
        _ => RunCommand::Rerun {
            tasks: tasks(chance),
            downstream: chance.happens(0.5),
            upstream: chance.happens(0.2),
        },
    }
}
