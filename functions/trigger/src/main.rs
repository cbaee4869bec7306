//! Forwards wakes whose time has come to the queue of inputs, and sweeps what is open from time to time.

use std::process::ExitCode;
use std::sync::Arc;

use porpoise_functions::wakes::{self, TriggerEvent};
use porpoise_functions::{home, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(app) = run::start(home::writer) else {
        return ExitCode::FAILURE;
    };
    run::events(|event: TriggerEvent| {
        let app = Arc::clone(&app);
        async move { wakes::trigger(&app, event).await }
    })
    .await
}
