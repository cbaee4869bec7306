//! Retries, time-outs and pools: fields that have a short and a long form.

use std::time::Duration;

use porpoise_model::workflow::{Backoff, PoolUse, Retry, Timeout, TimeoutAction};

use super::context::{At, Fields, Reader};
use crate::fault::FaultKind;
use crate::fields::{PERCENT, POOL, RETRY, RETRY_LIMITS, SLOTS, TIMEOUT, WEIGHTS};
use crate::tree::View;
use crate::word;

/// What is said of retries in one place; the rest comes from the defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetryPart {
    limit: Option<u32>,
    delay: Option<Duration>,
    backoff: Option<Backoff>,
    delay_max: Option<Duration>,
    jitter_percent: Option<u8>,
}

impl RetryPart {
    /// These fields, or else those of `defaults`, or else those of the model.
    pub(crate) fn over(self, defaults: &Self) -> Retry {
        Retry {
            limit: self.limit.or(defaults.limit).unwrap_or_default(),
            delay: self.delay.or(defaults.delay).unwrap_or_default(),
            backoff: self.backoff.or(defaults.backoff).unwrap_or_default(),
            delay_max: self.delay_max.or(defaults.delay_max),
            jitter_percent: self
                .jitter_percent
                .or(defaults.jitter_percent)
                .unwrap_or_default(),
        }
    }
}

impl Reader<'_> {
    /// `retries` and `retry_delay`, or `retry`.
    pub(crate) fn retry(&mut self, fields: &Fields<'_>) -> RetryPart {
        if let Some(at) = fields.get("retry") {
            for short in fields.present(&["retries", "retry_delay"]) {
                let message = format!("`{short}` and `retry` say the same");
                let hint = "write `retry: { limit, delay }` only".to_owned();
                self.fault(fields.key(short), FaultKind::Conflict, message, Some(hint));
            }
            return self.retry_in_full(at);
        }
        RetryPart {
            limit: fields
                .get("retries")
                .and_then(|at| self.integer(at, RETRY_LIMITS)),
            delay: fields.get("retry_delay").and_then(|at| self.duration(at)),
            ..RetryPart::default()
        }
    }

    fn retry_in_full(&mut self, at: At<'_>) -> RetryPart {
        let Some(fields) = self.object(at, &RETRY) else {
            return RetryPart::default();
        };
        let part = RetryPart {
            limit: fields
                .get("limit")
                .and_then(|at| self.integer(at, RETRY_LIMITS)),
            delay: fields.get("delay").and_then(|at| self.duration(at)),
            backoff: fields
                .get("backoff")
                .and_then(|at| self.word(at, word::BACKOFFS)),
            delay_max: fields.get("delay_max").and_then(|at| self.duration(at)),
            jitter_percent: fields
                .get("jitter_percent")
                .and_then(|at| self.integer(at, PERCENT)),
        };
        if let (Some(delay), Some(delay_max), Some(at)) =
            (part.delay, part.delay_max, fields.get("delay_max"))
            && delay_max < delay
        {
            self.fault(
                at,
                FaultKind::OutOfRange,
                "`delay_max` is shorter than `delay`",
                None,
            );
        }
        part
    }

    /// A duration, or `{after, action}`.
    pub(crate) fn timeout(&mut self, at: At<'_>) -> Option<Timeout> {
        let (after_at, after, action) = match self.tree.view(at.node) {
            View::Map(_) => {
                let fields = self.object(at, &TIMEOUT)?;
                let action = fields
                    .get("action")
                    .map(|at| self.word(at, word::TIMEOUT_ACTIONS));
                let after = fields.get("after")?;
                (
                    after.node,
                    self.duration(after),
                    action.unwrap_or(Some(TimeoutAction::default())),
                )
            }
            View::Scalar(_) | View::List(_) => {
                (at.node, self.duration(at), Some(TimeoutAction::default()))
            }
        };
        let after = after?;
        if after.is_zero() {
            let at = At {
                node: after_at,
                ..at
            };
            self.fault(
                at,
                FaultKind::OutOfRange,
                "a time-out of nothing",
                Some("leave the field out for none".into()),
            );
            return None;
        }
        Some(Timeout {
            after,
            action: action?,
        })
    }

    /// A name, or `{name, slots, weight}`.
    pub(crate) fn pool(&mut self, at: At<'_>) -> Option<PoolUse> {
        if !matches!(self.tree.view(at.node), View::Map(_)) {
            return Some(PoolUse {
                name: self.name(at)?,
                slots: 1,
                weight: 0,
            });
        }
        let fields = self.object(at, &POOL)?;
        let slots = fields.get("slots").map(|at| self.integer(at, SLOTS));
        let weight = fields.get("weight").map(|at| self.integer(at, WEIGHTS));
        let name = fields.get("name").and_then(|at| self.name(at));
        Some(PoolUse {
            name: name?,
            slots: slots.unwrap_or(Some(1))?,
            weight: weight.unwrap_or(Some(0))?,
        })
    }
}
