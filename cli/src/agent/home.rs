//! The control plane as an agent sees it: orders are taken from it, and reports of jobs go to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use porpoise_app::Order;
use porpoise_app::job_item::JobId;
use porpoise_engine::input::ReportKind;
use porpoise_model::Address;
use porpoise_ports::queue::Message;
use porpoise_ports::{Bus, Ids as _, Queue, Timers, Unavailable};
use porpoise_system::OsIds;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::Client;
use crate::failure::{Failure, UNREACHABLE};
use crate::output::{note, print};

use super::outgoing::{Outgoing, index, reports_of, requests};

/// How long home is left alone after it did not answer: at first, and at most.
const REST: Duration = Duration::from_millis(500);
const REST_MAX: Duration = Duration::from_mins(1);
/// What is called home in errors.
pub(super) const HOME: &str = "home";

/// The control plane.
pub(super) struct Home {
    client: Client,
    place: String,
    secret: String,
    json: bool,
    ids: OsIds,
    state: Mutex<State>,
}

/// Ends that are remembered, so that none is said twice.
const ENDED_MAX: usize = 10_000;

#[derive(Default)]
struct State {
    /// Times in a row that it did not answer.
    failed: u32,
    /// It is left alone until then.
    until: Option<Instant>,
    /// Names of tasks that this process took, for people.
    names: BTreeMap<JobId, String>,
    /// Attempts of whose end people were told: home may be told again.
    ended: BTreeSet<JobId>,
}

/// What an agent took.
#[derive(Debug, Deserialize)]
pub(super) struct Taken {
    #[serde(default)]
    orders: Vec<TakenOrder>,
    #[serde(default)]
    wait_ms: u64,
}

#[derive(Debug, Deserialize)]
struct TakenOrder {
    receipt: String,
    order: String,
}

/// Orders, what they are called, and how long to wait when there are none.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) receipts: Vec<String>,
    pub(super) intents: Vec<Bytes>,
    pub(super) wait: Duration,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let home = &mut f.debug_struct("Home");
        home.field("place", &self.place).finish_non_exhaustive()
    }
}

impl Home {
    pub(super) fn new(client: Client, place: &str, secret: String, json: bool) -> Self {
        Self {
            client,
            place: place.to_owned(),
            secret,
            json,
            ids: OsIds::default(),
            state: Mutex::default(),
        }
    }

    /// Tells which orders were recorded, and gives what else there is to do.
    pub(super) async fn take(
        &self,
        recorded: &[String],
        replaces: bool,
    ) -> Result<Orders, Failure> {
        let request = json!({"secret": self.secret, "recorded": recorded, "replaces": replaces});
        let answer = self.ask("take", request).await?;
        let unreadable = |error: &dyn std::error::Error| {
            Failure::broken("the orders that home gives cannot be read", error)
        };
        let taken: Taken = serde_json::from_value(answer).map_err(|error| unreadable(&error))?;
        let mut orders = Orders {
            receipts: Vec::new(),
            intents: Vec::new(),
            wait: Duration::from_millis(taken.wait_ms),
        };
        for TakenOrder { receipt, order } in taken.orders {
            let order = BASE64.decode(order.as_bytes());
            let order = order.map_err(|error| unreadable(&error))?;
            self.tell_taken(&order);
            orders.receipts.push(receipt);
            orders.intents.push(order.into());
        }
        Ok(orders)
    }

