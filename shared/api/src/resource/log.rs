//! What jobs wrote.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use porpoise_app::job_log::JobLogError;
use porpoise_app::view::{Pin, RunView};
use porpoise_engine::effect::Attempt;
use porpoise_engine::run::view::AttemptView;
use porpoise_model::{Address, AttemptKey, Place};
use porpoise_ports::logs::{LOG_BYTES_MAX, LogAsk, LogChunk, LogPart, NoLog};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{run, task};
use crate::extract::{Params, Segments};
use crate::problem::Problem;
use crate::time;
use crate::{Api, Code, Waited};

/// Bytes unless asked otherwise.
const LOG_BYTES: usize = 1024 * 1024;
/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(100);
/// The same where each look is a call of another host, and asks a target that counts its calls.
const LOOK_FAR: Duration = Duration::from_secs(5);
/// The longest wait there: the last look takes its time, too.
const WAIT_FAR_MAX: Duration = Duration::from_secs(10);
/// A log of a run that has no such record: only time passes.
const NEVER: u64 = u64::MAX - 1;

/// Which part of a log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// From this byte on; 0 unless given. A `Range: bytes=FROM-TO` header does the same.
    pub(crate) from: Option<u64>,
    /// At most this many bytes: 1 MiB unless given, at most 4 MiB.
    #[param(minimum = 1, maximum = 4_194_304)]
    pub(crate) limit: Option<usize>,
    /// Wait for more when there is nothing new: the same as `wait=20s`.
    #[serde(default)]
    pub(crate) follow: bool,
    /// Answer when there is something new, and at the latest after this long: `5s`, at most `20s`.
    pub(crate) wait: Option<String>,
}

/// A part of the log of an attempt. `x-next-offset` tells where the next part begins, `x-end: true` that there will
/// never be more.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}/tasks/{task}/attempts/{attempt}/log",
    operation_id = "read_log", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path), ("task" = String, Path), ("attempt" = u32, Path),
        LogParams, ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "text/plain"), (status = 206, content_type = "text/plain"),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn read(
    State(api): State<Arc<Api>>,
    Segments((project, run, name, number)): Segments<(String, String, String, u32)>,
    Params(params): Params<LogParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (address, view) = run::existing(&api, &project, &run).await?;
    let Some((attempt, made_by)) = made(&view, &name, number)? else {
        let title = format!("task `{name}` of this run has no attempt {number}");
        return Err(Problem::absent(Code::NoLog, title));
    };
    let place = made_by
        .plan
        .task(attempt.task)
        .map_or(Place::Local, |task| {
            let placed = made_by.run.placement.place(task);
            placed.clone()
        });
    if place.site().is_some() {
        let key = Attempt::of(attempt.task, number).key(view.run.run);
        return Err(missing(&name, number, Some(at_site(&place, key))));
    }
    let range = range(&headers)?;
    let from = range.map_or(params.from.unwrap_or(0), |range| range.0);
    let limit = range.and_then(|range| range.1).or(params.limit);
    let limit = limit.unwrap_or(LOG_BYTES).clamp(1, LOG_BYTES_MAX);
    let ask = LogAsk {
        place: place.to_string(),
        project: view.run.project,
        run: view.run.run,
        task: attempt.task,
        map: 0,
        attempt: number,
        external_id: attempt.external_id.clone(),
        ended: attempt.ended,
        part: Some(LogPart {
            from,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        }),
    };
    let wait = match (params.follow, params.wait.as_deref()) {
        (true, None) => crate::WAIT_MAX,
        (_, wait) => time::wait(wait)?,
    };
    let residency = &made_by.run.placement.residency;
    let read = || api.app.job_log(&ask, residency);
    match followed(&api, (address, view.sequence), read, wait).await? {
        Ok(Some(chunk)) => Ok(answer(chunk, from, range.is_some())),
        Ok(None) => Err(missing(&name, number, None)),
        Err(none) => Err(missing(&name, number, Some(*none))),
    }
}

/// An attempt of a task by its name, and the version that it was made under; also of a task that the run has no more.
fn made<'v>(
    view: &'v RunView,
    name: &str,
    number: u32,
) -> Result<Option<(&'v AttemptView, &'v Pin)>, Problem> {
    let versioned = |attempt: &'v AttemptView| Some((attempt, view.made_by(attempt)?));
    let here = |(_, made_by): &(&AttemptView, &Pin), at: u32| {
        let task = made_by.plan.task(at);
        task.is_some_and(|task| task.name.as_str() == name)
    };
    let gone = view.view.gone.iter().filter_map(versioned);
    let mut gone = gone.filter(|made| here(made, made.0.task)).peekable();
    let there = match task::find(view, name) {
        Ok(task) => view.view.attempts.get(&task),
        Err(problem) if gone.peek().is_none() => return Err(problem),
        Err(_) => None,
    };
    let there = there.into_iter().flatten().filter_map(versioned);
    let mut all = there.chain(gone);
    Ok(all.find(|(attempt, _)| attempt.number == number))
}

