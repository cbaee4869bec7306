//! Forwards wakes whose time has come to the queue of inputs, and sweeps what is open from time to time; then it also
//! looks whether there are inputs that nobody could handle.

use std::process::ExitCode;
use std::sync::Arc;

use porpoise_functions::wakes::{self, TriggerEvent};
use porpoise_functions::{home, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some((app, dead)) = run::start(home::watcher) else {
        return ExitCode::FAILURE;
    };
    let dead = &dead;
    run::events(|event: TriggerEvent| {
        let app = Arc::clone(&app);
        async move { wakes::watch(&app, dead, event).await }
    })
    .await
}
