//! The engine alone: no store, no queue, no clock. How fast a run is decided and folded.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use porpoise_engine::aggregate::{Aggregate, decide_batch};
use porpoise_engine::effect::Attempt;
use porpoise_engine::input::{Report, ReportKind, RunInput};
use porpoise_engine::record::Record;
use porpoise_engine::run::{Run, RunFact, State};
use porpoise_engine::{EffectKey, Plan};
use porpoise_model::RunState;
use porpoise_model::workflow::Kind;
use serde::Serialize;

use crate::server::new_run;
use crate::shape::Shape;

/// What one shape took.
#[derive(Debug, Serialize)]
pub(crate) struct EngineRow {
    pub(crate) shape: String,
    pub(crate) compile_ms: f64,
    pub(crate) run_ms: f64,
    /// queued, dispatched, running, succeeded: four for each task.
    pub(crate) transitions_per_second: f64,
    pub(crate) state_bytes_per_task: f64,
    pub(crate) log_bytes_per_task: f64,
}

/// How many reports one input carries.
const BATCH: usize = 1_000;

/// Runs a shape to its end, jobs starting and ending at once.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn measure(shape: Shape) -> anyhow::Result<EngineRow> {
    let workflow = shape.workflow(&Kind::Noop)?;
    let begun = Instant::now();
    let plan = Plan::compile(workflow)?;
    let compile = begun.elapsed();

    let now = Timestamp::UNIX_EPOCH;
    let mut state = State::default();
    Run::evolve(
        &mut state,
        &plan,
        &RunFact::Created(Box::new(new_run(1, now))),
        now,
    );
    let begun = Instant::now();
    let mut log_bytes = step(&mut state, &plan, &RunInput::Start, now);
    while !state.run_state().is_terminal() {
        let open: Vec<Attempt> = state
            .outbox
            .iter()
            .filter_map(|(key, _)| dispatched(key))
            .collect();
        for batch in open.chunks(BATCH) {
            let started = batch
                .iter()
                .map(|attempt| report(*attempt, started(now)))
                .collect();
            log_bytes += step(&mut state, &plan, &RunInput::Reported(started), now);
            let ended = batch
                .iter()
                .map(|attempt| report(*attempt, succeeded(now)))
                .collect();
            log_bytes += step(&mut state, &plan, &RunInput::Reported(ended), now);
        }
    }
    let run = begun.elapsed();
    anyhow::ensure!(
        state.run_state() == RunState::Succeeded,
        "the run ended as {}",
        state.run_state()
    );
    let tasks = f64::from(shape.tasks());
    Ok(EngineRow {
        shape: shape.name(),
        compile_ms: compile.as_secs_f64() * 1e3,
        run_ms: run.as_secs_f64() * 1e3,
        transitions_per_second: tasks * 4.0 / run.as_secs_f64(),
        state_bytes_per_task: float(state.tasks.memory()) / tasks,
        log_bytes_per_task: float(log_bytes) / tasks,
    })
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "sizes far below 2^52"
)]
fn float(bytes: usize) -> f64 {
    bytes as f64
}

fn step(state: &mut State, plan: &Plan, input: &RunInput, now: Timestamp) -> usize {
    let facts = decide_batch::<Run>(state, plan, [input], now).facts;
    Record { at: now, facts }.to_bytes().len()
}

fn dispatched(key: EffectKey) -> Option<Attempt> {
    if let EffectKey::Dispatch(attempt) = key {
        Some(attempt)
    } else {
        None
    }
}

fn report(attempt: Attempt, what: ReportKind) -> Report {
    Report { attempt, what }
}

fn started(at: Timestamp) -> ReportKind {
    ReportKind::Started {
        at,
        external_id: String::new(),
    }
}

fn succeeded(at: Timestamp) -> ReportKind {
    ReportKind::Succeeded {
        started: at,
        ended: at,
        outputs: BTreeMap::new(),
    }
}
