//! Whether and when a failed attempt is followed by another.

use std::time::Duration;

use jiff::Timestamp;
use porpoise_model::Cause;
use porpoise_model::workflow::{Backoff, Retry};

use super::fact::After;
use super::state::State;
use crate::Plan;

/// When the next attempt starts; `None`: there is no next.
///
/// Retries are counted since the last rerun. What no further attempt can mend is not retried: a target that refuses
/// the job, a parameter that can't be resolved, a run that is being stopped.
pub fn next(
    state: &State,
    plan: &Plan,
    task: u32,
    cause: &Cause,
    now: Timestamp,
) -> Option<Timestamp> {
    let hopeless = matches!(cause, Cause::Rejected { .. } | Cause::Unresolved { .. });
    let unwanted = state
        .canceling
        .get(&task)
        .is_some_and(|then| *then != After::TimeOut);
    if hopeless || unwanted || state.stopping.is_some() {
        return None;
    }
    let retry = &plan.task(task)?.retry;
    let tries = state.tries(task);
    if tries > retry.limit || retry.limit == 0 {
        return None;
    }
    let seed = state
        .new
        .as_ref()
        .map(|new| state.current(task).key(new.run));
    let dice = seed.map_or(0, |key| {
        key.as_bytes()
            .iter()
            .fold(0_u32, |sum, byte| sum.wrapping_mul(31) ^ u32::from(*byte))
    });
    now.checked_add(delay(retry, tries, dice)).ok()
}

/// The delay before attempt `tries + 1`: doubled each time if so declared, never above its limit, and shortened by a
/// share that `dice` draws.
fn delay(retry: &Retry, tries: u32, dice: u32) -> Duration {
    let factor = match retry.backoff {
        Backoff::Fixed => 1,
        Backoff::Exponential => 2_u32.saturating_pow(tries.saturating_sub(1)),
    };
    let full = retry
        .delay
        .saturating_mul(factor)
        .min(retry.delay_max.unwrap_or(Duration::MAX));
    let full = full.min(Duration::from_secs(
        u64::try_from(porpoise_model::limits::DELAY_SECONDS_MAX).unwrap_or(u64::MAX),
    ));
    let percent = u32::from(retry.jitter_percent.min(100));
    let cut = full.saturating_mul(percent) / 100;
    full.saturating_sub(cut.saturating_mul(dice % 1_000) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(backoff: Backoff, jitter_percent: u8) -> Retry {
        let delay_max = Some(Duration::from_mins(5));
        Retry {
            limit: 9,
            delay: Duration::from_mins(1),
            backoff,
            delay_max,
            jitter_percent,
        }
    }

    #[test]
    fn exponential_delays_double_up_to_their_limit() {
        let delays = [1, 2, 3, 4, 40]
            .map(|tries| delay(&retry(Backoff::Exponential, 0), tries, 0).as_secs());
        assert_eq!(delays, [60, 120, 240, 300, 300]);
        let delays = [1, 2, 40].map(|tries| delay(&retry(Backoff::Fixed, 0), tries, 0).as_secs());
        assert_eq!(delays, [60, 60, 60]);
    }

    #[test]
    fn jitter_only_shortens_and_by_no_more_than_its_share() {
        for dice in [0, 1, 500, 999, u32::MAX] {
            let drawn = delay(&retry(Backoff::Fixed, 25), 1, dice);
            assert!(
                (Duration::from_secs(45)..=Duration::from_mins(1)).contains(&drawn),
                "{drawn:?}"
            );
        }
    }
}
