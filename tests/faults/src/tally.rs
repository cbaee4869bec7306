//! What went wrong so far.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::{Call, Fault};

/// One call and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The call.
    pub call: Call,
    /// `None`: it went through.
    pub fault: Option<Fault>,
}

/// How often which operation was called, and hit by what. It prints as a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Call, BTreeMap<Option<Fault>, u64>>);

impl Tally {
    /// Of calls that were noted.
    pub fn of(hits: &[Hit]) -> Self {
        let mut tally = Self::default();
        for hit in hits {
            let faults = tally.0.entry(hit.call.clone()).or_default();
            *faults.entry(hit.fault).or_default() += 1;
        }
        tally
    }

    /// How often the operation was called.
    pub fn calls(&self, service: &str, operation: &str) -> u64 {
        let faults = self.0.get(&Call::new(service, operation));
        faults.map_or(0, |faults| faults.values().sum())
    }

    /// How often the fault hit the operation.
    pub fn hits(&self, service: &str, operation: &str, fault: Fault) -> u64 {
        let faults = self.0.get(&Call::new(service, operation));
        let hits = faults.and_then(|faults| faults.get(&Some(fault)));
        hits.copied().unwrap_or_default()
    }

    /// The faults that never hit the operation.
    pub fn missing(&self, service: &str, operation: &str) -> Vec<Fault> {
        let mut all = Fault::ALL.to_vec();
        all.retain(|fault| self.hits(service, operation, *fault) == 0);
        all
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (call, faults) in &other.0 {
            let sum = self.0.entry(call.clone()).or_default();
            for (fault, hits) in faults {
                *sum.entry(*fault).or_default() += hits;
            }
        }
    }
}

/// What `play` counted for each of the seeds, eight of which it plays at a time.
pub async fn tally_of<F: Future<Output = Tally>>(
    seeds: Range<u64>,
    play: impl FnMut(u64) -> F,
) -> Tally {
    let tallies = stream::iter(seeds).map(play).buffer_unordered(8);
    let all = |mut tally: Tally, one: Tally| async move {
        tally.add(&one);
        tally
    };
    tallies.fold(Tally::default(), all).await
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (call, faults) in &self.0 {
            writeln!(f, "{call}: {} calls", faults.values().sum::<u64>())?;
            for (fault, hits) in faults {
                if let Some(fault) = fault {
                    writeln!(f, "  {fault:<16}{hits:>6}")?;
                }
            }
        }
        Ok(())
    }
}
