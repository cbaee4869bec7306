//! Trigger rules and what tasks pick, naively.

use porpoise_engine::input::RunCommand;
use porpoise_engine::run::{Ranges, RunFact};
use porpoise_model::workflow::{Ending, Kind, TriggerRule};
use porpoise_model::{Cause, RunState};

use super::{End, Naive, Task, Wrong};

/// What a rule says of a task.
pub(super) enum Says {
    Wait,
    Go,
    Ends(End),
}

impl Naive {
    /// A task picks among those below it, and as the definition says.
    pub(super) fn chose(&mut self, at: u32, branch: usize) -> Result<(), Wrong> {
        self.may_start(at)?;
        let expected = match &self.plan.workflow().tasks[at as usize].kind {
            // The workload writes what holds as `true`.
            Kind::Switch { cases, .. } => {
                let first = cases.iter().position(|case| case.when == "true");
                first.unwrap_or(cases.len())
            }
            Kind::Conditions { when, .. } => {
                let ended = |task: u32, how: Ending| {
                    let end = self.tasks[task as usize].end;
                    end == Some(match how {
                        Ending::Succeeded => End::Success,
                        Ending::Failed => End::Failure,
                        Ending::Skipped => End::Skip,
                    })
                };
                usize::from(!when.holds(&ended))
            }
            _ => usize::MAX,
        };
        if branch != expected {
            let what = format!("task {at} picks branch {branch}, it has to be {expected}");
            return Err(("dependencies-first", what));
        }
        self.tasks[at as usize].picked = Some(branch);
        self.finish(at, End::Success);
        Ok(())
    }

    /// Whether a task waits for a person.
    pub(crate) fn asks(&self, at: u32) -> bool {
        matches!(
            self.plan.workflow().tasks[at as usize].kind,
            Kind::Approval { .. }
        )
    }

    /// Whether a task waits for runs of other workflows.
    pub(crate) fn depends(&self, at: u32) -> bool {
        matches!(
            self.plan.workflow().tasks[at as usize].kind,
            Kind::Dependent { .. }
        )
    }

    /// A task begins to wait for runs, in its turn.
    pub(super) fn awaits(&mut self, at: u32) -> Result<(), Wrong> {
        self.may_start(at)?;
        let task = &mut self.tasks[at as usize];
        if std::mem::replace(&mut task.awaits, true) {
            let what = format!("task {at} begins to wait twice: {task:?}");
            return Err(("dependencies-first", what));
        }
        Ok(())
    }

    /// A wait for runs ends.
    pub(super) fn awaited(&mut self, at: u32, end: End) -> Result<(), Wrong> {
        let task = &self.tasks[at as usize];
        if !task.awaits || task.end.is_some() {
            let what = format!("task {at} did not wait: {task:?}");
            return Err(("dependencies-first", what));
        }
        self.finish(at, end);
        Ok(())
    }

    pub(super) fn may_follow_the_end(fact: &RunFact) -> Result<(), Wrong> {
        match fact {
            RunFact::LeftGate { .. }
            | RunFact::SlotFreed { .. }
            | RunFact::Commanded { .. }
            | RunFact::Decided { .. }
            | RunFact::Rerun { .. }
            | RunFact::Recovered { .. }
            | RunFact::WentOn { .. }
            | RunFact::Edited(_)
            | RunFact::Turned { .. }
            | RunFact::Done { .. } => Ok(()),
            other => Err(("terminal-is-final", format!("after its end: {other:?}"))),
        }
    }

    /// Only what did not succeed is recovered, and conditions that looked at it; unless nothing says what that would be.
    pub(super) fn may_recover(&self, tasks: &Ranges) -> Result<(), Wrong> {
        if self.tasks.iter().all(|task| task.end != Some(End::Failure)) {
            return Ok(());
        }
        let looks = |at: u32| {
            let kind = &self.plan.workflow().tasks[at as usize].kind;
            matches!(kind, Kind::Conditions { .. })
        };
        let well = |at: &u32| self.tasks[*at as usize].end == Some(End::Success) && !looks(*at);
        match tasks.iter().find(well) {
            Some(at) => Err((
                "log-is-truth",
                format!("task {at} succeeded, and is recovered"),
            )),
            None => Ok(()),
        }
    }

    /// The answer that every task waits for that asks.
    pub(crate) fn unanswered(&self) -> Option<RunCommand> {
        let waits = |(at, task): &(u32, &Task)| self.asks(*at) && task.ready && task.end.is_none();
        let tasks = (0_u32..).zip(&self.tasks).filter(waits);
        let tasks: Vec<u32> = tasks.map(|(at, _)| at).collect();
        (!tasks.is_empty()).then_some(RunCommand::Answer {
            tasks,
            approved: true,
            why: "a test".to_owned(),
        })
    }

