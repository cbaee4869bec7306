//! A finished run goes on with another version of its workflow, which somebody made of the one that it had.
//!
//! Whoever edits compares the two versions once ([`Edit::prepare`]): the command says what changed, and the fact that
//! follows says where each task is now and what runs again. So a fold never looks at the version before.
//!
//! A position may mean another task then. What is in the world by then (jobs that report late, slots on their way back)
//! is told apart by its attempt: a task that is new at its position goes on counting above every number that the run has
//! used, so no key is ever used twice (docs/adr/0024).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::limits::RETRIES_MAX;
use porpoise_model::workflow::{Case, Kind, Task, Test};
use porpoise_model::{Actor, PoolId, Value, VersionHash};

use super::command;
use super::fact::RunFact;
use super::mapped;
use super::moves::Moves;
use super::parameters;
use super::ranges::Ranges;
use super::selection::firsts;
use super::state::State;
use super::tasks::{Phase, Tasks};
use super::upstream;
use crate::Plan;
use crate::effect::EffectKey;
use crate::effect::keys::{of_backfills, of_gates, of_pools};
use crate::mutant::{self, Mutant};
use crate::placement::Placement;

/// Stretches of tasks that an edit may move: the fact has to fit a record.
pub const STRETCHES_MAX: usize = 4_000;

/// What somebody wants a finished run to go on with.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Edit {
    /// The version that it has: an edit of another one is refused.
    #[n(0)]
    pub before: VersionHash,
    /// The version that it is to have; stored already.
    #[n(1)]
    pub version: VersionHash,
    /// Where its tasks are in that.
    #[n(2)]
    pub moves: Moves,
    /// Tasks of the new version that run again in any case: changed or new ones, and what comes after those.
    #[n(3)]
    pub changed: Ranges,
    /// Tasks of the new version that run again beside them; none said: those that did not succeed.
    #[n(4)]
    pub again: Option<Ranges>,
    /// Parameters that the run does not have yet, resolved.
    #[n(5)]
    pub parameters: Vec<(String, String)>,
    /// Where its tasks execute from now on.
    #[n(6)]
    #[cbor(default)]
    pub placement: Placement,
    /// The new version is the workflow's current one by now.
    #[n(7)]
    pub written_back: bool,
    /// Parameters of the project that it can name from now on.
    #[n(8)]
    pub project_parameters: Option<BTreeMap<String, Value>>,
    /// Tasks of the version before that the run was without when the two were compared: these do not run again.
    #[n(9)]
    #[cbor(default)]
    pub left_out: Ranges,
}

/// The fact of an edit.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Edited {
    /// The version that the run had.
    #[n(0)]
    pub before: VersionHash,
    /// The version that it has from now on: every index in what follows is one of it.
    #[n(1)]
    pub version: VersionHash,
    /// Where the tasks of the one are in the other.
    #[n(2)]
    pub moves: Moves,
    /// These run again, from the start; all others that were there before stay as they ended.
    #[n(3)]
    pub tasks: Ranges,
    /// Who.
    #[n(4)]
    pub actor: Actor,
    /// Parameters that it did not have before.
    #[n(5)]
    pub parameters: Vec<(String, String)>,
    /// Where its tasks execute.
    #[n(6)]
    #[cbor(default)]
    pub placement: Placement,
    /// Whose slots tasks of the version before took, by index in that.
    #[n(7)]
    pub pools: Vec<(PoolId, Ranges)>,
    /// The new version is the workflow's current one, too.
    #[n(8)]
    pub written_back: bool,
    /// Parameters of the project that it can name: those that it kept are what they were.
    #[n(9)]
    pub project_parameters: Option<BTreeMap<String, Value>>,
    /// Of those that run again, mapped ones that go on with the elements that have succeeded.
    #[n(10)]
    pub goes_on: Option<Ranges>,
}

/// What a run keeps of the versions that it had.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Edits {
    /// How often it was edited.
    #[n(0)]
    pub count: u32,
    /// No attempt of an earlier version has a larger number.
    #[n(1)]
    pub floor: u32,
    /// The version of the definition that its own one stems from, if that is not the one that it was created with.
    #[n(2)]
    pub stems_from: Option<VersionHash>,
    /// Pools that tasks of earlier versions took slots of, by index in those.
    #[n(3)]
    pub pools: BTreeMap<PoolId, Ranges>,
}

