//! What of a run is to be told to people, and only where its workflow asks for it.

use std::time::Duration;

use porpoise_engine::effect::{Attempt, News};
use porpoise_engine::input::{RunCommand, RunInput};
use porpoise_engine::run::Run;
use porpoise_engine::{Aggregate as _, Effect, EffectKey};
use porpoise_model::workflow::{Occasion, Timeout, TimeoutAction};

use crate::support::{Scenario, scenario};

fn asking(edges: &str, notify: &[Occasion]) -> Scenario {
    let mut scenario = scenario(edges);
    scenario.workflow.notify = notify.iter().copied().collect();
    scenario
}

/// What waits to be told.
fn news(run: &Scenario) -> Vec<News> {
    let keys = run.pending().into_iter();
    keys.filter_map(|key| match key {
        EffectKey::Announce(news) => Some(news),
        _ => None,
    })
    .collect()
}

/// What was told is told.
fn told(run: Scenario) -> Scenario {
    news(&run).into_iter().fold(run, |run, news| {
        let key = EffectKey::Announce(news);
        run.input(&RunInput::Done(key))
    })
}

const fn timeout(minutes: u64, action: TimeoutAction) -> Timeout {
    let after = Duration::from_mins(minutes);
    Timeout { after, action }
}

#[test]
fn a_task_has_failed_once_no_attempt_is_left() {
    let run = asking("a -> b; c", &[Occasion::TaskFailed]);
    let run = run.retries("a", 1).start().fails("a");
    assert_eq!(news(&run), [], "there is another attempt");
    let run = run.at("00:01").fails("a");
    let failed = News::TaskFailed(Attempt::of(0, 2));
    assert_eq!(news(&run), [failed], "of what only follows, nothing");
    assert_eq!(news(&told(run)), []);
}

#[test]
fn a_task_that_is_run_again_may_fail_again_and_that_is_told_again() {
    let run = asking("a; b", &[Occasion::TaskFailed]).start().fails("a");
    let again = RunCommand::RerunFailed;
    let run = run.succeeds("b").command(again).fails("a");
    let of = |attempt| News::TaskFailed(Attempt::of(0, attempt));
    assert_eq!(news(&run), [of(1), of(2)], "the first was not told yet");
}

#[test]
fn nobody_is_told_what_people_did_themselves() {
    let run = asking("a; b", &[Occasion::TaskFailed]).start().starts("a");
    let run = run.command(RunCommand::Kill).stops("a").stops("b");
    assert_eq!(news(&run), []);
}

#[test]
fn a_task_that_runs_out_of_time_is_late_whether_it_is_stopped_or_not() {
    for action in [TimeoutAction::Warn, TimeoutAction::Fail] {
        let run = asking("a; b", &[Occasion::Late]);
        let run = run.with("a", |task| task.timeout = Some(timeout(10, action)));
        let run = run.start().starts("a").at("00:09");
        assert_eq!(news(&run), []);
        let run = run.at("00:12");
        let late = News::TaskLate(Attempt::of(0, 1));
        assert_eq!(news(&run), [late], "{action:?}");
        let effect = Run::effect(
            &run.state,
            run.plan.as_ref().unwrap(),
            EffectKey::Announce(late),
        );
        let at = run.now;
        assert_eq!(effect, Some(Effect::Announce { news: late, at }));
    }
}

#[test]
fn a_run_is_late_once_for_each_time_that_it_begins() {
    let mut run = asking("a", &[Occasion::Late]);
    run.workflow.timeout = Some(timeout(10, TimeoutAction::Warn));
    let run = run.start().starts("a").at("00:12").at("00:30");
    let first = news(&run);
    assert!(matches!(first[..], [News::RunLate(_)]), "{first:?}");
    let again = RunCommand::RerunFailed;
    let run = run.fails("a").command(again).starts("a").at("01:00");
    let both = news(&run);
    assert!(both.len() == 2 && both.contains(&first[0]), "{both:?}");
}

#[test]
fn a_workflow_that_does_not_ask_has_nothing_to_tell() {
    for notify in [&[][..], &[Occasion::Failed, Occasion::Succeeded]] {
        let mut run = asking("a; b", notify);
        run.workflow.timeout = Some(timeout(10, TimeoutAction::Warn));
        let run = run.with("a", |task| {
            task.timeout = Some(timeout(5, TimeoutAction::Warn));
        });
        let run = run.start().starts("a").at("00:12").fails("a");
        assert_eq!(news(&run), [], "{notify:?}");
    }
}
