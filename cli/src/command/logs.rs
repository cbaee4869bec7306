//! `logs`: the log of an attempt, as it is or as it grows.

use std::io::Write as _;
use std::time::Duration;

use porpoise_api::Code;
use serde_json::json;

use crate::args::Logs;
use crate::client::{Client, WAIT, encode};
use crate::failure::{Failure, REFUSED};
use crate::output::{Session, note};
use crate::view::{self, Task};

use super::find::{self, RunAt};

/// Between two looks at a task that has no log yet.
const BETWEEN: Duration = Duration::from_millis(200);

/// Prints the log of a task's attempt.
pub(crate) fn logs(session: &Session, args: &Logs) -> Result<u8, Failure> {
    let client = session.client()?;
    let at = find::run(session, &client, &args.run.run)?;
    let client = if args.follow {
        client.patient()
    } else {
        client
    };
    let look = || task(&client, &at, &args.task);
    let mut now_is = look()?;
    while args.follow && now_is.attempt == 0 && !view::is_over(&now_is.state) {
        std::thread::sleep(BETWEEN);
        now_is = look()?;
    }
    let attempt = args.attempt.unwrap_or(now_is.attempt);
    if attempt == 0 {
        return Err(
            Failure::new(REFUSED, format!("task `{}` has no attempt yet", args.task))
                .coded(Code::NoLog)
                .cause(view::words(&now_is.reason))
                .hint("`-f` waits for one"),
        );
    }
    if attempt > now_is.attempt && !args.follow {
        let made = match now_is.attempt {
            1 => "its only one is 1".to_owned(),
            last => format!("its latest one is {last}"),
        };
        let message = format!("task `{}` has no attempt {attempt}", args.task);
        return Err(Failure::new(REFUSED, message).cause(made));
    }
    let path = at.path(&format!(
        "/tasks/{}/attempts/{attempt}/log",
        encode(&args.task)
    ));
    let mut sink = Sink::new(session.json);
    let mut from = 0;
    loop {
        let wait = if args.follow {
            format!("&follow=true&wait={}s", WAIT.as_secs())
        } else {
            String::new()
        };
        let chunk = match client.log(&format!("{path}?from={from}{wait}"))? {
            Ok(chunk) => chunk,
            Err(none) => {
                if args.follow && !over(&look()?, attempt) {
                    std::thread::sleep(BETWEEN);
                    continue;
                }
                sink.none = Some(none);
                break;
            }
        };
        let grown = !chunk.bytes.is_empty();
        sink.take(&chunk.bytes);
        from = chunk
            .next
            .max(from + u64::try_from(chunk.bytes.len()).unwrap_or(0));
        if chunk.end || (!grown && (!args.follow || over(&look()?, attempt))) {
            break;
        }
    }
    sink.finish(&args.task, attempt, now_is.simulated);
    Ok(0)
}

fn task(client: &Client, at: &RunAt, name: &str) -> Result<Task, Failure> {
    Ok(view::read(
        &client.get(&at.path(&format!("/tasks/{}", encode(name))))?,
    ))
}

/// Whether an attempt has ended: a later one exists, or the task is over or waits for the next.
fn over(task: &Task, attempt: u32) -> bool {
    task.attempt > attempt || view::is_over(&task.state) || task.state == "up_for_retry"
}

/// Where the log goes: straight on, or into one JSON value.
#[derive(Debug)]
struct Sink {
    kept: Option<Vec<u8>>,
    any: bool,
    /// Why there is none.
    none: Option<Failure>,
}

impl Sink {
    fn new(json: bool) -> Self {
        Self {
            kept: json.then(Vec::new),
            any: false,
            none: None,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.any |= !bytes.is_empty();
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
            return;
        }
        let mut stdout = anstream::stdout().lock();
        // A pipe that was closed has enough.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    fn finish(self, task: &str, attempt: u32, simulated: bool) {
        if let Some(kept) = self.kept {
            let value =
                json!({"task": task, "attempt": attempt, "log": String::from_utf8_lossy(&kept)});
            crate::output::print(&format!("{value}\n"));
        } else if !self.any && simulated {
            note("there is no log: the task was simulated, nothing ran");
        } else if let Some(none) = self.none.filter(|_| !self.any) {
            note(&none.in_a_line());
        } else if !self.any {
            note("the log is empty");
        }
    }
}
