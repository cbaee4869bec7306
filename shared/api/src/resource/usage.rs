//! What the jobs of a run were billed by their targets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use porpoise_engine::effect::Attempt;
use porpoise_ports::executor::{JobUsage, JobUsageLine};
use serde::Serialize;
use utoipa::ToSchema;

use super::run;
use crate::Api;
use crate::extract::Segments;
use crate::problem::Problem;

/// What a run was billed, as far as it is known: targets say it minutes after a job has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunUsage {
    /// US dollars at list price, of all lines that have a price.
    pub(crate) dollars: f64,
    /// One for each attempt whose target said what it was billed.
    pub(crate) attempts: Vec<AttemptUsage>,
}

/// What an attempt was billed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptUsage {
    /// The task's name.
    pub(crate) task: String,
    /// Which attempt, from 1.
    pub(crate) attempt: u32,
    /// Each measure once.
    pub(crate) lines: Vec<UsageLine>,
}

/// A measure of what an attempt was billed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageLine {
    /// With its unit: `vcpu_hours`, `memory_gb_hours`, `storage_gb_hours`, `scanned_bytes` …
    pub(crate) measure: String,
    /// How much of it.
    pub(crate) amount: f64,
    /// US dollars at list price; `null`: the price there is not known.
    pub(crate) dollars: Option<f64>,
}

/// Shows what the jobs of a run were billed by their targets.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}/usage", operation_id = "show_usage", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path)),
    responses((status = 200, body = RunUsage), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments((project, run)): Segments<(String, String)>,
) -> Result<Json<RunUsage>, Problem> {
    let (_, view) = run::existing(&api, &project, &run).await?;
    let usage = api.app.usage_of_run(view.run.project, view.run.run).await?;
    let named = |attempt: Attempt| {
        let (_, made) = view.view.attempt_at(attempt.task, attempt.number)?;
        let task = view.made_by(made)?.plan.task(made.task)?;
        Some(task.name.to_string())
    };
    let attempts = usage.into_iter().map(|(attempt, usage)| AttemptUsage {
        task: named(attempt).unwrap_or_default(),
        attempt: attempt.number,
        lines: lines(usage),
    });
    let attempts: Vec<AttemptUsage> = attempts.collect();
    let lines = attempts.iter().flat_map(|attempt| &attempt.lines);
    Ok(Json(RunUsage {
        dollars: lines.filter_map(|line| line.dollars).sum(),
        attempts,
    }))
}

fn lines(usage: JobUsage) -> Vec<UsageLine> {
    let line = |line: JobUsageLine| UsageLine {
        measure: line.measure,
        amount: share(line.millionths, 1e6),
        dollars: line.nanodollars.map(|dollars| share(dollars, 1e9)),
    };
    usage.lines.into_iter().map(line).collect()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "exact up to 2^53 billionths of a dollar, and nobody pays for the last one of more"
)]
fn share(pieces: u64, of: f64) -> f64 {
    pieces as f64 / of
}
