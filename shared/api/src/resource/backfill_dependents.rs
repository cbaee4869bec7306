//! Workflows that go along with a backfill: which they are, beforehand, and how far they are.

use axum::http::StatusCode;
use jiff::Timestamp;
use porpoise_app::along::Backfilled;
use porpoise_app::backfill_store::BackfillView;
use porpoise_engine::backfill::along::{Along, LeftOut};
use porpoise_engine::backfill::{Dependent, Dependents, Levels};
use porpoise_model::RunState;
use porpoise_model::limits::{BACKFILL_DEPENDENTS_MAX, BACKFILL_RUNS_MAX};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{Problem, fault};
use crate::{Api, Code};

/// Which workflows go along with a backfill: for each date whose run has succeeded, their runs for the same date start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BackfillDependents)]
pub(crate) enum LevelsWord {
    /// None.
    #[default]
    None,
    /// Those with a task that waits for the workflow.
    Direct,
    /// Those that wait for one of these as well, and so on.
    All,
}

impl LevelsWord {
    fn levels(self) -> Option<Levels> {
        match self {
            Self::None => None,
            Self::Direct => Some(Levels::Direct),
            Self::All => Some(Levels::All),
        }
    }

    pub(crate) fn of(asked: Option<&Dependents>) -> Self {
        match asked.map(|asked| asked.levels) {
            None => Self::None,
            Some(Levels::Direct) => Self::Direct,
            Some(Levels::All) => Self::All,
        }
    }
}

/// A workflow that goes along.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BackfillDependent)]
pub(crate) struct DependentLine {
    /// Its project.
    pub(crate) project: String,
    /// Its name.
    pub(crate) workflow: String,
    /// Hash of the version that its runs run.
    pub(crate) version: String,
    /// Its tasks that wait, each with the workflow that it waits for.
    pub(crate) waits: Vec<WaitLine>,
    /// The workflows that go along and whose run has to succeed before its own starts, for the same date.
    pub(crate) after: Vec<String>,
}

/// A task waits for a workflow of the backfill.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BackfillWait)]
pub(crate) struct WaitLine {
    /// The task.
    pub(crate) task: String,
    /// The workflow.
    pub(crate) workflow: String,
}

/// A workflow that waits and does not go along.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BackfillLeftOut)]
pub(crate) struct LeftOutLine {
    /// Its project.
    pub(crate) project: String,
    /// Its name.
    pub(crate) workflow: String,
    /// The first of its tasks that waits.
    pub(crate) task: Option<String>,
    /// Why it stays.
    pub(crate) why: String,
}

/// How far a workflow is that goes along.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackfillDependentProgress)]
pub(crate) struct ProgressLine {
    /// Which.
    #[serde(flatten)]
    pub(crate) dependent: DependentLine,
    /// How many of its runs are there.
    pub(crate) running: usize,
    /// How many succeeded.
    pub(crate) succeeded: usize,
    /// How many ended otherwise.
    pub(crate) failed: usize,
    /// For how many dates none started, because a run before it did not succeed or the backfill was stopped.
    pub(crate) left_out: usize,
}

/// A run of a workflow that goes along, for a date.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BackfillDependentRun)]
pub(crate) struct DependentRun {
    /// Its project.
    pub(crate) project: String,
    /// Its workflow.
    pub(crate) workflow: String,
    /// Its id; null: it has not started.
    pub(crate) run_id: Option<String>,
    /// `pending`: it has not started. `running`. Else how it ended, for the first time: `succeeded`, `failed`, `canceled`.
    /// `left_out`: the date is over, and it never started.
    pub(crate) state: &'static str,
}

/// What is asked for and found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// To be recorded.
    pub(crate) dependents: Option<Dependents>,
    pub(crate) lines: Vec<DependentLine>,
    pub(crate) left_out: Vec<LeftOutLine>,
    pub(crate) notes: Vec<String>,
}

/// A backfill that is asked for.
pub(crate) struct For<'f> {
    pub(crate) of: Backfilled<'f>,
    pub(crate) name: &'f str,
    pub(crate) dates: usize,
    pub(crate) descending: bool,
}

/// Finds what goes along. Who may start the backfill may see and start runs of every project: there are no other rights.
///
/// # Errors
/// There are too many.
pub(crate) async fn find(
    api: &Api,
    asked: LevelsWord,
    backfill: For<'_>,
) -> Result<Found, Problem> {
    let Some(levels) = asked.levels() else {
        return Ok(Found::default());
    };
    let along = api.app.dependents_of(backfill.of, levels).await?;
    within_limits(along.dependents.len(), backfill.dates)?;
    let notes = notes(&along, &backfill);
    let lines = lines(&along.dependents, backfill.name);
    let Along {
        dependents,
        left_out,
        reaching_back: _,
    } = along;
    Ok(Found {
        dependents: Some(Dependents {
            levels,
            found: dependents,
        }),
        lines,
        left_out: left_out.into_iter().map(LeftOutLine::from).collect(),
        notes,
    })
}