impl Edit {
    /// Compares the version that a run has with the one that it is to have. `again` are the tasks of the latter that are
    /// to run beside what has changed; none: those that did not succeed.
    ///
    /// # Errors
    /// The reason for which it can't be.
    pub fn prepare(
        state: &State,
        (before, had): (VersionHash, &Plan),
        (version, has): (VersionHash, &Plan),
        again: Option<Ranges>,
        placement: Placement,
        project_parameters: Option<BTreeMap<String, Value>>,
    ) -> Result<Self, String> {
        let moves = Moves::between(had, has);
        if moves.stretches() > STRETCHES_MAX {
            return Err(format!(
                "its tasks are in another order than before in {} places, more than {STRETCHES_MAX}: keep them in their order",
                moves.stretches()
            ));
        }
        let changed = changed(state, had, has, &moves);
        let not_begun = || "the run has not begun".to_owned();
        let mut new = state.new.as_deref().cloned().ok_or_else(not_begun)?;
        new.project_parameters.clone_from(&project_parameters);
        let known = state.parameters.as_ref().ok_or_else(not_begun)?;
        Ok(Self {
            before,
            version,
            moves,
            changed,
            again,
            parameters: parameters::resolve_new(&new, has.workflow(), known)?,
            placement,
            written_back: false,
            project_parameters,
            left_out: left_out(state),
        })
    }

    /// Tasks of the new version that run again.
    pub fn tasks(&self, state: &State, had: &Plan) -> Ranges {
        let again = match &self.again {
            Some(again) => again.clone(),
            None => self.moves.follow(&command::failed(state, had)),
        };
        Ranges::of(again.iter().chain(self.changed.iter()))
    }
}

/// Tasks that do not do what they did, or did not exist, and all that comes after them. What a run was started without
/// stays out of it.
fn changed(state: &State, had: &Plan, has: &Plan, moves: &Moves) -> Ranges {
    let pairs: BTreeMap<u32, u32> = moves.pairs().map(|(from, to)| (to, from)).collect();
    let to: BTreeMap<u32, u32> = moves.pairs().collect();
    let all = had.workflow().dialect != has.workflow().dialect;
    let left_out = |task: &u32| {
        let before = pairs.get(task);
        before.is_some_and(|before| state.tasks.phase(*before) == Phase::LeftOut)
    };
    let other = |task: &u32| {
        let before = pairs.get(task).and_then(|before| had.task(*before));
        match (before, has.task(*task)) {
            (Some(before), Some(after)) => all || !does_the_same(before, after, &to),
            (None, _) | (_, None) => true,
        }
    };
    let other = (0..has.len()).filter(|task| other(task) && !left_out(task));
    let reached = has.with_downstream(&other.collect::<Vec<u32>>());
    reached.into_iter().filter(|task| !left_out(task)).collect()
}

/// Whether a task would come to the same end for the same reasons. How often it is tried, how long it may take, which
/// slots it takes and what is written about it change no result that is there.
fn does_the_same(before: &Task, after: &Task, to: &BTreeMap<u32, u32>) -> bool {
    let same_order = moved(&before.after, to) == sorted(&after.after);
    same_order
        && before.trigger == after.trigger
        && before.parameters == after.parameters
        && before.env == after.env
        && before.files == after.files
        && before.outputs == after.outputs
        && before.target == after.target
        && before.disabled == after.disabled
        && same_kind(&before.kind, &after.kind, to)
}

fn same_kind(before: &Kind, after: &Kind, to: &BTreeMap<u32, u32>) -> bool {
    if let (
        Kind::Switch { cases, otherwise },
        Kind::Switch {
            cases: cases_after,
            otherwise: otherwise_after,
        },
    ) = (before, after)
    {
        let same = |(one, other): (&Case, &Case)| {
            one.when == other.when && moved(&one.then, to) == sorted(&other.then)
        };
        let otherwise = otherwise.as_deref().map(|tasks| moved(tasks, to));
        return cases.len() == cases_after.len()
            && cases.iter().zip(cases_after).all(same)
            && otherwise == otherwise_after.as_deref().map(sorted);
    }
    if let (
        Kind::Conditions {
            when,
            then,
            otherwise,
        },
        Kind::Conditions {
            when: when_after,
            then: then_after,
            otherwise: otherwise_after,
        },
    ) = (before, after)
    {
        return moved_test(when, to) == *when_after
            && moved(then, to) == sorted(then_after)
            && moved(otherwise, to) == sorted(otherwise_after);
    }
    before == after
}

/// Tasks as the version after counts them; one that is gone is none that there is.
fn moved(tasks: &[u32], to: &BTreeMap<u32, u32>) -> BTreeSet<u32> {
    let now = |task: &u32| to.get(task).copied().unwrap_or(u32::MAX);
    tasks.iter().map(now).collect()
}

