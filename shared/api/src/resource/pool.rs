//! Pools: slots that tasks of several runs share.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use porpoise_engine::Input;
use porpoise_engine::effect::{Attempt, Holder};
use porpoise_engine::input::{Command, PoolCommand, PoolInput};
use porpoise_engine::pool::{Pool as Aggregate, State as Fold};
use porpoise_model::limits::POOL_SLOTS_MAX;
use porpoise_model::{Address, CommandId, Name, PoolId, ProjectId, RunId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::outcome::{CommandOutcome, WaitParams, until};
use super::{command, project, run, task};
use crate::access::Caller;
use crate::extract::{Body, Params, Segments, command_id};
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::time::{self, short};
use crate::{Api, Code};

/// Holders and requests that are named, each.
const NAMED_MAX: usize = 100;

/// A pool in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolLine {
    /// Its name.
    pub(crate) name: String,
    /// How many slots it has; 1 until somebody says otherwise.
    pub(crate) slots: u32,
    /// How many of them are held.
    pub(crate) used: u64,
    /// How many attempts wait for some.
    pub(crate) waiting: usize,
}

/// A pool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolDetail {
    /// The pool.
    #[serde(flatten)]
    pub(crate) pool: PoolLine,
    /// Who holds slots; the first 100.
    pub(crate) holders: Vec<SlotHolder>,
    /// Who waits for some, the next one first; the first 100.
    pub(crate) line: Vec<SlotHolder>,
}

/// An attempt that holds slots of a pool, or waits for some.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SlotHolder {
    /// Its run.
    pub(crate) run: String,
    /// Its task.
    pub(crate) task: String,
    /// Its number.
    pub(crate) attempt: u32,
    /// How many slots.
    pub(crate) slots: u32,
}

/// How a pool is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resize {
    /// How many slots; 0 lets nothing start.
    #[schema(minimum = 0, maximum = 100_000)]
    pub(crate) slots: u32,
}

/// What a pool is to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolCommandRequest {
    /// `grant`: let one that waits go first, also beyond the size; the pool has fewer slots to give until they are back.
    pub(crate) command: Word,
    /// The run that waits.
    pub(crate) run: String,
    /// Its task that waits.
    pub(crate) task: String,
}

/// What can be commanded.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PoolWord)]
pub(crate) enum Word {
    /// Let one that waits go first.
    Grant,
}

/// Lists the pools of a project, by name: those that a workflow has named, and those that were sized.
#[utoipa::path(get, path = "/v1/projects/{project}/pools", operation_id = "list_pools", tag = "pools",
    params(("project" = String, Path), PageParams),
    responses((status = 200, body = Page<PoolLine>), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments(project): Segments<String>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<PoolLine>>, Problem> {
    let (project, _) = project::existing(&api, &project).await?;
    let names = api.app.pools(project).await?;
    let names = page.of(names, |name| name.as_str())?;
    let mut items = Vec::with_capacity(names.items.len());
    for name in &names.items {
        let (state, _) = fold(&api, address(project, name)).await?;
        items.push(line(name, &state));
    }
    Ok(Json(Page {
        items,
        next_cursor: names.next_cursor,
    }))
}

/// Shows a pool: who holds its slots, and who waits for them.
#[utoipa::path(get, path = "/v1/projects/{project}/pools/{pool}", operation_id = "show_pool", tag = "pools",
    params(("project" = String, Path), ("pool" = String, Path)),
    responses((status = 200, body = PoolDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments((project, pool)): Segments<(String, String)>,
) -> Result<Json<PoolDetail>, Problem> {
    let (project, name) = existing(&api, &project, &pool).await?;
    let (state, _) = fold(&api, address(project, &name)).await?;
    let mut detail = PoolDetail {
        pool: line(&name, &state),
        holders: Vec::new(),
        line: Vec::new(),
    };
    for (holder, held) in state.held.iter().take(NAMED_MAX) {
        detail
            .holders
            .push(named(&api, project, *holder, held.slots).await?);
    }
    for (holder, slots) in state.line.iter().take(NAMED_MAX) {
        detail.line.push(named(&api, project, holder, slots).await?);
    }
    Ok(Json(detail))
}

/// Sets how many slots a pool has. What is held beyond that is kept until it is freed.
#[utoipa::path(put, path = "/v1/projects/{project}/pools/{pool}", operation_id = "resize_pool", tag = "pools",
    params(("project" = String, Path), ("pool" = String, Path), WaitParams,
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = Resize,
    responses((status = 202, body = CommandOutcome), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn resize(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, pool)): Segments<(String, String)>,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
    Body(request): Body<Resize>,
) -> Result<(StatusCode, Json<CommandOutcome>), Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let (project, _) = project::existing(&api, &project).await?;
    let name: Name = pool
        .parse()
        .map_err(|error: porpoise_model::name::ParseNameError| {
            Problem::bad_request(format!("`{}` is no name of a pool", short(&pool)))
                .detail(error.to_string())
        })?;
    if request.slots > POOL_SLOTS_MAX {
        return Err(Problem::bad_request(format!(
            "`slots`: at most {POOL_SLOTS_MAX}, not {}",
            request.slots
        )));
    }
    let address = address(project, &name);
    let (id, _) = command_id(&api, &headers, &format!("commands/{address}"))?;
    let command = Command {
        id,
        actor: caller.actor,
        what: PoolCommand::Resize {
            slots: request.slots,
            name: name.to_string(),
        },
    };
    api.app.note_pool(project, &name).await?;
    told(&api, address, command, wait).await
}

/// Gives a command to a pool, which decides on it in its turn.
#[utoipa::path(post, path = "/v1/projects/{project}/pools/{pool}/commands", operation_id = "command_pool", tag = "pools",
    params(("project" = String, Path), ("pool" = String, Path), WaitParams,
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = PoolCommandRequest,
    responses((status = 202, body = CommandOutcome), (status = 404, body = Problem)))]
