//! Who may come in, and who may do what.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use constant_time_eq::constant_time_eq;
use porpoise_model::Actor;

use crate::problem::Problem;
use crate::time::short;
use crate::{Api, Code};

/// The door of a server.
#[derive(Debug, Clone)]
pub struct Access {
    /// Who comes in with the token.
    pub principal: String,
    /// The token; whoever has it is the principal.
    pub token: Token,
    /// Values of the `Host` header that are this server's. Empty: any (behind a gateway that checks).
    pub hosts: Vec<String>,
    /// Values of the `Origin` header that may come in. A request without one is not a browser's.
    pub origins: Vec<String>,
}

/// A token, which no debug output shows.
#[derive(Clone)]
pub struct Token(Option<String>);

impl Token {
    /// Takes the text of a token.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }

    /// No token opens this door: who comes in has been let in before, as a [`Principal`].
    pub const fn none() -> Self {
        Self(None)
    }

    fn is(&self, given: &str) -> bool {
        let own = self.0.as_deref();
        own.is_some_and(|own| constant_time_eq(given.as_bytes(), own.as_bytes()))
    }
}

/// Who asks, as an extension of a request: set by a host whose gateway has checked it (a signature of IAM, a token of
/// an identity provider). It comes before the token. Nothing that a client sends can set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Anybody may, also without a token.
    Greet,
    /// See it.
    Read,
    /// Make it, change it, switch it.
    Write,
    /// Start it, stop it, decide for it.
    Operate,
    /// Carry out what there is to do at it, and say what became of that.
    Serve,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The server itself.
    Server,
    /// Projects.
    Project,
    /// Workflows and their versions.
    Workflow,
    /// Runs and their task instances.
    Run,
    /// What jobs wrote.
    Log,
    /// Schedules.
    Schedule,
    /// Backfills.
    Backfill,
    /// Calendars.
    Calendar,
    /// Pools.
    Pool,
    /// Targets.
    Target,
    /// Sites that agents serve.
    Place,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
}

/// The id of a request, as it stands in the log and in the answer.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Whether a principal may do that. The local server has one principal, which may do everything.
///
/// # Errors
/// It may not.
pub(crate) fn authorize(
    principal: Option<&str>,
    action: Action,
    resource: Resource,
) -> Result<(), Problem> {
    match (principal, action) {
        (_, Action::Greet)
        | (Some(_), Action::Read | Action::Write | Action::Operate | Action::Serve) => Ok(()),
        (None, Action::Read | Action::Write | Action::Operate | Action::Serve) => {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                Code::Forbidden,
                format!("you may not do this ({action:?} of {resource:?})"),
            ))
        }
    }
}

/// What a route needs.
#[derive(Debug, Clone)]
pub(crate) struct Needs {
    pub(crate) api: Arc<Api>,
    pub(crate) action: Action,
    pub(crate) resource: Resource,
}

/// Before each route: who is it, and may they?
pub(crate) async fn guard(
    State(needs): State<Needs>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let access = &needs.api.access;
    let let_in = parts.extensions.get::<Principal>();
    let principal = match (needs.action, let_in) {
        (Action::Greet, _) => None,
        (Action::Read | Action::Write | Action::Operate | Action::Serve, Some(principal)) => {
            Some(&principal.0)
        }
        (Action::Read | Action::Write | Action::Operate | Action::Serve, None) => {
            authenticate(access, &parts.headers)?;
            Some(&access.principal)
        }
    };
    authorize(principal.map(String::as_str), needs.action, needs.resource)?;
    let caller = caller(principal.unwrap_or(&access.principal), &parts);
    parts.extensions.insert(caller);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

fn authenticate(access: &Access, headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = given.and_then(|given| given.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            Code::NoToken,
            "the request has no token",
        )
        .hint(
            "send `Authorization: Bearer TOKEN`; the token is in the file `token` of the server's data directory",
        ));
    };
    if access.token.is(token.trim()) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        Code::NoToken,
        "the token is not this server's",
    )
    .hint("the token is in the file `token` of the server's data directory"))
}

/// Through what somebody came is their own word: it tells people apart from programs in what is shown.
fn caller(principal: &str, parts: &Parts) -> Caller {
    let agent = parts.headers.get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or("");
    let via = if agent.starts_with("porpoise-cli/") {
        "cli"
    } else {
        "api"
    };
    let request = parts.extensions.get::<RequestId>();
    Caller {
        actor: Actor {
            principal: principal.to_owned(),
            via: via.to_owned(),
            request: request.map(|id| id.0.clone()),
        },
    }
}

/// Around everything: gives the request its id, checks host and origin, and renders what went wrong.
pub(crate) async fn receive(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = format!("{:032x}", api.app.ports().ids.fresh());
    request.extensions_mut().insert(RequestId(id.clone()));
    let what = format!("{} {}", request.method(), request.uri().path());
    let mut response = match known(&api.access, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => axum::response::IntoResponse::into_response(problem),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        if let Some(logged) = &problem.logged {
            tracing::error!(
                request_id = id,
                request = what,
                error = logged,
                "request failed"
            );
        }
        response = problem.render(&id);
    }
    let headers = response.headers_mut();
    if let Ok(id) = id.parse() {
        headers.insert("x-request-id", id);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    let fresh = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(fresh);
    response
}

/// A page of another site that made its name point here is turned away (DNS rebinding), and so is one that sends its
/// visitors' browsers here.
fn known(access: &Access, request: &Request) -> Result<(), Problem> {
    let texts = |name| {
        let values = request.headers().get_all(name).into_iter();
        values.map(|value: &HeaderValue| value.to_str().unwrap_or("?"))
    };
    // An absolute address comes before the header (RFC 9112, section 3.2.2).
    let authority = request.uri().authority().map(Authority::as_str);
    let mut hosts: Vec<_> = authority.into_iter().collect();
    if hosts.is_empty() {
        hosts.extend(texts(header::HOST));
    }
    let mine = |host: &str| {
        let mut known = access.hosts.iter();
        known.any(|mine| mine.eq_ignore_ascii_case(host))
    };
    if let Some(first) = access.hosts.first()
        && !(hosts.len() == 1 && hosts.iter().all(|host| mine(host)))
    {
        return Err(foreign("host", &hosts).hint(format!("use {first}")));
    }
    let origins: Vec<_> = texts(header::ORIGIN).collect();
    let known = |origin: &&str| access.origins.iter().any(|known| known == origin);
    if origins.iter().all(known) {
        return Ok(());
    }
    Err(foreign("origin", &origins))
}

fn foreign(what: &str, values: &[&str]) -> Problem {
    let values = short(&values.join(", "));
    let title = format!("this server does not answer to the {what} `{values}`");
    Problem::new(StatusCode::FORBIDDEN, Code::WrongHost, title)
}
