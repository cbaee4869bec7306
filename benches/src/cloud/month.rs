//! A month of a deployment in which nobody does anything, part by part.

use porpoise_bill::HOURS_OF_A_MONTH;
use porpoise_ports::usage::{Line, Usage};

use super::books::Cause;
use super::scenario::{Measured, idle, scaled};
use super::template::Template;

/// Long polls of 20 seconds, one after the other. Source: Lambda developer guide, "Using Lambda with Amazon SQS".
const POLLS_AN_HOUR: u64 = 3_600 / 20;
/// What a mapping goes down to that has nothing to do. Source: Lambda developer guide, "Configuring scaling behavior for
/// SQS event source mappings". Nobody has measured it for a FIFO queue.
pub(crate) const POLLERS: u64 = 2;
/// What it starts with.
pub(crate) const POLLERS_MAX: u64 = 5;
/// Of history, in the table.
const HISTORY_BYTES: u64 = 1_000_000_000;
/// Hours that are played.
const HOURS: u64 = 10;

/// A part of the bill, and where its numbers come from.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) what: String,
    pub(crate) from: &'static str,
    pub(crate) usage: Usage,
}

fn part<const N: usize>(
    what: impl Into<String>,
    from: &'static str,
    lines: [(Line, u64); N],
) -> Part {
    let mut usage = Usage::default();
    for (line, pieces) in lines {
        usage.add(line, pieces);
    }
    Part {
        what: what.into(),
        from,
        usage,
    }
}

/// The sum of all parts.
pub(crate) fn sum(parts: &[Part]) -> Usage {
    let mut usage = Usage::default();
    for part in parts {
        usage.add_all(&part.usage);
    }
    usage
}

/// Home and one data region, with 1 GB of history.
pub(crate) fn parts(template: &Template, pollers: u64) -> anyhow::Result<Vec<Part>> {
    let hours = HOURS_OF_A_MONTH;
    let polls = pollers * POLLS_AN_HOUR * hours;
    let played = idle(template, HOURS)?;
    let by = |cause| of_a_month(&played, cause);
    let kept = HISTORY_BYTES * hours;
    let backups = if template.backups { kept } else { 0 };
    let mut parts = vec![
        part(
            format!("long polls of the queue of inputs, {pollers} pollers"),
            "infra-cdk/lib/inputs.ts; aws-facts.md, 2 (SQS mapping) and 4 (idle polling)",
            [(Line::FifoRequests, template.fifo_queues * polls)],
        ),
        part(
            format!("long polls of the queue of wakes, {pollers} pollers"),
            "infra-cdk/lib/timers.ts; aws-facts.md, 2 and 4",
            [(Line::QueueRequests, template.standard_queues * polls)],
        ),
        part(
            format!("{} metrics of alarms", template.alarm_metrics),
            "infra-cdk/lib/home.ts; an alarm is billed by the metrics that it looks at",
            [(Line::AlarmHours, template.alarm_metrics * hours)],
        ),
        part(
            "1 GB of history",
            "cost-model.md, 4; infra-cdk/lib/storage.ts",
            [(Line::TableByteHours, kept)],
        ),
        part(
            "its backups, to any second",
            "infra-cdk/lib/storage.ts (point-in-time recovery)",
            [(Line::BackupByteHours, backups)],
        ),
    ];
    for (cause, what, from) in [
        (Cause::Sweep, "the sweep", "infra-cdk/lib/timers.ts; played"),
        (
            Cause::Mend,
            "mending of the poll loop",
            "infra-cdk/lib/poll-loop.ts; played",
        ),
    ] {
        parts.push(Part {
            what: what.to_owned(),
            from,
            usage: by(cause),
        });
    }
    Ok(parts)
}

fn of_a_month(played: &Measured, cause: Cause) -> Usage {
    let account = played.books.accounts.get(&cause);
    let usage = account.map(|account| account.usage.clone());
    scaled(&usage.unwrap_or_default(), HOURS_OF_A_MONTH, HOURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_all_that_the_template_calls_by_itself() {
        let template = Template::read().unwrap();
        let parts = parts(&template, POLLERS).unwrap();
        let usage = sum(&parts);
        assert_eq!(
            usage.of(Line::FifoRequests),
            262_800 + 4_380,
            "cost-model.md, 4: 0.26 M; and a look at the dead letters every ten minutes"
        );
        assert_eq!(usage.of(Line::AlarmHours), template.alarm_metrics * 730);
        let calls = 730 * 3_600 / template.sweep_every.as_secs()
            + 730 * 3_600 / template.mend_every.as_secs();
        assert_eq!(usage.of(Line::FunctionRequests), calls);
        assert!(
            parts.iter().all(|part| part.usage.lines().count() > 0),
            "{parts:?}"
        );
    }
}
