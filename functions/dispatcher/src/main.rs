//! Carries out what the bus brings to a place: records intents, and submits jobs.

use std::process::ExitCode;
use std::sync::Arc;

use porpoise_functions::place::{Dispatch, Place};
use porpoise_functions::run;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(place) = run::start(Place::of_process) else {
        return ExitCode::FAILURE;
    };
    let place = Arc::new(place);
    run::events(|event: Dispatch| {
        let place = Arc::clone(&place);
        async move { place.dispatch(event).await }
    })
    .await
}