/// A log that never leaves the machine of an agent.
fn at_site(place: &Place, key: AttemptKey) -> NoLog {
    let key = key.to_string();
    let shard: String = key.chars().take(2).collect();
    let file = format!("agents/{place}/attempts/{shard}/{key}/log");
    NoLog {
        address: Some(format!("`{file}` in the data directory of the agent")),
        ..NoLog::never(format!(
            "logs stay at `{place}`, with the agent that ran the job"
        ))
    }
}

/// Why there is no log, for whoever asked for one.
fn missing(task: &str, number: u32, none: Option<NoLog>) -> Problem {
    let of = format!("attempt {number} of task `{task}`");
    let Some(none) = none else {
        return Problem::absent(Code::NoLog, format!("{of} has no log yet"));
    };
    let problem = if none.later {
        Problem::absent(Code::NoLog, format!("{of} has no log yet"))
    } else {
        let title = format!("the log of {of} cannot be read here");
        Problem::new(StatusCode::CONFLICT, Code::LogElsewhere, title)
    };
    let NoLog {
        why,
        hint,
        address,
        link,
        ..
    } = none;
    let at = address.map(|address| format!("it is at {address}"));
    let see = link.map(|link| format!("see the job at {link}"));
    let hints: Vec<String> = hint.into_iter().chain(at).chain(see).collect();
    let problem = problem.detail(why);
    if hints.is_empty() {
        problem
    } else {
        problem.hint(hints.join("; "))
    }
}

/// A part of a log, or why there is none.
type Read = Result<Option<LogChunk>, Box<NoLog>>;

/// Reads until there is something new, or the time is up.
async fn followed<R>(
    api: &Api,
    (run, mut sequence): (Address, u64),
    read: impl Fn() -> R,
    wait: Duration,
) -> Result<Read, Problem>
where
    R: Future<Output = Result<Option<LogChunk>, JobLogError>>,
{
    let (look, wait) = if api.app.logs_are_far() {
        sequence = NEVER;
        (LOOK_FAR, wait.min(WAIT_FAR_MAX))
    } else {
        (LOOK, wait)
    };
    let clock = &api.app.ports().clock;
    let begun = clock.now();
    loop {
        let read = match read().await {
            Ok(read) => Ok(read),
            Err(JobLogError::None(none)) => Err(none),
            Err(JobLogError::Jobs(error)) => return Err(error.into()),
            Err(JobLogError::Unavailable(error)) => return Err(error.into()),
        };
        let settled = match &read {
            Ok(Some(chunk)) => chunk.end || !chunk.bytes.is_empty(),
            Ok(None) => false,
            Err(none) => !none.later,
        };
        let passed = clock.now().duration_since(begun).unsigned_abs();
        let left = wait.saturating_sub(passed);
        if settled || left.is_zero() {
            return Ok(read);
        }
        match api.changes.moved(run, sequence, left.min(look)).await {
            Waited::Moved => sequence = sequence.saturating_add(1).min(NEVER),
            Waited::TimeUp => {}
            Waited::Closing => return Ok(read),
        }
    }
}

/// First byte and number of bytes of a `Range` header; only a single range of bytes from the front is understood.
fn range(headers: &HeaderMap) -> Result<Option<(u64, Option<usize>)>, Problem> {
    let Some(value) = headers.get(header::RANGE) else {
        return Ok(None);
    };
    let parse = || {
        let (from, to) = value
            .to_str()
            .ok()?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        let from: u64 = from.parse().ok()?;
        if to.is_empty() {
            return Some((from, None));
        }
        let count = to.parse::<u64>().ok()?.checked_sub(from)?.saturating_add(1);
        Some((from, Some(usize::try_from(count).unwrap_or(usize::MAX))))
    };
    let range = parse().ok_or_else(|| {
        Problem::bad_request("the `Range` header cannot be read")
            .hint("write `bytes=FROM-` or `bytes=FROM-TO`")
    })?;
    Ok(Some(range))
}

fn answer(chunk: LogChunk, from: u64, ranged: bool) -> Response {
    let partial = ranged && !chunk.bytes.is_empty();
    let range = format!("bytes {from}-{}/*", chunk.next.saturating_sub(1));
    let mut response = Body::from(chunk.bytes).into_response();
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("content-type", "text/plain; charset=utf-8");
    put("accept-ranges", "bytes");
    put("x-next-offset", &chunk.next.to_string());
    put("x-end", if chunk.end { "true" } else { "false" });
    if partial {
        put("content-range", &range);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}
