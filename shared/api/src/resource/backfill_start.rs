//! Starting backfills, and telling beforehand for which dates.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use porpoise_app::along::Backfilled;
use porpoise_app::workflow_store::Head;
use porpoise_engine::Plan;
use porpoise_engine::backfill::{Dates, NewBackfill};
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::schedule::Observed;
use porpoise_model::limits::{
    BACKFILL_BYTES_MAX, BACKFILL_DATES_MAX, BACKFILL_LISTED_MAX, BACKFILL_PARALLEL_MAX,
};
use porpoise_model::{BackfillId, ProjectId, RunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::backfill::AfterFailureWord;
use super::backfill_dependents::{self, DependentLine, For, Found, LeftOutLine, LevelsWord};
use super::outcome::{WaitParams, until};
use super::start::{self, StartRun};
use super::{backfill, workflow};
use crate::access::Caller;
use crate::extract::{Body, Params, Segments, command_id};
use crate::problem::{Problem, fault};
use crate::time::{self, in_zone, is_of_runs, short};
use crate::{Api, Code};

/// The dates of a workflow without a schedule, as in `DolphinScheduler`.
const DAILY: &str = "0 0 * * *";

/// A backfill to be started: of a range (`from` and `to`) or of `dates`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StartBackfill {
    /// The first day, `2026-01-01`, or the first instant. The dates are the instants of the workflow's schedule, under the
    /// calendar that it follows, whether it is online or not and whatever its start and end are; midnights if it has none.
    pub(crate) from: Option<String>,
    /// The last day, or the last instant: it belongs to the range.
    pub(crate) to: Option<String>,
    /// Days, each of which stands for the instants of the schedule on it, or instants.
    pub(crate) dates: Vec<String>,
    /// In which days and instants without offset are read, and runs read their logical date: the schedule's, or `UTC`.
    pub(crate) timezone: Option<String>,
    /// The latest date first.
    pub(crate) descending: bool,
    /// So many dates at the same time: 1 to 100. Each has one run, where no workflow goes along.
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) parallel: u32,
    /// What follows where a run does not succeed: nothing more starts, or the other dates do all the same.
    pub(crate) after_failure: AfterFailureWord,
    /// The workflows that wait for this one and go along.
    pub(crate) dependents: LevelsWord,
    /// What each run is started with. Those of the workflows that go along have the same, but for `tasks`: they run whole.
    pub(crate) run: StartRun,
}

impl Default for StartBackfill {
    fn default() -> Self {
        Self {
            from: None,
            to: None,
            dates: Vec::new(),
            timezone: None,
            descending: false,
            parallel: 1,
            after_failure: AfterFailureWord::Stop,
            dependents: LevelsWord::None,
            run: StartRun::default(),
        }
    }
}

/// Exactly what a backfill would run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackfillPreview {
    /// How many dates.
    pub(crate) count: usize,
    /// How many runs at the most: one for each date, and one for each workflow that goes along.
    pub(crate) runs: usize,
    /// All of them in the order in which they would start, as the clocks of the time zone show them.
    pub(crate) dates: Vec<String>,
    /// That time zone.
    pub(crate) timezone: String,
    /// The cron whose instants they are; null: they were all named.
    pub(crate) cron: Option<String>,
    /// The calendar that excludes days among them, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calendar: Option<String>,
    /// The version that would run.
    pub(crate) version: String,
    /// The workflows that would go along.
    pub(crate) dependents: Vec<DependentLine>,
    /// Those that wait and would not go along.
    pub(crate) left_out: Vec<LeftOutLine>,
    /// What is allowed and perhaps not meant.
    pub(crate) notes: Vec<String>,
}

