//! Steps that all run, whatever becomes of those before.

use std::process::Command;
use std::time::Instant;

/// Runs steps and remembers which of them failed, so that one call shows everything that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    failed: Vec<String>,
}

impl Steps {
    /// Runs a command to its end and says how long that took; whether it succeeded.
    #[expect(clippy::disallowed_methods, reason = "it measures time")]
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) -> bool {
        eprintln!("\nxtask: {name}");
        let began = Instant::now();
        let succeeded = match command.status() {
            Ok(status) => status.success(),
            Err(error) => {
                eprintln!("xtask: cannot start {command:?}: {error}");
                false
            }
        };
        let seconds = began.elapsed().as_secs();
        eprintln!("xtask: {name}: {} min {} s", seconds / 60, seconds % 60);
        if !succeeded {
            self.failed.push(name.to_owned());
        }
        succeeded
    }

    /// Notes a step that could not even be tried.
    pub(crate) fn fail(&mut self, name: &str, error: &anyhow::Error) {
        eprintln!("\nxtask: {name}: {error:#}");
        self.failed.push(name.to_owned());
    }

    /// An error that names what failed. Says nothing when nothing did: the last step has the last word.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.failed.is_empty(), "failed: {}", self.failed.join(", "));
        Ok(())
    }
}
