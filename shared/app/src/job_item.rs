//! The stored form of a job: what the dispatcher of a place knows of an attempt.
//!
//! Key: partition `jobs/{place}/{run}`, sort key `{task:08x}/{map:08x}/{attempt:08x}`; the revision counts writes,
//! beginning at 1. Body: CBOR `[1, item]`, or `[2, bytes]` with the same deflated where that is shorter: an intent has
//! much in it that is said more than once, and a write unit has 1 KB. Items are kept as long as their run, so that a
//! dispatch that is repeated finds what became of it.

use std::fmt;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_engine::effect::{Attempt, CancelIntent, Intent};
use porpoise_engine::input::ReportKind;
use porpoise_model::{Address, AttemptKey, Place, ProjectId, RunId, Target};
use porpoise_ports::executor::JobRef;
use porpoise_ports::table::{Item, Key};

use crate::executors::executor_of;

/// Which job: an attempt of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct JobId {
    /// Of which run.
    #[n(0)]
    pub run: RunId,
    /// Which attempt.
    #[n(1)]
    pub attempt: Attempt,
    /// Whose.
    #[n(2)]
    pub project: ProjectId,
}

impl JobId {
    /// The attempt's idempotency key.
    pub fn key(&self) -> AttemptKey {
        self.attempt.key(self.run)
    }

    pub(crate) fn address(&self) -> Address {
        Address::run(self.project, self.run)
    }

    pub(crate) fn of_intent(intent: &Intent) -> Self {
        let job = &intent.job;
        Self {
            run: job.run,
            attempt: Attempt {
                task: job.task,
                map: job.map,
                number: job.attempt,
            },
            project: job.project,
        }
    }

    pub(crate) fn of_cancel(cancel: &CancelIntent) -> Self {
        Self {
            run: cancel.run,
            attempt: cancel.attempt,
            project: cancel.project,
        }
    }

    /// Where its item stands.
    pub fn item_key(&self, place: &str) -> Key {
        let Attempt { task, map, number } = self.attempt;
        Key::new(
            format!("jobs/{place}/{}", self.run),
            format!("{task:08x}/{map:08x}/{number:08x}"),
        )
    }
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct JobItem {
    /// Which.
    #[n(0)]
    pub id: JobId,
    /// The kind of its target, or of its work where it has none, by which its executor is found; empty in a tombstone.
    #[n(1)]
    pub kind: String,
    /// Somebody wants it stopped.
    #[n(2)]
    pub cancel: bool,
    /// How far it is.
    #[n(3)]
    pub status: Status,
}

/// Jobs of one kind that go to one account and region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    /// By which the executor is found.
    pub(crate) kind: String,
    /// Where their targets are, if they have any.
    pub(crate) place: Option<Place>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}@{place}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

