//! Looks after the jobs of a place: called by its poll loop, by events of services, and by the API for logs.

use std::process::ExitCode;
use std::sync::Arc;

use porpoise_functions::place::{Mend, Place, PollerEvent};
use porpoise_functions::run;
use serde_json::{Value, json};

/// By this error the loop knows that it is over.
const LOOP_ENDED: &str = "LoopEnded";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(place) = run::start(Place::of_process) else {
        return ExitCode::FAILURE;
    };
    let place = Arc::new(place);
    run::named_events(|event: PollerEvent| {
        let place = Arc::clone(&place);
        async move { answer(&place, event).await }
    })
    .await
}

async fn answer(place: &Place, event: PollerEvent) -> Result<Value, run::Failure> {
    match event {
        PollerEvent::Tick(tick) => match place.tick(tick).await? {
            Some(tock) => Ok(json!(tock)),
            None => Err(run::Failure::named(
                LOOP_ENDED,
                "there is nothing left to do for it",
            )),
        },
        PollerEvent::Mend(Mend { mend }) => {
            place.mend(&mend).await?;
            Ok(Value::Null)
        }
        PollerEvent::Log(call) => Ok(json!(place.log(&call).await?)),
        PollerEvent::Service(event) => {
            place.hear(&event.to_string()).await?;
            Ok(Value::Null)
        }
    }
}
