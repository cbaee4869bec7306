//! Invoking the dispatchers of places.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use bytes::Bytes;
use futures_util::future::try_join_all;
use porpoise_ports::backoff::backoff;
use porpoise_ports::intents::{Room, details};
use porpoise_ports::usage::{CHUNK_BYTES, Ledger, Line};
use porpoise_ports::{Bus, Unavailable};

use crate::error::{NoRegion, SendError};

/// What an invocation may hold. Source: Lambda API reference, `Invoke`: 1 MB if it is asynchronous, which is read here
/// as the smaller of the megabytes. Up to a chunk, several are carried out side by side; fuller ones would save a
/// five-millionth of a dollar each.
const ROOM: Room = Room {
    shared_bytes: CHUNK_BYTES,
    bytes_max: 1_000_000,
};
/// Bytes of an asynchronous invocation that is billed as one request; each chunk begun beyond is billed as one more.
/// Source: Lambda pricing.
const REQUEST_BYTES: usize = 256 * 1024;
/// Calls that are on their way at the same time.
const CALLS_MAX: usize = 8;

/// Which dispatchers, and how long their sender waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ARN of the dispatcher of each place, by the place as it prints. What is for another place is refused.
    pub dispatchers: BTreeMap<String, String>,
    /// After this long, repeats and the client's retries included, a send has failed.
    pub patience: Duration,
}

/// Intents through asynchronous invocations.
#[derive(Debug, Clone)]
pub struct LambdaBus {
    /// By place.
    routes: BTreeMap<String, Route>,
    patience: Duration,
    ledger: Ledger,
}

/// The way to a dispatcher.
#[derive(Debug, Clone)]
struct Route {
    /// Of the function's own region: no other one knows it.
    client: Client,
    function: String,
}

