//! What all aggregates have in common: facts decided from inputs, folded into a state that holds its own outbox.

use std::fmt::Debug;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::{AggregateKind, VersionHash};

use crate::effect::{Effect, EffectKey};
use crate::outbox::Outbox;

/// A sort of aggregate. Implemented by types that have no values: [`Run`](crate::run::Run) and its like.
///
/// The generic step (`porpoise-app`) is the only caller in production: it decides each input of a batch on the state
/// that the one before left, then [`settles`](Self::settle) once, appends all facts as one record, and sends the
/// outbox.
pub trait Aggregate: Debug + Send + Sync + 'static {
    /// Which sort.
    const KIND: AggregateKind;
    /// Raised when `evolve` makes another state of the same facts: snapshots of another version are not used.
    const FOLD_VERSION: u32;

    /// What the facts have made of it. `Default` is the aggregate before its first fact.
    type State: Debug
        + Default
        + Clone
        + PartialEq
        + Encode<()>
        + for<'b> Decode<'b, ()>
        + Send
        + Sync;
    /// What changes only by a fact that names another version: a run's plan, or `()`.
    type Context: Debug + Send + Sync;
    /// What can be reported to it or asked of it.
    type Input: Debug + Clone + PartialEq + Encode<()> + for<'b> Decode<'b, ()> + Send + Sync;
    /// What happened or was decided, kept for ever.
    type Fact: Debug + Clone + PartialEq + Encode<()> + for<'b> Decode<'b, ()> + Send + Sync;

    /// What follows from `input` at `now`. An input that changes nothing (said twice, late, of something that was
    /// replaced) gives no fact.
    fn decide(
        state: &Self::State,
        context: &Self::Context,
        input: &Self::Input,
        now: Timestamp,
    ) -> Decision<Self::Fact>;

    /// Whether an input is about something that is over: it changes nothing, nor would it whatever else was recorded since
    /// this state.
    fn is_past(_: &Self::State, _: &Self::Input) -> bool {
        false
    }

    /// What follows from the state alone, once a batch of inputs is decided: what is ready starts, what is over ends.
    /// Called until it gives nothing more.
    fn settle(state: &Self::State, context: &Self::Context, now: Timestamp) -> Vec<Self::Fact>;

    /// Folds one fact, which stands in a record of the time `at`. Total: a fact that does not fit changes nothing.
    fn evolve(state: &mut Self::State, context: &Self::Context, fact: &Self::Fact, at: Timestamp);

    /// What must be done in the world and nobody has acknowledged.
    fn outbox(state: &Self::State) -> &Outbox;

    /// Builds the effect behind a key of the outbox; `None` if the state no longer knows what it was for.
    fn effect(state: &Self::State, context: &Self::Context, key: EffectKey) -> Option<Effect>;

    /// The input that says that the shell itself has carried out the effect of this key.
    fn acknowledged(key: EffectKey) -> Self::Input;

    /// The input that says that the shell cannot carry out the effect of this key, ever.
    fn refused(key: EffectKey, _why: String) -> Self::Input {
        Self::acknowledged(key)
    }

    /// The earliest deadline of its own (time-outs, retries, holds, instants), resends of the outbox left out.
    fn deadline(state: &Self::State) -> Option<Timestamp>;

    /// Whether anything may still happen by itself: an aggregate is in the open index exactly as long.
    fn is_open(state: &Self::State) -> bool;

    /// The version whose context the facts from this one on need, if the fact names one.
    fn version(fact: &Self::Fact) -> Option<VersionHash>;

    /// The input that a timer sends.
    fn woken() -> Self::Input;
}

/// What follows from an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<F> {
    /// What is now so.
    pub facts: Vec<F>,
    /// Answers to other aggregates that need no memory: who asked asks again until it is answered.
    pub replies: Vec<Effect>,
}

impl<F> Default for Decision<F> {
    fn default() -> Self {
        Self {
            facts: Vec::new(),
            replies: Vec::new(),
        }
    }
}

impl<F> Decision<F> {
    /// Nothing follows.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// These facts follow, and no reply.
    pub fn facts(facts: Vec<F>) -> Self {
        Self {
            facts,
            replies: Vec::new(),
        }
    }

    /// This fact follows.
    pub fn fact(fact: F) -> Self {
        Self::facts(vec![fact])
    }

    /// The same with one more reply.
    #[must_use]
    pub fn reply(mut self, effect: Effect) -> Self {
        self.replies.push(effect);
        self
    }
}

/// Decides a batch: each input on the state that the one before left, then what follows by itself. `state` is left
/// as the facts make it.
///
/// This is all of a step that needs no world, as long as no fact names another version; the shell appends the facts and
/// sends what came of them.
pub fn decide_batch<'a, A: Aggregate>(
    state: &mut A::State,
    context: &A::Context,
    inputs: impl IntoIterator<Item = &'a A::Input>,
    now: Timestamp,
) -> Decision<A::Fact>
where
    A::Input: 'a,
{
    let mut batch = Decision::nothing();
    for input in inputs {
        let decided = A::decide(state, context, input, now);
        fold::<A>(state, context, &decided.facts, now);
        batch.facts.extend(decided.facts);
        batch.replies.extend(decided.replies);
    }
    loop {
        let settled = A::settle(state, context, now);
        if settled.is_empty() {
            return batch;
        }
        fold::<A>(state, context, &settled, now);
        batch.facts.extend(settled);
    }
}

/// Folds facts that stand in one record.
pub fn fold<A: Aggregate>(
    state: &mut A::State,
    context: &A::Context,
    facts: &[A::Fact],
    at: Timestamp,
) {
    for fact in facts {
        A::evolve(state, context, fact, at);
    }
}
