//! What a deployment is set to: read from the CDK app itself, so that no bill tells of another one.

use std::time::Duration;

use anyhow::Context as _;

const TIMERS: &str = include_str!("../../../infra-cdk/lib/timers.ts");
const INPUTS: &str = include_str!("../../../infra-cdk/lib/inputs.ts");
const HOME: &str = include_str!("../../../infra-cdk/lib/home.ts");
const LOOP: &str = include_str!("../../../infra-cdk/lib/poll-loop.ts");
const FUNCTION: &str = include_str!("../../../infra-cdk/lib/function.ts");
const POLLING: &str = include_str!("../../../infra-cdk/lib/polling.ts");
const STORAGE: &str = include_str!("../../../infra-cdk/lib/storage.ts");
const SETTINGS: &str = include_str!("../../../infra-cdk/lib/settings.ts");

/// What is billed by time, and what sets the price of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) megabytes: u64,
    /// The poller's.
    pub(crate) poller_megabytes: u64,
    pub(crate) sweep_every: Duration,
    pub(crate) mend_every: Duration,
    /// Queues with a mapping: FIFO, and standard ones.
    pub(crate) fifo_queues: u64,
    pub(crate) standard_queues: u64,
    /// Metrics that the alarms look at, which are what is billed.
    pub(crate) alarm_metrics: u64,
    pub(crate) log_days: u64,
    /// Tables can be restored to any second.
    pub(crate) backups: bool,
    /// Lambda writes lines of its own.
    pub(crate) system_logs: bool,
}

impl Template {
    /// What stands in `infra-cdk/lib`.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let metrics =
            between(HOME, "const dead = {", "}").context("home.ts: the alarm on dead letters")?;
        let alarms = HOME.matches("alarms.add(").count();
        let beside = metrics.split(',').count().saturating_sub(1);
        let queue = |text: &str| text.matches(".consume(").count();
        let megabytes = number(SETTINGS, "memoryMegabytes: ").context("settings.ts: memory")?;
        let half = POLLING.contains("halfMemory: true");
        Ok(Self {
            megabytes,
            poller_megabytes: if half {
                128.max(megabytes / 2)
            } else {
                megabytes
            },
            sweep_every: minutes(TIMERS, "SWEEP_EVERY").context("timers.ts: the sweep")?,
            mend_every: minutes(LOOP, "MEND_EVERY").context("poll-loop.ts: mending")?,
            fifo_queues: u64::try_from(queue(INPUTS))?,
            standard_queues: u64::try_from(queue(TIMERS))?,
            alarm_metrics: u64::try_from(alarms + beside)?,
            log_days: number(SETTINGS, "logRetentionDays: ").context("settings.ts: logs")?,
            backups: STORAGE.contains("pointInTimeRecoveryEnabled: true"),
            system_logs: !FUNCTION.to_lowercase().contains("systemloglevel"),
        })
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(found, _)| found)
}

/// The first number that follows.
fn number(text: &str, name: &str) -> Option<u64> {
    text.match_indices(name).find_map(|(at, _)| {
        let rest = text.get(at + name.len()..)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

fn minutes(text: &str, name: &str) -> Option<Duration> {
    number(text, &format!("{name} = Duration.minutes(")).map(Duration::from_mins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_says_what_is_billed() {
        let read = Template::read().unwrap();
        assert_eq!((read.fifo_queues, read.standard_queues), (1, 1));
        assert!((3..=6).contains(&read.alarm_metrics), "{read:?}");
        assert!(read.sweep_every >= Duration::from_mins(1), "{read:?}");
        assert!(read.megabytes >= 128 && read.log_days > 0, "{read:?}");
    }

    #[test]
    fn numbers_are_found_where_they_stand() {
        let text = "memory: number; memory: 256, EVERY = Duration.minutes(10);";
        assert_eq!(number(text, "memory: "), Some(256));
        assert_eq!(minutes(text, "EVERY"), Some(Duration::from_mins(10)));
        assert_eq!(minutes(text, "NEVER"), None);
    }
}