impl LambdaBus {
    /// Invokes the dispatchers of `settings`. `client_of` makes a client of a region, once for each region that has one.
    ///
    /// # Errors
    /// A dispatcher has no ARN that says its region.
    pub fn new(
        settings: Settings,
        mut client_of: impl FnMut(&str) -> Client,
    ) -> Result<Self, NoRegion> {
        let mut clients: BTreeMap<String, Client> = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for (place, function) in settings.dispatchers {
            let Some(region) = region(&function) else {
                return Err(NoRegion { place, function });
            };
            let known = clients.entry(region.to_owned());
            let client = known.or_insert_with(|| client_of(region)).clone();
            routes.insert(place, Route { client, function });
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

    /// Whether intents for this place go this way.
    pub fn leads_to(&self, place: &str) -> bool {
        self.routes.contains_key(place)
    }

    async fn send_within(&self, place: &str, intents: &[Bytes]) -> Result<(), SendError> {
        let route = self.routes.get(place);
        let route = route.ok_or_else(|| SendError::Place(place.to_owned()))?;
        let details = details(place, intents, ROOM)?;
        let last = Mutex::new(None);
        let sending = route.send_all(&details, &self.ledger, &last);
        let sent = tokio::time::timeout(self.patience, sending).await;
        // What was complained of says more than that time is over.
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        sent.unwrap_or_else(
            |_| Err(last.unwrap_or_else(|| SendError::Late(route.function.clone()))),
        )
    }
}

/// `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME`. Source: Lambda API reference, `Invoke`.
fn region(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    match parts[..] {
        ["arn", _, "lambda", region, _, "function", name]
            if !region.is_empty() && !name.is_empty() =>
        {
            Some(region)
        }
        _ => None,
    }
}

impl Route {
    async fn send_all(
        &self,
        details: &[String],
        ledger: &Ledger,
        last: &Mutex<Option<SendError>>,
    ) -> Result<(), SendError> {
        for some in details.chunks(CALLS_MAX) {
            let calls = some.iter().map(|detail| self.hand_over(detail, last));
            try_join_all(calls).await?;
            for detail in some {
                ledger.count(Line::FunctionRequests, beyond_one(detail));
            }
        }
        Ok(())
    }

    /// Again and again, until it is taken or refused.
    async fn hand_over(
        &self,
        detail: &str,
        last: &Mutex<Option<SendError>>,
    ) -> Result<(), SendError> {
        let mut tries = 0;
        loop {
            match self.invoke(detail).await {
                Err(complaint @ SendError::NotTaken { .. }) => {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(complaint);
                }
                done => return done,
            }
            tries += 1;
            pause(detail, tries).await;
        }
    }

    async fn invoke(&self, detail: &str) -> Result<(), SendError> {
        let call = self.client.invoke().function_name(&self.function);
        let call = call.invocation_type(InvocationType::Event);
        let answer = call.payload(Blob::new(payload(detail))).send().await;
        answer
            .map(drop)
            .map_err(|error| SendError::of(&self.function, error))
    }
}

/// What the dispatcher is handed: as much of an event of a bus as it reads.
fn payload(detail: &str) -> String {
    format!(r#"{{"source":"porpoise","detail-type":"Intents","detail":{detail}}}"#)
}

/// Requests that an invocation is billed as beyond the one that it is.
fn beyond_one(detail: &str) -> u64 {
    let beyond = payload(detail).len().saturating_sub(REQUEST_BYTES);
    u64::try_from(beyond.div_ceil(CHUNK_BYTES)).unwrap_or(u64::MAX)
}

/// The invocations that [`LambdaBus`] makes for these intents, told by the `detail` that each carries and by the requests
/// that it is billed as beyond the one that every invocation is. For those who count calls and what they cost; up to
/// eight are made at the same time.
///
/// # Errors
/// One of them fits in no invocation.
pub fn outline(place: &str, intents: &[Bytes]) -> Result<Vec<(String, u64)>, Unavailable> {
    let details = details(place, intents, ROOM);
    let details = details.map_err(|error| Unavailable::new("the bus", error))?;
    let invocation = |detail: String| {
        let beyond = beyond_one(&detail);
        (detail, beyond)
    };
    Ok(details.into_iter().map(invocation).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a repeat inside one call of the port, which is nothing that a timer effect could do"
)]
async fn pause(seed: &str, tries: u32) {
    tokio::time::sleep(backoff(seed.as_bytes(), tries)).await;
}

#[async_trait]
impl Bus for LambdaBus {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        let sent = self.send_within(place, &intents).await;
        sent.map_err(|error| Unavailable::new("the bus", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dispatcher_is_asked_in_its_own_region() {
        let ours = "arn:aws-cn:lambda:cn-north-1:111122223333:function:porpoise-dispatcher";
        assert_eq!(region(ours), Some("cn-north-1"));
        for function in [
            "porpoise-dispatcher",
            "",
            "arn:aws:lambda::111122223333:function:porpoise-dispatcher",
            "arn:aws:lambda:eu-west-1:111122223333:function:",
            "arn:aws:events:eu-west-1:111122223333:event-bus/porpoise",
        ] {
            assert_eq!(region(function), None, "{function}");
        }
    }

    #[test]
    fn an_invocation_is_one_request_up_to_a_size_and_more_beyond() {
        let around = payload("").len();
        for (bytes, beyond) in [
            (2, 0),
            (REQUEST_BYTES - around, 0),
            (REQUEST_BYTES - around + 1, 1),
            (REQUEST_BYTES - around + CHUNK_BYTES, 1),
            (REQUEST_BYTES - around + CHUNK_BYTES + 1, 2),
        ] {
            assert_eq!(beyond_one(&"x".repeat(bytes)), beyond, "{bytes}");
        }
    }

    #[test]
    fn what_is_outlined_is_what_a_send_invokes_with() {
        let intents = [vec![7; 100], vec![7; 300_000], vec![7; 10]].map(Bytes::from);
        let calls = outline("eu", &intents).unwrap();
        let beyond: Vec<u64> = calls.iter().map(|(_, beyond)| *beyond).collect();
        // 400,000 characters are 137,856 beyond 256 KB, and a little around them
        assert_eq!(beyond, [0, 3, 0]);
        for (detail, _) in calls {
            let payload: serde_json::Value = serde_json::from_str(&payload(&detail)).unwrap();
            let detail: serde_json::Value = serde_json::from_str(&detail).unwrap();
            assert_eq!(payload["detail"], detail);
        }
    }
}