    /// A person answers a task that asks, in its turn.
    pub(super) fn answered(&mut self, at: u32, approved: bool) -> Result<(), Wrong> {
        let task = &self.tasks[at as usize];
        if !self.asks(at) || !task.ready || task.end.is_some() {
            let what = format!("task {at} is answered and did not ask: {task:?}");
            return Err(("dependencies-first", what));
        }
        self.finish(at, if approved { End::Success } else { End::Failure });
        Ok(())
    }

    /// A run that succeeds has no failure but such as conditions have seen; one that fails by its tasks has another.
    pub(super) fn may_end(&self, state: RunState, cause: Option<&Cause>) -> Result<(), Wrong> {
        let seen = |below: &u32| {
            let kind = &self.plan.workflow().tasks[*below as usize].kind;
            let looked = matches!(kind, Kind::Conditions { .. }) && !self.plan.is_disabled(*below);
            looked && self.tasks[*below as usize].end == Some(End::Success)
        };
        let failed = |(at, task): (u32, &Task)| {
            let below = self.plan.downstream(at).iter();
            let below = below.filter(|below| !self.tasks[**below as usize].left_out);
            let below: Vec<&u32> = below.collect();
            let expected = !below.is_empty() && below.into_iter().all(seen);
            task.end == Some(End::Failure) && (task.could_not_run || !expected)
        };
        let failed = (0_u32..).zip(&self.tasks).any(failed);
        let by_tasks = matches!(cause, Some(Cause::TasksFailed { .. }));
        if (state == RunState::Succeeded && failed) || (by_tasks && !failed) {
            let what = format!("the run ends as {state}, its tasks say otherwise: {self:?}");
            return Err(("log-is-truth", what));
        }
        Ok(())
    }

    /// How a task above ended, for one below it.
    fn seen(&self, above: u32, below: u32) -> Option<End> {
        let task = &self.tasks[above as usize];
        let branches = self.plan.workflow().tasks[above as usize].kind.branches();
        let passed_over = task.picked.is_some_and(|picked| {
            let named = |branch: &&[u32]| branch.contains(&below);
            branches.iter().any(named) && !branches.get(picked).is_some_and(named)
        });
        match task.end {
            Some(End::Success) if passed_over => Some(End::Skip),
            other => other,
        }
    }

    /// The rule of a task, from nothing but how those above it ended.
    pub(super) fn evaluate(&self, at: u32) -> Says {
        let there = |above: &&u32| !self.tasks[**above as usize].left_out;
        let above: Vec<&u32> = self.plan.upstream(at).iter().filter(there).collect();
        let count = |end: End| {
            let ends = above.iter().map(|above| self.seen(**above, at));
            ends.filter(|other| *other == Some(end)).count()
        };
        let could_not = above.iter();
        let could_not = could_not.filter(|above| self.tasks[***above as usize].could_not_run);
        let could_not = could_not.count();
        let (good, bad, skipped) = (count(End::Success), count(End::Failure), count(End::Skip));
        let done = good + bad + skipped == above.len();
        let rule = &self.plan.workflow().tasks[at as usize].trigger;
        if above.is_empty() {
            return Says::Go;
        }
        match rule {
            TriggerRule::Always => Says::Go,
            TriggerRule::AllSucceeded
            | TriggerRule::NoneFailed
            | TriggerRule::NoneFailedMinOneSucceeded
                if bad > 0 =>
            {
                Says::Ends(End::Failure)
            }
            TriggerRule::OneSucceeded if good > 0 => Says::Go,
            TriggerRule::OneFailed if bad > 0 => Says::Go,
            _ if !done => Says::Wait,
            TriggerRule::AllSucceeded if skipped > 0 => Says::Ends(End::Skip),
            TriggerRule::OneSucceeded if bad > 0 => Says::Ends(End::Failure),
            TriggerRule::OneSucceeded | TriggerRule::OneFailed => Says::Ends(End::Skip),
            TriggerRule::NoneFailedMinOneSucceeded if good == 0 => Says::Ends(End::Skip),
            TriggerRule::AllDoneMinOneRan if good + bad == could_not => match could_not {
                0 => Says::Ends(End::Skip),
                _ => Says::Ends(End::Failure),
            },
            TriggerRule::AllSucceeded
            | TriggerRule::AllDone
            | TriggerRule::NoneFailed
            | TriggerRule::NoneFailedMinOneSucceeded
            | TriggerRule::AllDoneMinOneRan => Says::Go,
        }
    }
}
