//! Mapped tasks: an attempt has one run made for each element of its lists, in order, so many at the same time.
//!
//! Each of those runs is to its element what the run of a task is to its attempt (`super::child`): its id is hashed from
//! the attempt and the element, it says how it stands, and it is told to pause or to stop. All of them have to succeed;
//! after the first that does not no more start, and the attempt is over when those that are there are. Another attempt
//! goes on with those that have succeeded (`past`).

mod outputs;
mod past;

use jiff::Timestamp;
use porpoise_model::{Cause, Outputs, RunId, RunState};

use super::child;
use super::decide::{canceled, failed};
use super::evolve::{start, take_off};
use super::fact::{After, RunFact};
use super::ranges::Ranges;
use super::state::{Child, Mapped, Past, State, Time};
use super::tasks::Phase;
use crate::Plan;
use crate::effect::{Attempt, EffectKey, NewRun};
use crate::elements::Elements;
use crate::family::{ChildStage, ChildState, ChildWord};
use crate::mutant::{self, Mutant};

pub(super) use outputs::{dynamic_of, is_dynamic};
pub(super) use past::{begin, begin_anew, can_go_on, moved, put_aside, put_back, reset};

/// Characters of an element in a cause.
const ELEMENT_CHARS_MAX: usize = 200;

/// The element that a run was made for, if its attempt has it open.
fn open(state: &State, attempt: Attempt) -> Option<(u32, &Mapped)> {
    let element = attempt.element()?;
    let mapped = state.mapped(attempt.task)?;
    let current = attempt.number == state.tasks.attempts(attempt.task);
    (current && mapped.open.contains_key(&element)).then_some((element, mapped))
}

/// What follows from a word of the run of an element.
pub(super) fn follows(state: &State, new: &NewRun, word: &ChildWord) -> Vec<RunFact> {
    let task = word.attempt.task;
    let Some((element, mapped)) = open(state, word.attempt) else {
        return Vec::new();
    };
    let said = mapped.open.get(&element).map_or(0, |child| child.said);
    if word.said <= said {
        return Vec::new();
    }
    let fact = match &word.what {
        ChildState::Open { stage, started } => {
            let wanted = state.tasks.phase(task) != Phase::Canceling;
            wanted.then_some(RunFact::Element {
                task,
                element,
                said: word.said,
                stage: *stage,
                started: *started,
            })
        }
        ChildState::Ended {
            state: how,
            started,
            ended,
            why,
            outputs,
        } => {
            let run = word.attempt.child(new.run);
            let (how, cause) = end(mapped, element, run, (*how, why), outputs);
            let outputs = Some(outputs).filter(|outputs| cause.is_none() && !outputs.is_empty());
            Some(RunFact::ElementEnded {
                task,
                element,
                state: how,
                started: *started,
                ended: *ended,
                cause,
                outputs: outputs.cloned(),
            })
        }
    };
    fact.into_iter().collect()
}

/// How an element ends whose run has ended so. What it hands up may be too much.
fn end(
    mapped: &Mapped,
    element: u32,
    run: RunId,
    (ended, why): (RunState, &String),
    outputs: &Outputs,
) -> (RunState, Option<Cause>) {
    let which = in_words(&mapped.elements, element);
    if ended == RunState::Succeeded {
        return match outputs::too_long(&mapped.outputs, outputs) {
            None => (ended, None),
            Some(message) => {
                let message = format!("{which}: {message}");
                (RunState::Failed, Some(Cause::Failed { message }))
            }
        };
    }
    let why = if why.is_empty() {
        which
    } else {
        format!("{which}: {why}")
    };
    (ended, Some(Cause::Child { run, ended, why }))
}

/// `element 2 (region=eu, day=1)`; elements are counted from 1 for people.
fn in_words(elements: &Elements, element: u32) -> String {
    let pair = |(name, value): (&str, &str)| format!("{name}={value}");
    let values = elements.get(element).unwrap_or_default().into_iter();
    let values = values.map(pair).collect::<Vec<_>>().join(", ");
    let mut shown: String = values.chars().take(ELEMENT_CHARS_MAX).collect();
    if shown.len() < values.len() {
        shown.push('…');
    }
    format!("element {} ({shown})", element.saturating_add(1))
}

