//! Tasks that wait for runs of other workflows.

use std::time::Duration;

use insta::assert_snapshot;
use porpoise_engine::Aggregate;
use porpoise_engine::effect::{Effect, EffectKey, Look, LookOut};
use porpoise_engine::input::{Finding, Findings, RunCommand, RunInput};
use porpoise_engine::run::dependent::{of_part, of_whole, run_of};
use porpoise_engine::run::{Phase, Run, RunFact, View, reason};
use porpoise_model::dependence::{Need, Part, Period, Runs, Verdict};
use porpoise_model::workflow::{Kind, Timeout, TimeoutAction};
use porpoise_model::{RunId, RunState, Value, ValueType};

use crate::support;
use crate::support::{Scenario, scenario};

fn runs(workflow: &str, period: Period) -> Need {
    Need::Runs(Box::new(Runs {
        project: None,
        workflow: workflow.parse().unwrap(),
        part: Part::Whole,
        period,
        only_scheduled: false,
    }))
}

fn waiting(needs: Need, failure_wait: Duration) -> Scenario {
    scenario("count -> wait -> publish").with("wait", |task| {
        task.kind = Kind::Dependent {
            needs,
            timezone: None,
            failure_wait,
        };
    })
}

fn both() -> Need {
    Need::All(vec![
        runs("orders", Period::LastDay),
        Need::Any(vec![
            runs("rates", Period::Today),
            runs("rates by hand", Period::Today),
        ]),
    ])
}

fn look(run: &Scenario) -> Look {
    let looks = run.pending().into_iter();
    let mut looks = looks.filter_map(|key| match key {
        EffectKey::Look(look) => Some(look),
        _ => None,
    });
    let look = looks.next().expect("a look is due");
    assert_eq!(looks.next(), None);
    look
}

fn out(run: &Scenario) -> LookOut {
    let key = EffectKey::Look(look(run));
    match Run::effect(&run.state, run.plan.as_ref().unwrap(), key) {
        Some(Effect::Look(out)) => *out,
        other => panic!("{other:?}"),
    }
}

fn says(position: u32, verdict: Verdict) -> Finding {
    let run = RunId::from_bytes([9; 16]);
    Finding {
        position,
        verdict,
        runs: vec![run],
        why: match verdict {
            Verdict::Met => format!("run {run}"),
            Verdict::Failed => format!("run {run}: failed"),
            Verdict::Open => "there is no run yet".to_owned(),
        },
        outputs: None,
    }
}

fn finds(run: Scenario, found: Vec<Finding>) -> Scenario {
    let look = look(&run);
    run.input(&RunInput::Found(Findings { look, found }))
}

fn stirs(run: Scenario) -> Scenario {
    let wait = run.state.awaiting[&run.index("wait")].look.wait;
    run.input(&RunInput::Stirred(wait))
}

fn cause(run: &Scenario) -> String {
    let plan = run.plan.as_ref().unwrap();
    let mut view = View::default();
    let created = RunFact::Created(Box::new(run.new.clone()));
    view.apply(plan, &created, support::start_of_day());
    for (at, fact) in &run.facts {
        view.apply(plan, fact, *at);
    }
    let task = view.task(plan, run.index("wait"));
    task.cause
        .map_or_else(String::new, |cause| cause.to_string())
}

fn why(run: &Scenario) -> String {
    let why = reason::of(&run.state, run.plan.as_ref().unwrap(), run.index("wait"));
    why.unwrap().to_string()
}

fn phase(run: &Scenario, name: &str) -> Phase {
    run.state.tasks.phase(run.index(name))
}

