//! Calendars: days on which schedules do not fire.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use porpoise_app::calendar_store::{CalendarError, StoredCalendar};
use porpoise_definition::{Checked, Fault, FaultKind, Faults, read_calendar};
use porpoise_model::calendar::{WEEKDAYS, weekday};
use porpoise_model::{Exclusions, Name, ProjectId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::outcome::Who;
use super::project;
use crate::access::Caller;
use crate::extract::{Params, Raw, Segments};
use crate::page::{Page, PageParams};
use crate::problem::{Problem, fault, nearest};
use crate::time::short;
use crate::{Api, Code};

/// A calendar in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CalendarLine {
    /// Its name, which schedules say.
    pub(crate) name: String,
    /// How many dates it excludes.
    pub(crate) dates: usize,
    /// Days of the week that it excludes: `saturday` …
    pub(crate) weekdays: Vec<&'static str>,
    /// Counts its changes, from 1.
    pub(crate) revision: u64,
}

/// A calendar.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CalendarDetail {
    /// Its name, which schedules say.
    pub(crate) name: String,
    /// The dates that it excludes, the earliest first.
    pub(crate) dates: Vec<String>,
    /// Days of the week that it excludes: `saturday` …
    pub(crate) weekdays: Vec<&'static str>,
    /// The workflows whose schedules follow it.
    pub(crate) used_by: Vec<String>,
    /// Counts its changes, from 1.
    pub(crate) revision: u64,
    /// Who changed it last.
    pub(crate) changed_by: Who,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) changed_at: Timestamp,
}

/// How a calendar is to be taken.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PutParams {
    /// What faults call the file.
    pub(crate) file: Option<String>,
    /// Days of the week that are excluded beside the days of the file: `saturday,sunday`.
    pub(crate) weekdays: Option<String>,
}

/// Lists the calendars of a project, by name.
#[utoipa::path(get, path = "/v1/projects/{project}/calendars", operation_id = "list_calendars", tag = "calendars",
    params(("project" = String, Path), PageParams),
    responses((status = 200, body = Page<CalendarLine>), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments(project): Segments<String>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<CalendarLine>>, Problem> {
    let (project, _) = project::existing(&api, &project).await?;
    let calendars = api.app.calendars(project).await?;
    let lines = calendars.iter().map(|calendar| CalendarLine {
        name: calendar.name.to_string(),
        dates: calendar.exclusions.dates().len(),
        weekdays: calendar.exclusions.weekdays().collect(),
        revision: calendar.revision,
    });
    Ok(Json(page.of(lines.collect(), |line: &CalendarLine| {
        line.name.as_str()
    })?))
}

/// Shows a calendar: its days, and the workflows that follow it.
#[utoipa::path(get, path = "/v1/projects/{project}/calendars/{calendar}", operation_id = "show_calendar",
    tag = "calendars",
    params(("project" = String, Path), ("calendar" = String, Path)),
    responses((status = 200, body = CalendarDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments((project, calendar)): Segments<(String, String)>,
) -> Result<Json<CalendarDetail>, Problem> {
    let (project, name) = project::existing(&api, &project).await?;
    let found = existing(&api, project, &name, &calendar).await?;
    Ok(Json(detail(&api, project, found).await?))
}

/// Puts a calendar: a list of days (YAML or JSON, with `dates` and `weekdays`) or an iCalendar file, whose events have to
/// be of whole days. Schedules that follow it go by the new days at once. A project that is not there is made.
#[utoipa::path(put, path = "/v1/projects/{project}/calendars/{calendar}", operation_id = "put_calendar",
    tag = "calendars",
    params(("project" = String, Path), ("calendar" = String, Path), PutParams),
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = CalendarDetail), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, calendar)): Segments<(String, String)>,
    Params(params): Params<PutParams>,
    Raw(body): Raw,
) -> Result<Json<CalendarDetail>, Problem> {
    let (id, project) = crate::extract::project(&project)?;
    let name: Name = calendar.parse().map_err(|error| {
        Problem::bad_request(format!(
            "`{}` cannot be the name of a calendar",
            short(&calendar)
        ))
        .detail(format!("{error}"))
    })?;
    let exclusions = read(&api, &params, &body)?;
    let stored = api
        .app
        .put_calendar(&project, &name, exclusions, &caller.actor)
        .await?;
    Ok(Json(detail(&api, id, stored).await?))
}

/// Deletes a calendar that no workflow names, and says what it was.
#[utoipa::path(delete, path = "/v1/projects/{project}/calendars/{calendar}", operation_id = "delete_calendar",
    tag = "calendars",
    params(("project" = String, Path), ("calendar" = String, Path)),
    responses((status = 200, body = CalendarDetail), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, calendar)): Segments<(String, String)>,
) -> Result<Json<CalendarDetail>, Problem> {
    let (project, name) = project::existing(&api, &project).await?;
    let found = existing(&api, project, &name, &calendar).await?;
    api.app
        .delete_calendar(project, &found.name, &caller.actor)
        .await?;
    Ok(Json(detail(&api, project, found).await?))
}

