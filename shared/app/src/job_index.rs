//! The index of the open jobs of a place, from which the poll loop works.
//!
//! Partition `jobs/{place}`, sort key a fresh number, body CBOR `[3, [targets, runs, jobs]]`; the second release wrote
//! `[2, [[run, project, [attempt, …]], …]]`, the first `[1, [job, …]]`. A process adds what it dispatched to an entry of
//! its own while that fits a write unit, **after** it was submitted: the entry says what the target took each job as,
//! so that nothing more is written of it, and nobody who looks after it reads its item. Whoever sees that all jobs of
//! an entry have ended removes it, at the revision that it saw. A job whose dispatcher died between its item and its
//! entry is dispatched again: its run was told nothing of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::join_all;
use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_engine::effect::Attempt;
use porpoise_model::{ProjectId, RunId, Target};
use porpoise_ports::meter::WRITE_UNIT_BYTES;
use porpoise_ports::table::{Condition, Item, Key};

use crate::app::App;
use crate::job_item::{JobId, JobItem, Status};
use crate::submit::JobsError;

/// Of an item's 400 KB, keys included.
const ENTRY_BYTES_MAX: usize = 300 * 1024;

/// The partition of the index of what is open at a place.
pub(crate) fn index_partition(place: &str) -> String {
    format!("jobs/{place}")
}

/// A job, as the index tells of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    pub(crate) id: JobId,
    /// How its target took it; `None`: its item tells how far it is.
    pub(crate) taken: Option<Taken>,
}

/// A job that its target took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taken {
    /// By which its executor is found.
    pub(crate) kind: String,
    pub(crate) target: Option<Target>,
    pub(crate) external_id: String,
    pub(crate) since: Timestamp,
    /// Of its item, which says nothing of this.
    pub(crate) revision: u64,
}

impl Listed {
    pub(crate) const fn untaken(id: JobId) -> Self {
        Self { id, taken: None }
    }

    /// What the item of a job at a revision says.
    pub(crate) fn of(item: &JobItem, revision: u64) -> Self {
        let taken = match &item.status {
            Status::Submitted {
                external_id,
                target,
                since,
            } => Some(Taken {
                kind: item.kind.clone(),
                target: target.clone(),
                external_id: external_id.clone(),
                since: since.unwrap_or_default(),
                revision,
            }),
            Status::Recorded(_) | Status::Finished(_) | Status::Tombstone => None,
        };
        Self { id: item.id, taken }
    }
}

impl Taken {
    /// The item that would say the same.
    pub(crate) fn into_item(self, id: JobId) -> JobItem {
        JobItem {
            id,
            kind: self.kind,
            cancel: false,
            status: Status::Submitted {
                external_id: self.external_id,
                target: self.target,
                since: Some(self.since),
            },
        }
    }
}

/// The stored form of an entry: what many jobs have in common stands there once.
#[derive(Debug, Default, Encode, Decode)]
struct Entry {
    #[n(0)]
    targets: Vec<EntryTarget>,
    #[n(1)]
    runs: Vec<EntryRun>,
    #[n(2)]
    jobs: Vec<EntryJob>,
}

#[derive(Debug, PartialEq, Encode, Decode)]
struct EntryTarget {
    #[n(0)]
    kind: String,
    #[n(1)]
    target: Option<Target>,
}

#[derive(Debug, PartialEq, Encode, Decode)]
struct EntryRun {
    #[n(0)]
    run: RunId,
    #[n(1)]
    project: ProjectId,
}

#[derive(Debug, Encode, Decode)]
struct EntryJob {
    /// Which of the runs.
    #[n(0)]
    run: usize,
    #[n(1)]
    attempt: Attempt,
    #[n(2)]
    taken: Option<EntryTaken>,
}

#[derive(Debug, Encode, Decode)]
struct EntryTaken {
    /// Which of the targets.
    #[n(0)]
    target: usize,
    #[n(1)]
    external_id: String,
    #[n(2)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    since: Timestamp,
    #[n(3)]
    revision: u64,
}

/// Where this stands among those, at their end if it is new.
fn position_of<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    all.iter()
        .position(|known| *known == one)
        .unwrap_or_else(|| {
            all.push(one);
            all.len() - 1
        })
}