fn sorted(tasks: impl AsRef<[u32]>) -> BTreeSet<u32> {
    tasks.as_ref().iter().copied().collect()
}

fn moved_test(test: &Test, to: &BTreeMap<u32, u32>) -> Test {
    let all = |tests: &[Test]| tests.iter().map(|test| moved_test(test, to)).collect();
    match test {
        Test::Task { task, is } => Test::Task {
            task: to.get(task).copied().unwrap_or(u32::MAX),
            is: *is,
        },
        Test::All(tests) => Test::All(all(tests)),
        Test::Any(tests) => Test::Any(all(tests)),
    }
}

fn left_out(state: &State) -> Ranges {
    let tasks = state.tasks.indices();
    Ranges::of(tasks.filter(|task| state.tasks.phase(*task) == Phase::LeftOut))
}

/// What follows from an edit.
pub(super) fn decide(
    state: &State,
    plan: &Plan,
    edit: &Edit,
    actor: &Actor,
) -> Result<Vec<RunFact>, String> {
    may_be(state, edit.before)?;
    if left_out(state) != edit.left_out {
        let why = "somebody has run tasks of it meanwhile that it was without: edit it again";
        return Err(why.to_owned());
    }
    let tasks = edit.tasks(state, plan);
    if tasks.is_empty() && edit.version == edit.before {
        return Err(command::NOTHING_AGAIN.to_owned());
    }
    Ok(vec![RunFact::Edited(Box::new(Edited {
        before: edit.before,
        version: edit.version,
        moves: edit.moves.clone(),
        tasks,
        actor: actor.clone(),
        parameters: edit.parameters.clone(),
        placement: edit.placement.clone(),
        pools: pools(state, plan),
        written_back: edit.written_back,
        project_parameters: edit.project_parameters.clone(),
        goes_on: goes_on(state, plan, edit),
    }))])
}

/// Mapped tasks that nobody has named, and that are what they were, as the new version counts them.
fn goes_on(state: &State, plan: &Plan, edit: &Edit) -> Option<Ranges> {
    if edit.again.is_some() {
        return None;
    }
    let failed = firsts(plan, &command::failed(state, plan));
    let going = failed.iter().filter(|task| mapped::can_go_on(state, *task));
    let going = edit.moves.follow(&Ranges::of(going));
    let same = going.iter().filter(|task| !edit.changed.contains(*task));
    Some(Ranges::of(same)).filter(|tasks| !tasks.is_empty())
}

/// Whether a run of this version may be edited now.
///
/// # Errors
/// The reason for which it may not.
pub fn may_be(state: &State, version: VersionHash) -> Result<(), String> {
    let now = state.run_state();
    if !now.is_terminal() {
        return Err(format!(
            "only a finished run can be edited, this one is {now}: kill it first, or wait for its end"
        ));
    }
    command::begun(state)?;
    let has = state.new.as_ref().and_then(|new| new.version);
    if has != Some(version) {
        let has = has.map_or_else(String::new, |has| has.short());
        return Err(format!(
            "somebody has edited the run meanwhile: it has version {has} now, and this edit is of {}",
            version.short()
        ));
    }
    match in_the_world(state) {
        Some(what) => Err(format!(
            "the run has only just ended, and {what}: try again in a moment"
        )),
        None => Ok(()),
    }
}

/// What a finished run still has to do with the world, task by task. It is said in the words of the version that it has.
pub fn in_the_world(state: &State) -> Option<&'static str> {
    let family = state.family.as_deref();
    let below =
        |family: &super::state::Family| !(family.children.is_empty() && family.mapped.is_empty());
    if family.is_some_and(below) {
        return Some("runs below it are not over");
    }
    if !(state.slots.is_empty() && state.awaiting.is_empty() && state.canceling.is_empty()) {
        return Some("a task of it is not over");
    }
    let mut open = state.outbox.iter().map(|(key, _)| key);
    open.find_map(|key| match key {
        EffectKey::AskSlot(_) | EffectKey::FreeSlot(_) => {
            Some("slots are on their way back to their pool")
        }
        EffectKey::Dispatch(_) | EffectKey::Cancel(_) | EffectKey::Turn(_) => {
            Some("a job of it is not over")
        }
        EffectKey::Look(_) | EffectKey::Unsubscribe(_) => Some("a wait of it is not over"),
        EffectKey::Announce(_) => Some("somebody is still to be told of it"),
        EffectKey::EnterGate(_)
        | EffectKey::LeaveGate(_)
        | EffectKey::Listing(_)
        | EffectKey::TellParent(_)
        | EffectKey::Stir(_)
        | of_pools!()
        | of_gates!()
        | of_backfills!()
        | EffectKey::Fire(_) => None,
    })
}

