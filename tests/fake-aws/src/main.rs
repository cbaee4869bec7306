//! `fake-aws`: the fake as a program, until standard input ends.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser;
use porpoise_fake_aws::{Behaviour, Delivery, FakeAws, Options, Script, Sink};

/// EMR Serverless and Athena on loopback, for tests. Prints its address, and ends when standard input does.
#[derive(Debug, Parser)]
struct Arguments {
    /// The port on loopback; any free one if it is 0
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What jobs do that say nothing themselves, such as `running=2s;billed=1m`
    #[arg(long, default_value = "")]
    script: String,
    /// Draw what jobs do from this seed instead
    #[arg(long)]
    seed: Option<u64>,
    /// The longest time in a state that is drawn, in milliseconds
    #[arg(long, default_value_t = 1_000)]
    longest: u64,
    /// How many of a hundred jobs are drawn to fail
    #[arg(long, default_value_t = 10)]
    failing: u64,
    /// Put events on the default bus of EventBridge at this address
    #[arg(long)]
    put_events: Option<String>,
    /// How many of a hundred events are lost
    #[arg(long, default_value_t = 0)]
    lost: u64,
    /// How many of a hundred events come twice
    #[arg(long, default_value_t = 0)]
    doubled: u64,
    /// How late an event may come, in milliseconds
    #[arg(long, default_value_t = 0)]
    late: u64,
    /// Take calls as fast as they come
    #[arg(long)]
    unthrottled: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let script = Script::default().told(&arguments.script)?;
    let millis = std::time::Duration::from_millis;
    let behaviour = match arguments.seed {
        None => Behaviour::Same(script),
        Some(seed) => Behaviour::Seeded {
            seed,
            longest: millis(arguments.longest),
            failing: arguments.failing,
        },
    };
    let fake = FakeAws::start(Options {
        port: arguments.port,
        behaviour,
        delivery: Delivery {
            lost: arguments.lost,
            doubled: arguments.doubled,
            late: millis(arguments.late),
            seed: arguments.seed.unwrap_or_default(),
        },
        sink: arguments.put_events.map_or(Sink::Keep, Sink::PutEvents),
        throttled: !arguments.unthrottled,
        ..Options::default()
    })?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", fake.endpoint())
        .and_then(|()| out.flush())
        .context("cannot print")?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
