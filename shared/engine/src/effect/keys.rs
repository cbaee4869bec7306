//! Whose outbox an effect's key can stand in, as patterns: a `match` of one aggregate names its own keys, and all those
//! of the others in a word. [`EffectKey`](super::EffectKey) has to be in scope.
//!
//! `Listing` is a run's and a backfill's, `Fire` a schedule's and a backfill's: who has neither names them.

/// Of runs alone.
macro_rules! of_runs {
    () => {
        EffectKey::Dispatch(_)
            | EffectKey::Cancel(_)
            | EffectKey::AskSlot(_)
            | EffectKey::FreeSlot(_)
            | EffectKey::EnterGate(_)
            | EffectKey::LeaveGate(_)
            | EffectKey::Announce(_)
            | EffectKey::TellParent(_)
            | EffectKey::Turn(_)
            | EffectKey::Look(_)
            | EffectKey::Unsubscribe(_)
            | EffectKey::Stir(_)
    };
}

/// Of pools.
macro_rules! of_pools {
    () => {
        EffectKey::GrantSlot(_) | EffectKey::CheckHolder(_)
    };
}

/// Of gates.
macro_rules! of_gates {
    () => {
        EffectKey::Admit(_) | EffectKey::Discard(_) | EffectKey::Supersede(_)
    };
}

/// Of backfills alone.
macro_rules! of_backfills {
    () => {
        EffectKey::StopDated(_) | EffectKey::FireDependent(_) | EffectKey::StopDependent(_)
    };
}

pub(crate) use {of_backfills, of_gates, of_pools, of_runs};
