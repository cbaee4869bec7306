//! `region`: installs components and runs one for as long as somebody wants it.
//!
//! Start reading at `serve.rs`; `inside.rs` is the other half of it, `install.rs` stands alone.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program: results on one, progress on the other"
)]

mod bridge;
mod inside;
mod install;
mod serve;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use porpoise_region::Component;

/// Real components in the place of AWS, on loopback.
#[derive(Debug, Parser)]
#[command(name = "region")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install every component that is missing.
    Install,
    /// Start a component, print where it answers, and stop it when standard input ends.
    Serve {
        /// `dynamodb` or `ministack`.
        #[arg(value_parser = component)]
        component: Component,
        /// Ministack checks signatures and policies.
        #[arg(long)]
        auth: bool,
        /// Where functions that ministack runs find AWS, if not at ministack itself.
        #[arg(long, value_name = "URL")]
        functions_ask: Option<String>,
    },
    /// What `serve` runs in a namespace of its own: the component and this end of the bridge.
    #[command(hide = true)]
    Inside {
        /// The folder of this server, which is removed in the end.
        folder: PathBuf,
        /// The component listens to this port of the namespace, where nobody else can reach it.
        #[arg(long)]
        bridge: Option<u16>,
        /// The component.
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().task {
        Task::Install => install::all(),
        Task::Serve {
            component,
            auth,
            functions_ask,
        } => serve::serve(
            component,
            &serve::Manner {
                auth,
                functions_ask,
            },
        ),
        Task::Inside {
            folder,
            bridge,
            command,
        } => inside::run(&folder, bridge, &command),
    }
}

fn component(name: &str) -> Result<Component, String> {
    let mut all = Component::ALL.into_iter();
    all.find(|component| component.name() == name)
        .ok_or_else(|| "there are `dynamodb` and `ministack`".to_owned())
}
