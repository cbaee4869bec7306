//! Opaque identities. Each sort of thing has its own type; parsing is the only way in.
//!
//! An id is 128 bits, written as 26 lower-case base32 characters (RFC 4648 alphabet, no padding): it fits every key,
//! path, job name and client token that AWS or Kubernetes accept. An id never changes and says nothing about its
//! thing; people use names. Ids that must be the same whenever they are made again (a run of a schedule's instant, a
//! pool of a name) are hashed from what they stand for, see [`derive()`].

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, Encoding};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {expected} lower-case base32 characters are expected")]
pub struct ParseIdError {
    text: String,
    what: &'static str,
    expected: usize,
}

const BASE32: Encoding = BASE32_NOPAD;

fn write_lower(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&BASE32.encode(bytes).to_ascii_lowercase())
}

fn parse_lower<const N: usize>(
    text: &str,
    what: &'static str,
    expected: usize,
) -> Result<[u8; N], ParseIdError> {
    let fault = || ParseIdError {
        text: text.chars().take(80).collect(),
        what,
        expected,
    };
    if text.len() != expected || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(fault());
    }
    let bytes = BASE32
        .decode(text.to_ascii_uppercase().as_bytes())
        .map_err(|_| fault())?;
    bytes.try_into().map_err(|_| fault())
}

/// Hashes what an id stands for into its 128 bits. `domain` keeps equal parts of different sorts apart.
///
/// Every part is preceded by its length, so that no two lists of parts run together.
pub fn derive(domain: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(hash(domain, parts).as_bytes().split_at(16).0);
    out
}

