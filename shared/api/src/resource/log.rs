//! What jobs wrote.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use porpoise_app::job_item::JobId;
use porpoise_engine::effect::Attempt;
use porpoise_model::{Address, Place};
use porpoise_ports::executor::LogChunk;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{run, task};
use crate::extract::{Params, Segments};
use crate::problem::Problem;
use crate::time;
use crate::{Api, Code, Waited};

/// Most bytes of an answer: below the limit of a Lambda's, 6 MB.
const LOG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes unless asked otherwise.
const LOG_BYTES: usize = 1024 * 1024;
/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(100);

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
        (status = 404, body = Problem)))]
pub(crate) async fn read(
    State(api): State<Arc<Api>>,
    Segments((project, run, name, number)): Segments<(String, String, String, u32)>,
    Params(params): Params<LogParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (address, view) = run::existing(&api, &project, &run).await?;
    let task = task::find(&view, &name)?;
    let known = view.view.attempts.get(&task).into_iter().flatten();
    if !known.into_iter().any(|attempt| attempt.number == number) {
        let title = format!("task `{name}` of this run has no attempt {number}");
        return Err(Problem::absent(Code::NoLog, title));
    }
    let id = JobId {
        run: view.run.run,
        attempt: Attempt::of(task, number),
        project: view.run.project,
    };
    let range = range(&headers)?;
    let part = Part {
        place: view.plan.task(task).map_or_else(
            || Place::Local.to_string(),
            |task| view.run.placement.place(task).to_string(),
        ),
        id,
        from: range.map_or(params.from.unwrap_or(0), |range| range.0),
        limit: range
            .and_then(|range| range.1)
            .or(params.limit)
            .unwrap_or(LOG_BYTES)
            .clamp(1, LOG_BYTES_MAX),
    };
    let wait = match (params.follow, params.wait.as_deref()) {
        (true, None) => crate::WAIT_MAX,
        (_, wait) => time::wait(wait)?,
    };
    let chunk = followed(&api, address, view.sequence, &part, wait).await?;
    let chunk = chunk.ok_or_else(|| {
        Problem::absent(
            Code::NoLog,
            format!("attempt {number} of task `{name}` has no log yet"),
        )
    })?;
    Ok(answer(chunk, part.from, range.is_some()))
}

/// A part of the log of a job.
struct Part {
    place: String,
    id: JobId,
    from: u64,
    limit: usize,
}

async fn followed(
    api: &Api,
    run: Address,
    mut sequence: u64,
    part: &Part,
    wait: Duration,
) -> Result<Option<LogChunk>, Problem> {
    let clock = &api.app.ports().clock;
    let begun = clock.now();
    loop {
        let chunk = api
            .app
            .job_log(&part.place, &part.id, part.from, part.limit);
        let chunk = chunk.await?;
        let passed = clock.now().duration_since(begun).unsigned_abs();
        let left = wait.saturating_sub(passed);
        let settled = chunk
            .as_ref()
            .is_some_and(|chunk| chunk.end || !chunk.bytes.is_empty());
        if settled || left.is_zero() {
            return Ok(chunk);
        }
        match api.changes.moved(run, sequence, left.min(LOOK)).await {
            Waited::Moved => sequence += 1,
            Waited::TimeUp => {}
            Waited::Closing => return Ok(chunk),
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
