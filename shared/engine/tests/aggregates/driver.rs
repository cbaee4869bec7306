//! An aggregate without a world: inputs in, facts and effects out, and what must hold after every batch.

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_engine::aggregate::{Aggregate, decide_batch, fold};
use porpoise_engine::effect::{Attempt, Effect, Holder};
use porpoise_engine::input::Command;
use porpoise_engine::record::{Record, Snapshot};
use porpoise_model::{Actor, CommandId, ProjectId, RunId};

pub(crate) fn project() -> ProjectId {
    ProjectId::of_name("test")
}

pub(crate) fn run(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

pub(crate) fn holder(number: u8) -> Holder {
    Holder {
        run: run(number),
        attempt: Attempt::of(u32::from(number), 1),
    }
}

pub(crate) fn midnight() -> Timestamp {
    "2026-03-02T00:00:00Z".parse().unwrap()
}

pub(crate) fn command<C>(number: u8, what: C) -> Command<C> {
    Command {
        id: CommandId::from_bytes([number; 16]),
        actor: Actor {
            principal: "ada".to_owned(),
            via: "test".to_owned(),
            request: None,
        },
        what,
    }
}

/// An aggregate being driven.
#[derive(Debug)]
pub(crate) struct Driver<A: Aggregate<Context = ProjectId>> {
    pub(crate) state: A::State,
    pub(crate) now: Timestamp,
    pub(crate) log: Vec<Record<A::Fact>>,
}

impl<A: Aggregate<Context = ProjectId>> Driver<A>
where
    A::Fact: Encode<()> + for<'b> Decode<'b, ()>,
{
    pub(crate) fn new() -> Self {
        Self {
            state: A::State::default(),
            now: midnight(),
            log: Vec::new(),
        }
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now = self
            .now
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap();
    }

    /// Decides a batch. Returns its facts and replies.
    pub(crate) fn give(&mut self, inputs: &[A::Input]) -> (Vec<A::Fact>, Vec<Effect>) {
        let decision = decide_batch::<A>(&mut self.state, &project(), inputs, self.now);
        if !decision.facts.is_empty() {
            self.log.push(Record {
                at: self.now,
                facts: decision.facts.clone(),
            });
        }
        self.check();
        (decision.facts, decision.replies)
    }

    /// What must hold after every batch.
    fn check(&self) {
        for (key, _) in A::outbox(&self.state).iter() {
            let effect = A::effect(&self.state, &project(), key);
            assert!(effect.is_some(), "{key:?} can be built");
        }
        if !A::is_open(&self.state) {
            assert!(A::outbox(&self.state).is_empty(), "closed with an outbox");
            assert_eq!(A::deadline(&self.state), None, "closed with a deadline");
        }
        let due = A::deadline(&self.state).is_some_and(|at| at <= self.now);
        assert!(!due, "a deadline that has passed was not met");
    }

    /// What the log alone makes of it: the same, and through the stored form, too.
    pub(crate) fn restart(&mut self) {
        let mut folded = A::State::default();
        for record in &self.log {
            let read = Record::<A::Fact>::from_bytes(&record.to_bytes()).unwrap();
            assert_eq!(&read, record);
            fold::<A>(&mut folded, &project(), &read.facts, read.at);
        }
        assert_eq!(folded, self.state, "the log says what the warm copy says");
        let snapshot = Snapshot {
            fold: A::FOLD_VERSION,
            sequence: 1,
            version: None,
            state: Some(folded),
        };
        let read = Snapshot::from_bytes(&snapshot.to_bytes(), A::FOLD_VERSION).unwrap();
        assert_eq!(read, snapshot, "a snapshot reads back");
        self.state = read.state.unwrap();
    }

    /// The outbox, built.
    pub(crate) fn pending(&self) -> Vec<Effect> {
        A::outbox(&self.state)
            .iter()
            .map(|(key, _)| A::effect(&self.state, &project(), key).unwrap())
            .collect()
    }

    /// One line a record: the time since midnight, and its facts as `say` puts them.
    pub(crate) fn story(&self, say: impl Fn(&A::Fact) -> String) -> String {
        let lines = self.log.iter().map(|record| {
            let facts: Vec<String> = record.facts.iter().map(&say).collect();
            let at = record.at.strftime("%H:%M:%S");
            format!("{at} {}", facts.join(", "))
        });
        lines.collect::<Vec<String>>().join("\n")
    }
}
