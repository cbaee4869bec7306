//! Calls of functions: what for, as their binaries hand them on, and what came of it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use jiff::Timestamp;
use porpoise_bus_eventbridge::Intents;
use porpoise_functions::batch::{Attributes, SqsEvent, SqsMessage};
use porpoise_functions::place::{Dispatch, Tick, Tock};
use porpoise_functions::steps;
use porpoise_functions::wakes::{TriggerEvent, trigger};
use porpoise_model::Address;
use porpoise_ports::timers::Wake;
use serde_json::Value;

use crate::function::Memory;
use crate::mail::Leased;
use crate::world::{Ticking, micros};

/// What a call of a function came to.
pub(crate) enum Done {
    Stepped(Vec<String>),
    /// Whether it was handled.
    Handled(bool),
    Ticked(Result<Option<Tock>, ()>),
}

/// What a function was called for: kept outside of its future, which may be dropped at any call.
pub(crate) enum Cause {
    Inputs(Leased),
    Wake(Address, i64),
    Sweep(u32),
    Intents(usize, Vec<Bytes>, u32),
    News(usize, String, u32),
    Mend(usize, u32),
    Tick(Ticking),
}

pub(crate) type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

pub(crate) fn words(cause: &Cause) -> String {
    match cause {
        Cause::Inputs(leased) => format!("inputs of {}", leased.group),
        Cause::Wake(address, _) => format!("wake of {address}"),
        Cause::Sweep(tries) => format!("sweep, try {tries}"),
        Cause::Intents(_, intents, tries) => format!("{} intents, try {tries}", intents.len()),
        Cause::News(_, event, tries) => format!("news, try {tries}: {event}"),
        Cause::Mend(_, tries) => format!("mend, try {tries}"),
        Cause::Tick(tick) => format!("{tick:?}"),
    }
}

/// The call of a function, as its binary hands it on.
pub(crate) fn work(memory: &Memory, cause: &Cause) -> Work {
    match (memory.clone(), cause) {
        (Memory::Home(app), Cause::Inputs(leased)) => {
            let records = leased.records();
            Box::pin(async move {
                let response = steps::step(&app, SqsEvent { records }).await;
                let failed = response.batch_item_failures.into_iter();
                Done::Stepped(failed.map(|failed| failed.item_identifier).collect())
            })
        }
        (Memory::Home(app), Cause::Wake(aggregate, at)) => {
            let event = TriggerEvent::Wakes(wake(*aggregate, micros(*at)));
            Box::pin(async move {
                let response = trigger(&app, event).await;
                Done::Handled(response.is_ok_and(|one| one.batch_item_failures.is_empty()))
            })
        }
        (Memory::Home(app), _) => Box::pin(async move {
            let swept = trigger(&app, TriggerEvent::Sweep(Value::Null)).await;
            Done::Handled(swept.is_ok())
        }),
        (Memory::Place(place), Cause::Intents(_, intents, _)) => {
            let detail = Intents {
                place: place.name.clone(),
                intents: intents.clone(),
            };
            Box::pin(
                async move { Done::Handled(place.dispatch(Dispatch { detail }).await.is_ok()) },
            )
        }
        (Memory::Place(place), Cause::News(_, event, _)) => {
            let event = event.clone();
            Box::pin(async move { Done::Handled(place.hear(&event).await.is_ok()) })
        }
        (Memory::Place(place), Cause::Tick(tick)) => {
            let asked = Tick {
                place: place.name.clone(),
                epoch: tick.epoch,
                tick: tick.tick,
            };
            Box::pin(async move { Done::Ticked(place.tick(asked).await.map_err(drop)) })
        }
        (Memory::Place(place), _) => Box::pin(async move {
            let name = place.name.clone();
            Done::Handled(place.mend(&name).await.is_ok())
        }),
    }
}

fn wake(aggregate: Address, at: Timestamp) -> SqsEvent {
    let record = SqsMessage {
        message_id: "wake".to_owned(),
        body: Wake { aggregate, at }.to_string(),
        attributes: Attributes::default(),
    };
    SqsEvent {
        records: vec![record],
    }
}
