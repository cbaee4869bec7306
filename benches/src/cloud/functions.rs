//! Functions as Lambda runs them: copies that are kept for a while, one event at a time, billed by the millisecond.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use porpoise_app::{App, Executors, Ports};
use porpoise_functions::place::Place;
use porpoise_ports::usage::{Ledger, Line};
use porpoise_ports::{Clock, Executor, Ids};

use super::assumed::{CALL_CPU, INIT, WHOLE_CPU_MB};
use super::books::Cause;
use super::ports::{Cloud, CloudBlobs};
use super::region::{PLACE, Region, Storage, home};
use super::table::CloudTable;
use super::target::CloudEmr;
use super::time::{Nanos, lock, nanos, watched};
use super::world::Caller;

/// Bytes that a line of a log is billed by beyond its own. Source: `CloudWatch` Logs API reference, `PutLogEvents`.
const LINE_BESIDE_BYTES: usize = 26;

/// A function of the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Function {
    Api,
    Stepper,
    Trigger,
    Dispatcher,
    Poller,
}

impl Function {
    const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Stepper => "stepper",
            Self::Trigger => "trigger",
            Self::Dispatcher => "dispatcher",
            Self::Poller => "poller",
        }
    }
}

/// What a copy of a function works with.
#[derive(Debug, Clone)]
pub(crate) enum Handler {
    Home(Arc<App>),
    Place(Arc<Place>),
}

impl Handler {
    pub(crate) fn app(&self) -> &App {
        match self {
            Self::Home(app) => app,
            Self::Place(place) => &place.app,
        }
    }
}

/// A copy of a function.
#[derive(Debug)]
pub(crate) struct Copy {
    handler: Handler,
    caller: Caller,
    idle_since: Nanos,
}

impl Region {
    /// An app as `porpoise_functions::home` and `place` make it, over what is played here.
    pub(crate) fn app(&self, caller: &Caller, storage: &Storage, executors: Executors) -> App {
        let cloud = Arc::new(Cloud {
            caller: caller.clone(),
            region: self.me.clone(),
        });
        let table = CloudTable {
            caller: caller.clone(),
            table: Arc::clone(&storage.table),
        };
        let blobs = CloudBlobs {
            caller: caller.clone(),
            blobs: Arc::clone(&storage.blobs),
        };
        let clock: Arc<dyn Clock> = self.world.clone();
        let ids: Arc<dyn Ids> = self.world.clone();
        let ports = Ports {
            table: Arc::new(table),
            blobs: Arc::new(blobs),
            queue: cloud.clone(),
            bus: cloud,
            timers: Arc::new(Cloud {
                caller: caller.clone(),
                region: self.me.clone(),
            }),
            clock,
            ids,
        };
        App::new(ports, executors).at_home(home())
    }

    fn handler(&self, function: Function, caller: &Caller) -> Handler {
        match function {
            Function::Api | Function::Stepper | Function::Trigger => {
                let app = self.app(caller, &self.home, Executors::none());
                Handler::Home(Arc::new(app.swept()))
            }
            Function::Dispatcher | Function::Poller => {
                let emr: Arc<dyn Executor> = Arc::new(CloudEmr {
                    caller: caller.clone(),
                    region: self.me.clone(),
                });
                let executors = Executors::none().with([super::region::TARGET_KIND], &emr);
                let loops = Arc::new(Cloud {
                    caller: caller.clone(),
                    region: self.me.clone(),
                });
                let app = self.app(caller, &self.place, executors).with_loops(loops);
                Handler::Place(Arc::new(Place {
                    app,
                    name: PLACE.to_owned(),
                }))
            }
        }
    }

    /// The copy that was used last; those that were not used for long are thrown away.
    fn idle_copy(&self, function: Function) -> Option<Copy> {
        let now = self.world.time.now();
        let kept = nanos(self.settings.idle_max);
        let mut copies = lock(&self.copies);
        let idle = copies.entry(function).or_default();
        idle.retain(|copy| now.saturating_sub(copy.idle_since) <= kept);
        idle.pop()
    }

