//! What an answer says when something went wrong: RFC 9457, with a code, a hint and the faults of a definition.

use std::error::Error;
use std::ops::Deref;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use porpoise_app::JobsError;
use porpoise_app::along::AlongError;
use porpoise_app::backfill_store::BackfillListError;
use porpoise_app::billing::UsageError;
use porpoise_app::context::ContextError;
use porpoise_app::create::CreateRunError;
use porpoise_app::lists::ListError;
use porpoise_app::log::LoadError;
use porpoise_app::store::StoreError;
use porpoise_app::target_store::PlaceError;
use porpoise_app::workflow_store::{ApplyError, HeadError};
use porpoise_definition::Faults;
use porpoise_ports::Unavailable;
use porpoise_ports::table::ReadError;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Code;

/// Faults of a request that are listed; those of a definition have a limit of their own.
const LISTED_MAX: usize = 100;

/// What went wrong with a request.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Body>);

/// A problem (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Body {
    /// Path of the page that explains the code: `/errors/PP0008`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What could not be done.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
    /// The stable code: `PP0008`.
    pub(crate) code: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// Every fault of what was sent: `message`, and where they mean something `file`, `line`, `column`, `path`,
    /// `kind`, `hint`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub(crate) faults: Vec<Value>,
    /// Faults beyond those that are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) more: usize,
    /// The request, as the server's log calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// For the server's log, never for the answer.
    #[serde(skip)]
    pub(crate) logged: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Deref for Problem {
    type Target = Body;

    fn deref(&self) -> &Body {
        &self.0
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Body::schema()
    }
}

impl ToSchema for Problem {}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: Code, title: impl Into<String>) -> Self {
        Self(Box::new(Body {
            kind: format!("/errors/{}", code.as_str()),
            title: title.into(),
            status: status.as_u16(),
            detail: String::new(),
            code: code.as_str().to_owned(),
            hint: None,
            faults: Vec::new(),
            more: 0,
            request_id: None,
            logged: None,
        }))
    }

    /// There is no such thing.
    pub(crate) fn absent(code: Code, title: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, title)
    }

    /// The request cannot be read.
    pub(crate) fn bad_request(title: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::BadRequest, title)
    }

    /// What is asked for cannot be done as things are.
    pub(crate) fn refused(title: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, Code::Refused, title)
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// With the name that was most likely meant, if any of these is near.
    pub(crate) fn near<'n>(self, given: &str, names: impl Iterator<Item = &'n str>) -> Self {
        match nearest(given, names) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// With every fault, and the number of those beyond.
    pub(crate) fn faults(mut self, faults: Vec<Value>, more: usize) -> Self {
        (self.0.faults, self.0.more) = (faults, more);
        self
    }

    /// With the first hundred of these faults.
    pub(crate) fn listing(self, mut faults: Vec<Value>) -> Self {
        let more = faults.len().saturating_sub(LISTED_MAX);
        faults.truncate(LISTED_MAX);
        self.faults(faults, more)
    }

    /// The definition has faults; nothing of it was stored.
    pub(crate) fn of_faults(faults: &Faults) -> Self {
        Self::of_file("definition", faults)
    }

    /// A file of this sort has faults; nothing of it was stored.
    pub(crate) fn of_file(sort: &str, faults: &Faults) -> Self {
        let count = faults.faults.len() + faults.more;
        let plural = if count == 1 { "" } else { "s" };
        let title = format!("the {sort} has {count} fault{plural}; nothing of it was stored");
        let listed = faults
            .faults
            .iter()
            .map(|fault| serde_json::to_value(fault).unwrap_or_default());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Faults, title)
            .faults(listed.collect(), faults.more)
    }

    /// Something that is needed failed: whether trying again helps is told by what is behind the error.
    pub(crate) fn failed(error: &(dyn Error + 'static)) -> Self {
        let mut logged = error.to_string();
        let mut next = Some(error);
        let mut passing = false;
        while let Some(error) = next {
            passing |= is_passing(error);
            next = error.source();
            if let Some(source) = next {
                logged = format!("{logged}: {source}");
            }
        }
        let mut problem = if passing {
            Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Code::Unavailable,
                "the server cannot do that just now",
            )
            .hint("try again; nothing is lost by repeating the request")
        } else {
            Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                Code::Bug,
                "something of Porpoise's own is broken",
            )
            .hint("the server's log tells more under the request id")
        };
        problem.0.logged = Some(logged);
        problem
    }

    /// The answer, for a request of this id.
    pub(crate) fn render(mut self, request_id: &str) -> Response {
        if self.status >= 500 {
            self.0.request_id = Some(request_id.to_owned());
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&*self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let content = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, content);
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Whether the same call may succeed later. An error that is transparent hides the one in it from `source`.
fn is_passing(error: &(dyn Error + 'static)) -> bool {
    error.is::<Unavailable>()
        || error.is::<ReadError>()
        || matches!(
            error.downcast_ref(),
            Some(StoreError::Throttled | StoreError::Unavailable(_))
        )
        || matches!(error.downcast_ref(), Some(ContextError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(JobsError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(ApplyError::Unavailable(_)))
}

/// A fault in a request: where, and what is wrong there.
pub(crate) fn fault(path: &str, message: impl Into<String>, hint: Option<&str>) -> Value {
    let mut fault = json!({ "path": path, "message": message.into() });
    if let (Some(hint), Some(fields)) = (hint, fault.as_object_mut()) {
        fields.insert("hint".to_owned(), hint.into());
    }
    fault
}

/// The name among `names` that was most likely meant.
pub(crate) fn nearest<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let far = given.chars().count().max(3) / 3;
    let distance = |name: &str| strsim::osa_distance(given, name);
    let rated = names.map(|name| (distance(name), name));
    let best = rated.min_by_key(|(distance, _)| *distance);
    best.filter(|(distance, _)| *distance <= far)
        .map(|(_, name)| name)
}

/// Rendered by the outermost layer, which knows the id of the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

macro_rules! failed {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::failed(&error)
            }
        }
    )+};
}

