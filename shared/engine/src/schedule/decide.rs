//! The rules of a schedule.

use jiff::Timestamp;

use super::calendar::{CalendarChange, Observed};
use super::fact::ScheduleFact;
use super::instants::Instants;
use super::state::{Setting, State};
use crate::commands::Outcome;
use crate::effect::EffectKey;
use crate::effect::keys::{of_backfills, of_gates, of_pools, of_runs};
use crate::input::{Command, ScheduleCommand, ScheduleInput, Spec};
use crate::mutant::{self, Mutant};
use crate::run::state::Time;

/// What follows from an input. A link of the chain and a wake say nothing that the clock does not: what is due is
/// found by [`settle`].
pub(super) fn decide(state: &State, input: &ScheduleInput, now: Timestamp) -> Vec<ScheduleFact> {
    match input {
        ScheduleInput::Woken | ScheduleInput::Fired { .. } => Vec::new(),
        ScheduleInput::Commanded(command) => commanded(state, command, now),
        ScheduleInput::Done(EffectKey::Fire(instant))
            if state.outbox.contains(&EffectKey::Fire(*instant)) =>
        {
            created(*instant).into_iter().collect()
        }
        ScheduleInput::Done(_) => Vec::new(),
        ScheduleInput::CalendarChanged(change) => changed(state, change, now),
    }
}

fn created(instant: i64) -> Option<ScheduleFact> {
    let instant = Timestamp::from_millisecond(instant).ok()?;
    Some(ScheduleFact::Created { instant })
}

/// What is due fires or is passed over.
pub(super) fn settle(state: &State, now: Timestamp) -> Vec<ScheduleFact> {
    if mutant::on(Mutant::ScheduleLinkLost) {
        let forgotten: Vec<ScheduleFact> = forgotten(state, now).collect();
        if !forgotten.is_empty() {
            return forgotten;
        }
    }
    came(state, now).into_iter().collect()
}

/// The bug on purpose: what could not be created in the step that fired it is taken for created.
fn forgotten(state: &State, now: Timestamp) -> impl Iterator<Item = ScheduleFact> + '_ {
    let old = state.outbox.iter().filter(move |(_, since)| *since < now);
    old.filter_map(|(key, _)| match key {
        EffectKey::Fire(instant) => created(instant),
        of_runs!() | EffectKey::Listing(_) | of_pools!() | of_gates!() | of_backfills!() => None,
    })
}

/// The fact of what is due, if anything may be. Reads the cron only then.
fn came(state: &State, now: Timestamp) -> Option<ScheduleFact> {
    let setting = state.setting.as_ref()?;
    state.deadline().filter(|next| *next <= now)?;
    let instants = match Instants::of(&setting.spec) {
        Ok(instants) => instants,
        Err(error) => {
            let reason = error.to_string();
            return Some(ScheduleFact::Halted { reason });
        }
    };
    let due = instants.due(state.after(), now, setting.spec.missed);
    let last_missed = due.missed.map(|missed| missed.to);
    let last = due.fire.iter().copied().chain(last_missed).max();
    let next = instants.next_after(last.unwrap_or_else(|| state.after().max(now)));
    Some(ScheduleFact::Came {
        fired: due.fire.into_iter().map(Time).collect(),
        missed: due.missed,
        next: next.map(Time),
    })
}

/// What follows from a command, behind the fact that it was given. A repeat does nothing. What was due before it
/// comes first, by the spec that it was due by.
fn commanded(
    state: &State,
    command: &Command<ScheduleCommand>,
    now: Timestamp,
) -> Vec<ScheduleFact> {
    if state.commands.seen(command.id).is_some() && !mutant::on(Mutant::CommandTwice) {
        return Vec::new();
    }
    let came = came(state, now);
    let mut after = state.clone();
    if let Some(came) = &came {
        after.evolve(came, now);
    }
    let (outcome, change) = match obey(&after, &command.what, now) {
        Ok(change) => (Outcome::Accepted, change),
        Err(reason) => (Outcome::Refused { reason }, None),
    };
    let given = ScheduleFact::Commanded {
        id: command.id,
        actor: command.actor.clone(),
        what: word(&command.what).to_owned(),
        outcome,
    };
    came.into_iter().chain([given]).chain(change).collect()
}

