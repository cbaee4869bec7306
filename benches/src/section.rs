//! The parts: what is measured, how often, and what is asked for. Each gives its table.

mod alone;
mod bill;
mod cost;
mod idle;
mod large;
mod noop;
mod processes;

use std::path::PathBuf;

use porpoise_model::workflow::Kind;

pub(crate) use alone::alone;
pub(crate) use bill::{Section as BillSection, bill};
pub(crate) use cost::cost;
pub(crate) use idle::idle;
pub(crate) use large::large;
pub(crate) use noop::noop;
pub(crate) use processes::processes;

use crate::real::Seen;
use crate::server::{Local, Took};
use crate::shape::Shape;

/// Runs of a shape of which the median counts.
const RUNS: usize = 5;

/// Ten layers.
const fn layers(width: u32) -> Shape {
    Shape::Layers { layers: 10, width }
}

/// The run of median wall time, in a host of this process.
async fn median(local: &Local, shape: Shape, runs: usize, kind: &Kind) -> anyhow::Result<Took> {
    let mut took = Vec::new();
    for _ in 0..runs {
        took.push(local.run(shape, kind).await?);
    }
    took.sort_by_key(|took| took.wall);
    let at = took.len() / 2;
    Ok(took.swap_remove(at))
}

/// The run of median wall time, through the running server.
fn middle(mut seen: Vec<Seen>) -> Seen {
    seen.sort_by_key(|seen| seen.wall);
    seen.swap_remove(seen.len() / 2)
}

/// A new directory.
fn made(dir: PathBuf) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}