/// A backfill that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartedBackfill {
    /// Its id.
    pub(crate) backfill_id: String,
    /// The command that made it: the same `Idempotency-Key` gives the same.
    pub(crate) command_id: String,
    /// How many dates it has.
    pub(crate) count: usize,
    /// How many runs it has at the most.
    pub(crate) runs: usize,
    /// The date that starts first.
    pub(crate) first: String,
    /// The date that starts last.
    pub(crate) last: String,
    /// The workflows that go along.
    pub(crate) dependents: Vec<DependentLine>,
    /// Those that wait and do not go along.
    pub(crate) left_out: Vec<LeftOutLine>,
    /// What is allowed and perhaps not meant.
    pub(crate) notes: Vec<String>,
}

/// What a request comes to.
struct Asked {
    project: ProjectId,
    head: Head,
    plan: Arc<Plan>,
    dates: Dates,
    timezone: String,
    /// In their order.
    series: Vec<Timestamp>,
    along: Found,
    notes: Vec<String>,
}

impl Asked {
    /// How many runs at the most.
    fn runs(&self) -> usize {
        self.series.len() * (1 + self.along.lines.len())
    }
}

/// Starts a backfill of the current version of a workflow.
///
/// With an `Idempotency-Key`, a request that is repeated starts nothing again and gives the same answer. With `wait`, it
/// is answered when the backfill is there.
#[utoipa::path(post, path = "/v1/projects/{project}/workflows/{workflow}/backfills",
    operation_id = "start_backfill", tag = "backfills",
    params(("project" = String, Path), ("workflow" = String, Path), WaitParams,
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = StartBackfill,
    responses((status = 202, body = StartedBackfill), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn start(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, name)): Segments<(String, String)>,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
    Body(request): Body<StartBackfill>,
) -> Result<(StatusCode, Json<StartedBackfill>), Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let asked = read(&api, &project, &name, &request).await?;
    let scope = format!("backfills/{}/{}", asked.project, asked.head.workflow);
    let (command, keyed) = command_id(&api, &headers, &scope)?;
    let id = BackfillId::of_command(command);
    let new = NewBackfill {
        backfill: id,
        like: like(&api, &asked, id, &request.run, &caller)?,
        dates: asked.dates.clone(),
        descending: request.descending,
        parallel: request.parallel,
        after_failure: request.after_failure.into(),
        dependents: asked.along.dependents.clone(),
    };
    small(&new)?;
    let address = backfill::address(asked.project, id);
    if keyed && let Some(before) = backfill::view(&api, address).await? {
        same_request(&before.new, &new)?;
    }
    api.app.begin_backfill(new).await?;
    let (api, look) = (
        &api,
        |found: &porpoise_app::backfill_store::BackfillView| found.sequence,
    );
    let there = || async move {
        let found = backfill::view(api, address).await?;
        Ok((found.as_ref().map(|_| ()), found.as_ref().map_or(0, look)))
    };
    until(api, address, wait, there).await?;
    let shown = |date: Option<&Timestamp>| {
        date.map_or_else(String::new, |date| in_zone(*date, &asked.timezone))
    };
    let started = StartedBackfill {
        backfill_id: id.to_string(),
        command_id: command.to_string(),
        count: asked.series.len(),
        runs: asked.runs(),
        first: shown(asked.series.first()),
        last: shown(asked.series.last()),
        dependents: asked.along.lines,
        left_out: asked.along.left_out,
        notes: asked.notes,
    };
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Says exactly which dates a backfill would run, and changes nothing.
#[utoipa::path(post, path = "/v1/projects/{project}/workflows/{workflow}/backfill-preview",
    operation_id = "preview_backfill", tag = "backfills",
    params(("project" = String, Path), ("workflow" = String, Path)),
    request_body = StartBackfill,
    responses((status = 200, body = BackfillPreview), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn preview(
    State(api): State<Arc<Api>>,
    Segments((project, name)): Segments<(String, String)>,
    Body(request): Body<StartBackfill>,
) -> Result<Json<BackfillPreview>, Problem> {
    let asked = read(&api, &project, &name, &request).await?;
    let dates = asked.series.iter();
    Ok(Json(BackfillPreview {
        count: asked.series.len(),
        runs: asked.runs(),
        dates: dates.map(|date| in_zone(*date, &asked.timezone)).collect(),
        cron: match &asked.dates {
            Dates::Range { cron, .. } => Some(cron.clone()),
            Dates::List(_) => None,
        },
        calendar: match &asked.dates {
            Dates::Range { calendar, .. } => {
                calendar.as_ref().map(|used| used.calendar.to_string())
            }
            Dates::List(_) => None,
        },
        version: asked.head.version.to_string(),
        dependents: asked.along.lines,
        left_out: asked.along.left_out,
        notes: asked.notes,
        timezone: asked.timezone,
    }))
}

/// Reads a request; every fault at once.
async fn read(
    api: &Api,
    project: &str,
    name: &str,
    request: &StartBackfill,
) -> Result<Asked, Problem> {
    let (project, head) = workflow::existing(api, project, name).await?;
    let plan = api.app.plan(project, head.version).await?;
    let schedule = plan.workflow().schedule.as_ref();
    let cron = schedule.map_or(DAILY, |schedule| schedule.cron.as_str());
    let own = schedule.map_or("UTC", |schedule| schedule.timezone.as_str());
    let timezone = request.timezone.as_deref().unwrap_or(own).to_owned();
    let calendar = match schedule {
        Some(schedule) => api.app.observed(project, schedule).await?,
        None => None,
    };
    let mut reading = Reading {
        cron,
        calendar,
        timezone: &timezone,
        zone: TimeZone::UTC,
        faults: Vec::new(),
    };
    let dates = reading.request(request);
    let series = reading.series(&dates, request);
    let faults = reading.faults;
    if !faults.is_empty() {
        let title = "the backfill cannot be started like this";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::BadRequest, title);
        return Err(problem.listing(faults));
    }
    let parameters = start::texts(&request.run.parameters)?;
    let mut notes = start::unknown(plan.workflow(), &parameters);
    start::only(&plan, &head, &request.run)?;
    let now = api.app.ports().clock.now();
    let ahead = series.iter().filter(|date| **date > now).count();
    if ahead > 0 {
        notes.push(format!("{ahead} of its dates lie in the future"));
    }
    let of = Backfilled {
        which: (project, head.workflow),
        cron,
        timezone: &timezone,
    };
    let asked_for = For {
        of,
        name: head.name.as_str(),
        dates: series.len(),
        descending: request.descending,
    };
    let along = backfill_dependents::find(api, request.dependents, asked_for).await?;
    notes.extend(along.notes.iter().cloned());
    Ok(Asked {
        project,
        head,
        plan,
        dates,
        timezone,
        series,
        along,
        notes,
    })
}

