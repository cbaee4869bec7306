//! What stands between the functions and AWS: passes every call on and notes it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, Method, Response, Uri};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::call::{self, Asked, Call};
use crate::http::{Passed, Passer};

/// Notes calls, and passes them on.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What the tap does beside passing on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mischief {
    /// Calls of these actions are made twice.
    pub twice: Vec<String>,
    /// A function is killed after so many of its calls, each time when the call has taken effect.
    pub kill: Option<(String, usize)>,
}

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    mischief: Mutex<Mischief>,
    killed: Mutex<usize>,
    routes: OnceLock<Routes>,
    /// Where functions are told to call.
    url: OnceLock<String>,
    passer: Passer,
}

/// Where calls go.
#[derive(Debug, Clone)]
pub struct Routes {
    /// Address of ministack, without a slash at the end.
    pub ministack: String,
    /// Address of DynamoDB Local, without a slash at the end; `None`: ministack is the table too.
    pub dynamodb: Option<String>,
    /// Ministack checks who may do what, also what is then done by DynamoDB Local.
    pub auth: bool,
}

impl Tap {
    /// Listens to a free port of loopback. Calls are answered once it is [connected](Self::connect).
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        _ = shared.url.set(format!("http://{address}")); // nobody has set it before
        let router = Router::new()
            .fallback(take)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let server = spawn(listener, router);
        Ok(Self {
            address,
            shared,
            server,
        })
    }

    /// Where functions are to call.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, calls are passed on.
    pub(crate) fn connect(&self, routes: Routes) -> anyhow::Result<()> {
        let set = self.shared.routes.set(routes);
        set.map_err(|_| anyhow::anyhow!("bug: the tap is connected twice"))
    }

    /// The calls so far, in the order of their answers.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls().clone()
    }

    /// From now on it does this beside.
    pub fn disturb(&self, mischief: Mischief) {
        *lock(&self.shared.mischief) = mischief;
    }

    /// How many functions it has killed.
    pub fn killed(&self) -> usize {
        *lock(&self.shared.killed)
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        self.shared.calls().clear();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        lock(&self.calls)
    }

    /// Whether the function is to be killed after this call.
    fn kills_after(&self, function: &str) -> bool {
        let mischief = lock(&self.mischief);
        let Some((victim, every)) = &mischief.kill else {
            return false;
        };
        let calls = self.calls();
        let made = calls.iter().filter(|call| call.function == function);
        victim == function && made.count() % every == 0
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills the processes of a function of this box, which are known by where they are told to call. How many there were.
fn kill(function: &str, tap: &str) -> anyhow::Result<usize> {
    let marks = [
        format!("AWS_LAMBDA_FUNCTION_NAME={function}\0"),
        format!("AWS_ENDPOINT_URL={tap}\0"),
    ];
    let mut killed = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        if marks.iter().all(|mark| environment.contains(mark.as_str())) {
            let mut kill = std::process::Command::new("kill");
            let status = kill.arg("-KILL").arg(entry.file_name()).status()?;
            killed += usize::from(status.success());
        }
    }
    Ok(killed)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server of tests, which ends with its handle"
)]
pub(crate) fn spawn(listener: TcpListener, router: Router) -> JoinHandle<()> {
    tokio::spawn(async move {
        _ = axum::serve(listener, router).await; // it has no end of its own
    })
}

async fn take(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    match whole(request).await {
        Ok((method, uri, headers, body)) => pass(&shared, method, uri, headers, body).await,
        Err(error) => Response::new(Body::from(format!("{error:#}"))),
    }
}

pub(crate) async fn whole(request: Request) -> anyhow::Result<(Method, Uri, HeaderMap, Bytes)> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await;
    let body = body.context("a request that breaks off")?;
    Ok((parts.method, parts.uri, parts.headers, body))
}

async fn pass(
    shared: &Shared,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let Some(routes) = shared.routes.get() else {
        return Response::new(Body::from("the tap is not connected yet"));
    };
    let asked = call::read(&method, &uri, &headers, &body);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let passed = Passed {
        path: path.to_owned(),
        method,
        headers,
        body: body.into(),
    };
    let twice = lock(&shared.mischief).twice.contains(&asked.action);
    if twice {
        drop(answer(shared, routes, &asked, passed.clone()).await);
    }
    let response = answer(shared, routes, &asked, passed).await;
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await;
    let bytes = bytes.unwrap_or_default();
    let status = parts.status.as_u16();
    let function = asked.function.clone();
    shared.calls().push(Call {
        function: asked.function,
        action: asked.action,
        region: asked.region,
        status,
        denied: is_denial(status, &bytes),
    });
    if shared.kills_after(&function)
        && let Some(tap) = shared.url.get()
    {
        *lock(&shared.killed) += kill(&function, tap).unwrap_or_default();
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// The table is DynamoDB Local, which knows no roles: ministack is asked the same first, of a table of the same name
/// that nobody reads, and has the first word.
async fn answer(shared: &Shared, routes: &Routes, asked: &Asked, passed: Passed) -> Response<Body> {
    let table = routes.dynamodb.as_deref();
    let Some(table) = table.filter(|_| asked.service == "dynamodb") else {
        return shared.passer.pass(&routes.ministack, passed).await;
    };
    if routes.auth {
        let checked = shared.passer.pass(&routes.ministack, passed.clone()).await;
        let (parts, body) = checked.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await;
        let bytes = bytes.unwrap_or_default();
        if is_denial(parts.status.as_u16(), &bytes) {
            return Response::from_parts(parts, Body::from(bytes));
        }
    }
    shared.passer.pass(table, passed).await
}

fn is_denial(status: u16, body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    (400..500).contains(&status)
        && [
            "AccessDenied",
            "not authorized to perform",
            "UnrecognizedClient",
        ]
        .iter()
        .any(|word| body.contains(word))
}
