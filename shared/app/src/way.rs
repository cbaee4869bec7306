//! How a step came about, and what its copy has to say to that.

use jiff::Timestamp;
use porpoise_engine::effect::EffectKey;
use porpoise_engine::outbox::RESEND;
use porpoise_ports::table::Consistency;

use crate::context::Steppable;
use crate::stepper::Delivery;
use crate::warm::Copy;

/// How a try came about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) delivery: Delivery,
    /// The sweep looks whether there is anything to do, and comes again.
    pub(crate) swept: bool,
    /// It is the first one.
    pub(crate) first: bool,
}

impl Way {
    pub(crate) const fn of(delivery: Delivery) -> Self {
        Self {
            delivery,
            swept: false,
            first: true,
        }
    }

    /// What an aggregate that this process does not know is read by. Who starts one has only just written it, and who was
    /// refused knows that there is more.
    pub(crate) fn reads(self) -> Consistency {
        let before = self.delivery == Delivery::First || self.swept;
        if self.first && before {
            Consistency::Eventual
        } else {
            Consistency::Strong
        }
    }
}

/// Whether what was sent at this time may still be under way.
pub(crate) fn is_lately(at: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(at);
    !age.is_negative() && age < RESEND
}

impl<A: Steppable> Copy<A> {
    /// Whether it had a step so lately that what it sent may still be under way.
    pub(crate) fn is_under_way(&self, now: Timestamp) -> bool {
        self.loaded.written.is_some_and(|at| is_lately(at, now))
    }

    /// Whether it waits for others alone.
    pub(crate) fn has_nothing_to_do(&self) -> bool {
        A::is_open(&self.loaded.state) && A::outbox(&self.loaded.state).is_empty()
    }

    /// Whether a process is to carry out something itself, which is better not done twice.
    pub(crate) fn has_own_to_do(&self) -> bool {
        let mut outbox = A::outbox(&self.loaded.state).iter();
        outbox.any(|(key, _)| key.is_own())
    }

    /// Whether all that the aggregate waits for is what this process has carried out: no answer will come to which
    /// the acknowledgements could be joined.
    pub(crate) fn nothing_else_comes(&self) -> bool {
        let outbox = A::outbox(&self.loaded.state);
        outbox.len() <= self.acks.len() && outbox.iter().all(|(key, _)| self.acks.contains(&key))
    }

    /// Whether people, or those who wait for it, were told something by an effect of its own: whoever steps next would tell
    /// them again. Those who wait would look again, and have it step.
    pub(crate) fn has_told(&self) -> bool {
        let told = |key: &EffectKey| matches!(key, EffectKey::Announce(_));
        self.told || self.acks.iter().any(told)
    }
}