/// The reading of a request.
struct Reading<'r> {
    cron: &'r str,
    calendar: Option<Observed>,
    timezone: &'r str,
    zone: TimeZone,
    faults: Vec<Value>,
}

/// A day, or an instant.
enum When {
    Day(civil::Date),
    At(Timestamp),
}

impl Reading<'_> {
    fn fault(&mut self, path: &str, message: impl Into<String>, hint: Option<&str>) {
        self.faults.push(fault(path, message, hint));
    }

    fn request(&mut self, request: &StartBackfill) -> Dates {
        if let Ok(zone) = TimeZone::get(self.timezone) {
            self.zone = zone;
        } else {
            let message = format!("`{}` is not a time zone", short(self.timezone));
            self.fault("timezone", message, Some("write `Europe/Berlin` or `UTC`"));
        }
        if !(1..=BACKFILL_PARALLEL_MAX).contains(&request.parallel) {
            let message = format!("1 to {BACKFILL_PARALLEL_MAX}, not {}", request.parallel);
            self.fault("parallel", message, None);
        }
        if request.run.logical_date.is_some() {
            let message = "each run of a backfill has a logical date of its own";
            self.fault("run.logical_date", message, Some("leave it out"));
        }
        match (&request.from, &request.to, request.dates.is_empty()) {
            (Some(from), Some(to), true) => self.range(from, to),
            (None, None, false) => self.list(&request.dates),
            (None, None, true) => {
                self.neither("from", "a backfill needs `from` and `to`, or `dates`")
            }
            (Some(_), None, true) => {
                self.neither("to", "`from` needs `to`: both days belong to it")
            }
            (None, Some(_), true) => self.neither("from", "`to` needs `from`"),
            (Some(_), _, false) | (None, Some(_), false) => {
                self.neither("dates", "either `from` and `to`, or `dates`")
            }
        }
    }

    /// Whose instants the dates are.
    fn instants(&self) -> String {
        match &self.calendar {
            Some(observed) => format!("`{}` under the calendar `{}`", self.cron, observed.calendar),
            None => format!("`{}`", self.cron),
        }
    }

    fn neither(&mut self, path: &str, message: &str) -> Dates {
        self.fault(path, message, None);
        Dates::List(Vec::new())
    }

    fn range(&mut self, from: &str, to: &str) -> Dates {
        let first = self.when("from", from).map(|when| self.ends(&when).0);
        let last = self.when("to", to).map(|when| self.ends(&when).1);
        if let (Some(first), Some(last)) = (first, last)
            && first > last
        {
            let message = format!("`{}` lies before `{}`", short(to), short(from));
            self.fault("to", message, Some("`descending` turns the order round"));
        }
        Dates::Range {
            from: first.unwrap_or(Timestamp::UNIX_EPOCH),
            to: last.unwrap_or(Timestamp::UNIX_EPOCH),
            cron: self.cron.to_owned(),
            calendar: self.calendar.clone(),
        }
    }

    fn list(&mut self, named: &[String]) -> Dates {
        let mut dates = Vec::new();
        for (at, text) in named.iter().enumerate().take(BACKFILL_LISTED_MAX) {
            let path = format!("dates[{at}]");
            match self.when(&path, text) {
                Some(When::At(at)) => dates.push(at),
                Some(day @ When::Day(_)) => {
                    let (from, to) = self.ends(&day);
                    let on_it = Dates::Range {
                        from,
                        to,
                        cron: self.cron.to_owned(),
                        calendar: self.calendar.clone(),
                    };
                    let on_it = self.first(&on_it, false);
                    if on_it.is_empty() {
                        let message = format!("{} has no instant on `{text}`", self.instants());
                        self.fault(
                            &path,
                            message,
                            Some("name an instant, as `2026-01-01T06:00`"),
                        );
                    }
                    dates.extend(on_it);
                }
                None => {}
            }
        }
        if named.len() > BACKFILL_LISTED_MAX || dates.len() > BACKFILL_LISTED_MAX {
            let most = named.len().max(dates.len());
            let message = format!("at most {BACKFILL_LISTED_MAX} dates can be named, not {most}");
            self.fault("dates", message, Some("name a range, with `from` and `to`"));
        }
        Dates::list(dates)
    }

    /// A day, or an instant: with an offset, or on the clocks of the zone.
    fn when(&mut self, path: &str, text: &str) -> Option<When> {
        let text = text.trim();
        if text.len() == "2026-01-01".len()
            && let Ok(day) = text.parse::<civil::Date>()
            && is_of_runs(day)
        {
            return Some(When::Day(day));
        }
        let at = time::When::read(text).map(|when| when.at(&self.zone));
        let at = at.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok());
        if at.is_none() {
            let message = format!("`{}` is neither a day nor an instant", short(text));
            self.fault(
                path,
                message,
                Some("write `2026-01-01`, or `2026-01-01T06:00`"),
            );
        }
        at.map(When::At)
    }

    /// The first and the last instant of it.
    fn ends(&self, when: &When) -> (Timestamp, Timestamp) {
        let day = match when {
            When::At(at) => return (*at, *at),
            When::Day(day) => *day,
        };
        let start = |day: civil::Date| {
            let start = day.to_zoned(self.zone.clone());
            start.map_or(Timestamp::MAX, |start| start.timestamp())
        };
        let behind = day.tomorrow().map_or(Timestamp::MAX, start);
        let last = behind.checked_sub(SignedDuration::from_millis(1));
        (start(day), last.unwrap_or(behind))
    }

    fn first(&mut self, dates: &Dates, descending: bool) -> Vec<Timestamp> {
        match dates.read(self.timezone, descending) {
            Ok(dates) => dates.first(BACKFILL_DATES_MAX + 1),
            // The zone, which is said already: the cron was checked with the definition.
            Err(_) => Vec::new(),
        }
    }

    /// All dates in their order; none, or too many, is a fault.
    fn series(&mut self, dates: &Dates, request: &StartBackfill) -> Vec<Timestamp> {
        if !self.faults.is_empty() {
            return Vec::new();
        }
        let series = self.first(dates, request.descending);
        if series.is_empty() {
            let message = format!(
                "the range has no instant of {}: nothing would run",
                self.instants()
            );
            self.fault("from", message, None);
        }
        if series.len() > BACKFILL_DATES_MAX {
            let message =
                format!("more than {BACKFILL_DATES_MAX} dates: nothing runs so many at once");
            self.fault(
                "to",
                message,
                Some("start several backfills of shorter ranges"),
            );
        }
        series
    }
}

