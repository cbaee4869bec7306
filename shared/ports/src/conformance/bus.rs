//! What every bus promises. A suite names the receiving side, which is the host's.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Bus;

/// The places that a suite sends to.
pub const PLACES: [&str; 2] = ["local", "eu-west"];

/// The receiving side of a bus, that of all places.
#[async_trait]
pub trait Dispatched: Send + Sync {
    /// Some of what has arrived, by place; nothing if nothing has come for about a second.
    async fn next(&self) -> Vec<(String, Vec<Bytes>)>;
}

/// What arrived, by place, sorted: order means nothing.
type Arrived = BTreeMap<String, Vec<Bytes>>;

fn sorted(mut arrived: Arrived) -> Arrived {
    for intents in arrived.values_mut() {
        intents.sort();
    }
    arrived
}

async fn arrivals(dispatched: &impl Dispatched, count: usize) -> Arrived {
    let mut arrived = Arrived::new();
    while arrived.values().map(Vec::len).sum::<usize>() < count {
        let batches = dispatched.next().await;
        if batches.is_empty() {
            break;
        }
        for (place, intents) in batches {
            arrived.entry(place).or_default().extend(intents);
        }
    }
    sorted(arrived)
}

/// At their place and at no other.
pub async fn intents_arrive_at_their_place<B: Bus, D: Dispatched, G>(
    make: impl AsyncFn() -> (B, D, G),
) {
    let (bus, dispatched, _guard) = make().await;
    let mut sent = Arrived::new();
    for (number, place) in PLACES.into_iter().cycle().take(6).enumerate() {
        let intents: Vec<Bytes> = (0..4)
            .map(|intent| format!("{number}.{intent} for {place}").into())
            .collect();
        sent.entry(place.to_owned())
            .or_default()
            .extend(intents.clone());
        bus.send(place, intents).await.expect("send");
    }
    assert_eq!(arrivals(&dispatched, 24).await, sorted(sent));
    assert_eq!(
        arrivals(&dispatched, 1).await,
        Arrived::new(),
        "nothing more"
    );
}

/// One call may carry a whole night.
pub async fn thousands_of_intents_arrive<B: Bus, D: Dispatched, G>(
    make: impl AsyncFn() -> (B, D, G),
) {
    let (bus, dispatched, _guard) = make().await;
    let intents: Vec<Bytes> = (0..2_000)
        .map(|number| format!("{number:0>700}").into())
        .collect();
    bus.send(PLACES[0], intents.clone()).await.expect("send");
    let arrived = arrivals(&dispatched, intents.len()).await;
    let arrived = arrived.get(PLACES[0]).map(Vec::as_slice);
    let arrived = arrived.unwrap_or_default();
    assert_eq!(arrived.len(), intents.len());
    assert!(arrived == intents, "others than were sent");
}

/// Nothing at all, every byte, and as much as the application puts into one call.
pub async fn intents_arrive_as_they_are<B: Bus, D: Dispatched, G>(
    make: impl AsyncFn() -> (B, D, G),
) {
    let (bus, dispatched, _guard) = make().await;
    let mut intents: Vec<Bytes> = [0, 1, 256, 70_000, 200 * 1024]
        .map(|size| (0_u8..=255).cycle().take(size).collect())
        .into();
    bus.send(PLACES[0], intents.clone()).await.expect("send");
    let arrived = arrivals(&dispatched, intents.len()).await;
    intents.sort();
    assert!(arrived.get(PLACES[0]) == Some(&intents));
}

/// They are two intents.
pub async fn equal_intents_all_arrive<B: Bus, D: Dispatched, G>(make: impl AsyncFn() -> (B, D, G)) {
    let (bus, dispatched, _guard) = make().await;
    for _ in 0..2 {
        let intents = vec![Bytes::from_static(b"again"); 2];
        bus.send(PLACES[0], intents).await.expect("send");
    }
    let wanted = [(PLACES[0].to_owned(), vec![Bytes::from_static(b"again"); 4])];
    assert_eq!(arrivals(&dispatched, 4).await, wanted.into());
}

/// And arrive as nothing.
pub async fn no_intents_are_no_fault<B: Bus, D: Dispatched, G>(make: impl AsyncFn() -> (B, D, G)) {
    let (bus, dispatched, _guard) = make().await;
    bus.send(PLACES[0], Vec::new()).await.expect("send nothing");
    let arrived = arrivals(&dispatched, 1).await;
    let intents: usize = arrived.values().map(Vec::len).sum();
    assert_eq!(intents, 0);
}
