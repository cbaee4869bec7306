//! Sending to the buses of places.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use bytes::Bytes;
use porpoise_ports::backoff::backoff;
use porpoise_ports::intents::details;
use porpoise_ports::usage::{Ledger, Line};
use porpoise_ports::{Bus, Unavailable};

use crate::error::{NoRegion, SendError};
use crate::event::{CALL_BYTES_MAX, DETAIL_TYPE, ROOM, SOURCE, billed, event_bytes};

/// Events of one call. Source: EventBridge API reference, `PutEvents`.
const CALL_EVENTS_MAX: usize = 10;
/// What is said of an event that the answer does not speak of.
const LEFT_OUT: &str = "it was left out of the answer";

/// Which buses, and how long their sender waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ARN of the bus of each place, by the place as it prints. What is for another place is refused.
    pub buses: BTreeMap<String, String>,
    /// After this long, repeats and the client's retries included, a send has failed.
    pub patience: Duration,
}

/// Intents through EventBridge.
#[derive(Debug, Clone)]
pub struct EventBridgeBus {
    /// By place.
    routes: BTreeMap<String, Route>,
    patience: Duration,
    ledger: Ledger,
}

/// The way to a bus.
#[derive(Debug, Clone)]
struct Route {
    /// Of the bus's own region: no other one takes events for it.
    client: Client,
    bus: String,
}

impl EventBridgeBus {
    /// Sends to the buses of `settings`. `client_of` makes a client of a region, once for each region that has a bus.
    ///
    /// # Errors
    /// A bus has no ARN that says its region.
    pub fn new(
        settings: Settings,
        mut client_of: impl FnMut(&str) -> Client,
    ) -> Result<Self, NoRegion> {
        let mut clients: BTreeMap<String, Client> = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for (place, bus) in settings.buses {
            let Some(region) = region(&bus) else {
                return Err(NoRegion { place, bus });
            };
            let known = clients.entry(region.to_owned());
            let client = known.or_insert_with(|| client_of(region)).clone();
            routes.insert(place, Route { client, bus });
        }
        Ok(Self {
            routes,
            patience: settings.patience,
            ledger: Ledger::default(),
        })
    }

    /// Counts what it uses in `ledger`, and no longer in one that nobody reads.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    async fn send_within(&self, place: &str, intents: &[Bytes]) -> Result<(), SendError> {
        let route = self.routes.get(place);
        let route = route.ok_or_else(|| SendError::Place(place.to_owned()))?;
        let details = details(place, intents, ROOM)?;
        let mut last = None;
        let sending = route.send_all(details, &self.ledger, &mut last);
        let sent = tokio::time::timeout(self.patience, sending).await;
        // What was complained of says more than that time is over.
        sent.unwrap_or_else(|_| Err(last.unwrap_or_else(|| SendError::Late(route.bus.clone()))))
    }
}

/// `arn:PARTITION:events:REGION:ACCOUNT:event-bus/NAME`. Source: EventBridge API reference, `PutEventsRequestEntry`.
fn region(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "events", region, _, _] if !region.is_empty() => Some(region),
        _ => None,
    }
}

impl Route {
    async fn send_all(
        &self,
        mut details: Vec<String>,
        ledger: &Ledger,
        last: &mut Option<SendError>,
    ) -> Result<(), SendError> {
        let mut tries = 0;
        while !details.is_empty() {
            let before = details.len();
            let mut left = Vec::new();
            for call in calls(details) {
                left.extend(self.call(call, ledger, last).await?);
            }
            details = left;
            if let Some(first) = details.first() {
                // Who gets somewhere need not wait longer and longer.
                tries = if details.len() < before { 0 } else { tries + 1 };
                pause(first, tries).await;
            }
        }
        Ok(())
    }

    /// Returns what was not taken.
    async fn call(
        &self,
        details: Vec<String>,
        ledger: &Ledger,
        last: &mut Option<SendError>,
    ) -> Result<Vec<String>, SendError> {
        let bus = self.bus.as_str();
        let entries = details.iter().map(|detail| entry(bus, detail)).collect();
        let call = self.client.put_events().set_entries(Some(entries));
        let output = call.send().await.map_err(|error| SendError::Call {
            bus: bus.to_owned(),
            source: error.into(),
        })?;
        let mut left = Vec::new();
        let answers = output.entries().iter().map(Some);
        let answers = answers.chain(std::iter::repeat(None));
        for (detail, answer) in details.into_iter().zip(answers) {
            if answer.is_some_and(|answer| answer.event_id().is_some()) {
                ledger.count(Line::Events, billed(&detail));
                continue;
            }
            let complaint = complaint(bus, answer);
            if let SendError::Refused { .. } = complaint {
                return Err(complaint);
            }
            *last = Some(complaint);
            left.push(detail);
        }
        Ok(left)
    }
}

