//! What backfills promise of the workflows that go along, in stories.

use porpoise_engine::EffectKey;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::backfill::{
    AfterFailure, Awaited, Backfill, Dependent, Dependents, Levels, NewBackfill,
};
use porpoise_engine::effect::{Dated, Effect, GoesAlong};
use porpoise_engine::input::{BackfillCommand, BackfillInput, Input, RunCommand, RunInput};
use porpoise_model::{Address, ProjectId, RunId, RunState, VersionHash, WorkflowId};

use super::backfill_scenarios::{begin, day, days, ended, give, id, of, say, trigger};
use super::driver::{Driver, project};

/// Another project: dependents may live there.
fn elsewhere() -> ProjectId {
    ProjectId::of_name("elsewhere")
}

fn dependent(name: &str, after: &[u32]) -> Dependent {
    let of = after.first().copied();
    Dependent {
        project: elsewhere(),
        project_name: "elsewhere".to_owned(),
        workflow: WorkflowId::first_named(elsewhere(), name),
        workflow_name: name.to_owned(),
        version: VersionHash::of(name.as_bytes()),
        timezone: "Asia/Shanghai".to_owned(),
        waits: vec![Awaited {
            task: "wait".to_owned(),
            of,
        }],
        after: after.to_vec(),
    }
}

/// So many days with dependents, each behind these.
pub(crate) fn with(count: i64, parallel: u32, after: &[&[u32]]) -> NewBackfill {
    let names = ["one", "two", "three", "four"];
    let found = names.iter().zip(after);
    NewBackfill {
        dependents: Some(Dependents {
            levels: Levels::All,
            found: found.map(|(name, after)| dependent(name, after)).collect(),
        }),
        ..of(days(count), parallel)
    }
}

/// 1 goes along with 0, and 2 waits for 1.
const CHAIN: [&[u32]; 3] = [&[], &[], &[1]];

pub(crate) fn below(number: i64, dependent: u32, state: RunState) -> BackfillInput {
    match ended(day(number), state) {
        BackfillInput::Said(mut word) => {
            word.dependent = Some(dependent);
            BackfillInput::Said(word)
        }
        other => other,
    }
}

fn key(number: i64, dependent: u32) -> Dated {
    Dated {
        date: day(number).as_millisecond(),
        dependent,
    }
}

fn begun(new: NewBackfill) -> Driver<Backfill> {
    let mut backfill = Driver::new();
    backfill.give(&[begin(new)]);
    backfill
}

const WELL: RunState = RunState::Succeeded;