fn hash(domain: &str, parts: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(&domain.as_bytes()).chain(parts) {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $chars:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] #[cbor(with = "minicbor::bytes")] [u8; $bytes]);

        impl $name {
            /// Characters of the text form.
            pub const CHARS: usize = $chars;

            /// Takes bytes that the Ids port drew, or that [`derive()`] hashed.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes behind the text.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_lower(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_lower(text, $what, $chars).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

bytes_id!(
    /// A project: owner of everything, and the first part of every key.
    ProjectId, 16, 26, "a project id"
);
bytes_id!(
    /// A workflow; its name may change, this does not.
    WorkflowId, 16, 26, "a workflow id"
);
bytes_id!(
    /// One execution of a workflow.
    RunId, 16, 26, "a run id"
);
bytes_id!(
    /// A schedule.
    ScheduleId, 16, 26, "a schedule id"
);
bytes_id!(
    /// A backfill.
    BackfillId, 16, 26, "a backfill id"
);
bytes_id!(
    /// A pool of slots.
    PoolId, 16, 26, "a pool id"
);
bytes_id!(
    /// A command that somebody gave; repeating it with the same id has no further effect.
    CommandId, 16, 26, "a command id"
);
bytes_id!(
    /// The address of a workflow version: the hash of its stored bytes.
    VersionHash, 32, 52, "a version hash"
);
bytes_id!(
    /// The idempotency key of an attempt: a target starts at most one job for it. 32 characters, which Athena, EMR
    /// Serverless, Kubernetes names and Step Functions all accept.
    AttemptKey, 20, 32, "an attempt key"
);

impl ProjectId {
    /// The id of the project of this name: projects are found by name, so the id is hashed from it.
    pub fn of_name(name: &str) -> Self {
        Self(derive("project", &[name.as_bytes()]))
    }
}

impl WorkflowId {
    /// The id that a workflow gets when it is first applied under this name. It stays when the name changes.
    pub fn first_named(project: ProjectId, name: &str) -> Self {
        Self(derive("workflow", &[&project.0, name.as_bytes()]))
    }
}

impl PoolId {
    /// The id of the pool that definitions of this project call `name`.
    pub fn of_name(project: ProjectId, name: &str) -> Self {
        Self(derive("pool", &[&project.0, name.as_bytes()]))
    }
}

impl ScheduleId {
    /// The id of a workflow's own schedule.
    pub fn of_workflow(workflow: WorkflowId) -> Self {
        Self(derive("schedule", &[&workflow.0]))
    }
}

impl BackfillId {
    /// The backfill that a command begins: the same command begins the same one.
    pub fn of_command(command: CommandId) -> Self {
        Self(derive("backfill/command", &[&command.0]))
    }
}

impl RunId {
    /// The run of a backfill for one of its dates, whoever makes it and however often.
    pub fn of_backfill(backfill: BackfillId, date: jiff::Timestamp) -> Self {
        Self(derive(
            "run/backfill",
            &[&backfill.0, &date.as_millisecond().to_le_bytes()],
        ))
    }

    /// The run of a workflow that goes along with a backfill, for one of its dates.
    pub fn of_dependent(backfill: BackfillId, workflow: WorkflowId, date: jiff::Timestamp) -> Self {
        Self(derive(
            "run/dependent",
            &[
                &backfill.0,
                &workflow.0,
                &date.as_millisecond().to_le_bytes(),
            ],
        ))
    }

    /// The run that a command creates: the same command makes the same run.
    pub fn of_command(command: CommandId) -> Self {
        Self(derive("run/command", &[&command.0]))
    }

    /// The run that an attempt of a task has made, whoever makes it and however often.
    pub fn of_attempt(attempt: AttemptKey) -> Self {
        Self(derive("run/attempt", &[&attempt.0]))
    }

    /// The run of a schedule's instant, whatever fires it and however often (invariant once-per-instant).
    pub fn of_instant(schedule: ScheduleId, instant: jiff::Timestamp) -> Self {
        Self(derive(
            "run/instant",
            &[&schedule.0, &instant.as_millisecond().to_le_bytes()],
        ))
    }
}

impl CommandId {
    /// The command behind an idempotency key that a client chose, within one scope (say, a route and a principal).
    pub fn of_key(scope: &str, key: &str) -> Self {
        Self(derive("command", &[scope.as_bytes(), key.as_bytes()]))
    }
}

impl VersionHash {
    /// Hashes the stored bytes of a version.
    pub fn of(stored: &[u8]) -> Self {
        Self(*blake3::hash(stored).as_bytes())
    }

    /// As people read it: its beginning.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl AttemptKey {
    /// The key of an attempt: number `attempt` (from 1) of map index `map` (0 when not mapped) of the task at index
    /// `task` of the run.
    pub fn of(run: RunId, task: u32, map: u32, attempt: u32) -> Self {
        let parts: [&[u8]; 4] = [
            &run.0,
            &task.to_le_bytes(),
            &map.to_le_bytes(),
            &attempt.to_le_bytes(),
        ];
        let mut key = [0; 20];
        key.copy_from_slice(hash("attempt", &parts).as_bytes().split_at(20).0);
        Self(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_print() {
        let id = RunId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string().len(), RunId::CHARS);
        assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        let key = AttemptKey::of(id, 3, 0, 1);
        assert_eq!(key.to_string().len(), AttemptKey::CHARS);
        assert_eq!(key.to_string().parse::<AttemptKey>(), Ok(key));
    }

    #[test]
    fn upper_case_wrong_length_and_foreign_letters_are_refused() {
        let text = RunId::from_bytes([7; 16]).to_string();
        for bad in [
            text.to_ascii_uppercase(),
            text.clone() + "a",
            format!("1{}", &text[1..]),
            String::new(),
        ] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_part_of_an_attempt_changes_its_key() {
        let run = RunId::from_bytes([1; 16]);
        let keys = [(0, 0, 1), (0, 0, 2), (1, 0, 1), (0, 1, 1)]
            .map(|(t, m, a)| AttemptKey::of(run, t, m, a));
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(derive("x", &[b"ab", b"c"]), derive("x", &[b"a", b"bc"]));
    }
}
