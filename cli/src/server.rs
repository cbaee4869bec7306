//! `up`: the server of this machine.

mod changes;
mod door;
mod targets;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use porpoise_api::{Access, Api, Code, Token};
use porpoise_store_sqlite::OpenError;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::args::{Run, Up};
use crate::client::Client;
use crate::command;
use crate::config::{self, Running};
use crate::failure::{Failure, UNREACHABLE, USAGE};
use crate::host::Host;
use crate::output::{Session, note, print};

pub(crate) use targets::processes;

use changes::Changes;
use door::Door;

/// The examples that the binary brings along: files and their names.
const EXAMPLES: [(&str, &str); 4] = [
    (
        "examples/daily-sales.yaml",
        include_str!("../../examples/daily-sales.yaml"),
    ),
    (
        "examples/fan-out-fan-in.yaml",
        include_str!("../../examples/fan-out-fan-in.yaml"),
    ),
    (
        "examples/nightly-rules.yaml",
        include_str!("../../examples/nightly-rules.yaml"),
    ),
    (
        "examples/retries-and-pools.yaml",
        include_str!("../../examples/retries-and-pools.yaml"),
    ),
];
/// The example that `--examples` runs.
const SHOWCASE: &str = "retail/daily-sales";
/// When the server stops, requests and steps that have begun get this long.
const GRACE: Duration = Duration::from_secs(5);
/// Threads that serve. Steps wait for the disk, which has a thread of its own.
const WORKERS: usize = 2;

/// Serves until a signal comes.
pub(crate) fn up(session: &Session, args: &Up) -> Result<(), Failure> {
    log_to_stderr(session, "warn");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::broken("cannot start the runtime", &error))?;
    let ended = runtime.block_on(serve(session, args));
    // What still waits for a file or a pipe does not hold the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

pub(crate) fn log_to_stderr(session: &Session, usual: &str) {
    let filter = session.config.log.as_deref().unwrap_or(usual);
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_default();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(crate::output::interactive())
        // It would panic where standard error is closed: `porpoise up 2>&1 | head -1`.
        .log_internal_errors(false)
        .try_init();
}

async fn serve(session: &Session, args: &Up) -> Result<(), Failure> {
    let data = session.config.data()?;
    let unusable = |error: &io::Error| {
        Failure::new(
            USAGE,
            format!("cannot use the data directory `{}`", data.display()),
        )
        .coded(Code::File)
        .because(error)
    };
    config::make_data(data).map_err(|error| unusable(&error))?;
    let targets = targets::open(data, args.parallel)?;
    let mut host = Host::open(data, targets.executors).map_err(|error| in_use(&error, data))?;
    config::close_data(data).map_err(|error| unusable(&error))?;
    let token = config::token(data).map_err(|error| unusable(&error))?;
    let (listener, address) = listen(args.port).await?;
    let url = format!("http://{address}");
    // From here on a signal stops in good order.
    let signals =
        Signals::take().map_err(|error| Failure::broken("cannot take signals", &error))?;
    let stop = watch::Sender::new(false);
    let changes = Arc::new(Changes::new(Arc::clone(host.table()), stop.subscribe()));
    let router = router(session, &host, changes, &token, address);
    let [processes, instant] = targets.completions;
    host.start(processes);
    host.listen(instant);
    let running = Running {
        url: url.clone(),
        pid: std::process::id(),
    };
    config::announce(data, &running).map_err(|error| unusable(&error))?;
    told(session, &running, data);
    let client = Client::own(&url, &token, &session.config.start_command())?;
    let first = first_steps(session, args, client, stop.subscribe());
    let served = until_stopped(listener, router, signals, &stop, &mut host, first).await;
    config::renounce(data);
    if tokio::time::timeout(GRACE, host.stop()).await.is_err() {
        note("steps that had begun did not end in time; nothing is lost");
    }
    served.map_err(|error| Failure::broken("the server stopped", &error))
}

/// Another server has the directory, or it is none.
fn in_use(error: &OpenError, data: &Path) -> Failure {
    let running = config::running(data);
    match error {
        OpenError::Locked { pid, .. } => {
            let pid = pid.or_else(|| running.as_ref().map(|running| running.pid));
            let who = pid.map_or_else(
                || "another process".to_owned(),
                |pid| format!("process {pid}"),
            );
            let failure = Failure::new(
                UNREACHABLE,
                format!("a server runs on `{}` already: {who}", data.display()),
            )
            .coded(Code::ServerRuns);
            match running {
                Some(running) => failure.hint(format!(
                    "it is at {}; for a second one choose another `--data DIR`",
                    running.url
                )),
                None => failure.hint("for a second one choose another `--data DIR`"),
            }
        }
        OpenError::Newer { .. } => unopened(error).hint("run the release that wrote it, or a later one"),
        OpenError::Foreign { .. } => unopened(error).hint("choose another `--data DIR`"),
        OpenError::Store { .. } => unopened(error).hint(
            "nothing was changed; bring the directory back from a copy, or begin anew with another `--data DIR`",
        ),
        OpenError::Directory { .. } => unopened(error),
    }
}

