//! How often what goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use porpoise_model::id::derive;

use crate::{Call, Fault};

/// Shares are parts of this many calls.
const WHOLE: u32 = 1000;

/// How many of a thousand calls get which fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    shares: BTreeMap<Fault, u32>,
    only: Vec<Call>,
    spared: Vec<Call>,
    pub(crate) slow: Duration,
    pub(crate) straggle: Duration,
}

impl Plan {
    /// No faults: [`with`](Self::with) adds some.
    pub fn calm() -> Self {
        Self {
            shares: BTreeMap::new(),
            only: Vec::new(),
            spared: Vec::new(),
            slow: Duration::from_millis(30),
            straggle: Duration::from_millis(60),
        }
    }

    /// Each fault hits so many of a thousand calls. With twelve sorts of them, 20 is already every fourth call.
    pub fn each(of_thousand: u32) -> Self {
        let all = Fault::ALL.into_iter();
        all.fold(Self::calm(), |plan, fault| plan.with(fault, of_thousand))
    }

    /// This fault hits so many of a thousand calls; 0: none.
    #[must_use]
    pub fn with(mut self, fault: Fault, of_thousand: u32) -> Self {
        self.shares.insert(fault, of_thousand);
        self
    }

    /// Only calls that are named have faults.
    #[must_use]
    pub fn only(mut self, service: &str, operation: &str) -> Self {
        self.only.push(Call::new(service, operation));
        self
    }

    /// Calls of this operation have none.
    #[must_use]
    pub fn sparing(mut self, service: &str, operation: &str) -> Self {
        self.spared.push(Call::new(service, operation));
        self
    }

    /// How late a slow answer is, and how long after the time-out a straggler arrives.
    #[must_use]
    pub const fn waits(mut self, slow: Duration, straggle: Duration) -> Self {
        self.slow = slow;
        self.straggle = straggle;
        self
    }

    /// What becomes of the `number`th call of an operation, and a random number for whatever else is to be drawn.
    pub(crate) fn draw(&self, seed: u64, call: &Call, number: u64) -> (Option<Fault>, u8) {
        let hash = derive(
            "faults/draw",
            &[
                &seed.to_le_bytes(),
                call.service.as_bytes(),
                call.operation.as_bytes(),
                &number.to_le_bytes(),
            ],
        );
        let [a, b, c, d, extra, ..] = hash;
        let mut drawn = u32::from_le_bytes([a, b, c, d]) % WHOLE;
        let meant =
            (self.only.is_empty() || self.only.contains(call)) && !self.spared.contains(call);
        if meant {
            for (fault, share) in &self.shares {
                match drawn.checked_sub(*share) {
                    Some(rest) => drawn = rest,
                    None => return (Some(*fault), extra),
                }
            }
        }
        (None, extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(plan: &Plan, seed: u64, operation: &str) -> Vec<Option<Fault>> {
        let call = Call::new("sqs", operation);
        (0..10_000)
            .map(|number| plan.draw(seed, &call, number).0)
            .collect()
    }

    #[test]
    fn a_seed_gives_the_same_faults_and_another_one_others() {
        let plan = Plan::each(20);
        assert_eq!(
            drawn(&plan, 1, "SendMessage"),
            drawn(&plan, 1, "SendMessage")
        );
        assert_ne!(
            drawn(&plan, 1, "SendMessage"),
            drawn(&plan, 2, "SendMessage")
        );
        assert_ne!(
            drawn(&plan, 1, "SendMessage"),
            drawn(&plan, 1, "DeleteMessage")
        );
    }

    #[test]
    fn shares_are_of_a_thousand() {
        let plan = Plan::calm().with(Fault::Twice, 100).with(Fault::Torn, 10);
        let drawn = drawn(&plan, 7, "SendMessage");
        let count = |wanted| drawn.iter().filter(|fault| **fault == wanted).count();
        assert!((900..1100).contains(&count(Some(Fault::Twice))));
        assert!((70..130).contains(&count(Some(Fault::Torn))));
        assert_eq!(
            count(None) + count(Some(Fault::Twice)) + count(Some(Fault::Torn)),
            10_000
        );
    }

    #[test]
    fn calls_can_be_named_and_spared() {
        let plan = Plan::calm().with(Fault::Failed, 1000);
        let hit = |plan: &Plan, operation| drawn(plan, 3, operation)[0].is_some();
        assert!(hit(&plan, "SendMessage"));
        let only = plan.clone().only("sqs", "SendMessage");
        assert!(hit(&only, "SendMessage") && !hit(&only, "DeleteMessage"));
        let sparing = plan.sparing("sqs", "SendMessage");
        assert!(!hit(&sparing, "SendMessage") && hit(&sparing, "DeleteMessage"));
    }
}
