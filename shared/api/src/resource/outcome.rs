//! Words that several answers share: who did something, why something ended, what became of a command.

use std::sync::Arc;
use std::time::Duration;

use porpoise_engine::commands::Outcome;
use porpoise_engine::run::reason::Reason;
use porpoise_engine::run::state::Hold;
use porpoise_model::{Actor, Address, Cause, CommandId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use jiff::Timestamp;

use crate::problem::Problem;
use crate::{Api, Waited};

/// Who did something, and through what.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Who {
    /// The principal; `porpoise` for the engine itself.
    pub(crate) principal: String,
    /// `cli`, `api`, `console`, `schedule`, `engine`.
    pub(crate) via: String,
}

impl From<&Actor> for Who {
    fn from(actor: &Actor) -> Self {
        Self {
            principal: actor.principal.clone(),
            via: actor.via.clone(),
        }
    }
}

/// Why something ended as it did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CauseView {
    /// `exit`, `signal`, `timeout`, `killed_by`, `forced_by`, `upstream`, `lost`, `rejected`, `disabled`,
    /// `failure_strategy`, `discarded`, `tasks_failed`, `unresolved`, `dry_run`, `failed`, `chose`, `approved_by`, `declined_by`, `superseded`,
    /// `left_out`, `child`, `met`, `unmet`.
    pub(crate) kind: &'static str,
    /// In words.
    pub(crate) text: String,
    /// Exit code or number of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i32>,
    /// Who it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Who>,
}

impl From<&Cause> for CauseView {
    fn from(cause: &Cause) -> Self {
        let (kind, code, actor) = match cause {
            Cause::Exit { code } => ("exit", Some(*code), None),
            Cause::Signal { signal } => ("signal", Some(*signal), None),
            Cause::Timeout => ("timeout", None, None),
            Cause::KilledBy { actor } => ("killed_by", None, Some(actor)),
            Cause::ForcedBy { actor } => ("forced_by", None, Some(actor)),
            Cause::Upstream => ("upstream", None, None),
            Cause::Lost => ("lost", None, None),
            Cause::Rejected { .. } => ("rejected", None, None),
            Cause::Disabled => ("disabled", None, None),
            Cause::FailureStrategy => ("failure_strategy", None, None),
            Cause::Discarded => ("discarded", None, None),
            Cause::Child { .. } => ("child", None, None),
            Cause::Superseded => ("superseded", None, None),
            Cause::TasksFailed { .. } => ("tasks_failed", None, None),
            Cause::Unresolved { .. } => ("unresolved", None, None),
            Cause::DryRun => ("dry_run", None, None),
            Cause::LeftOut => ("left_out", None, None),
            Cause::Failed { .. } => ("failed", None, None),
            Cause::Chose { .. } => ("chose", None, None),
            Cause::Met { .. } => ("met", None, None),
            Cause::Unmet { .. } => ("unmet", None, None),
            Cause::Answered {
                approved: true,
                actor,
                ..
            } => ("approved_by", None, Some(actor)),
            Cause::Answered { actor, .. } => ("declined_by", None, Some(actor)),
        };
        Self {
            kind,
            text: cause.to_string(),
            code,
            actor: actor.map(Who::from),
        }
    }
}

/// Why something waits, and what would change that.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ReasonView {
    /// `beginning`, `gate`, `hold`, `run_hold`, `paused`, `upstream`, `delay`, `retry`, `pool`, `dispatch`, `target`,
    /// `submitted`, `approval`, `child`, `elements`, `dependent`, `cancel`.
    pub(crate) kind: &'static str,
    /// In words.
    pub(crate) text: String,
    /// It ends by itself then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Timestamp>,
    /// The pool whose slots it waits for, the first task, or the workflow whose run it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<String>,
}

impl From<&Reason> for ReasonView {
    fn from(reason: &Reason) -> Self {
        let (kind, until, of) = match reason {
            Reason::Beginning => ("beginning", None, None),
            Reason::Gate => ("gate", None, None),
            Reason::Hold(hold) => ("hold", hold.until.map(|at| at.0), None),
            Reason::RunHold(hold) => ("run_hold", hold.until.map(|at| at.0), None),
            Reason::Paused => ("paused", None, None),
            Reason::Upstream { first, .. } => ("upstream", None, first.as_ref()),
            Reason::Delay { until } => ("delay", Some(*until), None),
            Reason::Retry { until } => ("retry", Some(*until), None),
            Reason::Pool { name } => ("pool", None, Some(name)),
            Reason::Dispatch => ("dispatch", None, None),
            Reason::Target { .. } => ("target", None, None),
            Reason::Submitted => ("submitted", None, None),
            Reason::Approval { .. } => ("approval", None, None),
            Reason::Child { workflow, .. } => ("child", None, Some(workflow)),
            Reason::Elements { workflow, .. } => ("elements", None, Some(workflow)),
            Reason::Dependent { .. } => ("dependent", None, None),
            Reason::Cancel => ("cancel", None, None),
        };
        Self {
            kind,
            text: reason.to_string(),
            until,
            of: of.map(ToString::to_string),
        }
    }
}

/// A hold.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HoldView {
    /// In words.
    pub(crate) text: String,
    /// Who.
    pub(crate) actor: Who,
    /// Why.
    pub(crate) why: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) since: Timestamp,
    /// It ends by itself then.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Timestamp>,
}

impl From<&Hold> for HoldView {
    fn from(hold: &Hold) -> Self {
        Self {
            text: Reason::RunHold(hold.clone()).to_string(),
            actor: Who::from(&hold.actor),
            why: hold.why.clone(),
            since: hold.since.0,
            until: hold.until.map(|at| at.0),
        }
    }
}

/// A command, and what has become of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CommandOutcome {
    /// Its id: ask for it until it is no longer pending.
    pub(crate) command_id: String,
    /// `pending`, `accepted`, `refused`. A command that nobody ever gave is pending too.
    pub(crate) state: &'static str,
    /// Why it was refused.
    pub(crate) reason: Option<String>,
}

impl CommandOutcome {
    pub(crate) fn new(id: CommandId, outcome: Option<&Outcome>) -> Self {
        let (state, reason) = match outcome {
            None => ("pending", None),
            Some(Outcome::Accepted) => ("accepted", None),
            Some(Outcome::Refused { reason }) => ("refused", Some(reason.clone())),
        };
        Self {
            command_id: id.to_string(),
            state,
            reason,
        }
    }
}

/// How long to wait for the outcome of a command.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitParams {
    /// Answer when it is decided, and at the latest after this long: `5s`, at most `20s`. Not at all unless given.
    pub(crate) wait: Option<String>,
}

/// Looks until something is there or the time is up; `look` gives what it found and how far the log went.
pub(crate) async fn until<T, F>(
    api: &Arc<Api>,
    address: Address,
    wait: Duration,
    look: impl Fn() -> F,
) -> Result<Option<T>, Problem>
where
    F: Future<Output = Result<(Option<T>, u64), Problem>>,
{
    let clock = &api.app.ports().clock;
    let begun = clock.now();
    loop {
        let (found, sequence) = look().await?;
        let passed = clock.now().duration_since(begun).unsigned_abs();
        let left = wait.saturating_sub(passed);
        if found.is_some() || left.is_zero() {
            return Ok(found);
        }
        match api.changes.moved(address, sequence, left).await {
            Waited::Moved => {}
            Waited::TimeUp | Waited::Closing => return Ok(look().await?.0),
        }
    }
}
