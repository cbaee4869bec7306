//! What the facts have made of a schedule.

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_model::{WorkflowId, limits};

use super::fact::ScheduleFact;
use crate::commands::Commands;
use crate::effect::EffectKey;
use crate::input::Spec;
use crate::outbox::Outbox;
use crate::run::state::Time;

/// A schedule.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct State {
    /// What it is; `None`: there is none, or none any more.
    #[n(0)]
    pub setting: Option<Box<Setting>>,
    /// Whether it fires.
    #[n(1)]
    pub online: bool,
    /// Counts its changes: a link of the chain that names another one does nothing.
    #[n(2)]
    pub generation: u32,
    /// When it was last set or switched on: nothing before that is due.
    #[n(3)]
    pub since: Option<Time>,
    /// The last instant that fired or was passed over. Only grows, unless a wrong clock fired it.
    #[n(4)]
    pub considered: Option<Time>,
    /// The next instant, as it was decided.
    #[n(5)]
    pub next: Option<Time>,
    /// Commands of the last day.
    #[n(6)]
    pub commands: Commands,
    /// What must be done in the world.
    #[n(7)]
    pub outbox: Outbox,
    /// What it was when it last fired: runs that are still to be created are of this.
    #[n(8)]
    pub fires_for: Option<Box<Setting>>,
}

/// What a schedule fires, and when.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Setting {
    /// Runs of this workflow.
    #[n(0)]
    pub workflow: WorkflowId,
    /// What people call it.
    #[n(1)]
    pub workflow_name: String,
    /// When.
    #[n(2)]
    pub spec: Spec,
}

impl State {
    /// Instants at or before this are not due any more.
    pub(super) fn after(&self) -> Timestamp {
        let since = self.since.map_or(Timestamp::MIN, |time| time.0);
        self.considered.map_or(since, |time| time.0.max(since))
    }

    /// The last instant that fired or was passed over, for somebody who sets the schedule or switches it on now. One
    /// that lies more than [`SCHEDULE_AHEAD_HOURS`] ahead was fired by a clock that was wrong; held on to, it would
    /// silence the schedule until then. The runs of instants that come again exist, and none is created twice.
    ///
    /// [`SCHEDULE_AHEAD_HOURS`]: limits::SCHEDULE_AHEAD_HOURS
    pub(super) fn considered_at(&self, now: Timestamp) -> Option<Time> {
        let ahead = SignedDuration::from_hours(limits::SCHEDULE_AHEAD_HOURS);
        self.considered
            .filter(|time| time.0.duration_since(now) <= ahead)
    }

    /// When it has to look again.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.next.filter(|_| self.online).map(|time| time.0)
    }

    /// Folds a fact.
    pub(super) fn evolve(&mut self, fact: &ScheduleFact, at: Timestamp) {
        match fact {
            ScheduleFact::Commanded { id, outcome, .. } => {
                self.commands.record(*id, outcome.clone(), at);
            }
            ScheduleFact::Set {
                setting,
                online,
                next,
            } => {
                self.setting = Some(setting.clone());
                self.turn(*online, *next);
                self.begin(at);
            }
            ScheduleFact::WentOnline { next } => {
                self.turn(true, *next);
                self.begin(at);
            }
            ScheduleFact::WentOffline => self.turn(false, None),
            ScheduleFact::Unset => {
                self.setting = None;
                self.turn(false, None);
            }
            ScheduleFact::Came {
                fired,
                missed,
                next,
            } => {
                let last_missed = missed.map(|missed| Time(missed.to));
                let last = fired.iter().copied().chain(last_missed).max();
                self.considered = self.considered.max(last);
                self.next = *next;
                if !fired.is_empty() {
                    self.fires_for.clone_from(&self.setting);
                }
                for instant in fired {
                    let key = EffectKey::Fire(instant.0.as_millisecond());
                    self.outbox.add(key, at);
                }
            }
            ScheduleFact::Created { instant } => {
                self.outbox
                    .remove(&EffectKey::Fire(instant.as_millisecond()));
                if self.outbox.is_empty() {
                    self.fires_for = None;
                }
            }
            ScheduleFact::Halted { .. } => self.next = None,
            ScheduleFact::CalendarChanged { change, next } => {
                let setting = self.setting.as_mut();
                if let Some(observed) = setting.and_then(|setting| setting.spec.calendar.as_mut()) {
                    observed.revision = change.revision;
                    observed.exclusions = change.exclusions.clone();
                }
                self.turn(self.online, *next);
                self.begin(at);
            }
        }
    }

    fn begin(&mut self, at: Timestamp) {
        self.since = Some(Time(at));
        self.considered = self.considered_at(at);
    }

    fn turn(&mut self, online: bool, next: Option<Time>) {
        self.generation = self.generation.saturating_add(1);
        self.online = online;
        self.next = next;
    }
}