#[test]
fn a_run_waits_until_all_that_it_needs_is_there_and_says_for_what() {
    let mut run = waiting(both(), Duration::ZERO).start().succeeds("count");
    assert_eq!(why(&run), "waits for `orders` (last_day), and 2 more");
    let asked = out(&run);
    assert_eq!(asked.at.len(), 3);
    assert_eq!(
        asked.at[0].intervals[0].start.to_string(),
        "2026-03-01T00:00:00Z"
    );
    assert_eq!(run.state.deadline(), None, "nobody asks again by the clock");

    run = finds(
        run,
        vec![
            says(0, Verdict::Open),
            says(1, Verdict::Failed),
            says(2, Verdict::Met),
        ],
    );
    assert_eq!(run.pending(), []);
    assert_eq!(
        why(&run),
        "waits for `orders` (last_day): there is no run yet, and 1 more"
    );
    run = stirs(run.at("02:00"));
    assert_eq!(
        out(&run)
            .at
            .iter()
            .map(|at| at.position)
            .collect::<Vec<_>>(),
        [0, 1],
        "what is met is not looked at again"
    );
    run = finds(run, vec![says(0, Verdict::Met), says(1, Verdict::Failed)]);
    let ours = RunId::from_bytes([9; 16]);
    assert_eq!(
        cause(&run),
        format!("met: `orders` (last_day): run {ours}; `rates by hand` (today): run {ours}")
    );
    assert_snapshot!(run.log(), @"
    00:00 count#1 dispatched
    00:00 run running
    00:00 count#1 succeeded
    00:00 wait queued
    02:00 wait succeeded
    02:00 publish#1 dispatched
    ");
}

#[test]
fn a_need_that_fails_fails_the_task_at_once() {
    let run = waiting(both(), Duration::ZERO).start().succeeds("count");
    let run = finds(run, vec![says(0, Verdict::Failed), says(1, Verdict::Open)]);
    assert_eq!(phase(&run, "wait"), Phase::Failed);
    assert_eq!(phase(&run, "publish"), Phase::UpstreamFailed);
    let by = format!(
        "unmet: `orders` (last_day): run {}: failed",
        RunId::from_bytes([9; 16])
    );
    assert_eq!(cause(&run), by);
    assert_eq!(run.state.run_state(), RunState::Failed);
}

#[test]
fn a_need_that_fails_may_still_be_met_for_a_while() {
    let begin = || {
        let run = waiting(runs("orders", Period::Today), Duration::from_mins(30));
        finds(
            run.start().succeeds("count"),
            vec![says(0, Verdict::Failed)],
        )
    };
    let run = begin();
    assert_eq!(phase(&run, "wait"), Phase::Queued);
    assert_eq!(
        run.state.deadline().unwrap().to_string(),
        "2026-03-02T00:30:00Z"
    );
    let run = finds(stirs(run.at("00:20")), vec![says(0, Verdict::Met)]);
    assert_eq!(phase(&run, "wait"), Phase::Succeeded);
    assert_eq!(run.state.deadline(), None);

    let run = finds(stirs(begin().at("00:20")), vec![says(0, Verdict::Failed)]);
    assert_eq!(
        run.state.deadline().unwrap().to_string(),
        "2026-03-02T00:30:00Z",
        "the time counts from the first failure"
    );
    let run = finds(stirs(run), vec![says(0, Verdict::Open)]);
    assert_eq!(run.state.deadline(), None, "it runs again over there");
    let run = begin().at("00:30");
    assert_eq!(phase(&run, "wait"), Phase::Failed);
    assert!(
        cause(&run).starts_with("unmet: `orders` (today)"),
        "{}",
        cause(&run)
    );
}

#[test]
fn what_an_older_look_finds_is_not_believed() {
    let run = waiting(runs("orders", Period::Today), Duration::ZERO);
    let run = run.start().succeeds("count");
    let first = look(&run);
    let run = stirs(run);
    let later = look(&run);
    assert!(later.number > first.number && later.wait == first.wait);
    let found = vec![says(0, Verdict::Failed)];
    let run = run.input(&RunInput::Found(Findings { look: first, found }));
    assert_eq!((phase(&run, "wait"), look(&run)), (Phase::Queued, later));
    let run = finds(run, vec![says(0, Verdict::Met)]);
    assert_eq!(phase(&run, "wait"), Phase::Succeeded);
}

#[test]
fn a_wait_that_is_over_is_told_of_no_more() {
    for end in ["met", "skipped", "killed", "rerun"] {
        let run = waiting(runs("orders", Period::Today), Duration::ZERO);
        let run = run.start().succeeds("count");
        let task = run.index("wait");
        let wait = look(&run).wait;
        let mut run = match end {
            "met" => finds(run, vec![says(0, Verdict::Met)]),
            "skipped" => run.command(RunCommand::Skip { tasks: vec![task] }),
            "killed" => run.command(RunCommand::Kill),
            _ => run.command(RunCommand::Rerun {
                tasks: vec![task],
                downstream: false,
                upstream: false,
            }),
        };
        assert!(
            run.pending().contains(&EffectKey::Unsubscribe(wait)),
            "{end}"
        );
        if end == "rerun" {
            let again = look(&run).wait;
            assert!(again != wait && again.task == task, "{again:?}");
        }
        let facts = run.facts.len();
        run = run.input(&RunInput::Stirred(wait));
        assert_eq!(run.facts.len(), facts, "{end}: it is over");
        assert!(
            matches!(run.replies.last(), Some(Effect::Unsubscribe(ended)) if ended.wait == wait),
            "{end}: who tells is told, {:?}",
            run.replies
        );
        run = run.input(&RunInput::Done(EffectKey::Unsubscribe(wait)));
        assert!(!run.pending().contains(&EffectKey::Unsubscribe(wait)));
    }
}

#[test]
fn a_wait_has_a_time_out_a_delay_and_dry_runs() {
    let run = waiting(runs("orders", Period::Today), Duration::ZERO).with("wait", |task| {
        task.delay = Duration::from_mins(10);
        task.timeout = Some(Timeout {
            after: Duration::from_mins(5),
            action: TimeoutAction::Fail,
        });
    });
    let run = run.start().succeeds("count");
    assert_eq!(why(&run), "delayed until 2026-03-02T00:10:00Z");
    let run = run.at("00:10");
    assert_eq!(why(&run), "waits for `orders` (today)");
    let run = run.at("00:15");
    assert_eq!(
        (phase(&run, "wait"), cause(&run)),
        (Phase::Failed, "timeout".to_owned())
    );

    let mut dry = waiting(runs("orders", Period::Today), Duration::ZERO);
    dry.new.dry_run = true;
    let dry = dry.start();
    assert_eq!(dry.state.run_state(), RunState::Succeeded);
}

#[test]
fn a_wait_that_is_timed_out_when_its_need_is_given_up_ends_once() {
    let five = Duration::from_mins(5);
    let run = waiting(runs("orders", Period::Today), five).with("wait", |task| {
        task.timeout = Some(Timeout {
            after: five,
            action: TimeoutAction::Fail,
        });
    });
    let run = run.start().succeeds("count");
    let run = finds(run, vec![says(0, Verdict::Failed)]).at("00:05");
    assert_eq!(
        (phase(&run, "wait"), cause(&run)),
        (Phase::Failed, "timeout".to_owned())
    );
}

#[test]
fn what_is_found_hands_on_outputs() {
    let run = waiting(both(), Duration::ZERO).start().succeeds("count");
    let with = |position, text: &str| Finding {
        outputs: Some(
            [(
                "rows".to_owned(),
                Value {
                    kind: ValueType::Integer,
                    text: text.to_owned(),
                },
            )]
            .into_iter()
            .collect(),
        ),
        ..says(position, Verdict::Met)
    };
    let run = finds(
        run,
        vec![with(0, "7"), with(1, "8"), says(2, Verdict::Open)],
    );
    assert_eq!(run.state.outputs[&run.index("wait")]["rows"].text, "7");
}

#[test]
fn what_a_run_says_of_its_tasks_is_the_dialects() {
    const OLD: &str = "dolphinscheduler/3.1";
    const NEW: &str = "dolphinscheduler/3.2";
    const OURS: &str = "porpoise/1";
    let of = |run: &Scenario, part: &Part, dialect| {
        of_part(part, &run.state, run.plan.as_ref().unwrap(), dialect).0
    };
    let task = |name: &str| Part::Task(name.parse().unwrap());
    let run = scenario("a -> b -> c; d").with("d", |task| task.disabled = true);
    let run = run.retries("a", 1).start();
    for dialect in [OLD, NEW, OURS] {
        assert_eq!(of(&run, &task("a"), dialect), Verdict::Open);
        assert_eq!(of(&run, &task("nobody"), dialect), Verdict::Open);
        assert_eq!(of(&run, &Part::AllTasks, dialect), Verdict::Open);
    }
    assert_eq!(
        of(&run, &task("d"), OLD),
        Verdict::Open,
        "it has no instance"
    );
    assert_eq!(of(&run, &task("d"), NEW), Verdict::Met);
    let run = run.fails("a");
    assert_eq!(
        of(&run, &task("a"), OLD),
        Verdict::Failed,
        "at its first failed try"
    );
    assert_eq!(of(&run, &task("a"), NEW), Verdict::Open);
    let run = run.at("00:01").succeeds("a");
    assert_eq!(of(&run, &task("a"), OLD), Verdict::Met);
    let forced = RunCommand::MarkSucceeded {
        tasks: vec![run.index("b")],
    };
    let run = run.command(forced).stops("b").succeeds("c");
    assert_eq!(run.state.run_state(), RunState::Succeeded);
    assert_eq!(of(&run, &task("b"), OLD), Verdict::Open, "for ever");
    for dialect in [NEW, OURS] {
        assert_eq!(of(&run, &task("b"), dialect), Verdict::Met);
        assert_eq!(of(&run, &Part::AllTasks, dialect), Verdict::Met);
    }
    assert_eq!(of(&run, &task("nobody"), OURS), Verdict::Failed);
    assert_eq!(of(&run, &task("d"), OLD), Verdict::Failed);
}

#[test]
fn a_skipped_task_is_not_one_that_succeeded() {
    let run = scenario("a -> b").start();
    let skip = RunCommand::Skip {
        tasks: vec![run.index("b")],
    };
    let run = run.command(skip);
    let of = |run: &Scenario, part: &Part| {
        of_part(part, &run.state, run.plan.as_ref().unwrap(), "porpoise/1").0
    };
    let b = Part::Task("b".parse().unwrap());
    assert_eq!(of(&run, &b), Verdict::Open, "somebody may still run it");
    let run = run.succeeds("a");
    assert_eq!(of_whole(run.state.run_state()), Verdict::Met);
    assert_eq!(of(&run, &b), Verdict::Failed);
    assert_eq!(of(&run, &Part::AllTasks), Verdict::Failed);
}

#[test]
fn the_run_that_started_last_counts() {
    let run = scenario("a").start();
    let listing = |id: u8, logical: &str, started: Option<&str>| {
        let key = run.pending().first().copied();
        assert_eq!(
            key.map(|key| matches!(key, EffectKey::Dispatch(_))),
            Some(true)
        );
        let key = EffectKey::Listing(run.state.listed);
        let effect = Run::effect(&run.state, run.plan.as_ref().unwrap(), key);
        let Some(Effect::List(mut line)) = effect else {
            panic!("{effect:?}")
        };
        line.run = RunId::from_bytes([id; 16]);
        line.logical_date = logical.parse().unwrap();
        line.created = line.logical_date;
        line.started = started.map(|started| started.parse().unwrap());
        line
    };
    let interval = porpoise_engine::period::Interval {
        start: "2026-03-01T00:00:00Z".parse().unwrap(),
        end: "2026-03-02T00:00:00Z".parse().unwrap(),
    };
    let lines = [
        listing(1, "2026-03-01T00:00:00Z", Some("2026-03-01T06:00:00Z")),
        listing(2, "2026-03-01T05:00:00Z", Some("2026-03-01T05:00:01Z")),
        listing(3, "2026-03-01T05:30:00Z", None),
        listing(4, "2026-03-02T00:00:00Z", Some("2026-03-02T00:00:01Z")),
    ];
    let found = run_of(&interval, &lines).map(|line| line.run);
    assert_eq!(found, Some(RunId::from_bytes([1; 16])));
    assert_eq!(run_of(&interval, &lines[3..]), None);
}

fn stirs_due(run: &Scenario) -> usize {
    let pending = run.pending();
    let stirs = pending
        .iter()
        .filter(|key| matches!(key, EffectKey::Stir(_)));
    stirs.count()
}

fn is_watched(run: Scenario, names: &[&str]) -> Scenario {
    let names = names.iter().map(|name| name.parse().unwrap());
    run.input(&RunInput::Watched(names.collect()))
}

#[test]
fn who_waits_for_a_task_is_told_when_it_ends_and_not_when_others_do() {
    let mut run = is_watched(scenario("a -> b -> c; d").start(), &["b", "nowhere"]);
    assert_eq!(run.state.watched, [run.index("b")].into());
    // Once is enough.
    let facts = run.facts.len();
    run = is_watched(run, &["b"]);
    assert_eq!(run.facts.len(), facts);
    run = run.succeeds("a").succeeds("d");
    assert_eq!(stirs_due(&run), 0);
    run = run.succeeds("b");
    assert_eq!((stirs_due(&run), run.state.watched.len()), (1, 0));
    // Its own end is told by the list.
    run = is_watched(run.succeeds("c"), &["b"]);
    assert!(run.state.run_state().is_terminal());
    assert_eq!(stirs_due(&run), 1);
    assert!(run.state.watched.is_empty());
}

/// Whoever looked before the task ended, and was heard after it.
#[test]
fn who_waits_for_a_task_that_has_ended_meanwhile_is_told_at_once() {
    let run = is_watched(scenario("a -> b").start().succeeds("a"), &["a"]);
    assert_eq!((stirs_due(&run), run.state.watched.len()), (1, 0));
}

/// Before 3.2 a task fails its waiters with its first failed try. Those of later versions look, and name it again.
#[test]
fn who_waits_for_a_task_is_told_when_a_try_fails() {
    let run = scenario("a -> b").retries("a", 1).start();
    let run = is_watched(run, &["a"]).fails("a");
    assert_eq!(phase(&run, "a"), Phase::UpForRetry);
    assert_eq!((stirs_due(&run), run.state.watched.len()), (1, 0));
    let run = is_watched(run, &["a"]);
    assert_eq!((stirs_due(&run), run.state.watched.len()), (1, 1));
}
