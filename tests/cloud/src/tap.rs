//! What stands between the functions and AWS: passes every call on and notes it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, Uri, header};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::call::{self, Asked, Call};
use crate::http::{Passed, Passer};
use crate::judged::{Judge, Judged};

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
    /// Of a thousand calls so many are the last of whatever function makes them.
    pub kill_of_thousand: u64,
    /// Of a thousand calls so many take effect, and their answers break off.
    pub cut_of_thousand: u64,
    /// What the draws come from.
    pub seed: u64,
}

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    KilledBefore,
    KilledAfter,
    Cut,
}

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    mischief: Mutex<Mischief>,
    killed: Mutex<usize>,
    cut: Mutex<usize>,
    drawn: Mutex<u64>,
    routes: OnceLock<Routes>,
    /// Where functions are told to call.
    url: OnceLock<String>,
    passer: Passer,
}

/// Where calls go.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    /// Address of ministack, without a slash at the end.
    pub(crate) ministack: String,
    /// Address of DynamoDB Local, without a slash at the end; `None`: ministack is the table too.
    pub(crate) dynamodb: Option<String>,
    /// Ministack checks who may do what, also what is then done by DynamoDB Local.
    pub(crate) auth: bool,
    /// The way to EMR Serverless and Athena.
    pub(crate) judge: Judge,
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

    /// How many answers it has cut off.
    pub fn cut(&self) -> usize {
        *lock(&self.shared.cut)
    }

    /// The most memory that each function has had so far, of the processes of it that live, in kilobytes.
    ///
    /// Source: proc(5), `VmHWM` of the file `status` of a process.
    pub fn peaks(&self) -> BTreeMap<String, u64> {
        let mut peaks = BTreeMap::new();
        for (process, function) in functions(&self.url()) {
            let status = fs::read_to_string(process.join("status")).unwrap_or_default();
            let mut lines = status.lines();
            let peak = lines.find_map(|line| line.strip_prefix("VmHWM:"));
            let peak = peak.and_then(|peak| peak.trim().trim_end_matches("kB").trim().parse().ok());
            let known: &mut u64 = peaks.entry(function).or_default();
            *known = (*known).max(peak.unwrap_or_default());
        }
        peaks
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

    /// What befalls the next call.
    fn harm(&self) -> Option<Harm> {
        let (kill, cut, seed) = {
            let mischief = lock(&self.mischief);
            (
                mischief.kill_of_thousand,
                mischief.cut_of_thousand,
                mischief.seed,
            )
        };
        let number = {
            let mut drawn = lock(&self.drawn);
            *drawn += 1;
            *drawn
        };
        let drawn = scatter(seed, number);
        match drawn % 1_000 {
            one if one < kill && drawn & (1 << 40) == 0 => Some(Harm::KilledBefore),
            one if one < kill => Some(Harm::KilledAfter),
            one if one < kill + cut => Some(Harm::Cut),
            _ => None,
        }
    }

    fn kill(&self, function: &str) {
        if let Some(tap) = self.url.get() {
            *lock(&self.killed) += kill(function, tap);
        }
    }
}

/// A number that looks like chance. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
fn scatter(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills the processes of a function of this box. How many there were.
fn kill(function: &str, tap: &str) -> usize {
    let ours = functions(tap).into_iter();
    let ours = ours.filter(|(_, name)| name == function);
    let killed = ours.filter(|(process, _)| {
        let pid = process.file_name().unwrap_or_default();
        let mut kill = std::process::Command::new("kill");
        kill.arg("-KILL")
            .arg(pid)
            .status()
            .is_ok_and(|status| status.success())
    });
    killed.count()
}

/// The processes of functions of this box, which are known by where they are told to call: folder in `/proc`, function.
fn functions(tap: &str) -> Vec<(PathBuf, String)> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = processes.filter_map(|process| {
        let environment = fs::read(process.path().join("environ")).ok()?;
        let environment = String::from_utf8_lossy(&environment);
        let mut variables = environment.split('\0');
        let of = |name: &str| {
            let mut all = environment.split('\0');
            all.find_map(|one| one.strip_prefix(name)?.strip_prefix('='))
        };
        variables.find(|one| one.strip_prefix("AWS_ENDPOINT_URL=") == Some(tap))?;
        Some((process.path(), of("AWS_LAMBDA_FUNCTION_NAME")?.to_owned()))
    });
    ours.collect()
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
    let harm = shared.harm();
    if harm == Some(Harm::KilledBefore) {
        shared.kill(&asked.function);
        return broken();
    }
    let twice = lock(&shared.mischief).twice.contains(&asked.action);
    if twice {
        drop(answer(shared, routes, &asked, passed.clone()).await);
    }
    let sent = passed.body.clone();
    let judged = answer(shared, routes, &asked, passed).await;
    let (parts, body) = judged.response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await;
    let bytes = bytes.unwrap_or_default();
    if asked.action == "sts:AssumeRole" {
        routes.judge.learn(&sent, &bytes);
    }
    let status = parts.status.as_u16();
    let refused = is_denial(status, &bytes);
    let made = |action: &str, denied: bool| Call {
        function: asked.function.clone(),
        action: action.to_owned(),
        region: asked.region.clone(),
        status,
        denied,
        assumed: judged.assumed,
    };
    let also = judged.also.iter();
    let also: Vec<Call> = also.map(|(action, denied)| made(action, *denied)).collect();
    let denied = refused && !also.iter().any(|call| call.denied);
    shared.calls().push(made(&asked.action, denied));
    shared.calls().extend(also);
    if harm == Some(Harm::KilledAfter) || shared.kills_after(&asked.function) {
        shared.kill(&asked.function);
    }
    if harm == Some(Harm::Cut) {
        *lock(&shared.cut) += 1;
        return broken();
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// An answer that breaks off.
fn broken() -> Response<Body> {
    let cut = io::Error::other("the answer is cut off");
    let body = futures_util::stream::iter([Ok(Bytes::from_static(b"{")), Err(cut)]);
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("100"));
    response
}

async fn answer(shared: &Shared, routes: &Routes, asked: &Asked, passed: Passed) -> Judged {
    if Judge::judges(asked) {
        return routes.judge.pass(&shared.passer, asked, passed).await;
    }
    Judged {
        response: of_ministack(shared, routes, asked, passed).await,
        also: Vec::new(),
        assumed: false,
    }
}

/// The table is DynamoDB Local, which knows no roles: ministack is asked the same first, of a table of the same name
/// that nobody reads, and has the first word.
async fn of_ministack(
    shared: &Shared,
    routes: &Routes,
    asked: &Asked,
    passed: Passed,
) -> Response<Body> {
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
