//! Sites that an agent serves: it takes what there is to do, and reports what became of it.
//!
//! Whatever an agent sends may be wrong on purpose. It is read strictly, and means nothing beyond the attempts that were
//! sent to its place.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use data_encoding::BASE64;
use jiff::Timestamp;
use porpoise_app::job_item::JobId;
use porpoise_app::pull::{AgentId, PullError, Receipt, Taken};
use porpoise_engine::input::{Report, ReportKind};
use porpoise_model::limits::{ENTRIES_MAX, NAME_CHARS_MAX, RECORD_BYTES_MAX, VALUE_BYTES_MAX};
use porpoise_model::{Cause, Place, ProjectId, RunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::Caller;
use crate::extract::{Body, Segments};
use crate::problem::{Problem, fault};
use crate::time::short;
use crate::{Api, Code};

/// Receipts of one request.
const RECORDED_MAX: usize = 1_000;
/// Reports of one request.
const REPORTS_MAX: usize = 500;
/// Bytes of a report: it fits in a record.
const REPORT_BYTES_MAX: usize = RECORD_BYTES_MAX;
/// Characters of an agent's secret.
const SECRET_CHARS: std::ops::RangeInclusive<usize> = 32..=128;
/// Bytes of a text in a report that is shown to people.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// What an agent has recorded, and that it wants more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Take {
    /// The secret that the agent made for itself: whoever has it is the agent of the place.
    #[schema(min_length = 32, max_length = 128)]
    pub(crate) secret: String,
    /// Receipts of orders that it has recorded durably: they do not come again. At most 1000.
    #[serde(default)]
    pub(crate) recorded: Vec<String>,
    /// It takes the place of another agent, which is gone.
    #[serde(default)]
    pub(crate) replaces: bool,
}

/// What there is to do at a place.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TakeAnswer {
    /// At most 200, in no order. They come again until they were recorded.
    pub(crate) orders: Vec<OrderDetail>,
    /// So long the agent waits before it asks again.
    pub(crate) wait_ms: u64,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderDetail {
    /// What it is called when it was recorded.
    pub(crate) receipt: String,
    /// As a dispatcher reads it: CBOR in base64.
    #[schema(value_type = String, format = Byte)]
    pub(crate) order: String,
}

/// What became of attempts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reports {
    /// The secret of the agent that serves the place.
    #[schema(min_length = 32, max_length = 128)]
    pub(crate) secret: String,
    /// At most 500; all of them are taken in, or none.
    #[serde(default)]
    pub(crate) reports: Vec<Reported>,
}

/// What became of an attempt.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reported {
    /// Id of its project.
    #[schema(value_type = String)]
    pub(crate) project: ProjectId,
    /// Its run.
    #[schema(value_type = String)]
    pub(crate) run: RunId,
    /// As a stepper reads it: CBOR in base64, at most 64 KB.
    #[schema(value_type = String, format = Byte)]
    pub(crate) report: String,
}

/// Reports that are safe.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportsAnswer {
    /// How many.
    pub(crate) heard: usize,
}

