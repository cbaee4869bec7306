//! The only writer of aggregates: steps each by its messages from the queue of inputs.
//!
//! Hot aggregates stay in memory from one call to the next. They are hints: what counts is the conditional append.

use std::process::ExitCode;
use std::sync::Arc;

use porpoise_functions::batch::SqsEvent;
use porpoise_functions::{home, run, steps};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(app) = run::start(home::writer) else {
        return ExitCode::FAILURE;
    };
    run::events(|event: SqsEvent| {
        let app = Arc::clone(&app);
        async move { Ok(steps::step(&app, event).await) }
    })
    .await
}