impl From<LeftOut> for LeftOutLine {
    fn from(left: LeftOut) -> Self {
        Self {
            project: left.project_name,
            workflow: left.workflow_name,
            task: left.task,
            why: left.why,
        }
    }
}

fn within_limits(dependents: usize, dates: usize) -> Result<(), Problem> {
    let runs = dates.saturating_mul(dependents.saturating_add(1));
    let (path, message, hint) = if dependents > BACKFILL_DEPENDENTS_MAX {
        let message =
            format!("{dependents} workflows would go along, more than {BACKFILL_DEPENDENTS_MAX}");
        let hint = "take those that wait for it directly, or start a backfill of each of them";
        ("dependents", message, hint)
    } else if runs > BACKFILL_RUNS_MAX {
        let message = format!(
            "{dates} dates of {} workflows are {runs} runs, more than {BACKFILL_RUNS_MAX}",
            dependents + 1
        );
        ("to", message, "start several backfills of shorter ranges")
    } else {
        return Ok(());
    };
    let title = "the backfill cannot be started like this";
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::BadRequest, title);
    Err(problem.listing(vec![fault(path, message, Some(hint))]))
}

fn notes(along: &Along, backfill: &For<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if along.dependents.is_empty() {
        notes.push("no workflow goes along".to_owned());
    }
    if backfill.descending && backfill.dates > 1 {
        let back = along.reaching_back.iter();
        let back = back.filter_map(|number| along.dependents.get(usize::try_from(*number).ok()?));
        notes.extend(back.map(|one| {
            format!(
                "`{}` waits for runs of earlier dates as well, which start later: it takes those that are there, or waits",
                one.workflow_name
            )
        }));
    }
    notes
}

/// Those that go along with the workflow of this name.
fn lines(dependents: &[Dependent], name: &str) -> Vec<DependentLine> {
    let named = |number: u32| {
        let at = usize::try_from(number).ok();
        let dependent = at.and_then(|at| dependents.get(at));
        dependent.map_or_else(String::new, |one| one.workflow_name.clone())
    };
    let line = |dependent: &Dependent| DependentLine {
        project: dependent.project_name.clone(),
        workflow: dependent.workflow_name.clone(),
        version: dependent.version.to_string(),
        waits: dependent
            .waits
            .iter()
            .map(|wait| WaitLine {
                task: wait.task.clone(),
                workflow: wait.of.map_or_else(|| name.to_owned(), named),
            })
            .collect(),
        after: dependent.after.iter().copied().map(named).collect(),
    };
    dependents.iter().map(line).collect()
}

/// How far those are that go along.
pub(crate) fn progress(view: &BackfillView) -> Vec<ProgressLine> {
    let (new, state) = (&view.new, &view.state);
    let whole = usize::try_from(state.succeeded).unwrap_or(usize::MAX);
    let lines = lines(new.dependents(), &new.like.workflow_name);
    let lines = (0..).zip(lines).map(|(number, dependent)| {
        let stages = state.below.values();
        let ended = stages.filter_map(|stage| stage.runs.get(&number));
        let (mut running, mut succeeded, mut failed) = (0, whole, 0);
        for run in ended {
            match run {
                None => running += 1,
                Some(RunState::Succeeded) => succeeded += 1,
                Some(_) => failed += 1,
            }
        }
        let stayed = state.failed.keys();
        let stayed = stayed.filter(|date| state.dependent(date.0, number).is_none());
        ProgressLine {
            dependent,
            running,
            succeeded,
            failed,
            left_out: stayed.count(),
        }
    });
    lines.collect()
}

/// The runs of those that go along, for a date.
pub(crate) fn of_date(view: &BackfillView, date: Timestamp) -> Vec<DependentRun> {
    let over = view.state.date(date).is_some_and(RunState::is_terminal);
    let closed = over || view.state.over.is_some();
    let runs = (0..).zip(view.new.dependents()).map(|(number, dependent)| {
        let state = view.state.dependent(date, number);
        let run = dependent.run(view.new.backfill, date);
        let absent = if closed { "left_out" } else { "pending" };
        DependentRun {
            project: dependent.project_name.clone(),
            workflow: dependent.workflow_name.clone(),
            run_id: state.map(|_| run.to_string()),
            state: state.map_or(absent, RunState::as_str),
        }
    });
    runs.collect()
}