failed!(
    AlongError,
    LoadError,
    HeadError,
    StoreError,
    ContextError,
    Unavailable,
    JobsError,
    UsageError,
    BackfillListError
);

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Cursor(_) => {
                Self::bad_request(error.to_string()).hint("take the `next_cursor` of the last page")
            }
            ListError::Store(error) => error.into(),
        }
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Contended(_) => {
                Self::new(StatusCode::CONFLICT, Code::Contended, error.to_string())
                    .hint("apply it again")
            }
            ApplyError::NoCalendar { .. } => {
                Self::new(StatusCode::CONFLICT, Code::NoCalendar, error.to_string())
                    .hint("put the calendar, and apply it again")
            }
            ApplyError::Moved { .. } => {
                Self::new(StatusCode::CONFLICT, Code::Contended, error.to_string())
                    .detail("somebody else has applied another version: nothing was stored, and nothing runs again")
                    .hint("bring that change into the file and apply it, edit the run without writing back, or replace the other version with `force`")
            }
            ApplyError::Calendar(error) => error.into(),
            ApplyError::Form(_)
            | ApplyError::Head(_)
            | ApplyError::Store(_)
            | ApplyError::Unavailable(_) => Self::failed(&error),
        }
    }
}

impl From<CreateRunError> for Problem {
    fn from(error: CreateRunError) -> Self {
        match error {
            CreateRunError::UnknownWorkflow(..) => {
                Self::absent(Code::NoWorkflow, "there is no such workflow")
            }
            CreateRunError::Head(error) => error.into(),
            CreateRunError::Version(error) => error.into(),
            CreateRunError::Place(error @ PlaceError::Unknown { .. }) => {
                Self::refused(error.to_string()).hint("set the target, or name one that is there")
            }
            CreateRunError::Place(error @ PlaceError::None { .. }) => {
                let hint = "name a target in the task, or make one the default for this kind";
                Self::refused(error.to_string()).hint(hint)
            }
            CreateRunError::Place(error @ PlaceError::Outside { .. }) => {
                let hint = "name a target in one of its places, or add this place to its residency";
                Self::refused(error.to_string()).hint(hint)
            }
            CreateRunError::Place(error @ (PlaceError::Store(_) | PlaceError::Residency(_))) => {
                Self::failed(&error)
            }
            CreateRunError::Parameters(error) => error.into(),
            CreateRunError::Circular(_)
            | CreateRunError::TooDeep(_)
            | CreateRunError::Store(_)
            | CreateRunError::Start(_) => Self::failed(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let names = || ["daily-sales", "nightly-rules"].into_iter();
        assert_eq!(nearest("daily-sale", names()), Some("daily-sales"));
        assert_eq!(nearest("weekly", names()), None);
    }

    #[test]
    fn a_store_that_is_down_is_another_thing_than_a_bug() {
        let down = LoadError::Store(
            porpoise_model::Address::run(
                porpoise_model::ProjectId::of_name("p"),
                porpoise_model::RunId::from_bytes([0; 16]),
            ),
            StoreError::Throttled,
        );
        assert_eq!(Problem::from(down).status, 503);
        let damaged = LoadError::NoVersion(porpoise_model::Address::run(
            porpoise_model::ProjectId::of_name("p"),
            porpoise_model::RunId::from_bytes([0; 16]),
        ));
        let problem = Problem::from(damaged);
        assert_eq!((problem.status, problem.logged.is_some()), (500, true));
    }
}
