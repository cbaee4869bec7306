//! `__work`: does jobs that are no programs by themselves. The wrapper of an attempt starts it, as it starts scripts.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use porpoise_executor_http::{CallError, Called, call};
use porpoise_executor_local::helper::{Helper, Told};
use porpoise_executor_sql::Error;
use porpoise_model::job::{HttpCall, SqlMore, Statement, Work};
use porpoise_model::{Outputs, Value, ValueType};

use porpoise_ports::source::Source;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::BROKEN;

/// Does the job in `dir`. What it prints is the log of the job; how it ended is told by a file.
pub(crate) fn run(dir: &Path) -> ExitCode {
    let done = || -> io::Result<()> {
        let helper = Helper::open(dir)?;
        let told = told(&helper);
        if let Told::Failed { message } | Told::Rejected { message } = &told {
            crate::output::note(message);
        }
        helper.tell(&told)
    };
    match done() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::output::note(&format!("the job cannot be done: {error}"));
            ExitCode::from(BROKEN)
        }
    }
}

fn told(helper: &Helper) -> Told {
    match &helper.job().work {
        Work::Http { call } => http(helper, call),
        Work::Sql {
            statement,
            arguments,
            database,
            more,
            ..
        } => {
            let more = more.as_deref().cloned().unwrap_or_default();
            let statement = Statement {
                text: statement.clone(),
                arguments: arguments.clone(),
                types: more.types.clone(),
            };
            sql(helper, &statement, database.as_deref(), &more)
        }
        Work::Noop
        | Work::Sleep { .. }
        | Work::Shell { .. }
        | Work::Python { .. }
        | Work::Command { .. }
        | Work::External { .. }
        | Work::Spark { .. }
        | Work::Hive { .. }
        | Work::Function { .. }
        | Work::StateMachine { .. } => Told::Rejected {
            message: format!(
                "tasks of the kind `{}` are not done by this program",
                helper.job().work.word()
            ),
        },
    }
}

fn http(helper: &Helper, call_: &HttpCall) -> Told {
    let called = revealed(helper, call_)
        .map_err(CallError::Impossible)
        .and_then(|ready| call(&ready, &mut io::stdout().lock()));
    match called {
        Ok(Called { status, response }) => {
            let status = Value {
                kind: ValueType::Integer,
                text: status.to_string(),
            };
            let outputs = [("status", status), ("response", Value::text(response))];
            let outputs = outputs.map(|(name, value)| (name.to_owned(), value));
            Told::Done {
                outputs: Outputs::from(outputs),
            }
        }
        Err(CallError::Impossible(message)) => Told::Rejected { message },
        Err(error @ (CallError::Failed(_) | CallError::Log(_))) => Told::Failed {
            message: error.to_string(),
        },
    }
}

fn sql(helper: &Helper, statement: &Statement, database: Option<&str>, more: &SqlMore) -> Told {
    let job = helper.job();
    let rejected = |message: String| Told::Rejected { message };
    let Some(target) = &job.target else {
        return rejected("a statement needs a target that is a data source".to_owned());
    };
    let source = match Source::read(&target.kind, &target.settings) {
        Ok(source) => source,
        Err(faults) => return rejected(porpoise_ports::target::told(&faults)),
    };
    let asked = porpoise_executor_sql::Job {
        source: &source,
        password: helper.password(),
        database,
        before: &more.before,
        statement,
        after: &more.after,
        rows: more.rows,
        limit: more.limit,
        outputs: &job.outputs,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return Told::Failed {
                message: format!("the runtime cannot be started: {error}"),
            };
        }
    };
    let done = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async move {
            terminate.recv().await;
        };
        let mut out = io::stdout();
        porpoise_executor_sql::run(&asked, stop, &mut out).await
    });
    // a statement in this process that does not hear does not hold it
    runtime.shutdown_background();
    match done {
        Ok(outputs) => Told::Done { outputs },
        Err(Error::Impossible(message)) => rejected(message),
        Err(error @ (Error::Failed(_) | Error::Stopped | Error::Log(_))) => Told::Failed {
            message: error.to_string(),
        },
    }
}

/// The call with its secrets.
fn revealed(helper: &Helper, call: &HttpCall) -> Result<HttpCall, String> {
    let plain = |text: &str| helper.reveal(text, str::to_owned);
    let pairs = |pairs: &[(String, String)]| -> Result<Vec<(String, String)>, String> {
        let pair = |(name, text): &(String, String)| Ok((name.clone(), plain(text)?));
        pairs.iter().map(pair).collect()
    };
    let body = |text: &String| helper.reveal(text, if call.json { in_json } else { str::to_owned });
    Ok(HttpCall {
        url: plain(&call.url)?,
        query: pairs(&call.query)?,
        headers: pairs(&call.headers)?,
        body: call.body.as_ref().map(body).transpose()?,
        ..call.clone()
    })
}

/// As it stands within a text of JSON.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}
