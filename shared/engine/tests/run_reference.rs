//! Runs against a naive model: how every task ends follows from how the tasks above it ended, and from nothing else.

use std::collections::BTreeMap;

use porpoise_engine::effect::Attempt;
use porpoise_engine::input::{Report, ReportKind, RunCommand, RunInput};
use porpoise_engine::run::Phase;
use porpoise_model::workflow::{Case, Ending, Kind, Test, TriggerRule};
use porpoise_model::{Cause, RunState};
use proptest::prelude::*;

use crate::support;
use crate::support::{Scenario, scenario};

/// A random DAG: for each task its rule, whether it is disabled, how its job ends, and the tasks above it.
#[derive(Debug, Clone)]
struct Drawn {
    rule: TriggerRule,
    disabled: bool,
    fails: bool,
    after: Vec<u32>,
    /// What it picks among the tasks below; `None`: it has a job.
    picks: Option<Picks>,
}

/// Two branches of tasks directly below.
#[derive(Debug, Clone)]
struct Picks {
    /// By values: whether the first is picked. Else by whether all tasks above ended like this.
    by: Result<bool, Ending>,
    one: Vec<u32>,
    other: Vec<u32>,
}

fn rule() -> impl Strategy<Value = TriggerRule> {
    prop_oneof![
        4 => Just(TriggerRule::AllSucceeded),
        1 => Just(TriggerRule::AllDone),
        1 => Just(TriggerRule::OneSucceeded),
        1 => Just(TriggerRule::OneFailed),
        1 => Just(TriggerRule::NoneFailed),
        2 => Just(TriggerRule::NoneFailedMinOneSucceeded),
        1 => Just(TriggerRule::AllDoneMinOneRan),
        1 => Just(TriggerRule::Always),
    ]
}

fn dag() -> impl Strategy<Value = Vec<Drawn>> {
    let by = prop_oneof![
        any::<bool>().prop_map(Ok),
        Just(Err(Ending::Succeeded)),
        Just(Err(Ending::Failed)),
        Just(Err(Ending::Skipped)),
    ];
    let picks = prop::option::weighted(0.3, (by, any::<u32>(), any::<u32>()));
    let task = (
        rule(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.25),
        prop::collection::vec(any::<u32>(), 0..4),
        picks,
    );
    prop::collection::vec(task, 1..24).prop_map(|tasks| {
        let drawn: Vec<_> = tasks.iter().map(|(.., picks)| *picks).collect();
        let draw =
            |(at, (rule, disabled, fails, above, _)): (usize, (_, bool, bool, Vec<u32>, _))| {
                let mut after: Vec<u32> = match u32::try_from(at).unwrap() {
                    0 => Vec::new(),
                    below => above.into_iter().map(|above| above % below).collect(),
                };
                after.sort_unstable();
                after.dedup();
                Drawn {
                    rule,
                    disabled,
                    fails,
                    after,
                    picks: None,
                }
            };
        let mut dag: Vec<Drawn> = tasks.into_iter().enumerate().map(draw).collect();
        for (at, picks) in (0_u32..).zip(drawn) {
            let below = (0_u32..)
                .zip(&dag)
                .filter(|(_, task)| task.after.contains(&at));
            let below: Vec<u32> = below.map(|(below, _)| below).collect();
            let some = |bits: u32| {
                let mine = |task: &&u32| bits >> **task & 1 == 1;
                below.iter().filter(mine).copied().collect()
            };
            let picks = picks.map(|(by, one, other)| Picks {
                by,
                one: some(one),
                other: some(other),
            });
            let task = &mut dag[at as usize];
            // Whoever looks at how tasks above ended waits for all of them.
            let early = matches!(
                task.rule,
                TriggerRule::Always | TriggerRule::OneSucceeded | TriggerRule::OneFailed
            );
            if early && picks.as_ref().is_some_and(|picks| picks.by.is_err()) {
                task.rule = TriggerRule::AllDoneMinOneRan;
            }
            task.picks = picks;
        }
        dag
    })
}

