//! Elements of a mapped task: what its attempts have runs made for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use porpoise_app::view::RunView;
use porpoise_engine::run::view::{ElementView, MappedView};
use porpoise_model::TaskState;
use serde::Serialize;
use utoipa::ToSchema;

use super::outcome::CauseView;

/// How far an attempt of a mapped task is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ElementCounts {
    /// How many elements there are.
    pub(crate) count: u32,
    /// How many combinations of its lists were left out, as there are at most so many.
    pub(crate) cut: u64,
    /// How many have no run yet.
    pub(crate) waiting: u32,
    /// How many have a run that is not over.
    pub(crate) running: u32,
    /// How many runs succeeded.
    pub(crate) succeeded: u32,
    /// How many failed, or could not be made.
    pub(crate) failed: u32,
    /// How many were stopped.
    pub(crate) canceled: u32,
}

impl From<&MappedView> for ElementCounts {
    fn from(mapped: &MappedView) -> Self {
        let count = mapped.elements.count();
        let of = |state| u32::try_from(mapped.count(state)).unwrap_or(u32::MAX);
        let started = u32::try_from(mapped.started.len()).unwrap_or(u32::MAX);
        Self {
            count,
            cut: mapped.elements.cut(),
            waiting: count.saturating_sub(started),
            running: of(TaskState::Dispatched).saturating_add(of(TaskState::Running)),
            succeeded: of(TaskState::Succeeded),
            failed: of(TaskState::Failed),
            canceled: of(TaskState::Canceled),
        }
    }
}

/// An element of a mapped task whose run was to be made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Element {
    /// From 1.
    pub(crate) number: u32,
    /// The parameters that it gives its run.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Its run.
    pub(crate) run_id: String,
    /// Of its run: `dispatched`, `running`, `succeeded`, `failed`, `canceled`.
    pub(crate) state: &'static str,
    /// When its run began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started: Option<Timestamp>,
    /// When its run ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended: Option<Timestamp>,
    /// Why it ended so.
    pub(crate) cause: Option<CauseView>,
}

/// What the latest attempt of a task is about, if it is mapped.
fn latest(view: &RunView, task: u32) -> Option<&MappedView> {
    let attempt = view.view.attempts.get(&task)?.last()?;
    attempt.mapped.as_deref()
}

/// How far the latest attempt of a task is, if it is mapped.
pub(super) fn counts(view: &RunView, task: u32) -> Option<ElementCounts> {
    latest(view, task).map(ElementCounts::from)
}

/// The elements of the latest attempt of a task that have started, in order, and those that had succeeded before, each with
/// the run that it has from the attempt that ran it.
pub(super) fn all(view: &RunView, task: u32) -> Option<Vec<Element>> {
    let mapped = latest(view, task)?;
    let shown = |(element, started): (&u32, &ElementView)| {
        let parameters = mapped.elements.get(*element).unwrap_or_default();
        let parameters = parameters.into_iter();
        Element {
            number: element.saturating_add(1),
            parameters: parameters
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            run_id: started.attempt.child(view.run.run).to_string(),
            state: started.state.as_str(),
            started: started.started,
            ended: started.ended,
            cause: started.cause.as_ref().map(CauseView::from),
        }
    };
    Some(mapped.started.iter().map(shown).collect())
}
