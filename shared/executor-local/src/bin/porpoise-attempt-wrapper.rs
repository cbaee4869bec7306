//! The wrapper as a binary of its own: for tests, and to measure it. The product is its own wrapper.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(dir) => porpoise_executor_local::wrapper::run(Path::new(&dir), &[]),
        None => ExitCode::from(2),
    }
}
