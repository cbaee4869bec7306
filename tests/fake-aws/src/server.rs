//! HTTP: a request at a time, and whatever is due in between.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::answer;
use crate::mail::Sink;
use crate::postman;
use crate::request::Request;
use crate::world::World;

/// How often is looked whether something is due.
const TICK: Duration = Duration::from_millis(10);

pub(crate) type Shared = Arc<Mutex<World>>;

/// The world, also if a thread died while it held it: it is as that thread left it.
pub(crate) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers on `listener` until `ends` says so.
pub(crate) async fn serve(
    listener: TcpListener,
    world: Shared,
    mut ends: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let router = axum::Router::new()
        .fallback(handle)
        .with_state(world.clone());
    let ended = async move { _ = ends.wait_for(|ends| *ends).await };
    let serving = axum::serve(listener, router);
    tokio::select! {
        outcome = serving => outcome,
        () = ended => Ok(()),
        () = tick(world) => Ok(()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake's own loop: time has to pass for somebody who only waits for events"
)]
async fn tick(world: Shared) {
    loop {
        tokio::time::sleep(TICK).await;
        let (sink, events) = {
            let mut world = lock(&world);
            world.settle();
            let sink = world.options.sink.clone();
            let events = match sink {
                Sink::Keep => Vec::new(),
                Sink::Post(_) | Sink::PutEvents(_) => std::mem::take(&mut world.kept),
            };
            (sink, events)
        };
        if !events.is_empty() {
            let delivering = tokio::task::spawn_blocking(move || postman::deliver(&sink, &events));
            _ = delivering.await;
        }
    }
}

async fn handle(
    State(world): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let request = Request::read(&method, &uri, &headers, &body);
    let request = match request {
        Ok(request) => request,
        Err((protocol, fault)) => return answer::failure(protocol, &fault),
    };
    let protocol = request.service.protocol();
    match lock(&world).answer(&request) {
        Ok(value) => answer::success(protocol, &value),
        Err(fault) => answer::failure(protocol, &fault),
    }
}