/// The days of a file, and those of the week that the address names.
fn read(api: &Api, params: &PutParams, body: &[u8]) -> Result<Exclusions, Problem> {
    let file = params.file.as_deref().map_or("calendar".into(), short);
    let now = api.app.ports().clock.now();
    let this_year = now.to_zoned(TimeZone::UTC).year();
    let body = if body.trim_ascii().is_empty() {
        b"{}"
    } else {
        body
    };
    let read = read_calendar(&file, body, this_year);
    let read = read.map_err(|faults| Problem::of_file("calendar", &faults))?;
    let Some(words) = &params.weekdays else {
        return Ok(read);
    };
    let more: Vec<Weekday> = words
        .split(',')
        .map(|word| weekday(word.trim()).ok_or(word))
        .collect::<Result<_, _>>()
        .map_err(no_weekday)?;
    let all = read.weekdays().filter_map(weekday).chain(more);
    Exclusions::new(read.dates().to_vec(), all).map_err(|error| unfit(&error.to_string()))
}

fn no_weekday(word: &str) -> Problem {
    let words = WEEKDAYS.map(|(_, word)| word);
    let message = format!("`{}` is no day of the week", short(word));
    let hint = format!("write some of {}", words.join(","));
    let fault = fault("weekdays", message, Some(&hint));
    unfit("a day of the week cannot be read").listing(vec![fault])
}

fn unfit(title: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Faults, title)
}

async fn existing(
    api: &Api,
    project: ProjectId,
    name: &Name,
    calendar: &str,
) -> Result<StoredCalendar, Problem> {
    if let Ok(wanted) = calendar.parse::<Name>()
        && let Some(found) = api.app.calendar(project, &wanted).await?
    {
        return Ok(found);
    }
    let calendars = api.app.calendars(project).await?;
    let names = calendars.iter().map(|calendar| calendar.name.as_str());
    let title = format!(
        "there is no calendar `{}` in project `{name}`",
        short(calendar)
    );
    Err(Problem::absent(Code::NoCalendar, title).near(calendar, names))
}

async fn detail(
    api: &Api,
    project: ProjectId,
    calendar: StoredCalendar,
) -> Result<CalendarDetail, Problem> {
    let used_by = api.app.followers(project, &calendar.name).await?;
    let dates = calendar.exclusions.dates().iter();
    Ok(CalendarDetail {
        name: calendar.name.to_string(),
        dates: dates.map(ToString::to_string).collect(),
        weekdays: calendar.exclusions.weekdays().collect(),
        used_by: used_by.iter().map(ToString::to_string).collect(),
        revision: calendar.revision,
        changed_by: Who::from(&calendar.actor),
        changed_at: calendar.at,
    })
}

/// The calendars that workflows of a file name have to be there: a fault for each that is not.
///
/// # Errors
/// Those faults, at their places in the file.
pub(crate) async fn known(
    api: &Api,
    project: ProjectId,
    checked: &[Checked],
) -> Result<(), Problem> {
    let named = checked.iter().filter_map(|each| {
        let name = each.workflow.schedule.as_ref()?.calendar.as_ref()?;
        Some((name, each.calendar.clone()?))
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return Ok(());
    }
    let calendars = api.app.calendars(project).await?;
    let mut faults = Vec::new();
    for (name, place) in named {
        let mut names = calendars.iter().map(|calendar| calendar.name.as_str());
        if names.any(|known| known == name.as_str()) {
            continue;
        }
        let names = calendars.iter().map(|calendar| calendar.name.as_str());
        let near = nearest(name.as_str(), names).map(|near| format!("did you mean `{near}`?"));
        faults.push(Fault {
            kind: FaultKind::UnknownCalendar,
            place,
            message: format!("the project has no calendar `{name}`"),
            hint: near.or_else(|| Some("put it first: `porpoise calendar NAME`".to_owned())),
        });
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Problem::of_faults(&Faults {
        faults,
        more: 0,
        notes: Vec::new(),
    }))
}

impl From<CalendarError> for Problem {
    fn from(error: CalendarError) -> Self {
        match error {
            CalendarError::Unknown(_) => Self::absent(Code::NoCalendar, error.to_string()),
            CalendarError::InUse { .. } => {
                let title = format!("{error}; it was not deleted");
                Self::new(StatusCode::CONFLICT, Code::CalendarInUse, title)
                    .hint("take it out of the schedules of these workflows first")
            }
            CalendarError::Contended(_) => {
                Self::new(StatusCode::CONFLICT, Code::Contended, error.to_string())
                    .hint("put it again")
            }
            CalendarError::Store(_) | CalendarError::Unavailable(_) => Self::failed(&error),
        }
    }
}