/// What follows from a calendar that was put. A schedule that does not follow it, or knows of it already, or of a later
/// one, learns nothing: it may be told as often as one likes. What was due before it comes first, by the days that it was
/// due by.
fn changed(state: &State, change: &CalendarChange, now: Timestamp) -> Vec<ScheduleFact> {
    let came = came(state, now);
    let mut after = state.clone();
    if let Some(came) = &came {
        after.evolve(came, now);
    }
    let learned = learned(&after, change, now);
    match learned {
        Some(learned) => came.into_iter().chain([learned]).collect(),
        None => Vec::new(),
    }
}

fn learned(state: &State, change: &CalendarChange, now: Timestamp) -> Option<ScheduleFact> {
    let setting = state.setting.as_ref()?;
    let observed = setting.spec.calendar.as_ref()?;
    if observed.calendar != change.calendar || observed.revision >= change.revision {
        return None;
    }
    let mut spec = setting.spec.clone();
    spec.calendar = Some(Observed {
        revision: change.revision,
        exclusions: change.exclusions.clone(),
        ..observed.clone()
    });
    let instants = Instants::of(&spec).ok();
    let instants = instants.filter(|_| state.online);
    Some(ScheduleFact::CalendarChanged {
        next: instants.and_then(|instants| next(state, &instants, now)),
        change: Box::new(change.clone()),
    })
}

/// The word for a command.
pub const fn word(command: &ScheduleCommand) -> &'static str {
    match command {
        ScheduleCommand::Set { .. } => "set",
        ScheduleCommand::Online => "online",
        ScheduleCommand::Offline => "offline",
        ScheduleCommand::Unset => "unset",
    }
}

fn obey(
    state: &State,
    command: &ScheduleCommand,
    now: Timestamp,
) -> Result<Option<ScheduleFact>, String> {
    match command {
        ScheduleCommand::Set {
            workflow,
            workflow_name,
            spec,
        } => set(
            state,
            Setting {
                workflow: *workflow,
                workflow_name: workflow_name.clone(),
                spec: Spec::clone(spec),
            },
            now,
        ),
        ScheduleCommand::Online => online(state, now).map(Some),
        ScheduleCommand::Offline if state.online => Ok(Some(ScheduleFact::WentOffline)),
        ScheduleCommand::Offline => Err("the schedule is not online".to_owned()),
        ScheduleCommand::Unset if state.setting.is_some() => Ok(Some(ScheduleFact::Unset)),
        ScheduleCommand::Unset => Err("there is no schedule".to_owned()),
    }
}

/// Setting what is set already changes nothing. An edit leaves it online or offline, as people have switched it,
/// unless it is about that.
fn set(
    state: &State,
    mut setting: Setting,
    now: Timestamp,
) -> Result<Option<ScheduleFact>, String> {
    let before = state.setting.as_deref();
    keep_later(&mut setting, before);
    if before == Some(&setting) {
        return Ok(None);
    }
    let instants = Instants::of(&setting.spec).map_err(|error| error.to_string())?;
    let online = match before {
        Some(before) if before.spec.offline == setting.spec.offline => state.online,
        Some(_) | None => !setting.spec.offline,
    };
    Ok(Some(ScheduleFact::Set {
        next: next(state, &instants, now).filter(|_| online),
        setting: Box::new(setting),
        online,
    }))
}

/// Of one calendar the later dates stay: who sets the schedule may have read it before it was put again.
fn keep_later(setting: &mut Setting, before: Option<&Setting>) {
    let known = before.and_then(|before| before.spec.calendar.as_ref());
    if let (Some(observed), Some(known)) = (&mut setting.spec.calendar, known)
        && observed.calendar == known.calendar
        && observed.revision < known.revision
    {
        observed.revision = known.revision;
        observed.exclusions = known.exclusions.clone();
    }
}

fn online(state: &State, now: Timestamp) -> Result<ScheduleFact, String> {
    let setting = state.setting.as_ref().ok_or("there is no schedule")?;
    if state.online {
        return Err("the schedule is online already".to_owned());
    }
    let instants = Instants::of(&setting.spec).map_err(|error| error.to_string())?;
    Ok(ScheduleFact::WentOnline {
        next: next(state, &instants, now),
    })
}

/// The next instant, counted from now; never one that was considered before, unless a wrong clock did it.
fn next(state: &State, instants: &Instants, now: Timestamp) -> Option<Time> {
    let considered = state.considered_at(now);
    let after = considered.map_or(now, |time| time.0.max(now));
    instants.next_after(after).map(Time)
}
