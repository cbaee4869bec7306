//! `agent`: takes what there is to do at a site, executes it on this machine, and reports home.
//!
//! The dispatcher and the poller are those of every place, over a store of the agent's own: `home` is its queue, and
//! `work` the loops around both. An order counts as recorded when it is in that store, and a job as over when home was
//! told; so the agent can be killed anywhere, and home can be away for long.
//!
//! Start reading at [`agent`], then at `work`.

mod home;
mod outgoing;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use porpoise_api::Code;
use porpoise_app::{App, Executors, Ports};
use porpoise_model::{AttemptKey, Place};
use porpoise_ports::{Executor, Ids};
use porpoise_store_sqlite::{DirectoryBlobs, OpenError, SqliteTable};
use porpoise_system::{OsIds, SystemClock};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::args::Agent;
use crate::config;
use crate::failure::{Failure, UNREACHABLE, USAGE};
use crate::output::{Session, note, print};
use crate::server::{Signals, log_to_stderr, processes};

use home::{Home, Nowhere};
use work::Work;

/// The sort of target whose jobs are processes of this machine.
const PROCESS: &str = "process";
/// Below the data directory, each place has one of its own.
const AGENTS: &str = "agents";
/// Whoever can read it is the agent of the place.
const SECRET_FILE: &str = "agent.secret";
/// When the agent stops, steps that have begun get this long.
const GRACE: Duration = Duration::from_secs(5);

/// Serves a site until a signal comes.
pub(crate) fn agent(session: &Session, args: &Agent) -> Result<(), Failure> {
    log_to_stderr(session, "error");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::broken("cannot start the runtime", &error))?;
    let ended = runtime.block_on(serve(session, args));
    // A request that waits for home does not hold the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

async fn serve(session: &Session, args: &Agent) -> Result<(), Failure> {
    let place = site(&args.place)?;
    let client = session.client()?;
    let data = session.config.data()?.join(AGENTS).join(&place);
    let unusable = |error: &std::io::Error| {
        let message = format!("cannot use the directory `{}`", data.display());
        Failure::new(USAGE, message)
            .coded(Code::File)
            .because(error)
    };
    config::make_data(&data).map_err(|error| unusable(&error))?;
    let table = SqliteTable::open(&data).map_err(|error| in_use(&error, &data))?;
    config::close_data(&data).map_err(|error| unusable(&error))?;
    let secret = config::secret(&data, SECRET_FILE).map_err(|error| unusable(&error))?;
    let url = client.address();
    let home = Arc::new(Home::new(client, &place, secret, session.json));
    let (app, completions) = app(&data, table, Arc::clone(&home), args)?;
    // From here on a signal stops in good order.
    let mut signals =
        Signals::take().map_err(|error| Failure::broken("cannot take signals", &error))?;
    if session.json {
        let line = json!({"place": place, "url": url, "pid": std::process::id(), "data": data});
        print(&format!("{line}\n"));
    } else {
        let data = data.display();
        print(&format!(
            "porpoise serves {place} for {url} from {data}; Ctrl-C stops it\n"
        ));
    }
    let mut work = Work::start(app, home, place, args.replace, completions);
    let ended = tokio::select! {
        failure = work.broken() => Err(failure),
        () = signals.next() => Ok(()),
    };
    let stopped = tokio::select! {
        stopped = tokio::time::timeout(GRACE, work.stop()) => stopped.is_ok(),
        () = signals.next() => false,
    };
    if !stopped {
        note("steps that had begun did not end in time; nothing is lost");
    }
    ended
}

/// A place that an agent can serve.
fn site(text: &str) -> Result<String, Failure> {
    let refused = |why: String| {
        Failure::new(USAGE, why).hint("an agent serves a site, as in `--place site.berlin`")
    };
    match text.parse::<Place>() {
        Ok(place @ Place::Site(_)) => Ok(place.to_string()),
        Ok(Place::Local | Place::Aws(_)) => Err(refused(format!("no agent serves `{text}`"))),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// The dispatcher and poller of the place. Jobs of earlier agents of this directory are found again.
fn app(
    data: &Path,
    table: SqliteTable,
    home: Arc<Home>,
    args: &Agent,
) -> Result<(App, UnboundedReceiver<AttemptKey>), Failure> {
    let processes = processes(data, args.parallel)?;
    let completions = processes.completions();
    let processes: Arc<dyn Executor> = processes;
    let ids: Arc<dyn Ids> = Arc::new(OsIds::default());
    let ports = Ports {
        table: Arc::new(table),
        blobs: Arc::new(DirectoryBlobs::new(data)),
        queue: home,
        bus: Arc::new(Nowhere),
        timers: Arc::new(Nowhere),
        clock: Arc::new(SystemClock),
        ids,
    };
    let executors = Executors::none()
        .with([PROCESS], &processes)
        .with(porpoise_ports::source::KINDS, &processes);
    Ok((App::new(ports, executors), completions))
}

/// Another agent has the directory, or it is none.
fn in_use(error: &OpenError, data: &Path) -> Failure {
    if let OpenError::Locked { pid, .. } = error {
        let who = pid.map_or_else(
            || "another process".to_owned(),
            |pid| format!("process {pid}"),
        );
        let message = format!("an agent runs on `{}` already: {who}", data.display());
        return Failure::new(UNREACHABLE, message)
            .coded(Code::ServerRuns)
            .hint("stop that one first: a place has one agent");
    }
    Failure::new(USAGE, "cannot open the agent's store")
        .coded(Code::File)
        .because(error)
}