fn index_item(place: &str, sort: String, revision: u64, jobs: &[Listed]) -> Item {
    let mut entry = Entry::default();
    for Listed { id, taken } in jobs {
        let run = EntryRun {
            run: id.run,
            project: id.project,
        };
        let run = position_of(&mut entry.runs, run);
        let taken = taken.clone().map(|taken| {
            let target = EntryTarget {
                kind: taken.kind,
                target: taken.target,
            };
            EntryTaken {
                target: position_of(&mut entry.targets, target),
                external_id: taken.external_id,
                since: taken.since,
                revision: taken.revision,
            }
        });
        entry.jobs.push(EntryJob {
            run,
            attempt: id.attempt,
            taken,
        });
    }
    Item {
        key: Key::new(index_partition(place), sort),
        revision,
        body: minicbor::to_vec((3_u8, entry)).unwrap_or_default().into(),
    }
}

pub(crate) fn index_jobs(body: &Bytes) -> Result<Vec<Listed>, minicbor::decode::Error> {
    let mut decoder = minicbor::Decoder::new(body);
    decoder.array()?;
    match decoder.u8()? {
        1 => {
            let jobs: Vec<JobId> = decoder.decode()?;
            Ok(jobs.into_iter().map(Listed::untaken).collect())
        }
        2 => {
            let runs: Vec<(RunId, ProjectId, Vec<Attempt>)> = decoder.decode()?;
            let jobs = runs.into_iter().flat_map(|(run, project, attempts)| {
                attempts.into_iter().map(move |attempt| JobId {
                    run,
                    attempt,
                    project,
                })
            });
            Ok(jobs.map(Listed::untaken).collect())
        }
        3 => listed(decoder.decode()?),
        _ => Err(minicbor::decode::Error::message(
            "written by a later release",
        )),
    }
}

/// Parts that an entry can hold.
fn parts(jobs: Vec<Listed>) -> Vec<Vec<Listed>> {
    let (mut parts, mut left) = (Vec::new(), vec![jobs]);
    while let Some(mut some) = left.pop() {
        let half = some.len() / 2;
        if half > 0 && index_item("", String::new(), 1, &some).body.len() > ENTRY_BYTES_MAX {
            left.push(some.split_off(half));
            left.push(some);
        } else {
            parts.push(some);
        }
    }
    parts
}

fn listed(entry: Entry) -> Result<Vec<Listed>, minicbor::decode::Error> {
    let damaged =
        || minicbor::decode::Error::message("a job of a run or a target that is not there");
    let Entry {
        targets,
        runs,
        jobs,
    } = entry;
    let jobs = jobs.into_iter().map(|job| {
        let EntryRun { run, project } = runs.get(job.run).ok_or_else(damaged)?;
        let id = JobId {
            run: *run,
            attempt: job.attempt,
            project: *project,
        };
        let taken = job.taken.map(|taken| {
            let EntryTarget { kind, target } = targets.get(taken.target).ok_or_else(damaged)?;
            Ok(Taken {
                kind: kind.clone(),
                target: target.clone(),
                external_id: taken.external_id,
                since: taken.since,
                revision: taken.revision,
            })
        });
        Ok(Listed {
            id,
            taken: taken.transpose()?,
        })
    });
    jobs.collect()
}

/// An entry of the index that more jobs are added to, up to a write unit.
#[derive(Debug, Clone)]
struct Growing {
    sort: String,
    revision: u64,
    jobs: Vec<Listed>,
    /// Since it stands, the poll loop was seen to be alive: it does not end before the entry is removed.
    watched: bool,
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

    /// Whether these are one that is watched by the poll loop.
    fn are_watched(&self, place: &str, sorts: &[String]) -> bool {
        let entries = self.by_place.lock().unwrap_or_else(PoisonError::into_inner);
        let growing = entries.get(place);
        growing.is_some_and(|entry| entry.watched && sorts == [entry.sort.as_str()])
    }

    fn watched(&self, place: &str, sorts: &[String]) {
        let mut entries = self.by_place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(place) {
            entry.watched |= sorts.contains(&entry.sort);
        }
    }
}

impl App {
    /// Adds jobs to the index: to the entry that this process has written last, if they fit in and nobody has removed it
    /// meanwhile; else to as many new ones as they need. Returns which these are.
    pub(crate) async fn list_open(
        &self,
        place: &str,
        jobs: Vec<Listed>,
    ) -> Result<Vec<String>, JobsError> {
        let mut entries = Vec::new();
        for jobs in parts(jobs) {
            entries.push(self.list_part(place, jobs).await?);
        }
        Ok(entries)
    }

    /// Has the poll loop look after what these entries name. Costs nothing if jobs were added to an entry that it looks
    /// after already.
    pub(crate) async fn have_watched(
        &self,
        place: &str,
        entries: &[String],
    ) -> Result<(), JobsError> {
        if self.entries.are_watched(place, entries) {
            return Ok(());
        }
        self.wake_loop(place).await?;
        self.entries.watched(place, entries);
        Ok(())
    }