    /// How long it is still left alone.
    pub(super) fn rest(&self) -> Duration {
        let until = self.state().until;
        until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    async fn ask(&self, what: &str, request: Value) -> Result<Value, Failure> {
        let path = format!("/places/{}/{what}", self.place);
        let client = self.client.clone();
        let asked = tokio::task::spawn_blocking(move || client.post(&path, &request)).await;
        let answer = asked.map_err(|error| Failure::broken("home was not asked", &error))?;
        self.note_answer(&answer);
        answer
    }

    fn note_answer(&self, answer: &Result<Value, Failure>) {
        let mut state = self.state();
        match answer {
            Err(failure) if is_passing(failure) => {
                if state.failed == 0 {
                    let causes = failure.causes.join(": ");
                    let why = [failure.message.as_str(), &causes];
                    let why: Vec<_> = why.into_iter().filter(|text| !text.is_empty()).collect();
                    note(&format!(
                        "{}; jobs go on, and home is asked again",
                        why.join(": ")
                    ));
                }
                self.client.find_again();
                state.failed = state.failed.saturating_add(1);
                let rest = rest(state.failed, self.ids.fresh());
                state.until = Some(Instant::now() + rest);
            }
            // It speaks, whatever it says.
            Ok(_) | Err(_) => {
                if state.failed > 0 {
                    note("home is back");
                }
                (state.failed, state.until) = (0, None);
            }
        }
    }

    /// Reports as many as fit in a request. Of what home never sent here, it hears nothing; what it does not take as it is
    /// becomes a failure that says so.
    async fn report(&self, mut reports: Vec<Outgoing>) -> Result<(), Unavailable> {
        let mut plainer = false;
        while !reports.is_empty() {
            let listed: Vec<Value> = reports.iter().map(Outgoing::json).collect();
            let request = json!({"secret": self.secret, "reports": listed});
            let Err(failure) = self.ask("reports", request).await else {
                for sent in &reports {
                    self.tell_reported(sent);
                }
                return Ok(());
            };
            let wrong = failure.paths.iter().filter_map(|path| index(path));
            let wrong: Vec<usize> = wrong.filter(|at| *at < reports.len()).collect();
            match failure.status {
                Some(400) if !wrong.is_empty() && !plainer => {
                    plainer = true;
                    for at in wrong {
                        if let Some(report) = reports.get_mut(at) {
                            report.simplify(&failure);
                        }
                    }
                }
                Some(400 | 403) if !wrong.is_empty() => {
                    let mut at = 0;
                    reports.retain(|report| {
                        let keep = !wrong.contains(&at);
                        at += 1;
                        if !keep {
                            let run = report.id.run;
                            note(&format!(
                                "home does not take a report of run {run}, which is dropped: {}",
                                failure.message
                            ));
                        }
                        keep
                    });
                }
                _ => return Err(Unavailable::new(HOME, failure.message)),
            }
        }
        Ok(())
    }

    fn tell_taken(&self, order: &[u8]) {
        let Ok(order) = minicbor::decode::<Order>(order) else {
            note("home sent an order that this release cannot read: it is kept among the blobs");
            return;
        };
        let id = order.job();
        let event = match order {
            Order::Dispatch(intent) => {
                let name = intent.job.task_name;
                self.state().names.insert(id, name);
                "taken"
            }
            Order::Cancel(_) => "to be stopped",
        };
        self.tell(id, event);
    }

    fn tell_reported(&self, sent: &Outgoing) {
        let event = match &sent.report.what {
            ReportKind::Accepted | ReportKind::Waiting { .. } => return,
            ReportKind::Started { .. } => "running".to_owned(),
            ReportKind::Succeeded { .. } => "succeeded".to_owned(),
            ReportKind::Failed { cause, .. } => format!("failed, {cause}"),
            ReportKind::Canceled { .. } => "canceled".to_owned(),
        };
        if sent.report.what.is_end() && !self.note_end(sent.id) {
            return;
        }
        self.tell(sent.id, &event);
        if sent.report.what.is_end() {
            self.state().names.remove(&sent.id);
        }
    }

    /// Whether it is news that this attempt is over.
    fn note_end(&self, id: JobId) -> bool {
        let mut state = self.state();
        if state.ended.len() >= ENDED_MAX {
            state.ended.clear();
        }
        state.ended.insert(id)
    }

    /// What happens to an attempt, as a line.
    fn tell(&self, id: JobId, event: &str) {
        let number = id.attempt.number;
        let name = self.state().names.get(&id).cloned();
        let line = if self.json {
            json!({"run": id.run, "task": name, "index": id.attempt.task, "attempt": number, "event": event})
                .to_string()
        } else {
            let name = name.unwrap_or_else(|| format!("task {}", id.attempt.task));
            format!("{name}#{number} of run {}: {event}", id.run)
        };
        print(&format!("{line}\n"));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether home may answer otherwise later, without anybody doing something about this agent.
pub(super) fn is_passing(failure: &Failure) -> bool {
    match failure.status {
        Some(status) => matches!(status, 408 | 429 | 500..=599),
        None => failure.exit == UNREACHABLE,
    }
}

/// How long home is left alone after so many failures: half of it for certain, so that agents that lost it together
/// do not come back together.
fn rest(failed: u32, dice: u128) -> Duration {
    let times = 2_u32.saturating_pow(failed.saturating_sub(1));
    let longest = REST.saturating_mul(times).min(REST_MAX);
    let [low, ..] = dice.to_le_bytes();
    longest / 2 + longest.mul_f64(f64::from(low) / 510.0)
}

/// What is sent was heard at home, durably.
#[async_trait]
impl Queue for Home {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        if !self.rest().is_zero() {
            return Err(Unavailable::new(HOME, "it did not answer a moment ago"));
        }
        let mut reports = Vec::new();
        for message in &messages {
            reports.extend(reports_of(message)?);
        }
        for request in requests(reports) {
            self.report(request).await?;
        }
        Ok(())
    }
}

/// An agent dispatches to itself alone, and is woken by its own poll loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nowhere;

#[async_trait]
impl Bus for Nowhere {
    async fn send(&self, place: &str, _: Vec<Bytes>) -> Result<(), Unavailable> {
        let why = format!("bug: an agent sends nothing to place `{place}`");
        Err(Unavailable::new("the bus", why))
    }
}

#[async_trait]
impl Timers for Nowhere {
    async fn wake(&self, aggregate: Address, _: Timestamp) -> Result<(), Unavailable> {
        let why = format!("bug: an agent arms no wake for `{aggregate}`");
        Err(Unavailable::new("the timers", why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_left_alone_longer_each_time_and_never_very_long() {
        let bounds = [1, 2, 3, 7, 8, u32::MAX].map(|failed| {
            let millis = |dice| rest(failed, dice).as_millis();
            (millis(0), millis(u128::MAX))
        });
        let wanted = [
            (250, 500),
            (500, 1_000),
            (1_000, 2_000),
            (16_000, 32_000),
            (30_000, 60_000),
            (30_000, 60_000),
        ];
        assert_eq!(bounds, wanted);
    }
}