/// Gives an agent what waits for its place. What it says that it has recorded does not come again.
#[utoipa::path(post, path = "/v1/places/{place}/take", operation_id = "take_orders", tag = "places",
    params(("place" = String, Path)), request_body = Take,
    responses((status = 200, body = TakeAnswer), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn take(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments(place): Segments<String>,
    Body(request): Body<Take>,
) -> Result<Json<TakeAnswer>, Problem> {
    let mut faults = Vec::new();
    let site = site(&place, &mut faults);
    check_secret(&request.secret, &mut faults);
    check_length(
        "recorded",
        request.recorded.len(),
        RECORDED_MAX,
        &mut faults,
    );
    let mut recorded = Vec::new();
    for (at, text) in request.recorded.iter().take(RECORDED_MAX).enumerate() {
        if let Some(receipt) = Receipt::parse(text) {
            recorded.push(receipt);
        } else {
            let message = format!("`{}` is no receipt", short(text));
            faults.push(fault(&format!("recorded[{at}]"), message, None));
        }
    }
    let place = checked(site, faults)?;
    let agent = AgentId::of_secret(&request.secret);
    if request.replaces {
        let who = &caller.actor.principal;
        tracing::warn!(place, principal = who, "agent of a place replaced");
    }
    let taken = api.app.take(&place, agent, request.replaces, &recorded);
    let Taken { orders, wait } = taken.await.map_err(refused)?;
    let orders = orders.into_iter().map(|handed| OrderDetail {
        receipt: handed.receipt.as_str().to_owned(),
        order: BASE64.encode(&handed.order),
    });
    Ok(Json(TakeAnswer {
        orders: orders.collect(),
        wait_ms: u64::try_from(wait.as_millis()).unwrap_or_default(),
    }))
}

/// Takes in what an agent says of attempts that were sent to its place.
#[utoipa::path(post, path = "/v1/places/{place}/reports", operation_id = "report_attempts", tag = "places",
    params(("place" = String, Path)), request_body = Reports,
    responses((status = 200, body = ReportsAnswer), (status = 400, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem)))]
pub(crate) async fn report(
    State(api): State<Arc<Api>>,
    Segments(place): Segments<String>,
    Body(request): Body<Reports>,
) -> Result<Json<ReportsAnswer>, Problem> {
    let mut faults = Vec::new();
    let site = site(&place, &mut faults);
    check_secret(&request.secret, &mut faults);
    check_length("reports", request.reports.len(), REPORTS_MAX, &mut faults);
    let now = api.app.ports().clock.now();
    let mut reports = Vec::new();
    for (at, reported) in request.reports.iter().take(REPORTS_MAX).enumerate() {
        match read(reported, now) {
            Ok(report) => reports.push(report),
            Err(message) => {
                faults.push(fault(&format!("reports[{at}].report"), message, None));
            }
        }
    }
    let place = checked(site, faults)?;
    let heard = reports.len();
    let agent = AgentId::of_secret(&request.secret);
    let taken_in = api.app.hear(&place, agent, reports).await;
    taken_in.map_err(refused)?;
    Ok(Json(ReportsAnswer { heard }))
}

/// The name of a place that an agent can serve.
fn site(text: &str, faults: &mut Vec<Value>) -> String {
    match text.parse::<Place>() {
        Ok(place @ Place::Site(_)) => return place.to_string(),
        Ok(Place::Local | Place::Aws(_)) => {
            let message = format!("no agent serves `{}`", short(text));
            faults.push(fault(
                "place",
                message,
                Some("sites are called `site.NAME`"),
            ));
        }
        Err(error) => faults.push(fault("place", error.to_string(), None)),
    }
    String::new()
}

/// It is never repeated, not even in an error.
fn check_secret(secret: &str, faults: &mut Vec<Value>) {
    let visible = secret.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || !SECRET_CHARS.contains(&secret.len()) {
        let message = "an agent's secret has 32 to 128 visible characters of ASCII";
        faults.push(fault("secret", message, None));
    }
}

fn check_length(path: &str, length: usize, most: usize, faults: &mut Vec<Value>) {
    if length > most {
        let message = format!("{length} are too many: at most {most}");
        faults.push(fault(
            path,
            message,
            Some("split them into several requests"),
        ));
    }
}

fn checked(place: String, faults: Vec<Value>) -> Result<String, Problem> {
    if faults.is_empty() {
        return Ok(place);
    }
    Err(Problem::bad_request("the request has faults; nothing of it was taken in").listing(faults))
}

/// A report that an executor can have made, or what is wrong with it.
fn read(reported: &Reported, now: Timestamp) -> Result<(JobId, Report), String> {
    let bytes = BASE64.decode(reported.report.as_bytes());
    let bytes = bytes.map_err(|_| "it is no base64".to_owned())?;
    if bytes.len() > REPORT_BYTES_MAX {
        return Err(format!(
            "it is {} bytes long: at most {REPORT_BYTES_MAX}",
            bytes.len()
        ));
    }
    let mut decoder = minicbor::Decoder::new(&bytes);
    let read = decoder.decode::<Report>();
    let Report { attempt, what } = read.map_err(|error| format!("it is no report: {error}"))?;
    if decoder.position() < bytes.len() {
        return Err("something stands behind it".to_owned());
    }
    let id = JobId {
        run: reported.run,
        attempt,
        project: reported.project,
    };
    let what = sound(what, now)?;
    Ok((id, Report { attempt, what }))
}