/// What each run is like.
fn like(
    api: &Api,
    asked: &Asked,
    backfill: BackfillId,
    request: &StartRun,
    caller: &Caller,
) -> Result<NewRun, Problem> {
    let now = api.app.ports().clock.now();
    let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    Ok(NewRun {
        project: asked.project,
        run: RunId::from_bytes(*backfill.as_bytes()),
        workflow: asked.head.workflow,
        workflow_name: asked.head.name.to_string(),
        version: Some(asked.head.version),
        trigger: Trigger::Backfill {
            backfill,
            dependent: None,
        },
        logical_date: now,
        timezone: asked.timezone.clone(),
        parameters: start::texts(&request.parameters)?,
        actor: caller.actor.clone(),
        priority: request.priority,
        on_failure: request.on_failure,
        concurrency: None,
        dry_run: request.dry_run,
        simulate: request.simulate,
        created: now,
        placement: porpoise_engine::placement::Placement::default(),
        only: start::only(&asked.plan, &asked.head, request)?,
        project_parameters: None,
    })
}

/// It stands in one record of its log.
fn small(new: &NewBackfill) -> Result<(), Problem> {
    let bytes = minicbor::to_vec(new).map_or(usize::MAX, |bytes| bytes.len());
    if bytes <= BACKFILL_BYTES_MAX {
        return Ok(());
    }
    let title = "the backfill is too large to be stored";
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::BadRequest, title);
    let message = format!(
        "parameters and dates come to {bytes} bytes, more than {BACKFILL_BYTES_MAX} together"
    );
    Err(problem.listing(vec![fault("run.parameters", message, None)]))
}

/// A key that was used before must have come with the same request.
fn same_request(before: &NewBackfill, new: &NewBackfill) -> Result<(), Problem> {
    let like = NewRun {
        version: before.like.version,
        workflow_name: before.like.workflow_name.clone(),
        logical_date: before.like.logical_date,
        created: before.like.created,
        actor: before.like.actor.clone(),
        ..new.like.clone()
    };
    let mut again = NewBackfill {
        like,
        ..new.clone()
    };
    // As they were found then.
    if LevelsWord::of(again.dependents.as_ref()) == LevelsWord::of(before.dependents.as_ref()) {
        again.dependents.clone_from(&before.dependents);
    }
    // It may have been put again meanwhile.
    if let (Dates::Range { calendar: now, .. }, Dates::Range { calendar: then, .. }) =
        (&mut again.dates, &before.dates)
    {
        now.clone_from(then);
    }
    if *before == again {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::KeyReused,
        "this `Idempotency-Key` came with another request before",
    )
    .detail(format!("it started backfill `{}`", before.backfill))
    .hint("use a new key for a new backfill"))
}
