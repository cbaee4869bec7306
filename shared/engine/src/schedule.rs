//! A schedule: fires a run of its workflow at each instant of a cron.
//!
//! An instant is **due** while the schedule is online, if it lies after the last instant that was considered, after
//! the schedule was last set or switched on, not before its start and before its end. Up to
//! [`SCHEDULE_GRACE_SECONDS`] after it, it is on time and fires. What is due for longer was missed: the latest of it
//! fires or none does, as the spec says. Either way it is *considered*, which only ever moves forward: neither a clock
//! that jumps back, nor a repeated or late input, nor an edit fires an instant twice. (The run's id is hashed from the
//! instant, so that even then there would be one run: invariant once-per-instant.) Only an instant that lies more than
//! [`SCHEDULE_AHEAD_HOURS`] ahead is forgotten when people set the schedule or switch it on: the clock was wrong.
//!
//! A schedule may follow a calendar of its project ([`calendar`]): a set of days on which it does not fire. Its dates are
//! part of the setting, pinned in the log: the schedule is told when they change, and fires by the new ones from then on.
//!
//! Facts hold instants that were decided, the next one among them: the fold reads no cron and no time-zone data.
//!
//! Start reading at [`fact`] for what is recorded, then [`decide`] for the rules and [`instants`] for the instants.
//!
//! [`SCHEDULE_AHEAD_HOURS`]: porpoise_model::limits::SCHEDULE_AHEAD_HOURS
//! [`SCHEDULE_GRACE_SECONDS`]: porpoise_model::limits::SCHEDULE_GRACE_SECONDS

pub mod calendar;
pub mod decide;
pub mod fact;
pub mod instants;
pub mod state;

use std::collections::BTreeMap;

use jiff::Timestamp;
use porpoise_model::{Actor, AggregateKind, ProjectId, RunId, ScheduleId, VersionHash};

use crate::aggregate::{Aggregate, Decision};
use crate::effect::keys::{of_backfills, of_gates, of_pools, of_runs};
use crate::effect::{Effect, EffectKey, NewRun, Trigger};
use crate::input::ScheduleInput;
use crate::outbox::Outbox;

pub use calendar::{CalendarChange, Fires, Observed};
pub use fact::{Missed, ScheduleFact};
pub use instants::{SpecError, changed_days, upcoming};
pub use state::{Setting, State};

/// The aggregate of schedules. Its context is the project of the workflow.
#[derive(Debug, Clone, Copy)]
pub struct Schedule;

impl Aggregate for Schedule {
    const KIND: AggregateKind = AggregateKind::Schedule;
    const FOLD_VERSION: u32 = 2;

    type State = State;
    type Context = ProjectId;
    type Input = ScheduleInput;
    type Fact = ScheduleFact;

    fn decide(
        state: &State,
        _: &ProjectId,
        input: &ScheduleInput,
        now: Timestamp,
    ) -> Decision<ScheduleFact> {
        Decision::facts(decide::decide(state, input, now))
    }

    fn settle(state: &State, _: &ProjectId, now: Timestamp) -> Vec<ScheduleFact> {
        decide::settle(state, now)
    }

    fn evolve(state: &mut State, _: &ProjectId, fact: &ScheduleFact, at: Timestamp) {
        state.evolve(fact, at);
    }

    fn outbox(state: &State) -> &Outbox {
        &state.outbox
    }

    fn effect(state: &State, project: &ProjectId, key: EffectKey) -> Option<Effect> {
        match key {
            EffectKey::Fire(instant) => new_run(state, *project, instant).map(Effect::CreateRun),
            of_runs!() | EffectKey::Listing(_) | of_pools!() | of_gates!() | of_backfills!() => {
                None
            }
        }
    }

    fn acknowledged(key: EffectKey) -> ScheduleInput {
        ScheduleInput::Done(key)
    }

    fn deadline(state: &State) -> Option<Timestamp> {
        state.deadline()
    }

    fn is_open(state: &State) -> bool {
        state.deadline().is_some() || !state.outbox.is_empty()
    }

    fn version(_: &ScheduleFact) -> Option<VersionHash> {
        None
    }

    fn woken() -> ScheduleInput {
        ScheduleInput::Woken
    }
}

/// The run of an instant. Its version is the one that is current when it is created.
fn new_run(state: &State, project: ProjectId, instant: i64) -> Option<NewRun> {
    let setting = state.fires_for.as_ref()?;
    let since = state.outbox.since(&EffectKey::Fire(instant))?;
    let logical_date = Timestamp::from_millisecond(instant).ok()?;
    let schedule = ScheduleId::of_workflow(setting.workflow);
    Some(NewRun {
        project,
        run: RunId::of_instant(schedule, logical_date),
        workflow: setting.workflow,
        workflow_name: setting.workflow_name.clone(),
        version: None,
        trigger: Trigger::Schedule { schedule },
        logical_date,
        timezone: setting.spec.timezone.clone(),
        parameters: BTreeMap::new(),
        actor: Actor {
            principal: "porpoise".to_owned(),
            via: "schedule".to_owned(),
            request: None,
        },
        priority: None,
        on_failure: None,
        concurrency: None,
        dry_run: false,
        simulate: false,
        created: since,
        placement: crate::placement::Placement::default(),
        only: None,
        project_parameters: None,
    })
}
