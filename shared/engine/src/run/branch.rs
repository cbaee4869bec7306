//! Tasks that pick among those below: which of their branches, from what the run knows.
//!
//! Nothing is dispatched for them: the choice is a fact, and the edges to what was not picked count as skipped. A dry
//! run, a person who marks such a task as succeeded, and a definition that disables it pick nothing: then all go on.

use porpoise_expression::{Condition, Dialect, Operand};
use porpoise_model::ValueType;
use porpoise_model::workflow::{Case, Ending, Kind, Test};

use super::parameters::Values;
use super::state::State;
use super::tasks::Phase;
use crate::Plan;

/// The branch that a task takes: its position in [`Kind::branches`].
///
/// # Errors
/// Why it takes none.
pub(super) fn choose(state: &State, plan: &Plan, task: u32) -> Result<u32, String> {
    let definition = plan.task(task);
    let definition = definition.ok_or_else(|| format!("there is no task at index {task}"))?;
    let taken = match &definition.kind {
        Kind::Switch { cases, otherwise } => {
            let dialect = plan.workflow().dialect.parse::<Dialect>();
            let dialect = dialect.map_err(|error| error.to_string())?;
            let values = Values::of(state, plan, task)?;
            let first = first(cases, &values, dialect)?;
            if first.is_none() && otherwise.is_none() && !dialect.is_native() {
                return Err("no case holds, and there is no `otherwise`".to_owned());
            }
            first.unwrap_or(cases.len())
        }
        Kind::Conditions { when, .. } => usize::from(!holds(state, plan, when)),
        other @ (Kind::Noop
        | Kind::Sleep { .. }
        | Kind::Shell { .. }
        | Kind::Python { .. }
        | Kind::Command { .. }
        | Kind::Spark { .. }
        | Kind::Hive { .. }
        | Kind::Sql { .. }
        | Kind::Function { .. }
        | Kind::Http(_)
        | Kind::StateMachine { .. }
        | Kind::Workflow { .. }
        | Kind::Approval { .. }
        | Kind::Dependent { .. }
        | Kind::External { .. }) => {
            return Err(format!("`{}` picks nothing", other.word()));
        }
    };
    u32::try_from(taken).map_err(|_| "it has too many cases".to_owned())
}

/// The first case that holds. One that cannot be decided is an error; since 3.3, `DolphinScheduler` passes over it.
fn first(cases: &[Case], values: &Values<'_>, dialect: Dialect) -> Result<Option<usize>, String> {
    for (index, case) in cases.iter().enumerate() {
        // DolphinScheduler 3.1 takes an empty condition when it comes to it.
        if dialect.is_before_3_2() && case.when.trim().is_empty() {
            return Ok(Some(index));
        }
        match decide(&case.when, values) {
            Ok(true) => return Ok(Some(index)),
            Ok(false) => {}
            Err(_) if dialect == Dialect::DolphinScheduler33 => {}
            Err(error) => return Err(format!("case {}: {error}", index + 1)),
        }
    }
    Ok(None)
}

fn decide(when: &str, values: &Values<'_>) -> Result<bool, String> {
    let condition = Condition::parse(when).map_err(|fault| fault.to_string())?;
    let value_of = |name: &str| {
        let (text, kind) = values.get(name)?;
        Some(match kind {
            ValueType::Integer | ValueType::Long | ValueType::Float | ValueType::Double => {
                Operand::Number(text)
            }
            ValueType::Boolean => Operand::Truth(text),
            ValueType::Varchar
            | ValueType::Date
            | ValueType::Time
            | ValueType::Timestamp
            | ValueType::List
            | ValueType::File => Operand::Text(text),
        })
    };
    condition.holds(value_of).map_err(|error| error.to_string())
}

/// Whether a test of the tasks above holds. In the dialects of `DolphinScheduler` a forced success is no success, and a
/// task that was stopped has not failed.
fn holds(state: &State, plan: &Plan, when: &Test) -> bool {
    let exact = !plan.workflow().dialect.starts_with("porpoise/");
    when.holds(&|task, ending| {
        let phase = state.tasks.phase(task);
        let by_itself = !exact || !state.not_by_itself.contains(&task);
        match ending {
            Ending::Succeeded => phase.is_success() && by_itself,
            Ending::Failed if exact => phase == Phase::Failed && by_itself,
            Ending::Failed => phase.is_failure(),
            Ending::Skipped => matches!(phase, Phase::Skipped | Phase::LeftOut),
        }
    })
}

/// How many tasks failed, those left out whose failure was expected: all that follows them are conditions, which have
/// taken it into account or still will.
pub(super) fn failures(state: &State, plan: &Plan) -> u32 {
    let all = state.tasks.failures();
    if all == 0 || !plan.has_conditions() {
        return all;
    }
    let failed =
        |task: &u32| state.tasks.phase(*task).is_failure() && !expected(state, plan, *task);
    let failed = state.tasks.indices().filter(failed).count();
    u32::try_from(failed).unwrap_or(u32::MAX)
}

fn expected(state: &State, plan: &Plan, task: u32) -> bool {
    let below = plan.downstream(task);
    let takes_account = |task: &u32| {
        let phase = state.tasks.phase(*task);
        let kind = plan.task(*task).map(|task| &task.kind);
        matches!(kind, Some(Kind::Conditions { .. }))
            && (!phase.is_terminal() || phase == Phase::Succeeded)
    };
    let ran = state.tasks.phase(task) != Phase::UpstreamFailed;
    let there = |task: &&u32| state.tasks.phase(**task) != Phase::LeftOut;
    let mut below = below.iter().filter(there).peekable();
    ran && below.peek().is_some() && below.all(takes_account)
}
