//! Whether what the table holds reads back as it was written.

use futures_util::FutureExt;
use porpoise_engine::backfill::Backfill;
use porpoise_engine::gate::Gate;
use porpoise_engine::pool::Pool;
use porpoise_engine::run::Run;
use porpoise_engine::schedule::Schedule;
use porpoise_model::{Address, AggregateKind};

use super::Sim;
use crate::check::{Checks, Folded};
use crate::world::lock;

impl Sim {
    pub(super) fn audit_sometimes(&self, address: Address) {
        let audits = {
            let mut world = lock(&self.world);
            let records = match world.checks.runs.get(&address) {
                Some((run, _)) => run.sequence + u64::from(run.state.tasks.len()) / 8,
                None => 20,
            };
            world.chance.happens(0.5 / (records.max(1) as f64))
        };
        if audits {
            self.audit(address);
        }
    }

    /// Snapshot and tail, read from the table, are what the records as they came make.
    pub(super) fn audit(&self, address: Address) {
        match address.kind {
            AggregateKind::Run => {
                self.audit_of::<Run>(address, |c| c.runs.get(&address).map(|r| &r.0));
            }
            AggregateKind::Pool => self.audit_of::<Pool>(address, |c| c.pools.get(&address)),
            AggregateKind::Gate => self.audit_of::<Gate>(address, |c| c.gates.get(&address)),
            AggregateKind::Schedule => {
                self.audit_of::<Schedule>(address, |c| c.schedules.get(&address));
            }
            AggregateKind::Backfill => {
                self.audit_of::<Backfill>(address, |c| c.backfills.folded.get(&address));
            }
        }
    }

    fn audit_of<A>(&self, address: Address, truth: impl Fn(&Checks) -> Option<&Folded<A>>)
    where
        A: porpoise_app::context::Steppable,
    {
        let looked = self.auditor.look::<A>(address).now_or_never();
        let mut world = lock(&self.world);
        if let Err((invariant, what)) = world.checks.compare(address) {
            world.violate(invariant, format!("{address}: {what}"));
        }
        let found = match (looked, truth(&world.checks)) {
            (Some(Ok(loaded)), Some(folded)) => {
                let same = loaded.sequence == folded.sequence && loaded.state == folded.state;
                (!same).then(|| format!("{address} reads back other than it was written"))
            }
            (Some(Err(error)), _) => Some(format!("{address} cannot be read: {error}")),
            (Some(Ok(_)), None) | (None, _) => None,
        };
        if let Some(found) = found {
            world.violate("log-is-truth", found);
        }
    }
}