/// A pool that asks later about an attempt of this version is answered by name.
fn pools(state: &State, plan: &Plan) -> Vec<(PoolId, Ranges)> {
    let mut pools: BTreeMap<PoolId, Vec<u32>> = BTreeMap::new();
    for task in (0..plan.len()).filter(|task| plan.has_pool(*task)) {
        if let Some(pool) = super::effects::pool(state, plan, task) {
            pools.entry(pool).or_default().push(task);
        }
    }
    let pools = pools.into_iter();
    pools
        .map(|(pool, tasks)| (pool, Ranges::of(tasks)))
        .collect()
}

/// The pools that an attempt of an earlier version may have taken slots of.
pub(super) fn pools_before(state: &State, task: u32, attempt: u32) -> Vec<PoolId> {
    let Some(edits) = state.edits.as_deref() else {
        return Vec::new();
    };
    let old = attempt <= edits.floor;
    let of = edits
        .pools
        .iter()
        .filter(|(_, tasks)| old && tasks.contains(task));
    of.map(|(pool, _)| *pool).collect()
}

/// The fold of an edit, but for what follows from its end being over. `false`: it does not fit.
pub(super) fn evolve(state: &mut State, plan: &Plan, edited: &Edited, at: Timestamp) -> bool {
    if !state.run_state().is_terminal() || state.tasks.is_empty() {
        return false;
    }
    let floor = pin(state, edited);
    mapped::moved(state, edited);
    let again: BTreeSet<u32> = edited.tasks.iter().collect();
    let mut tasks = Tasks::new(plan.len(), |_| 0);
    let begins = if mutant::on(Mutant::EditedCountsAnew) {
        0
    } else {
        floor
    };
    for task in tasks.indices() {
        tasks.set_attempts(task, begins);
    }
    let (mut base, mut outputs) = (BTreeMap::new(), BTreeMap::new());
    let (mut chosen, mut not_by_itself) = (BTreeMap::new(), BTreeSet::new());
    for (from, to) in edited.moves.pairs() {
        if from == to {
            tasks.set_attempts(to, state.tasks.attempts(from));
        }
        let phase = state.tasks.phase(from);
        if again.contains(&to) || !phase.is_terminal() {
            continue;
        }
        tasks.set_phase(to, phase);
        outputs.extend(state.outputs.remove(&from).map(|set| (to, set)));
        chosen.extend(state.chosen.get(&from).map(|branch| (to, *branch)));
        not_by_itself.extend(state.not_by_itself.contains(&from).then_some(to));
    }
    for task in tasks.indices() {
        if !tasks.phase(task).is_terminal() && tasks.attempts(task) > 0 {
            base.insert(task, tasks.attempts(task).min(u32::MAX - RETRIES_MAX));
        }
    }
    (state.tasks, state.base, state.outputs) = (tasks, base, outputs);
    (state.chosen, state.not_by_itself) = (chosen, not_by_itself);
    state.ready.clear();
    state.parked.clear();
    state.watched.clear();
    if let Some(family) = state.family.as_deref_mut() {
        (family.ran, family.goes_on) = (BTreeMap::new(), BTreeMap::new());
    }
    upstream::refresh(state, plan, state.tasks.indices(), at);
    true
}

/// From now on the run has the new version. Says above which number those count on that are new at their position.
fn pin(state: &mut State, edited: &Edited) -> u32 {
    let numbers = state.tasks.indices().map(|task| state.tasks.attempts(task));
    let used = numbers.max().unwrap_or_default();
    if let Some(new) = state.new.as_deref_mut() {
        new.version = Some(edited.version);
        new.placement = edited.placement.clone();
        new.project_parameters
            .clone_from(&edited.project_parameters);
        new.only = new.only.as_ref().map(|only| edited.moves.follow(only));
    }
    if let Some(parameters) = &mut state.parameters {
        for (name, text) in &edited.parameters {
            parameters
                .entry(name.clone())
                .or_insert_with(|| text.clone());
        }
    }
    let edits = state.edits.get_or_insert_default();
    edits.count = edits.count.saturating_add(1);
    edits.floor = edits.floor.max(used);
    edits.stems_from = Some(if edited.written_back {
        edited.version
    } else {
        edits.stems_from.unwrap_or(edited.before)
    });
    for (pool, tasks) in &edited.pools {
        let known = edits.pools.entry(*pool).or_default();
        *known = Ranges::of(known.iter().chain(tasks.iter()));
    }
    edits.floor
}
