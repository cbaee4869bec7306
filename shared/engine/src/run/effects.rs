//! The effects of a run, built when they are sent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use porpoise_model::job::{Job, Work};
use porpoise_model::workflow::Task;
use porpoise_model::{Address, PoolId};

use super::child;
use super::dependent;
use super::parameters::{self, Rendered};
use super::parent;
use super::state::State;
use crate::Plan;
use crate::effect::keys::{of_backfills, of_gates, of_pools};
use crate::effect::{Attempt, CancelIntent, Effect, EffectKey, Holder, Intent, Listing, NewRun};
use crate::input::{GateInput, Input, PoolInput, RunInput};

/// The effect behind a key of a run's outbox.
pub fn effect(state: &State, plan: &Plan, key: EffectKey) -> Option<Effect> {
    let new = state.new.as_deref()?;
    match key {
        EffectKey::Dispatch(attempt) if plan.is_workflow(attempt.task) => {
            child::begin(state, plan, new, attempt, key)
        }
        EffectKey::Cancel(attempt) if plan.is_workflow(attempt.task) => {
            child::stop(state, plan, new, attempt, key)
        }
        EffectKey::TellParent(said) => parent::word(state, plan, new, said),
        EffectKey::Turn(turn) => {
            let below = state.maker(turn.attempt).child(new.run);
            Some(child::tell(new.project, below, RunInput::Turned(turn)))
        }
        EffectKey::Dispatch(attempt) => {
            intent(state, plan, new, attempt, key).map(Effect::Dispatch)
        }
        EffectKey::Cancel(attempt) => Some(Effect::Cancel(CancelIntent {
            place: new.placement.place(plan.task(attempt.task)?).to_string(),
            project: new.project,
            run: new.run,
            attempt,
        })),
        EffectKey::AskSlot(attempt) => ask(state, plan, new, attempt),
        EffectKey::FreeSlot(attempt) => {
            let holder = Holder {
                run: new.run,
                attempt,
            };
            to_pool(state, plan, attempt.task, PoolInput::Freed { holder })
        }
        EffectKey::EnterGate(entry) => Some(to_gate(
            new,
            GateInput::Entered {
                run: new.run,
                concurrency: state.concurrency(plan),
                created: new.created,
                priority: new.priority.unwrap_or(plan.workflow().priority),
                entry,
            },
        )),
        EffectKey::LeaveGate(entry) => Some(to_gate(
            new,
            GateInput::Left {
                run: new.run,
                entry,
            },
        )),
        EffectKey::Listing(revision) => Some(Effect::List(listing(state, plan, new, revision))),
        EffectKey::Stir(_) => Some(Effect::Stir(listing(state, plan, new, state.listed))),
        EffectKey::Announce(news) => Some(Effect::Announce {
            news,
            at: state.outbox.since(&key)?,
        }),
        EffectKey::Look(look) => {
            dependent::look_out(state, plan, look).map(|out| Effect::Look(Box::new(out)))
        }
        EffectKey::Unsubscribe(wait) => {
            dependent::unsubscription(new, plan, wait).map(Effect::Unsubscribe)
        }
        of_pools!() | of_gates!() | of_backfills!() | EffectKey::Fire(_) => None,
    }
}

/// The pool of a task.
pub fn pool(state: &State, plan: &Plan, task: u32) -> Option<PoolId> {
    let name = &plan.task(task)?.pool.as_ref()?.name;
    Some(PoolId::of_name(state.new.as_ref()?.project, name.as_str()))
}

fn to_pool(state: &State, plan: &Plan, task: u32, input: PoolInput) -> Option<Effect> {
    let project = state.new.as_ref()?.project;
    Some(Effect::Tell {
        to: Address::pool(project, pool(state, plan, task)?),
        input: Input::Pool(input),
    })
}

fn to_gate(new: &NewRun, input: GateInput) -> Effect {
    Effect::Tell {
        to: Address::gate(new.project, new.workflow),
        input: Input::Gate(input),
    }
}

fn rank(plan: &Plan, new: &NewRun, task: u32) -> (u8, u8) {
    (
        new.priority.unwrap_or(plan.workflow().priority).rank(),
        plan.rank(task),
    )
}

fn ask(state: &State, plan: &Plan, new: &NewRun, attempt: Attempt) -> Option<Effect> {
    let usage = plan.task(attempt.task)?.pool.as_ref()?;
    let input = PoolInput::Asked {
        holder: Holder {
            run: new.run,
            attempt,
        },
        slots: usage.slots,
        weight: usage.weight,
        rank: rank(plan, new, attempt.task),
    };
    to_pool(state, plan, attempt.task, input)
}

fn intent(
    state: &State,
    plan: &Plan,
    new: &NewRun,
    attempt: Attempt,
    key: EffectKey,
) -> Option<Intent> {
    let task = plan.task(attempt.task)?;
    let since = state.outbox.since(&key).unwrap_or(Timestamp::UNIX_EPOCH);
    // What can't be resolved was refused before it was dispatched.
    let rendered = parameters::render(state, plan, attempt.task)
        .unwrap_or_else(|_| Rendered::plain(&task.kind));
    let simulated = new.simulates(&task.kind);
    let placed = new.placement.of(task).filter(|_| !simulated);
    let job = Job {
        key: attempt.key(new.run),
        project: new.project,
        run: new.run,
        task: attempt.task,
        map: attempt.map,
        attempt: attempt.number,
        task_name: task.name.to_string(),
        work: if simulated { Work::Noop } else { rendered.work },
        env: rendered.env,
        files: if simulated {
            BTreeMap::new()
        } else {
            rendered.files
        },
        outputs: task
            .outputs
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        dialect: plan.workflow().dialect.clone(),
        secrets: parameters::secrets(new, plan.workflow(), task),
        target: placed.map(|placed| placed.target.clone()),
        residency: new.placement.residency.clone(),
        labels: placed.map_or_else(BTreeMap::new, |_| labels(plan, new, task)),
    };
    Some(Intent {
        place: new.placement.place(task).to_string(),
        job,
        rank: rank(plan, new, attempt.task),
        since,
    })
}

/// What tags and bills are made from. Labels of the task win over those of the workflow; neither replaces what is said
/// of every job.
fn labels(plan: &Plan, new: &NewRun, task: &Task) -> BTreeMap<String, String> {
    let workflow = plan.workflow();
    let mut labels = workflow.labels.clone();
    labels.extend(task.labels.clone());
    labels.extend([
        ("project".to_owned(), workflow.project.to_string()),
        ("workflow".to_owned(), new.workflow_name.clone()),
        ("task".to_owned(), task.name.to_string()),
        ("run".to_owned(), new.run.to_string()),
    ]);
    labels
}

fn listing(state: &State, plan: &Plan, new: &NewRun, revision: u64) -> Listing {
    Listing {
        project: new.project,
        run: new.run,
        workflow: new.workflow,
        workflow_name: new.workflow_name.clone(),
        revision,
        state: state.run_state(),
        trigger: new.trigger.clone(),
        logical_date: new.logical_date,
        created: new.created,
        started: state.started.map(|time| time.0),
        ended: state.ended.map(|time| time.0),
        tasks: plan.len(),
        dry_run: new.dry_run,
        simulate: new.simulate,
    }
}