fn unopened(error: &OpenError) -> Failure {
    Failure::new(USAGE, "cannot open the store")
        .coded(Code::File)
        .because(error)
}

/// On the loopback interface, and no other.
async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error: &io::Error| {
        let failure =
            Failure::new(UNREACHABLE, format!("cannot listen on 127.0.0.1:{port}")).because(error);
        if error.kind() == io::ErrorKind::AddrInUse {
            let failure = failure.coded(Code::ServerRuns);
            failure.hint("choose another port with `--port N`; 0 takes any that is free")
        } else {
            failure
        }
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    Ok((listener, address))
}

fn told(session: &Session, running: &Running, data: &Path) {
    if session.json {
        print(&format!(
            "{}\n",
            json!({"url": running.url, "pid": running.pid, "data": data})
        ));
    } else {
        print(&format!(
            "porpoise serves {}/v1 from {}; Ctrl-C stops it\n",
            running.url,
            data.display()
        ));
    }
}

/// What `up` does as its own client: apply the examples, run a workflow. That the server stops meanwhile is no failure.
fn first_steps(
    session: &Session,
    args: &Up,
    client: Client,
    stop: watch::Receiver<bool>,
) -> impl FnOnce() + Send + 'static {
    let session = Session {
        json: session.json,
        config: session.config.clone(),
        zone: session.zone.clone(),
    };
    let examples = args.examples;
    let mut runs: Vec<String> = examples.then(|| SHOWCASE.to_owned()).into_iter().collect();
    runs.extend(args.run.clone());
    let begun = !runs.is_empty();
    move || {
        let steps = || -> Result<(), Failure> {
            for (name, text) in EXAMPLES.iter().filter(|_| examples) {
                command::apply_text(&client, name, text.as_bytes())?;
            }
            for workflow in runs {
                let run = Run {
                    workflow,
                    ..Run::default()
                };
                command::run_workflow(&session, &client, &run)?;
            }
            Ok(())
        };
        match steps() {
            Err(_) if *stop.borrow() => {}
            Err(failure) => failure.print(session.json),
            Ok(()) if begun => {
                note("the server goes on; in another terminal try `porpoise show latest`");
            }
            Ok(()) => {}
        }
    }
}

/// SIGINT and SIGTERM, from when they are taken.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Serves until SIGINT or SIGTERM. Long polls end at once, whatever else has begun gets its grace, unless a second
/// signal comes.
async fn until_stopped(
    listener: TcpListener,
    router: axum::Router,
    mut signals: Signals,
    stop: &watch::Sender<bool>,
    host: &mut Host,
    first: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let mut stopped = stop.subscribe();
    let shutdown = async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let serving = std::future::IntoFuture::into_future(
        axum::serve(Door::new(listener), router).with_graceful_shutdown(shutdown),
    );
    tokio::pin!(serving);
    // A thread of its own: it waits for answers of this very server.
    std::thread::spawn(first);
    tokio::select! {
        ended = &mut serving => return ended,
        () = signals.next() => {}
        () = host.broken() => {
            return Err(io::Error::other("a part of it broke, which is a bug; nothing is lost, start it again"));
        }
    }
    stop.send_replace(true);
    tokio::select! {
        // Connections that stay open with nothing to say are cut.
        ended = tokio::time::timeout(GRACE, serving) => ended.unwrap_or(Ok(())),
        () = signals.next() => Ok(()),
    }
}

/// The API of a host. Its names are those of the loopback interface, with the port that it listens on.
fn router(
    session: &Session,
    host: &Host,
    changes: Arc<Changes>,
    token: &str,
    address: SocketAddr,
) -> axum::Router {
    let port = address.port();
    let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
    let origins = hosts.iter().map(|host| format!("http://{host}")).collect();
    porpoise_api::router(Api {
        app: Arc::clone(host.app()),
        changes,
        access: Access {
            principal: session.config.user.clone(),
            token: Token::new(token),
            hosts: hosts.to_vec(),
            origins,
        },
    })
}
