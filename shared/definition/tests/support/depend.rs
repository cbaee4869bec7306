//! Tasks that wait for other workflows.

use std::time::Duration;

use porpoise_model::dependence::{Need, Part, Period, Runs};
use porpoise_model::workflow::{Kind, Task};

/// Makes a task one that waits for runs of other workflows, as `bits` say.
pub(crate) fn depend(task: &mut Task, bits: u32) {
    let periods: Vec<Period> = Period::all().collect();
    let runs = |bits: u32| {
        let period = usize::try_from(bits).unwrap() % periods.len();
        Need::Runs(Box::new(Runs {
            project: bits.is_multiple_of(2).then(|| task.name.clone()),
            workflow: task.name.clone(),
            part: match bits % 3 {
                0 => Part::Whole,
                1 => Part::Task(task.name.clone()),
                _ => Part::AllTasks,
            },
            period: *periods.get(period).unwrap(),
            only_scheduled: bits.is_multiple_of(5),
        }))
    };
    let several = vec![runs(bits / 3), Need::Any(vec![runs(bits / 5)])];
    let mut waits = Task::new(
        task.name.clone(),
        Kind::Dependent {
            needs: match bits % 3 {
                0 => runs(bits),
                1 => Need::All(several),
                _ => Need::Any(several),
            },
            timezone: bits.is_multiple_of(4).then(|| "Asia/Shanghai".to_owned()),
            failure_wait: Duration::from_secs(u64::from(bits % 2) * 90),
        },
    );
    waits.after.clone_from(&task.after);
    (waits.trigger, waits.timeout) = (task.trigger, task.timeout);
    (waits.delay, waits.outputs) = (task.delay, task.outputs.clone());
    *task = waits;
}
