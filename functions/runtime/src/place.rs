//! The app as the functions of a place have it, and what they do with it.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::SignedDuration;
use porpoise_app::job_log::JobLogError;
use porpoise_app::poll_loop::After;
use porpoise_app::{App, Executors, HOME, Ports};
use porpoise_executor_local::InstantExecutor;
use porpoise_ports::intents::Intents;
use porpoise_ports::logs::{LogCall, LogReply};
use porpoise_ports::{Clock, Executor};
use porpoise_system::{OsIds, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::Aws;
use crate::config::{Common, ConfigError, Reader, inputs_url, loop_arn};
use crate::targets::with_targets;
use crate::{ports, steps};

/// Where a function may write, for as long as its environment lives.
const SCRATCH: &str = "/tmp/porpoise";

/// What a function of a place works with.
#[derive(Debug)]
pub struct Place {
    /// Over the jobs table of the place.
    pub app: App,
    /// Its name.
    pub name: String,
}

impl Place {
    /// For functions that look after jobs: they report home, and neither step aggregates nor arm wakes.
    ///
    /// # Errors
    /// Everything that is wrong with the environment.
    pub fn of_process(mut env: Reader<'static>) -> Result<Self, ConfigError> {
        let config = (
            Aws::read(&mut env),
            Common::read(&mut env),
            inputs_url(&mut env),
            loop_arn(&mut env),
        );
        let (aws, common, inputs_url, loop_arn) = env.finish(config)?;
        let loops = ports::loops(&aws, loop_arn)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ports = Ports {
            table: ports::table(&aws, &common),
            blobs: ports::blobs(&aws, &common, &[HOME]),
            queue: ports::queue(&aws, &inputs_url),
            bus: Arc::new(ports::Never),
            timers: Arc::new(ports::Never),
            clock: Arc::clone(&clock),
            ids: Arc::new(OsIds::default()),
        };
        let executors = with_targets(executors(clock)?, &aws);
        let app = App::new(ports, executors).at_home(common.home);
        Ok(Self {
            app: app.with_loops(loops),
            name: common.place.to_string(),
        })
    }

    /// Carries out the intents of an event of the place's bus, or of an invocation in its shape.
    ///
    /// # Errors
    /// Something could not be recorded: the event is to be delivered again.
    pub async fn dispatch(&self, event: Dispatch) -> anyhow::Result<()> {
        let clock = &self.app.ports().clock;
        let begun = clock.now();
        let Intents { place, intents } = event.detail;
        self.is_here(&place)?;
        let count = intents.len();
        let dispatched = self.app.on_intents(&place, intents).await;
        let dispatched = dispatched.with_context(|| format!("cannot dispatch in `{place}`"))?;
        let took_ms = steps::millis(begun, clock.now());
        let open = dispatched.open;
        tracing::info!(place, intents = count, open, took_ms, "dispatched");
        Ok(())
    }

    /// One tick of the poll loop; `None`: the loop is over.
    ///
    /// # Errors
    /// The loop tries again.
    pub async fn tick(&self, asked: Tick) -> anyhow::Result<Option<Tock>> {
        let begun = self.app.ports().clock.now();
        let Tick { place, epoch, tick } = asked;
        self.is_here(&place)?;
        let after = self.app.loop_tick(&place, epoch, tick).await;
        let after = after.with_context(|| format!("cannot look after jobs in `{place}`"))?;
        let took_ms = steps::millis(begun, self.app.ports().clock.now());
        let wait = match after {
            After::Wait(wait) => Some(seconds(wait)),
            After::End => None,
        };
        tracing::info!(place, epoch, tick, wait, took_ms, "ticked");
        Ok(wait.map(|wait| Tock {
            wait,
            place,
            epoch,
            tick: tick + 1,
        }))
    }

    /// Starts the poll loop again, if somebody has stopped it.
    ///
    /// # Errors
    /// It is asked again after a while.
    pub async fn mend(&self, place: &str) -> anyhow::Result<()> {
        self.is_here(place)?;
        let mended = self.app.mend_loop(place).await;
        mended.with_context(|| format!("cannot look after the poll loop of `{place}`"))
    }

    /// A service says something of a job, as JSON.
    ///
    /// # Errors
    /// It is to be delivered again; the loop does not need it.
    pub async fn hear(&self, event: &str) -> anyhow::Result<()> {
        let begun = self.app.ports().clock.now();
        let place = self.name.as_str();
        let heard = self.app.on_news(place, event).await;
        let ours = heard.with_context(|| format!("cannot look after jobs in `{place}`"))?;
        let took_ms = steps::millis(begun, self.app.ports().clock.now());
        tracing::info!(place, ours, took_ms, "heard");
        Ok(())
    }

    /// A part of the log of an attempt, for the API at home.
    ///
    /// # Errors
    /// It was not read this time.
    pub async fn log(&self, call: &LogCall) -> anyhow::Result<LogReply> {
        let begun = self.app.ports().clock.now();
        let ask = call.read().context("cannot read what log is wanted")?;
        self.is_here(&ask.place)?;
        let answer = match self.app.log_here(&ask).await {
            Ok(read) => Ok(read),
            Err(JobLogError::None(none)) => Err(*none),
            Err(error) => {
                let (run, attempt) = (ask.run, ask.attempt);
                return Err(error).with_context(|| {
                    format!("cannot read the log of attempt {attempt} of run {run}")
                });
            }
        };
        let bytes = match &answer {
            Ok(Some(chunk)) => chunk.bytes.len(),
            Ok(None) | Err(_) => 0,
        };
        let why = answer.as_ref().err().map(|none| none.why.as_str());
        let took_ms = steps::millis(begun, self.app.ports().clock.now());
        tracing::info!(run_id = %ask.run, task = ask.task, attempt = ask.attempt, bytes, why, took_ms, "log read");
        Ok(LogReply::of(&answer))
    }

    fn is_here(&self, place: &str) -> anyhow::Result<()> {
        let name = &self.name;
        anyhow::ensure!(
            place == name,
            "what is for place `{place}` has come to `{name}`"
        );
        Ok(())
    }
}

/// Whole seconds, one at least: what a state machine waits is billed by the state, not by its length.
fn seconds(wait: SignedDuration) -> u64 {
    let millis = u64::try_from(wait.as_millis()).unwrap_or_default();
    millis.div_ceil(1_000).max(1)
}

/// What a place can run by itself. `noop` is over in the call that submits it, so nothing of it has to be remembered.
fn executors(clock: Arc<dyn Clock>) -> Result<Executors, ConfigError> {
    let instant = InstantExecutor::open(SCRATCH.as_ref(), clock);
    let instant = instant
        .map_err(|error| ConfigError(vec![format!("`{SCRATCH}` cannot be written to: {error}")]))?;
    let instant: Arc<dyn Executor> = instant;
    Ok(Executors::none().with_prompt(["noop"], &instant))
}

/// An event of the place's bus, or an invocation in its shape.
#[derive(Debug, Clone, Deserialize)]
pub struct Dispatch {
    /// What it carries.
    pub detail: Intents,
}

/// What the poller is called with.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum PollerEvent {
    /// By the loop.
    Tick(Tick),
    /// By a rule, now and then.
    Mend(Mend),
    /// By the API at home.
    Log(LogCall),
    /// By an event of a service.
    Service(Value),
}

