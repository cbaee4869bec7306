//! Start and rest with a long history.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use porpoise::host::OsIds;
use porpoise_engine::effect::NewRun;
use porpoise_model::Actor;
use porpoise_model::workflow::Kind;
use porpoise_ports::Ids as _;
use tokio::runtime::Runtime;

use super::{RUNS, made};
use crate::machine::{cpu, memory, ms, percentile};
use crate::real::Real;
use crate::report::{Report, table};
use crate::server::{Local, new_run};
use crate::shape::Shape;

/// Finished runs in the store with which the server starts.
const HISTORY: u32 = 10_000;
/// Of which so many are made at the same time.
const AT_ONCE: u32 = 200;
/// How long the server is watched doing nothing, and how long it has to come to rest before.
const IDLE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(3);
/// CPU time while idle that counts as none: a ten-thousandth of one CPU.
const NOTHING: Duration = Duration::from_millis(2);

pub(crate) fn idle(report: &mut Report, runtime: &Runtime, dir: &Path) -> anyhow::Result<String> {
    let store = made(dir.join("server"))?;
    runtime.block_on(history(&store))?;
    let mut ready = Vec::new();
    for _ in 0..RUNS - 1 {
        let server = Real::start(&store)?;
        ready.push(server.ready);
        server.stop()?;
    }
    let server = Real::start(&store)?;
    ready.push(server.ready);
    ready.sort_unstable();
    std::thread::sleep(REST);
    let before = cpu(server.pid())?;
    std::thread::sleep(IDLE);
    let used = cpu(server.pid())?.saturating_sub(before);
    let (rss, _) = memory(server.pid())?;
    server.stop()?;
    let ready = percentile(&ready, 50);
    report.bar(
        "start to ready, 10,000 finished runs in the store",
        "at most 100 ms",
        format!("{:.1} ms", ms(ready)),
        ready <= Duration::from_millis(100),
    );
    report.bar(
        "idle: RSS",
        "at most 40 MiB",
        format!("{rss:.1} MiB"),
        rss <= 40.0,
    );
    report.bar(
        "idle: CPU",
        "not measurable",
        format!("{:.2} ms in {} s", ms(used), IDLE.as_secs()),
        used <= NOTHING,
    );
    let head = [
        "10,000 finished runs",
        "start to ready ms",
        "idle RSS MiB",
        "idle CPU ms",
    ];
    let row = [
        format!("median of {RUNS} starts, {} s idle", IDLE.as_secs()),
        format!("{:.1}", ms(ready)),
        format!("{rss:.1}"),
        format!("{:.2}", ms(used)),
    ];
    Ok(table(&head, &[row]))
}

/// Fills the store in `dir` with runs that are over.
async fn history(dir: &Path) -> anyhow::Result<()> {
    let local = Local::open(dir)?;
    let app = local.host.app();
    let shape = Shape::Chain(1);
    let workflow = shape.workflow(&Kind::Noop)?;
    let applied = app.apply(&workflow, &Actor::engine()).await?;
    let ids = OsIds::default();
    for _ in 0..HISTORY / AT_ONCE {
        let mut begun = Vec::new();
        for _ in 0..AT_ONCE {
            let new = NewRun {
                workflow: applied.head.workflow,
                workflow_name: shape.name(),
                version: Some(applied.head.version),
                ..new_run(ids.fresh(), now())
            };
            begun.push(new);
        }
        let created = begun.iter().map(|new| app.create_run(new.clone()));
        for created in join_all(created).await {
            created?;
        }
        for new in &begun {
            local.ended(new).await?;
        }
    }
    local.stop().await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Timestamp {
    Timestamp::now()
}