    /// A copy, and whether it is a new one.
    async fn copy(&self, function: Function) -> (Copy, bool) {
        if let Some(copy) = self.idle_copy(function) {
            return (copy, false);
        }
        self.world
            .deliver(|| format!("{} starts", function.name()), INIT)
            .await;
        let caller = Caller::new(&self.world, function.name());
        let copy = Copy {
            handler: self.handler(function, &caller),
            caller,
            idle_since: 0,
        };
        (copy, true)
    }

    /// Calls a function. `received` counts what came to it through a queue or a gateway.
    pub(crate) async fn invoke<T, F>(
        &self,
        function: Function,
        cause: Cause,
        received: impl FnOnce(&Ledger),
        work: impl FnOnce(Handler) -> F,
    ) -> T
    where
        F: Future<Output = T>,
    {
        let (mut copy, cold) = self.copy(function).await;
        let caller = copy.caller.clone();
        let before = (caller.ledger.usage(), caller.calls.load(Ordering::Relaxed));
        let begun = self.world.time.now();
        let (done, took) = watched(work(copy.handler.clone())).await;
        let calls = caller.calls.load(Ordering::Relaxed) - before.1;
        let waited = Duration::from_nanos(self.world.time.now() - begun);
        let many = u32::try_from(calls).unwrap_or(u32::MAX);
        let cpu = took.cpu + CALL_CPU * many;
        let megabytes = match function {
            Function::Poller => self.settings.poller_megabytes,
            Function::Api | Function::Stepper | Function::Trigger | Function::Dispatcher => {
                self.settings.megabytes
            }
        };
        let share =
            Duration::try_from_secs_f64(cpu.as_secs_f64() * whole(WHOLE_CPU_MB) / whole(megabytes));
        let ran = waited + share.unwrap_or(cpu);
        let billed = if cold { ran + INIT } else { ran };
        caller.ledger.invocation(megabytes, billed);
        received(&caller.ledger);
        let mut log = took.log_bytes + took.log_lines * LINE_BESIDE_BYTES;
        if self.settings.system_logs {
            log += of_lambda(ran, billed, megabytes, cold);
        }
        caller
            .ledger
            .count(Line::LogBytes, u64::try_from(log).unwrap_or(u64::MAX));
        let usage = caller.ledger.usage().since(&before.0);
        self.world.account(cause, |account| {
            account.invocations += 1;
            account.cold += u64::from(cold);
            account.calls += calls;
            account.usage.add_all(&usage);
        });
        copy.idle_since = self.world.time.now();
        lock(&self.copies).entry(function).or_default().push(copy);
        done
    }
}

fn whole(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Bytes of what Lambda itself writes of an invocation, in the form that is not JSON. Source: Lambda developer guide,
/// "Viewing `CloudWatch` logs for Lambda".
fn of_lambda(ran: Duration, billed: Duration, megabytes: u64, cold: bool) -> usize {
    let id = "8f507cfc-xmpl-4697-b07a-ac58fc914c95";
    let millis = |took: Duration| took.as_secs_f64() * 1e3;
    let init = millis(INIT);
    let init = if cold {
        format!("Init Duration: {init:.2} ms\t")
    } else {
        String::new()
    };
    let mut lines = vec![
        format!("START RequestId: {id} Version: $LATEST\n"),
        format!("END RequestId: {id}\n"),
        format!(
            "REPORT RequestId: {id}\tDuration: {:.2} ms\tBilled Duration: {:.0} ms\tMemory Size: {megabytes} MB\tMax Memory Used: 32 MB\t{init}\n",
            millis(ran),
            millis(billed).ceil(),
        ),
    ];
    if cold {
        lines.push(format!(
            "INIT_START Runtime Version: provided:al2023.v100\tRuntime Version ARN: arn:aws:lambda:eu-central-1::runtime:{:064}\n",
            0
        ));
    }
    lines
        .iter()
        .map(|line| line.len() + LINE_BESIDE_BYTES)
        .sum()
}