    async fn list_part(&self, place: &str, jobs: Vec<Listed>) -> Result<String, JobsError> {
        let store = |error| JobsError::Store(place.to_owned(), error);
        if let Some(mut entry) = self.entries.take(place) {
            let revision = entry.revision + 1;
            entry.jobs.extend_from_slice(&jobs);
            let item = index_item(place, entry.sort.clone(), revision, &entry.jobs);
            let fits = item.size() <= WRITE_UNIT_BYTES;
            let seen = Condition::Revision(entry.revision);
            if fits && self.store.put(item, seen).await.map_err(store)? {
                return Ok(self.listed(place, Growing { revision, ..entry }));
            }
        }
        let sort = format!("{:032x}", self.ports.ids.fresh());
        let item = index_item(place, sort.clone(), 1, &jobs);
        let put = self.store.put(item, Condition::Absent).await;
        put.map_err(store)?;
        let entry = Growing {
            sort,
            revision: 1,
            jobs,
            watched: false,
        };
        Ok(self.listed(place, entry))
    }

    /// An entry was written. The view is told of all that is in it, at once: of earlier batches, items may still be on
    /// their way, and whoever believes that an entry has less in it than it has may remove it.
    fn listed(&self, place: &str, entry: Growing) -> String {
        let sort = entry.sort.clone();
        let jobs = entry.jobs.clone();
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
    use super::*;

    fn job(run: u8, task: u32) -> JobId {
        JobId {
            run: RunId::from_bytes([run; 16]),
            attempt: Attempt::of(task, 1),
            project: ProjectId::of_name("retail"),
        }
    }

    fn taken(run: u8, task: u32, kind: &str) -> Listed {
        Listed {
            id: job(run, task),
            taken: Some(Taken {
                kind: kind.to_owned(),
                target: None,
                external_id: format!("00fapplication00/00frun{task:09}"),
                since: Timestamp::from_millisecond(1_000).unwrap(),
                revision: 1,
            }),
        }
    }

    #[test]
    fn entries_of_the_index_read_back_what_was_written() {
        let jobs = [
            taken(1, 0, "emr-serverless"),
            Listed::untaken(job(1, 300)),
            taken(2, 0, "athena"),
            taken(1, 1, "emr-serverless"),
        ];
        let item = index_item("local", "a".to_owned(), 3, &jobs);
        assert_eq!(index_jobs(&item.body).unwrap(), jobs);
        let Some(known) = jobs[0].taken.clone() else {
            panic!("taken")
        };
        assert_eq!(Listed::of(&known.into_item(jobs[0].id), 1), jobs[0]);
    }

    #[test]
    fn entries_of_earlier_releases_still_read() {
        let jobs = [job(1, 0), job(1, 300), job(2, 0)];
        let untaken: Vec<Listed> = jobs.iter().copied().map(Listed::untaken).collect();
        let first = minicbor::to_vec((1_u8, jobs)).unwrap();
        assert_eq!(index_jobs(&first.into()).unwrap(), untaken);
        let attempts = |jobs: &[JobId]| jobs.iter().map(|job| job.attempt).collect::<Vec<_>>();
        let runs = [
            (jobs[0].run, jobs[0].project, attempts(&jobs[..2])),
            (jobs[2].run, jobs[2].project, attempts(&jobs[2..])),
        ];
        let second = minicbor::to_vec((2_u8, runs)).unwrap();
        assert_eq!(index_jobs(&second.into()).unwrap(), untaken);
        let later = minicbor::to_vec((4_u8, jobs)).unwrap();
        index_jobs(&later.into()).unwrap_err();
    }

    #[test]
    fn an_entry_that_points_nowhere_is_refused() {
        let entry = Entry {
            jobs: vec![EntryJob {
                run: 0,
                attempt: Attempt::of(0, 1),
                taken: None,
            }],
            ..Entry::default()
        };
        let body = minicbor::to_vec((3_u8, entry)).unwrap();
        index_jobs(&body.into()).unwrap_err();
    }

    #[test]
    fn a_write_unit_holds_a_dozen_jobs_that_were_taken() {
        let jobs: Vec<Listed> = (0..14)
            .map(|task| taken(1, task, "emr-serverless"))
            .collect();
        let item = index_item("local", format!("{:032x}", 0), 1, &jobs);
        assert!(item.size() <= WRITE_UNIT_BYTES, "{}", item.size());
    }
}