/// Whose loop is to be looked after.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mend {
    /// The place.
    pub mend: String,
}

/// What the loop asks with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tick {
    /// The place.
    pub place: String,
    /// Which of its loops.
    pub epoch: u64,
    /// How many ticks this loop had before.
    pub tick: u32,
}

/// What the loop is answered, and asks with next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tock {
    /// Seconds until the next tick.
    pub wait: u64,
    /// The place.
    pub place: String,
    /// Which of its loops.
    pub epoch: u64,
    /// How many ticks this loop had.
    pub tick: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_the_bus_is_read_as_it_comes() {
        let event = r#"{
            "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "Intents", "source": "porpoise",
            "account": "111122223333", "time": "2017-12-22T18:43:48Z", "region": "eu-west-1", "resources": [],
            "detail": {"form": 1, "place": "aws.eu-west-1.111122223333", "intents": ["YQ"]}
        }"#;
        let event: Dispatch = serde_json::from_str(event).unwrap();
        assert_eq!(event.detail.intents, ["a"]);
    }

    #[test]
    fn a_tick_of_the_loop_is_told_from_events_of_services() {
        let tick = r#"{"wait": 5, "place": "aws.eu-west-1.111122223333", "epoch": 7, "tick": 9}"#;
        let tick: PollerEvent = serde_json::from_str(tick).unwrap();
        let PollerEvent::Tick(Tick {
            epoch: 7, tick: 9, ..
        }) = tick
        else {
            panic!("{tick:?}");
        };
        let mend = r#"{"mend": "aws.eu-west-1.111122223333"}"#;
        let mend: PollerEvent = serde_json::from_str(mend).unwrap();
        assert!(matches!(mend, PollerEvent::Mend(_)));
        let log = r#"{"log": {"form": 1, "body": "YQ"}}"#;
        let log: PollerEvent = serde_json::from_str(log).unwrap();
        assert!(matches!(log, PollerEvent::Log(_)));
        let event = r#"{"source": "aws.emr-serverless", "detail": {"state": "SUCCESS"}}"#;
        let event: PollerEvent = serde_json::from_str(event).unwrap();
        assert!(matches!(event, PollerEvent::Service(_)));
    }

    #[test]
    fn waits_are_whole_seconds_and_never_none() {
        let waits = [0, 1, 1_000, 1_001, 60_000].map(SignedDuration::from_millis);
        assert_eq!(waits.map(seconds), [1, 1, 1, 2, 60]);
    }
}