/// The same, with times that have come; what no executor says is refused.
fn sound(what: ReportKind, now: Timestamp) -> Result<ReportKind, String> {
    let came = |time: Timestamp| time.clamp(Timestamp::UNIX_EPOCH, now);
    let text = |name: &str, text: &str| {
        let fits = text.len() <= TEXT_BYTES_MAX;
        let told = || format!("{name} is longer than {TEXT_BYTES_MAX} bytes");
        fits.then_some(()).ok_or_else(told)
    };
    Ok(match what {
        ReportKind::Accepted => ReportKind::Accepted,
        ReportKind::Waiting { why } => {
            text("`why`", &why)?;
            ReportKind::Waiting { why }
        }
        ReportKind::Started { at, external_id } => {
            text("the name of the job", &external_id)?;
            let at = came(at);
            ReportKind::Started { at, external_id }
        }
        ReportKind::Succeeded {
            started,
            ended,
            outputs,
        } => {
            if outputs.len() > ENTRIES_MAX {
                return Err(format!("it has more than {ENTRIES_MAX} outputs"));
            }
            for (name, value) in &outputs {
                if name.chars().count() > NAME_CHARS_MAX || value.text.len() > VALUE_BYTES_MAX {
                    let name = short(name);
                    return Err(format!(
                        "output `{name}` is longer than {VALUE_BYTES_MAX} bytes"
                    ));
                }
            }
            let ended = came(ended);
            ReportKind::Succeeded {
                started: came(started).min(ended),
                ended,
                outputs,
            }
        }
        ReportKind::Failed {
            started,
            ended,
            cause,
        } => {
            text("its cause", said(&cause)?)?;
            let ended = came(ended);
            ReportKind::Failed {
                started: started.map(|started| came(started).min(ended)),
                ended,
                cause,
            }
        }
        ReportKind::Canceled { ended } => ReportKind::Canceled { ended: came(ended) },
    })
}

/// The text of a cause that a target can tell of; the others are decided at home.
fn said(cause: &Cause) -> Result<&str, String> {
    match cause {
        Cause::Exit { .. } | Cause::Signal { .. } | Cause::Lost => Ok(""),
        Cause::Rejected { message } | Cause::Unresolved { message } | Cause::Failed { message } => {
            Ok(message)
        }
        Cause::Timeout
        | Cause::KilledBy { .. }
        | Cause::ForcedBy { .. }
        | Cause::Upstream
        | Cause::Disabled
        | Cause::FailureStrategy
        | Cause::Discarded
        | Cause::Superseded
        | Cause::LeftOut
        | Cause::Child { .. }
        | Cause::TasksFailed { .. }
        | Cause::DryRun
        | Cause::Chose { .. }
        | Cause::Met { .. }
        | Cause::Unmet { .. }
        | Cause::Answered { .. } => Err("it has a cause that no target can tell of".to_owned()),
    }
}

fn refused(error: PullError) -> Problem {
    let told = error.to_string();
    match error {
        PullError::OtherAgent(_) => Problem::refused(told)
            .hint("if that one is gone for good, start this one once with `--replace`"),
        PullError::NoAgent(_) => Problem::refused(told).hint("an agent takes before it reports"),
        PullError::NotSent(_, which) => {
            let message = "this attempt was not sent to the place";
            let faults = which
                .into_iter()
                .map(|at| fault(&format!("reports[{at}]"), message, None));
            let status = axum::http::StatusCode::FORBIDDEN;
            Problem::new(status, Code::Forbidden, told).listing(faults.collect())
        }
        PullError::Unreadable(..) | PullError::Store(..) | PullError::Unavailable(_) => {
            Problem::failed(&error)
        }
    }
}
