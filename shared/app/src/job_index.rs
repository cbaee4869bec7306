//! The index of the open jobs of a place, from which the poll loop works.
//!
//! Partition `jobs/{place}`, sort key a fresh number, body CBOR
//! `[2, [[run, project, [attempt, …]], …]]`; the first release wrote `[1, [job, …]]`. A process adds each batch of
//! intents to an entry of its own while that fits a write unit, at the same time as it writes the jobs' items; whoever
//! sees that all jobs of an entry have ended removes it, at the revision that it saw. The index names jobs that may have
//! no item (yet), and never lacks one whose attempt was accepted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::join_all;
use minicbor::{Decode, Encode};
use porpoise_engine::effect::Attempt;
use porpoise_model::{ProjectId, RunId};
use porpoise_ports::meter::WRITE_UNIT_BYTES;
use porpoise_ports::table::{Condition, Item, Key};

use crate::app::App;
use crate::job_item::JobId;
use crate::submit::JobsError;

/// The partition of the index of what is open at a place.
pub(crate) fn index_partition(place: &str) -> String {
    format!("jobs/{place}")
}

/// The jobs of a run in an entry of the index.
#[derive(Debug, Encode, Decode)]
struct IndexedRun {
    #[n(0)]
    run: RunId,
    #[n(1)]
    project: ProjectId,
    #[n(2)]
    attempts: Vec<Attempt>,
}

pub(crate) fn index_item(place: &str, sort: String, revision: u64, jobs: &[JobId]) -> Item {
    let mut runs: Vec<IndexedRun> = Vec::new();
    for JobId {
        run,
        attempt,
        project,
    } in jobs
    {
        match runs.iter_mut().find(|known| known.run == *run) {
            Some(known) => known.attempts.push(*attempt),
            None => runs.push(IndexedRun {
                run: *run,
                project: *project,
                attempts: vec![*attempt],
            }),
        }
    }
    Item {
        key: Key::new(index_partition(place), sort),
        revision,
        body: minicbor::to_vec((2_u8, runs)).unwrap_or_default().into(),
    }
}

pub(crate) fn index_jobs(body: &Bytes) -> Result<Vec<JobId>, minicbor::decode::Error> {
    let mut decoder = minicbor::Decoder::new(body);
    decoder.array()?;
    match decoder.u8()? {
        1 => decoder.decode(),
        2 => {
            let runs: Vec<IndexedRun> = decoder.decode()?;
            let jobs = runs.into_iter().flat_map(|runs| {
                let IndexedRun {
                    run,
                    project,
                    attempts,
                } = runs;
                attempts.into_iter().map(move |attempt| JobId {
                    run,
                    attempt,
                    project,
                })
            });
            Ok(jobs.collect())
        }
        _ => Err(minicbor::decode::Error::message(
            "written by a later release",
        )),
    }
}

/// An entry of the index that more jobs are added to, up to a write unit.
#[derive(Debug, Clone)]
struct Growing {
    sort: String,
    revision: u64,
    jobs: Vec<JobId>,
}

/// The entries that a process adds to, by place.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    by_place: Mutex<BTreeMap<String, Growing>>,
}

impl Entries {
    /// Takes it out: two batches at the same time do not add to the same entry.
    fn take(&self, place: &str) -> Option<Growing> {
        let mut entries = self.by_place.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(place)
    }

    fn give(&self, place: &str, entry: Growing) {
        let mut entries = self.by_place.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(place.to_owned(), entry);
    }
}

impl App {
    /// Adds jobs to the index: to the entry that this process has written last, if they fit in and nobody has removed it
    /// meanwhile. Returns which it was.
    pub(crate) async fn list_open(&self, place: &str, ids: &[JobId]) -> Result<String, JobsError> {
        let store = |error| JobsError::Store(place.to_owned(), error);
        if let Some(mut entry) = self.entries.take(place) {
            let revision = entry.revision + 1;
            entry.jobs.extend_from_slice(ids);
            let item = index_item(place, entry.sort.clone(), revision, &entry.jobs);
            let fits = item.size() <= WRITE_UNIT_BYTES;
            let seen = Condition::Revision(entry.revision);
            if fits && self.store.put(item, seen).await.map_err(store)? {
                return Ok(self.listed(place, Growing { revision, ..entry }));
            }
        }
        let sort = format!("{:032x}", self.ports.ids.fresh());
        let item = index_item(place, sort.clone(), 1, ids);
        let put = self.store.put(item, Condition::Absent).await;
        put.map_err(store)?;
        let entry = Growing {
            sort,
            revision: 1,
            jobs: ids.to_vec(),
        };
        Ok(self.listed(place, entry))
    }

    /// An entry was written. The view is told of all that is in it, at once: of earlier batches, items may still be on
    /// their way, and whoever believes that an entry has less in it than it has may remove it.
    fn listed(&self, place: &str, entry: Growing) -> String {
        let sort = entry.sort.clone();
        let jobs = entry.jobs.iter().copied();
        self.views
            .with(place, |view| view.add_entry(&sort, entry.revision, jobs));
        self.entries.give(place, entry);
        sort
    }

    /// Removes entries of the index whose jobs are all over, unless somebody has added to them meanwhile.
    pub(crate) async fn drop_spent(&self, place: &str) -> Result<(), JobsError> {
        let spent = self.views.with(place, |view| view.spent());
        let drops = spent.iter().map(|(sort, revision)| {
            let key = Key::new(index_partition(place), sort.clone());
            let seen = Condition::Revision(*revision);
            async move { self.store.delete_unhurried(&key, seen).await }
        });
        for ((sort, _), dropped) in spent.iter().zip(join_all(drops).await) {
            // If it stands, it was added to: the next look at the index finds what.
            if dropped.map_err(|error| JobsError::Store(place.to_owned(), error))? {
                self.views.with(place, |view| view.forget_entry(sort));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn entries_of_the_index_read_back_what_was_written_by_this_release_and_the_first() {
        let job = |run: u8, task: u32| JobId {
            run: RunId::from_bytes([run; 16]),
            attempt: Attempt::of(task, 1),
            project: ProjectId::of_name("retail"),
        };
        let jobs = [job(1, 0), job(1, 300), job(2, 0), job(1, 1)];
        let item = index_item("local", "a".to_owned(), 3, &jobs);
        let read: BTreeSet<JobId> = index_jobs(&item.body).unwrap().into_iter().collect();
        assert_eq!(read, BTreeSet::from(jobs));
        let first = minicbor::to_vec((1_u8, jobs)).unwrap();
        assert_eq!(index_jobs(&first.into()).unwrap(), jobs);
        let later = minicbor::to_vec((3_u8, jobs)).unwrap();
        index_jobs(&later.into()).unwrap_err();
        let many: Vec<JobId> = (0..100).map(|task| job(1, task)).collect();
        let item = index_item("local", "a".to_owned(), 1, &many);
        assert!(item.body.len() < 700, "{}", item.body.len());
    }
}