/// How a task above ended, as one of those below sees it.
fn seen(dag: &[Drawn], ends: &[Phase], above: u32, below: u32) -> Phase {
    let end = ends[above as usize];
    let Some(picks) = dag[above as usize].picks.as_ref() else {
        return end;
    };
    let takes_one = match picks.by {
        Ok(one) => one,
        Err(how) => {
            let like = |end: &Phase| match how {
                Ending::Succeeded => end.is_success(),
                Ending::Failed => end.is_failure(),
                Ending::Skipped => *end == Phase::Skipped,
            };
            let above = dag[above as usize].after.iter();
            above.map(|task| ends[*task as usize]).all(|end| like(&end))
        }
    };
    let (picked, other) = if takes_one {
        (&picks.one, &picks.other)
    } else {
        (&picks.other, &picks.one)
    };
    let passed_over = other.contains(&below) && !picked.contains(&below);
    if end == Phase::Succeeded && passed_over {
        Phase::Skipped
    } else {
        end
    }
}

/// Whether the run fails: a failure counts unless all that follows it are conditions that have seen it.
fn run_fails(dag: &[Drawn], ends: &[Phase]) -> bool {
    let sees = |at: u32, below: &Drawn, end: Phase| {
        below.after.contains(&at).then(|| {
            let conditions = below.picks.as_ref().is_some_and(|picks| picks.by.is_err());
            conditions && end == Phase::Succeeded
        })
    };
    let counts = |at: u32| {
        let below: Vec<bool> = dag
            .iter()
            .zip(ends)
            .filter_map(|(task, end)| sees(at, task, *end))
            .collect();
        let expected = !below.is_empty() && below.iter().all(|sees| *sees);
        let end = ends[at as usize];
        end == Phase::UpstreamFailed || (end.is_failure() && !expected)
    };
    (0..dag.len()).any(|at| counts(u32::try_from(at).unwrap()))
}

/// How each task must end, in the order of indices (the tasks above always come first).
fn expected(dag: &[Drawn]) -> Vec<Phase> {
    let mut ends: Vec<Phase> = Vec::new();
    for task in dag {
        let at = u32::try_from(ends.len()).unwrap();
        let above = task.after.iter();
        let above: Vec<Phase> = above.map(|above| seen(dag, &ends, *above, at)).collect();
        let failed = above.iter().any(|end| end.is_failure());
        let skipped = above.contains(&Phase::Skipped);
        let succeeded = above.iter().any(|end| end.is_success());
        let ran = |end: &Phase| !matches!(end, Phase::Skipped | Phase::UpstreamFailed);
        let runs = if task.disabled {
            Phase::Disabled
        } else if task.fails && task.picks.is_none() {
            Phase::Failed
        } else {
            Phase::Succeeded
        };
        ends.push(match task.rule {
            _ if above.is_empty() => runs,
            TriggerRule::AllSucceeded
            | TriggerRule::NoneFailed
            | TriggerRule::NoneFailedMinOneSucceeded
                if failed =>
            {
                Phase::UpstreamFailed
            }
            TriggerRule::NoneFailedMinOneSucceeded if !succeeded => Phase::Skipped,
            TriggerRule::AllDoneMinOneRan if !above.iter().any(ran) && failed => {
                Phase::UpstreamFailed
            }
            TriggerRule::AllDoneMinOneRan if !above.iter().any(ran) => Phase::Skipped,
            TriggerRule::AllSucceeded if skipped => Phase::Skipped,
            TriggerRule::OneSucceeded if !succeeded && failed => Phase::UpstreamFailed,
            TriggerRule::OneSucceeded if !succeeded => Phase::Skipped,
            TriggerRule::OneFailed if !failed => Phase::Skipped,
            _ => runs,
        });
    }
    ends
}

fn build(dag: &[Drawn]) -> Scenario {
    let names: Vec<String> = (0..dag.len()).map(|task| format!("t{task}")).collect();
    let mut run = scenario(&names.join(";"));
    for (task, drawn) in run.workflow.tasks.iter_mut().zip(dag) {
        (task.trigger, task.disabled, task.after) =
            (drawn.rule, drawn.disabled, drawn.after.clone());
        if let Some(picks) = &drawn.picks {
            task.kind = kind(picks, &drawn.after);
        }
    }
    run
}

fn kind(picks: &Picks, above: &[u32]) -> Kind {
    match picks.by {
        Ok(one) => Kind::Switch {
            cases: vec![Case {
                when: one.to_string(),
                then: picks.one.clone(),
            }],
            otherwise: Some(picks.other.clone()),
        },
        Err(is) => {
            let tests = above.iter().map(|task| Test::Task { task: *task, is });
            Kind::Conditions {
                when: Test::All(tests.collect()),
                then: picks.one.clone(),
                otherwise: picks.other.clone(),
            }
        }
    }
}