/// The run of an element can never be made, or there is nothing to stop.
pub(super) fn refused(
    state: &State,
    (key, attempt): (EffectKey, Attempt),
    cause: Cause,
    now: Timestamp,
) -> Vec<RunFact> {
    let Some((element, _)) = open(state, attempt).filter(|_| state.outbox.contains(&key)) else {
        return Vec::new();
    };
    let stopped = matches!(key, EffectKey::Cancel(_));
    vec![RunFact::ElementEnded {
        task: attempt.task,
        element,
        state: if stopped {
            RunState::Canceled
        } else {
            RunState::Failed
        },
        started: None,
        ended: now,
        cause: Some(cause),
        outputs: None,
    }]
}

/// What follows by itself: more elements start, or an attempt is over.
pub(super) fn settle(state: &State, plan: &Plan, now: Timestamp) -> Vec<RunFact> {
    let attempts = state.family.iter().flat_map(|family| &family.mapped);
    let next = |(task, mapped): (&u32, &Mapped)| next(state, plan, *task, mapped, now);
    attempts.flat_map(next).collect()
}

fn next(state: &State, plan: &Plan, task: u32, mapped: &Mapped, now: Timestamp) -> Vec<RunFact> {
    let all = mapped.started >= mapped.elements.count();
    let stops = mapped.why.is_some() || state.canceling.contains_key(&task);
    if !all && !stops {
        let to = reach(mapped, room(plan, task, mapped));
        let starts = state.may_start() && to > mapped.started;
        let fact = starts.then_some(RunFact::ElementsStarted { task, to });
        return fact.into_iter().collect();
    }
    if !mapped.open.is_empty() {
        return Vec::new();
    }
    let began = mapped.began.map(|time| time.0);
    match &mapped.why {
        None if all => match outputs::of_all(plan, task, mapped) {
            Ok(outputs) => vec![RunFact::Succeeded {
                task,
                started: began.unwrap_or(now),
                ended: now,
                outputs: Some(outputs).filter(|outputs| !outputs.is_empty()),
            }],
            Err(message) => {
                let cause = Cause::Failed { message };
                vec![failed(state, plan, task, (began, now), &cause, now)]
            }
        },
        Some(cause) if mapped.failed > 0 => {
            vec![failed(state, plan, task, (began, now), cause, now)]
        }
        Some(cause) if !state.canceling.contains_key(&task) => {
            let tasks = Ranges::one(task);
            let cause = cause.clone();
            let then = After::Cancel { cause };
            vec![
                RunFact::CancelAsked { tasks, then },
                RunFact::Canceled { task, ended: now },
            ]
        }
        Some(_) | None => vec![canceled(state, plan, task, now, now)],
    }
}

/// Up to which element so many more can start. Those that are done take no room.
fn reach(mapped: &Mapped, mut room: u32) -> u32 {
    let mut to = mapped.started;
    while to < mapped.elements.count() {
        if !mapped.done.contains(to) {
            let Some(left) = room.checked_sub(1) else {
                break;
            };
            room = left;
        }
        to += 1;
    }
    to
}

/// How many more runs there may be at this time.
fn room(plan: &Plan, task: u32, mapped: &Mapped) -> u32 {
    let parallel = plan.each(task).map_or(1, |(_, each)| each.parallel.max(1));
    let there = u32::try_from(mapped.open.len()).unwrap_or(u32::MAX);
    if mutant::on(Mutant::WindowIgnored) {
        return parallel;
    }
    parallel.saturating_sub(there)
}

/// The fold of facts about mapped tasks.
pub(super) fn evolve(state: &mut State, plan: &Plan, fact: &RunFact, at: Timestamp) {
    if let RunFact::Mapped {
        task,
        elements,
        kept,
    } = fact
    {
        map(state, *task, elements, kept.as_ref());
    } else if let RunFact::ElementsStarted { task, to } = fact {
        started(state, *task, *to, at);
    } else if let RunFact::Element {
        task,
        element,
        said,
        stage,
        started,
    } = fact
    {
        let attempt = state.current(*task).with_element(*element);
        if open(state, attempt).is_some() {
            if *stage != ChildStage::Waiting {
                began(state, *task, started.unwrap_or(at));
            }
            child::said(state, plan, attempt, (*said, *stage), *started, at);
        }
    } else if let RunFact::ElementEnded {
        task,
        element,
        state: how,
        started,
        cause,
        outputs,
        ..
    } = fact
    {
        let attempt = state.current(*task).with_element(*element);
        if open(state, attempt).is_none() {
            return;
        }
        if let Some(started) = started {
            began(state, *task, *started);
            start(state, plan, *task, *started);
        }
        close(state, attempt);
        if let Some(mapped) = of(state, *task) {
            mapped.open.remove(element);
            count(mapped, *element, *how, cause.as_ref());
            let outputs = outputs.iter().cloned().map(|set| (*element, set));
            mapped.outputs.extend(outputs);
        }
    }
}