#[test]
fn a_date_goes_on_with_those_that_wait_and_is_over_when_they_are() {
    let mut backfill = begun(with(2, 1, &CHAIN));
    backfill.give(&[ended(day(1), WELL)]);
    backfill.restart();
    assert_eq!(backfill.state.date(day(1)), Some(RunState::Running));
    assert_eq!(backfill.state.run(day(1)), Some(WELL));
    backfill.give(&[Backfill::acknowledged(EffectKey::FireDependent(key(1, 0)))]);
    backfill.give(&[below(1, 1, WELL)]);
    backfill.give(&[below(1, 2, WELL)]);
    backfill.give(&[below(1, 2, RunState::Failed)]);
    assert_eq!(backfill.state.date(day(2)), None);
    backfill.give(&[below(1, 0, WELL)]);
    backfill.restart();
    assert_eq!(backfill.state.dependent(day(1), 2), Some(WELL));
    for input in [ended(day(2), WELL), below(2, 0, WELL), below(2, 1, WELL)] {
        backfill.give(&[input]);
    }
    backfill.give(&[below(2, 2, WELL)]);
    insta::assert_snapshot!(backfill.story(say), @r"
    00:00:00 2 dates from 01, started 01, next 02
    00:00:00 01 succeeded, 01 goes on with [0, 1]
    00:00:00 created 01/0
    00:00:00 01/1 succeeded, 01 goes on with [2]
    00:00:00 01/2 succeeded
    00:00:00 01/0 succeeded, 01 over: succeeded, started 02, next none
    00:00:00 02 succeeded, 02 goes on with [0, 1]
    00:00:00 02/0 succeeded
    00:00:00 02/1 succeeded, 02 goes on with [2]
    00:00:00 02/2 succeeded, 02 over: succeeded, over: succeeded
    ");
}

#[test]
fn the_run_of_a_dependent_is_of_its_own_version_and_known_by_backfill_workflow_and_date() {
    let mut new = with(1, 1, &CHAIN);
    new.like.dry_run = true;
    let mut backfill = begun(new);
    backfill.give(&[ended(day(1), WELL), below(1, 1, WELL)]);
    backfill.give(&[below(1, 1, WELL)]);
    let mut made = Vec::new();
    for effect in backfill.pending() {
        let Effect::CreateBehind { new, behind } = effect else {
            continue;
        };
        let workflow = new.workflow;
        assert_eq!(new.run, RunId::of_dependent(id(), workflow, day(1)));
        assert_eq!(new.project, elsewhere());
        let number = u32::try_from(made.len()).unwrap() * 2;
        let along = GoesAlong {
            project: project(),
            number,
        };
        assert_eq!(new.trigger, trigger(Some(along)));
        assert_eq!(
            (new.logical_date, new.timezone.as_str(), new.dry_run),
            (day(1), "Asia/Shanghai", true)
        );
        assert_eq!(new.parameters["mode"], "full", "what it was started with");
        made.push((new.workflow_name, new.version, behind));
    }
    let own = Address::run(project(), RunId::of_backfill(id(), day(1)));
    let two = dependent("two", &[]).run(id(), day(1));
    let expected = [
        ("one", vec![own]),
        ("three", vec![own, Address::run(elsewhere(), two)]),
    ];
    let expected = expected.map(|(name, behind)| {
        let version = VersionHash::of(name.as_bytes());
        (name.to_owned(), Some(version), behind)
    });
    assert_eq!(made, expected);
    let (_, replies) = backfill.give(&[below(1, 1, WELL)]);
    let [Effect::Tell { to, input }] = replies.as_slice() else {
        panic!("{replies:?}");
    };
    assert_eq!(*to, Address::run(elsewhere(), two));
    let heard = RunInput::Done(EffectKey::TellParent(1));
    assert_eq!(*input, Input::Run(heard));
    let stranger = backfill.give(&[below(1, 9, WELL)]);
    assert_eq!(stranger, (Vec::new(), Vec::new()));
}

#[test]
fn where_a_run_fails_those_below_it_do_not_start_and_the_date_has_not_succeeded() {
    let mut backfill = begun(NewBackfill {
        after_failure: AfterFailure::Continue,
        ..with(3, 1, &CHAIN)
    });
    backfill.give(&[ended(day(1), RunState::Failed)]);
    backfill.give(&[ended(day(2), WELL), below(2, 1, RunState::Failed)]);
    backfill.give(&[below(2, 1, RunState::Failed)]);
    backfill.give(&[below(2, 0, WELL)]);
    backfill.give(&[ended(day(3), WELL)]);
    backfill.restart();
    let refused = EffectKey::FireDependent(key(3, 0));
    let no_more = || Backfill::refused(refused, "no such target".to_owned());
    backfill.give(&[no_more(), no_more()]);
    backfill.give(&[below(3, 1, RunState::Canceled)]);
    insta::assert_snapshot!(backfill.story(say), @r"
    00:00:00 3 dates from 01, started 01, next 02
    00:00:00 01 failed, started 02, next 03
    00:00:00 02 succeeded, 02 goes on with [0, 1]
    00:00:00 02/1 failed
    00:00:00 02/0 succeeded, 02 over: failed, started 03, next none
    00:00:00 03 succeeded, 03 goes on with [0, 1]
    00:00:00 03/0 refused: no such target
    00:00:00 03/1 canceled, 03 over: failed, over: failed
    ");
    let state = &backfill.state;
    let how = |number, dependent| state.dependent(day(number), dependent);
    assert_eq!([0, 1, 2].map(|one| how(1, one)), [None; 3]);
    assert_eq!(
        [0, 1, 2].map(|one| how(2, one)),
        [Some(WELL), Some(RunState::Failed), None]
    );
    assert_eq!(state.problem.as_deref(), Some("no such target"));
    assert_eq!(state.run(day(1)), Some(RunState::Failed));
}

#[test]
fn a_failure_stops_further_dates_and_lets_those_that_started_go_on() {
    let mut backfill = begun(with(4, 2, &CHAIN));
    backfill.give(&[ended(day(1), WELL)]);
    backfill.give(&[ended(day(2), RunState::Failed)]);
    backfill.give(&[below(1, 0, WELL)]);
    backfill.give(&[below(1, 1, WELL)]);
    assert_eq!(backfill.state.run_state(), RunState::Running);
    backfill.give(&[below(1, 2, WELL)]);
    assert_eq!(backfill.state.run_state(), RunState::Failed);
    assert_eq!(backfill.state.succeeded, 1);
    assert_eq!(backfill.state.date(day(3)), None);
}

#[test]
fn dates_count_for_how_many_are_there_at_once_until_all_of_theirs_are_over() {
    let mut backfill = begun(with(4, 2, &CHAIN));
    backfill.give(&[ended(day(1), WELL), ended(day(2), WELL)]);
    assert_eq!(backfill.state.date(day(3)), None);
    backfill.give(&[below(2, 0, WELL), below(2, 1, WELL)]);
    backfill.give(&[below(2, 2, WELL)]);
    assert_eq!(backfill.state.date(day(3)), Some(RunState::Running));
    assert_eq!(backfill.state.date(day(4)), None);
}

#[test]
fn who_pauses_it_has_no_further_dependent_start_and_who_resumes_it_does() {
    let mut backfill = begun(with(1, 1, &CHAIN));
    backfill.give(&[give(1, BackfillCommand::Pause)]);
    assert_eq!(backfill.state.run_state(), RunState::Pausing);
    backfill.give(&[ended(day(1), WELL)]);
    assert_eq!(backfill.state.run_state(), RunState::Paused);
    backfill.restart();
    backfill.give(&[give(2, BackfillCommand::Resume)]);
    backfill.give(&[give(3, BackfillCommand::Pause)]);
    backfill.give(&[below(1, 1, WELL)]);
    assert_eq!(backfill.state.run_state(), RunState::Pausing);
    backfill.give(&[below(1, 0, WELL)]);
    assert_eq!(backfill.state.run_state(), RunState::Paused);
    backfill.give(&[give(4, BackfillCommand::Resume)]);
    // The last one is there: there is nothing to pause.
    backfill.give(&[give(5, BackfillCommand::Pause)]);
    backfill.give(&[below(1, 2, WELL)]);
    insta::assert_snapshot!(backfill.story(say), @r"
    00:00:00 1 dates from 01, started 01, next none
    00:00:00 pause accepted, paused
    00:00:00 01 succeeded
    00:00:00 resume accepted, resumed, 01 goes on with [0, 1]
    00:00:00 pause accepted, paused
    00:00:00 01/1 succeeded
    00:00:00 01/0 succeeded
    00:00:00 resume accepted, resumed, 01 goes on with [2]
    00:00:00 pause refused: no further date starts: there is nothing to pause
    00:00:00 01/2 succeeded, 01 over: succeeded, over: succeeded
    ");
}

#[test]
fn who_kills_it_stops_the_runs_of_dependents_also_those_that_may_not_be_there_yet() {
    let mut backfill = begun(with(9, 3, &CHAIN));
    backfill.give(&[ended(day(1), WELL)]);
    backfill.give(&[Backfill::acknowledged(EffectKey::FireDependent(key(1, 0)))]);
    backfill.give(&[ended(day(2), WELL), give(1, BackfillCommand::Kill)]);
    assert_eq!(backfill.state.run_state(), RunState::Canceling);
    let mut stopped = Vec::new();
    for effect in backfill.pending() {
        match effect {
            Effect::StopRun { new, command } => {
                assert_eq!(command.what, RunCommand::Kill);
                let day = new.logical_date.strftime("%d");
                stopped.push(format!("{day} {}", new.workflow_name));
            }
            Effect::CreateRun(_) | Effect::CreateBehind { .. } => panic!("{effect:?}"),
            _ => {}
        }
    }
    assert_eq!(stopped, ["03 nightly", "01 one", "01 two"]);
    backfill.restart();
    backfill.give(&[
        below(1, 0, WELL),
        ended(day(3), WELL),
        Backfill::refused(EffectKey::StopDependent(key(1, 1)), "gone".to_owned()),
    ]);
    insta::assert_snapshot!(backfill.story(say), @r"
    00:00:00 9 dates from 01, started 01 02 03, next 04
    00:00:00 01 succeeded, 01 goes on with [0, 1]
    00:00:00 created 01/0
    00:00:00 02 succeeded, kill accepted, killed by ada, 02 over: canceled
    00:00:00 01/0 succeeded, 03 succeeded, 01/1 refused: gone, 01 over: canceled, 03 over: canceled, over: canceled
    ");
    assert_eq!(backfill.state.run(day(2)), Some(WELL));
    assert_eq!(backfill.state.date(day(2)), Some(RunState::Canceled));
}

#[test]
fn nobody_to_go_along_is_as_if_nobody_was_asked() {
    let mut backfill = begun(with(1, 1, &[]));
    backfill.give(&[ended(day(1), WELL)]);
    assert_eq!(backfill.state.run_state(), WELL);
    assert!(backfill.state.below.is_empty());
}
