//! A night, from its beginning to what it came to.

use std::sync::{Arc, Mutex};

use crate::check::Watcher;
use crate::client::Client;
use crate::function::home;
use crate::host::Host;
use crate::mutant::Mutant;
use crate::nightly::Nightly;
use crate::ports::PLACES;
use crate::random::Chance;
use crate::service::Service;
use crate::world::{BEGIN, MINUTE, SECOND, Violation, World, lock, micros};

/// What a night came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// It is reproduced by this.
    pub seed: u64,
    /// Of everything that happened, in its order.
    pub hash: u64,
    /// Calls and events.
    pub steps: u64,
    /// How the run ended.
    pub state: String,
    /// The tasks that failed, after how many attempts, and why.
    pub failures: Vec<String>,
    /// Virtual minutes until it ended.
    pub minutes: i64,
    /// Attempts of all tasks.
    pub attempts: usize,
    /// Job runs on EMR Serverless.
    pub jobs: usize,
    /// Reasons that were compared with what was so.
    pub reasons: usize,
    /// The longest time that what was said was behind what was so, in virtual seconds.
    pub behind: i64,
    /// Requests of the SDK's clients that met a fault.
    pub faults: usize,
    /// How often what went wrong where: fault and operation.
    pub counts: Vec<(&'static str, &'static str, u64)>,
    /// Calls of the service.
    pub calls: Vec<(String, u64)>,
    /// The first thing that must not be.
    pub violation: Option<Violation>,
    /// The last things that happened, if they were asked for.
    pub story: Vec<String>,
}

/// Runs the night of a seed to its end, or to the first thing that must not be.
///
/// # Errors
/// The fake does not start, or the night cannot be asked for.
pub fn night(nightly: &Nightly, seed: u64, with_story: bool) -> anyhow::Result<Outcome> {
    night_with(nightly, seed, with_story, None)
}

/// The same, with a bug on purpose.
///
/// # Errors
/// The fake does not start, or the night cannot be asked for.
pub fn night_with(
    nightly: &Nightly,
    seed: u64,
    with_story: bool,
    mutant: Option<Mutant>,
) -> anyhow::Result<Outcome> {
    let mut chance = Chance::new(seed);
    let service = Service::start(seed, micros(BEGIN), &mut chance)?;
    let mut world = World::new(chance, service, PLACES.len(), with_story);
    world.mutant = mutant;
    let world = Arc::new(Mutex::new(world));
    let scratch = tempfile::tempdir()?;
    let onlooker = home(&world, true);
    let client = Client::of(Arc::clone(&onlooker));
    let targets = lock(&world).service.targets(nightly);
    let watcher = Watcher::start(client, nightly, &targets)?;
    let mut host = Host::new(world, (onlooker, watcher), scratch.path().to_owned());
    host.run()?;
    let world = Arc::clone(&host.world);
    drop(host.running); // before the world that they live in
    let failures = host.watcher.failures();
    let mut world = lock(&world);
    let of_service = world.service.befallen();
    for ((fault, op), count) in of_service {
        *world.counts.entry((fault, op)).or_default() += count;
    }
    let counts = world.counts.iter();
    Ok(Outcome {
        seed,
        hash: world.hash,
        steps: world.steps,
        state: host.watcher.state.clone(),
        failures,
        minutes: host
            .watcher
            .ended
            .map_or(0, |ended| (ended.as_microsecond() - BEGIN) / MINUTE),
        attempts: host.watcher.attempts,
        jobs: world.service.job_runs().len(),
        reasons: host.watcher.reasons,
        behind: host.watcher.behind / SECOND,
        faults: world.service.faults(),
        counts: counts
            .map(|((fault, op), count)| (*fault, *op, *count))
            .collect(),
        calls: world.service.calls().into_iter().collect(),
        violation: world.violation.clone(),
        story: world.story.take().map(Vec::from).unwrap_or_default(),
    })
}