fn map(state: &mut State, task: u32, elements: &Elements, kept: Option<&Ranges>) {
    if take_off(state, task).is_none() {
        return;
    }
    let family = state.family.get_or_insert_default();
    let past = family.past.remove(&task).unwrap_or_default();
    let done = kept.cloned().unwrap_or_default();
    let mut outputs = past.outputs;
    outputs.retain(|element, _| done.contains(*element));
    let mapped = Mapped {
        elements: elements.clone(),
        outputs,
        done,
        ..Mapped::default()
    };
    family.mapped.insert(task, mapped);
}

fn of(state: &mut State, task: u32) -> Option<&mut Mapped> {
    state.family.as_mut()?.mapped.get_mut(&task)
}

fn started(state: &mut State, task: u32, to: u32, at: Timestamp) {
    let attempt = state.current(task);
    let Some(mapped) = of(state, task) else {
        return;
    };
    let from = mapped.started;
    let to = to.min(mapped.elements.count());
    mapped.started = to.max(from);
    let done = mapped.done.clone();
    let new = || (from..to).filter(|element| !done.contains(*element));
    for element in new() {
        let silent = Child {
            said: 0,
            stage: ChildStage::Waiting,
            turn: None,
        };
        mapped.open.insert(element, silent);
    }
    for element in new() {
        let key = EffectKey::Dispatch(attempt.with_element(element));
        state.outbox.add(key, at);
    }
}

/// A run has begun: the first one, as far as is known.
fn began(state: &mut State, task: u32, started: Timestamp) {
    if let Some(mapped) = of(state, task) {
        let began = Time(started);
        mapped.began = Some(mapped.began.map_or(began, |first| first.min(began)));
    }
}

fn count(mapped: &mut Mapped, element: u32, how: RunState, cause: Option<&Cause>) {
    match how {
        RunState::Succeeded => mapped.done.insert(element),
        RunState::Canceled => {
            mapped.canceled += 1;
            if mapped.why.is_none() {
                mapped.why = cause.cloned();
            }
        }
        RunState::Failed
        | RunState::Queued
        | RunState::Running
        | RunState::Pausing
        | RunState::Paused
        | RunState::Canceling => {
            if mapped.failed == 0 {
                mapped.why = cause.cloned();
            }
            mapped.failed += 1;
        }
    }
}

/// Nothing is to be made, told or stopped any more for an element.
fn close(state: &mut State, attempt: Attempt) {
    state.outbox.remove(&EffectKey::Dispatch(attempt));
    state.outbox.remove(&EffectKey::Cancel(attempt));
    if let Some(turn) = state.child(attempt).and_then(|child| child.turn) {
        state.outbox.remove(&EffectKey::Turn(turn));
    }
}

/// The runs that a task has made for its elements.
fn attempts(state: &State, task: u32) -> Vec<Attempt> {
    let current = state.current(task);
    let open = state.mapped(task).into_iter().flat_map(|it| it.open.keys());
    open.map(|element| current.with_element(*element)).collect()
}

/// All runs that are there are to be stopped. Whether the task is mapped.
pub(super) fn stop(state: &mut State, task: u32, at: Timestamp) -> bool {
    for attempt in attempts(state, task) {
        state.outbox.remove(&EffectKey::Dispatch(attempt));
        state.outbox.add(EffectKey::Cancel(attempt), at);
    }
    state.mapped(task).is_some()
}

/// The attempt is over. What has succeeded is kept for another one, unless that is all.
pub(super) fn forget(state: &mut State, task: u32) {
    for attempt in attempts(state, task) {
        close(state, attempt);
    }
    let Some(family) = &mut state.family else {
        return;
    };
    let Some(mapped) = family.mapped.remove(&task) else {
        return;
    };
    if !mapped.done.is_empty() && mapped.done.len() < mapped.elements.count() {
        let past = Past {
            elements: mapped.elements,
            done: mapped.done,
            outputs: mapped.outputs,
        };
        family.past.insert(task, past);
    }
}

/// Whether none of the runs of a mapped task runs. `None`: it is not mapped.
pub(super) fn rests(state: &State, task: u32) -> Option<bool> {
    let phase = state.tasks.phase(task);
    let mapped = state.mapped(task)?;
    let paused = |child: &Child| child.stage == ChildStage::Paused;
    let can_rest = matches!(phase, Phase::Dispatched | Phase::Running);
    Some(can_rest && mapped.open.values().all(paused))
}