/// How far a job is.
///
/// ```text
/// (none) ─dispatch─▶ Recorded ─Submitted─▶ Submitted ─Ended─▶ Finished
///    │                  ├───────Ended──────────────────────────▶ ▲
///    └──cancel──▶ Tombstone                       (Cancel marks Recorded and Submitted)
/// ```
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Status {
    /// To be submitted, or taken by its target: then the index of open jobs says as what. Whoever finds neither
    /// asks the target.
    #[n(0)]
    Recorded(#[n(0)] Box<Intent>),
    /// The target has it.
    #[n(1)]
    Submitted {
        /// What the target calls it.
        #[n(0)]
        external_id: String,
        /// Where it executes, if that was said.
        #[n(1)]
        target: Option<Target>,
        /// It was not submitted before this; `None`: written by the first release.
        #[n(2)]
        #[cbor(default, with = "porpoise_model::codec::timestamp_option")]
        since: Option<Timestamp>,
    },
    /// Over, and its run was told.
    #[n(2)]
    Finished(#[n(0)] ReportKind),
    /// Canceled before it was dispatched: it is never submitted.
    #[n(3)]
    Tombstone,
}

/// What happens to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// The target took it.
    Submitted {
        /// What the target calls it.
        external_id: String,
    },
    /// It is over.
    Ended(ReportKind),
    /// Somebody wants it stopped.
    Cancel,
}

impl JobItem {
    /// A job that was just dispatched.
    pub fn recorded(intent: Intent) -> Self {
        Self {
            id: JobId::of_intent(&intent),
            kind: executor_of(&intent.job),
            cancel: false,
            status: Status::Recorded(Box::new(intent)),
        }
    }

    /// What remains of one that was canceled first.
    pub fn tombstone(id: JobId) -> Self {
        Self {
            id,
            kind: String::new(),
            cancel: true,
            status: Status::Tombstone,
        }
    }

    /// The whole table of transitions; `None`: nothing changes.
    #[must_use]
    pub fn apply(&self, event: &JobEvent) -> Option<Self> {
        use {JobEvent as E, Status as S};
        let status = match (&self.status, event) {
            (S::Recorded(intent), E::Submitted { external_id }) => S::Submitted {
                external_id: external_id.clone(),
                target: intent.job.target.clone(),
                since: Some(intent.since),
            },
            (S::Recorded(_) | S::Submitted { .. }, E::Ended(end)) => S::Finished(end.clone()),
            (S::Recorded(_) | S::Submitted { .. }, E::Cancel) if !self.cancel => {
                return Some(Self {
                    cancel: true,
                    ..self.clone()
                });
            }
            (S::Recorded(_) | S::Submitted { .. }, E::Cancel)
            | (S::Submitted { .. }, E::Submitted { .. })
            | (S::Finished(_) | S::Tombstone, E::Submitted { .. } | E::Ended(_) | E::Cancel) => {
                return None;
            }
        };
        Some(Self {
            id: self.id,
            kind: self.kind.clone(),
            cancel: self.cancel,
            status,
        })
    }

    /// The same job, taken as another copy of its item says, if this one does not say.
    pub(crate) fn taken_as(&self, other: &Self) -> Self {
        let taken = match &other.status {
            Status::Submitted { external_id, .. } => self.apply(&JobEvent::Submitted {
                external_id: external_id.clone(),
            }),
            Status::Recorded(_) | Status::Finished(_) | Status::Tombstone => None,
        };
        taken.unwrap_or_else(|| self.clone())
    }

    /// The line in which it waits to be submitted: of those who share a budget.
    pub(crate) fn line(&self) -> Line {
        let target = match &self.status {
            Status::Recorded(intent) => intent.job.target.as_ref(),
            Status::Submitted { target, .. } => target.as_ref(),
            Status::Finished(_) | Status::Tombstone => None,
        };
        Line {
            kind: self.kind.clone(),
            place: target.map(|target| target.place.clone()),
        }
    }

    /// All that is known of the job, for its executor.
    pub fn job_ref(&self) -> JobRef {
        let key = self.id.key();
        match &self.status {
            Status::Recorded(intent) => JobRef {
                key,
                external_id: None,
                target: intent.job.target.clone(),
                since: intent.since,
                until: None,
            },
            Status::Submitted {
                external_id,
                target,
                since,
            } => JobRef {
                key,
                external_id: Some(external_id.clone()),
                target: target.clone(),
                since: since.unwrap_or_default(),
                until: None,
            },
            Status::Finished(_) | Status::Tombstone => JobRef::of(key),
        }
    }

    /// Whether it does not say whether it was submitted.
    pub(crate) const fn is_recorded(&self) -> bool {
        match self.status {
            Status::Recorded(_) => true,
            Status::Submitted { .. } | Status::Finished(_) | Status::Tombstone => false,
        }
    }

    /// Whether the target may still have to do with it.
    pub const fn is_open(&self) -> bool {
        match self.status {
            Status::Recorded(_) | Status::Submitted { .. } => true,
            Status::Finished(_) | Status::Tombstone => false,
        }
    }

    /// The stored form.
    pub fn to_item(&self, place: &str, revision: u64) -> Item {
        let plain = minicbor::to_vec((1_u8, self)).unwrap_or_default();
        let short = deflated(&plain).filter(|short| short.len() < plain.len());
        Item {
            key: self.id.item_key(place),
            revision,
            body: short.unwrap_or(plain).into(),
        }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// Written by a later release, or damaged.
    pub fn from_body(body: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let mut d = minicbor::Decoder::new(body);
        d.array()?;
        match d.u8()? {
            0 | 1 => d.decode(),
            2 => {
                let plain = inflated(d.bytes()?)?;
                let (_, item): (u8, Self) = minicbor::decode(&plain)?;
                Ok(item)
            }
            _ => Err(minicbor::decode::Error::message(
                "written by a later release",
            )),
        }
    }
}

/// What is shorter than this hardly gets shorter.
const PLAIN_BYTES_MAX: usize = 256;
/// No item is as large as this.
const INFLATED_BYTES_MAX: u64 = 16 * 1024 * 1024;

fn deflated(plain: &[u8]) -> Option<Vec<u8>> {
    if plain.len() <= PLAIN_BYTES_MAX {
        return None;
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).ok()?;
    let deflated = encoder.finish().ok()?;
    let bytes = <&minicbor::bytes::ByteSlice>::from(&*deflated);
    minicbor::to_vec((2_u8, bytes)).ok()
}

fn inflated(deflated: &[u8]) -> Result<Vec<u8>, minicbor::decode::Error> {
    let mut plain = Vec::new();
    let mut decoder = DeflateDecoder::new(deflated).take(INFLATED_BYTES_MAX);
    let read = decoder.read_to_end(&mut plain);
    read.map_err(|_| minicbor::decode::Error::message("cannot be inflated"))?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use porpoise_model::job::{Job, Work};

    use super::*;

    fn recorded() -> JobItem {
        let (run, attempt) = (RunId::from_bytes([7; 16]), Attempt::of(3, 2));
        JobItem::recorded(Intent {
            place: "local".to_owned(),
            job: Job {
                key: attempt.key(run),
                project: ProjectId::of_name("retail"),
                run,
                task: 3,
                map: 0,
                attempt: 2,
                task_name: "load".to_owned(),
                work: Work::Shell {
                    script: "true".to_owned(),
                },
                env: BTreeMap::from([("day".to_owned(), "2026-01-01".to_owned())]),
                outputs: BTreeMap::new(),
                dialect: "porpoise/1".to_owned(),
                secrets: std::collections::BTreeSet::new(),
                target: None,
                residency: std::collections::BTreeSet::new(),
                labels: std::collections::BTreeMap::new(),
                files: std::collections::BTreeMap::new(),
            },
            rank: (2, 1),
            since: Timestamp::from_millisecond(1_000).unwrap(),
        })
    }

    fn events() -> Vec<JobEvent> {
        let ended = Timestamp::from_millisecond(2_000).unwrap();
        vec![
            JobEvent::Submitted {
                external_id: "p1".to_owned(),
            },
            JobEvent::Cancel,
            JobEvent::Ended(ReportKind::Canceled { ended }),
        ]
    }

    fn states() -> Vec<JobItem> {
        let [submitted, cancel, ended] = events().try_into().unwrap();
        let recorded = recorded();
        let submitted = recorded.apply(&submitted).unwrap();
        vec![
            recorded.apply(&cancel).unwrap(),
            submitted.apply(&cancel).unwrap(),
            submitted.apply(&ended).unwrap(),
            JobItem::tombstone(recorded.id),
            recorded,
            submitted,
        ]
    }

    fn word(item: &JobItem) -> String {
        let status = match &item.status {
            Status::Recorded(_) => "recorded",
            Status::Submitted { .. } => "submitted",
            Status::Finished(_) => "finished",
            Status::Tombstone => "tombstone",
        };
        format!("{status}{}", if item.cancel { "+cancel" } else { "" })
    }

    #[test]
    fn every_state_and_event_goes_where_the_table_says() {
        let mut table = String::new();
        for state in states() {
            for event in events() {
                let name = format!("{event:?}");
                let name = name.split([' ', '(']).next().unwrap();
                let next = state
                    .apply(&event)
                    .map_or("-".to_owned(), |next| word(&next));
                writeln!(table, "{} {name} {next}", word(&state)).unwrap();
            }
        }
        let expected = "\
recorded+cancel Submitted submitted+cancel
recorded+cancel Cancel -
recorded+cancel Ended finished+cancel
submitted+cancel Submitted -
submitted+cancel Cancel -
submitted+cancel Ended finished+cancel
finished Submitted -
finished Cancel -
finished Ended -
tombstone+cancel Submitted -
tombstone+cancel Cancel -
tombstone+cancel Ended -
recorded Submitted submitted
recorded Cancel recorded+cancel
recorded Ended finished
submitted Submitted -
submitted Cancel submitted+cancel
submitted Ended finished
";
        assert_eq!(table, expected);
    }

    #[test]
    fn items_read_back_what_was_written() {
        for state in states() {
            let item = state.to_item("local", 1);
            assert_eq!(JobItem::from_body(&item.body).unwrap(), state);
        }
    }

    #[test]
    fn a_large_item_is_stored_deflated_and_reads_back() {
        let mut item = recorded();
        if let Status::Recorded(intent) = &mut item.status {
            let script = "spark-submit --class io.porpoise.Load --conf spark.a=b ".repeat(100);
            intent.job.work = Work::Shell { script };
        }
        let stored = item.to_item("local", 1);
        assert!(stored.body.len() < 600, "{}", stored.body.len());
        assert_eq!(JobItem::from_body(&stored.body).unwrap(), item);
        JobItem::from_body(&stored.body[..100]).unwrap_err();
    }

    /// As the first release knew it.
    fn first(item: &JobItem) -> JobItem {
        let mut item = item.clone();
        if let Status::Submitted { target, since, .. } = &mut item.status {
            (*target, *since) = (None, None);
        }
        item
    }

    fn golden(name: &str) -> String {
        format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"))
    }

    fn read_golden(path: &str) -> JobItem {
        let golden = std::fs::read_to_string(path).unwrap();
        let golden = data_encoding::HEXLOWER.decode(golden.trim().as_bytes());
        JobItem::from_body(&golden.unwrap()).unwrap()
    }

    #[test]
    fn items_of_the_first_release_still_read() {
        for (state, name) in states().iter().zip(0..) {
            let path = golden(&format!("job-{name}"));
            assert_eq!(read_golden(&path), first(state), "{path}");
        }
    }

    #[test]
    fn items_of_this_release_still_read() {
        for (state, name) in states().iter().zip(0..) {
            let path = golden(&format!("job-since-{name}"));
            if std::env::var_os("PORPOISE_BLESS").is_some() {
                let written = data_encoding::HEXLOWER.encode(&state.to_item("local", 1).body);
                std::fs::write(&path, &written).unwrap();
            }
            assert_eq!(&read_golden(&path), state, "{path}");
        }
    }
}