pub(crate) async fn give(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, pool)): Segments<(String, String)>,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
    Body(request): Body<PoolCommandRequest>,
) -> Result<(StatusCode, Json<CommandOutcome>), Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let (id, name) = existing(&api, &project, &pool).await?;
    let address = address(id, &name);
    let (_, view) = run::existing(&api, &project, &request.run).await?;
    let task = task::find(&view, &request.task)?;
    let (state, _) = fold(&api, address).await?;
    let what = match request.command {
        Word::Grant => PoolCommand::Grant(holder(&state, view.run.run, task)),
    };
    let (id, _) = command_id(&api, &headers, &format!("commands/{address}"))?;
    let command = Command {
        id,
        actor: caller.actor,
        what,
    };
    told(&api, address, command, wait).await
}

async fn told(
    api: &Arc<Api>,
    address: Address,
    command: Command<PoolCommand>,
    wait: Duration,
) -> Result<(StatusCode, Json<CommandOutcome>), Problem> {
    let id = command.id;
    let input = Input::Pool(PoolInput::Commanded(command));
    api.app.tell(&[(address, input)]).await?;
    let outcome = decided(api, address, id, wait).await?;
    Ok((StatusCode::ACCEPTED, Json(outcome)))
}

/// The attempt of a task that the pool knows, or one that it does not: it is refused.
fn holder(state: &Fold, run: RunId, task: u32) -> Holder {
    let of = |holder: &Holder| holder.run == run && holder.attempt.task == task;
    let waiting = state.line.iter().map(|(holder, _)| holder).find(of);
    let holding = || state.held.keys().copied().find(of);
    waiting.or_else(holding).unwrap_or(Holder {
        run,
        attempt: Attempt {
            task,
            map: 0,
            number: 0,
        },
    })
}

/// Says what has become of a command to a pool.
#[utoipa::path(get, path = "/v1/projects/{project}/pools/{pool}/commands/{command}",
    operation_id = "show_pool_command", tag = "pools",
    params(("project" = String, Path), ("pool" = String, Path), ("command" = String, Path), WaitParams),
    responses((status = 200, body = CommandOutcome), (status = 404, body = Problem)))]
pub(crate) async fn outcome(
    State(api): State<Arc<Api>>,
    Segments((project, pool, command)): Segments<(String, String, String)>,
    Params(params): Params<WaitParams>,
) -> Result<Json<CommandOutcome>, Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let (project, name) = existing(&api, &project, &pool).await?;
    let id = command::command_of(&command)?;
    Ok(Json(
        decided(&api, address(project, &name), id, wait).await?,
    ))
}

async fn decided(
    api: &Arc<Api>,
    address: Address,
    id: CommandId,
    wait: Duration,
) -> Result<CommandOutcome, Problem> {
    let look = || async move {
        let (state, sequence) = fold(api, address).await?;
        Ok((state.commands.seen(id).cloned(), sequence))
    };
    let outcome = until(api, address, wait, look).await?;
    Ok(CommandOutcome::new(id, outcome.as_ref()))
}

fn address(project: ProjectId, name: &Name) -> Address {
    Address::pool(project, PoolId::of_name(project, name.as_str()))
}

async fn fold(api: &Api, address: Address) -> Result<(Fold, u64), Problem> {
    let loaded = api.app.look::<Aggregate>(address).await?;
    Ok((loaded.state, loaded.sequence))
}

fn line(name: &Name, state: &Fold) -> PoolLine {
    PoolLine {
        name: name.to_string(),
        slots: state.size(),
        used: state.used(),
        waiting: state.line.len(),
    }
}

/// With the name of its task, which the run knows.
async fn named(
    api: &Api,
    project: ProjectId,
    holder: Holder,
    slots: u32,
) -> Result<SlotHolder, Problem> {
    let view = api.app.run_view(project, holder.run).await?;
    let task = view.and_then(|view| Some(view.plan.task(holder.attempt.task)?.name.to_string()));
    Ok(SlotHolder {
        run: holder.run.to_string(),
        task: task.unwrap_or_default(),
        attempt: holder.attempt.number,
        slots,
    })
}

async fn existing(api: &Api, project: &str, pool: &str) -> Result<(ProjectId, Name), Problem> {
    let (project, project_name) = project::existing(api, project).await?;
    let names = api.app.pools(project).await?;
    let wanted = pool.parse::<Name>().ok();
    let found = names.iter().find(|name| Some(*name) == wanted.as_ref());
    let found = found.cloned();
    found.map(|name| (project, name)).ok_or_else(|| {
        let title = format!(
            "there is no pool `{}` in project `{project_name}`",
            short(pool)
        );
        Problem::absent(Code::NoPool, title).near(pool, names.iter().map(Name::as_str))
    })
}