fn entry(bus: &str, detail: &str) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(SOURCE)
        .detail_type(DETAIL_TYPE)
        .detail(detail)
        .build()
}

/// Why an event was not taken. An answer that forgets one is no acknowledgement.
fn complaint(bus: &str, answer: Option<&PutEventsResultEntry>) -> SendError {
    let code = answer.and_then(PutEventsResultEntry::error_code);
    let (bus, code) = (bus.to_owned(), code.unwrap_or(LEFT_OUT).to_owned());
    if may_be_taken_later(&code) {
        return SendError::NotTaken { bus, code };
    }
    let message = answer.and_then(PutEventsResultEntry::error_message);
    let message = message.unwrap_or_default().to_owned();
    SendError::Refused { bus, code, message }
}

/// Source: EventBridge API reference, `PutEventsResultEntry`, which names the codes that may be tried again.
fn may_be_taken_later(code: &str) -> bool {
    let passing = ["Throttl", "Internal", "Unavailable", LEFT_OUT];
    passing.iter().any(|part| code.contains(part))
}

/// Details in calls that EventBridge takes, in order.
fn calls(details: Vec<String>) -> Vec<Vec<String>> {
    let mut calls: Vec<Vec<String>> = Vec::new();
    let mut used = 0;
    for detail in details {
        let bytes = event_bytes(&detail);
        match calls.last_mut() {
            Some(call) if call.len() < CALL_EVENTS_MAX && used + bytes <= CALL_BYTES_MAX => {
                used += bytes;
                call.push(detail);
            }
            Some(_) | None => {
                used = bytes;
                calls.push(vec![detail]);
            }
        }
    }
    calls
}

/// The calls that [`EventBridgeBus`] makes for these intents, one after the other, if all is taken: each a list of
/// events, told by their detail and by what they are billed as. For those who count calls and what they cost.
///
/// # Errors
/// One of them fits in no event.
pub fn outline(place: &str, intents: &[Bytes]) -> Result<Vec<Vec<(String, u64)>>, Unavailable> {
    let details = details(place, intents, ROOM);
    let details = details.map_err(|error| Unavailable::new("the bus", error))?;
    let call = |call: Vec<String>| {
        let events = call.into_iter().map(|detail| {
            let billed = billed(&detail);
            (detail, billed)
        });
        events.collect()
    };
    Ok(calls(details).into_iter().map(call).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a repeat inside one call of the port, which is nothing that a timer effect could do"
)]
async fn pause(seed: &str, tries: u32) {
    tokio::time::sleep(backoff(seed.as_bytes(), tries)).await;
}

#[async_trait]
impl Bus for EventBridgeBus {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        let sent = self.send_within(place, &intents).await;
        sent.map_err(|error| Unavailable::new("the bus", error))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eventbridge::config::{BehaviorVersion, Config, Region};

    use super::*;

    fn settings(buses: &[(&str, &str)]) -> Settings {
        let buses = buses
            .iter()
            .map(|(place, bus)| ((*place).to_owned(), (*bus).to_owned()));
        Settings {
            buses: buses.collect(),
            patience: Duration::from_secs(1),
        }
    }

    fn client(region: &str) -> Client {
        let config = Config::builder().behavior_version(BehaviorVersion::latest());
        Client::from_conf(config.region(Region::new(region.to_owned())).build())
    }

    #[test]
    fn each_region_has_one_client_and_each_bus_that_of_its_own() {
        let settings = settings(&[
            (
                "a",
                "arn:aws:events:eu-west-1:111122223333:event-bus/porpoise",
            ),
            (
                "b",
                "arn:aws-cn:events:cn-north-1:111122223333:event-bus/porpoise",
            ),
            (
                "c",
                "arn:aws:events:eu-west-1:444455556666:event-bus/porpoise",
            ),
        ]);
        let mut made = Vec::new();
        let bus = EventBridgeBus::new(settings, |region| {
            made.push(region.to_owned());
            client(region)
        });
        assert_eq!(made, ["eu-west-1", "cn-north-1"]);
        let bus = bus.unwrap();
        let routes = bus.routes.iter().map(|(place, route)| {
            let region = route.client.config().region().unwrap();
            (place.as_str(), region.as_ref())
        });
        let wanted = [("a", "eu-west-1"), ("b", "cn-north-1"), ("c", "eu-west-1")];
        assert_eq!(routes.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn a_bus_without_a_region_is_refused_by_name() {
        for bus in [
            "porpoise",
            "",
            "arn:aws:events::111122223333:event-bus/porpoise",
            "arn:aws:sqs:eu-west-1:111122223333:porpoise",
        ] {
            let error = EventBridgeBus::new(settings(&[("eu", bus)]), client).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("place `eu`") && said.contains(bus), "{said}");
        }
    }
}