/// Ends active tasks in an order that `picks` draws, some said twice, until nothing is active.
fn drain(mut run: Scenario, dag: &[Drawn], picks: &[u32]) -> Scenario {
    for turn in 0.. {
        let active: Vec<u32> = run
            .state
            .tasks
            .indices()
            .filter(|task| run.state.tasks.phase(*task).is_active())
            .collect();
        if active.is_empty() {
            return run;
        }
        let pick = picks
            .get(turn % picks.len().max(1))
            .copied()
            .unwrap_or_default();
        let task = active[pick as usize % active.len()];
        let attempt = Attempt::of(task, run.state.tasks.attempts(task));
        let (at, fails) = (run.now, dag[task as usize].fails);
        let what = if fails {
            ReportKind::Failed {
                started: Some(at),
                ended: at,
                cause: Cause::Exit { code: 3 },
            }
        } else {
            ReportKind::Succeeded {
                started: at,
                ended: at,
                outputs: BTreeMap::new(),
            }
        };
        let report = Report { attempt, what };
        let reports = vec![report; 1 + pick as usize % 2];
        run = run.input(&RunInput::Reported(reports));
    }
    run
}

fn phases(run: &Scenario) -> Vec<Phase> {
    run.state
        .tasks
        .indices()
        .map(|task| run.state.tasks.phase(task))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_task_ends_as_the_naive_model_says(dag in dag(), picks in prop::collection::vec(any::<u32>(), 1..40)) {
        let run = drain(build(&dag).start(), &dag, &picks);
        let ends = expected(&dag);
        prop_assert_eq!(phases(&run), ends.clone());
        let failed = run_fails(&dag, &ends);
        prop_assert_eq!(run.state.run_state(), if failed { RunState::Failed } else { RunState::Succeeded });
    }

    #[test]
    fn a_rerun_of_what_failed_ends_like_a_first_run(dag in dag(), picks in prop::collection::vec(any::<u32>(), 1..40)) {
        let run = drain(build(&dag).start(), &dag, &picks);
        prop_assume!(run.state.run_state() == RunState::Failed);
        let mended: Vec<Drawn> = dag.iter().map(|task| Drawn { fails: false, ..task.clone() }).collect();
        let reran = run.command(RunCommand::RerunFailed);
        prop_assert_eq!(reran.state.run_state().is_terminal(), reran.state.tasks.unfinished() == 0);
        let reran = drain(reran, &mended, &picks);
        prop_assert!(reran.state.run_state().is_terminal());
        prop_assert!(reran.state.tasks.indices().all(|task| reran.state.tasks.phase(task) != Phase::Failed));
    }

    #[test]
    fn a_rerun_of_everything_ends_like_a_first_run(dag in dag(), picks in prop::collection::vec(any::<u32>(), 1..40)) {
        let run = drain(build(&dag).start(), &dag, &picks);
        let all: Vec<u32> = run.state.tasks.indices().collect();
        let reran = drain(run.command(RunCommand::Rerun { tasks: all, downstream: true, upstream: false }), &dag, &picks);
        prop_assert_eq!(phases(&reran), expected(&dag));
    }

    #[test]
    fn folding_the_facts_gives_the_state(dag in dag(), picks in prop::collection::vec(any::<u32>(), 1..40)) {
        use porpoise_engine::Aggregate;
        use porpoise_engine::run::{Run, RunFact, State};
        let run = drain(build(&dag).start(), &dag, &picks);
        let plan = run.plan.as_ref().unwrap();
        let mut folded = State::default();
        Run::evolve(&mut folded, plan, &RunFact::Created(Box::new(run.new.clone())), support::start_of_day());
        for (at, fact) in &run.facts {
            let bytes = minicbor::to_vec(fact).unwrap();
            let read: RunFact = minicbor::decode(&bytes).unwrap();
            prop_assert_eq!(&read, fact);
            Run::evolve(&mut folded, plan, &read, *at);
        }
        prop_assert_eq!(&folded, &run.state);
        let bytes = minicbor::to_vec(&folded).unwrap();
        prop_assert_eq!(&minicbor::decode::<State>(&bytes).unwrap(), &folded);
    }
}
