//! A batch decided and folded in memory: no I/O, and a panic of a rule is an answer like others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::Timestamp;
use porpoise_engine::{Aggregate, Effect};
use porpoise_model::VersionHash;
use porpoise_model::limits::TASKS_MAX;

use crate::log::Loaded;

/// Rounds of settling after which a rule of ours is wrong: a dry run takes one for each level of its DAG.
const SETTLE_ROUNDS_MAX: usize = 2 * TASKS_MAX;

/// A version and its context, loaded because a decision is about to name it.
pub(crate) type Prefetched<A> = (VersionHash, Arc<<A as Aggregate>::Context>);

/// What a batch comes to. The state is folded already.
#[derive(Debug)]
pub(crate) struct Decided<A: Aggregate> {
    pub(crate) facts: Vec<A::Fact>,
    /// Where in `facts` a decision begins: those of one input belong together.
    pub(crate) breaks: Vec<usize>,
    pub(crate) replies: Vec<Effect>,
    /// Whether the aggregate was open before.
    pub(crate) was_open: bool,
}

/// Why a batch cannot be decided. The state is spoilt and must be loaded again.
#[derive(Debug)]
pub(crate) enum Undecided {
    /// A fact names a version whose context is not here.
    Needs(VersionHash),
    /// Nothing can be decided before a fact has named a version.
    Unborn,
    /// A rule panicked, or never settled.
    Fault(String),
}

/// Decides each input on the state that the one before left, then settles.
pub(crate) fn decide<A: Aggregate>(
    loaded: &mut Loaded<A>,
    inputs: &[A::Input],
    now: Timestamp,
    prefetched: Option<&Prefetched<A>>,
) -> Result<Decided<A>, Undecided> {
    let work = AssertUnwindSafe(|| {
        let mut batch = Batch {
            decided: Decided {
                facts: Vec::new(),
                breaks: Vec::new(),
                replies: Vec::new(),
                was_open: A::is_open(&loaded.state),
            },
            loaded,
            prefetched,
            now,
        };
        inputs.iter().try_for_each(|input| batch.input(input))?;
        batch.settle()?;
        Ok(batch.decided)
    });
    catch_unwind(work).unwrap_or_else(|panic| Err(Undecided::Fault(said(&*panic))))
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a rule panicked".to_owned())
}

struct Batch<'a, A: Aggregate> {
    loaded: &'a mut Loaded<A>,
    prefetched: Option<&'a Prefetched<A>>,
    now: Timestamp,
    decided: Decided<A>,
}

impl<A: Aggregate> Batch<'_, A> {
    fn context(&self) -> Result<Arc<A::Context>, Undecided> {
        let context = self.loaded.context.as_ref();
        context.map(Arc::clone).ok_or(Undecided::Unborn)
    }

    fn input(&mut self, input: &A::Input) -> Result<(), Undecided> {
        let decision = A::decide(&self.loaded.state, &*self.context()?, input, self.now);
        self.decided.replies.extend(decision.replies);
        if !decision.facts.is_empty() {
            self.decided.breaks.push(self.decided.facts.len());
        }
        self.take(decision.facts)
    }

    fn settle(&mut self) -> Result<(), Undecided> {
        for _ in 0..SETTLE_ROUNDS_MAX {
            let facts = A::settle(&self.loaded.state, &*self.context()?, self.now);
            if facts.is_empty() {
                return Ok(());
            }
            let begun = self.decided.facts.len();
            self.decided.breaks.extend(begun..begun + facts.len());
            self.take(facts)?;
        }
        Err(Undecided::Fault("the batch does not settle".to_owned()))
    }

    fn take(&mut self, facts: Vec<A::Fact>) -> Result<(), Undecided> {
        for fact in &facts {
            if let Some(version) = A::version(fact).filter(|v| Some(*v) != self.loaded.version) {
                self.switch(version)?;
            }
            let context = self.context()?;
            A::evolve(&mut self.loaded.state, &context, fact, self.now);
        }
        self.decided.facts.extend(facts);
        Ok(())
    }

    fn switch(&mut self, version: VersionHash) -> Result<(), Undecided> {
        match self.prefetched {
            Some((of, context)) if *of == version => {
                self.loaded.context = Some(Arc::clone(context));
                self.loaded.version = Some(version);
                Ok(())
            }
            Some(_) | None => Err(Undecided::Needs(version)),
        }
    }
}
