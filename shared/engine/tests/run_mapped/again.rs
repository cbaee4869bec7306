//! Another attempt goes on with the elements that have succeeded, or begins anew.

use std::collections::BTreeMap;

use porpoise_engine::run::ranges::Ranges;
use porpoise_engine::run::state::Past;

use super::*;

/// Of six elements, two at a time, the third fails; the fourth is there then, and succeeds.
fn failed(retries: u32) -> Scenario {
    let run = over(&["a", "b", "c", "d", "e", "f"]).retries("load", retries);
    let run = done(done(begun(run), 1), 2);
    let run = says(run, 3, 1, ended(RunState::Failed));
    done(run, 4)
}

fn past(run: &Scenario) -> BTreeMap<u32, Past> {
    let family = run.state.family.as_ref();
    family.map(|family| family.past.clone()).unwrap_or_default()
}

fn rerun(tasks: &[u32]) -> RunCommand {
    RunCommand::Rerun {
        tasks: tasks.to_vec(),
        downstream: false,
        upstream: false,
    }
}

/// The runs that people see, by element, as the attempt that made them.
fn attempts(run: &Scenario) -> Vec<(u32, u32)> {
    let view = view(run);
    let latest = view.attempts[&1].last().unwrap();
    let started = latest.mapped.as_ref().unwrap().started.values();
    started
        .map(|element| (element.attempt.map, element.attempt.number))
        .collect()
}

#[test]
fn a_retry_runs_only_what_has_not_succeeded() {
    let run = failed(1);
    assert_eq!(run.state_of("load"), TaskState::UpForRetry);
    assert_eq!(past(&run)[&1].done, Ranges::of([0, 1, 3]));
    let run = run.at("00:01");
    assert_eq!(pending(&run), (vec![3, 5], vec![]));
    assert_eq!(attempts(&run), [(1, 1), (2, 1), (3, 2), (4, 1), (5, 2)]);
    assert!(reason(&run).ends_with("2 runs of workflow `load orders`: 3 of 6 are over"));
    // What was over says so once more, and is heard.
    let late = ChildWord {
        attempt: Attempt::of(1, 1).with_element(3),
        said: 9,
        what: ended(RunState::Succeeded),
        run: None,
    };
    let facts = run.facts.len();
    let run = run.input(&RunInput::Child(late));
    assert_eq!(run.facts.len(), facts);
    let run = done(run, 3);
    assert_eq!(pending(&run), (vec![5, 6], vec![]));
    let run = done(done(run, 6), 5);
    assert_eq!(run.state_of("load"), TaskState::Succeeded);
    assert_eq!(run.state.family, Some(Box::default()));
    let latest = &view(&run).attempts[&1][1];
    let elements = latest.mapped.as_ref().unwrap();
    assert_eq!(elements.count(TaskState::Succeeded), 6);
}

#[test]
fn what_the_last_elements_have_done_needs_no_start_and_every_output_stands_once() {
    let run = over(&["a", "b", "c"]).retries("load", 2);
    let rows = |mut how: ChildState, rows: &str| {
        if let ChildState::Ended { outputs, .. } = &mut how {
            *outputs = Outputs::from([("rows".to_owned(), Value::text(rows))]);
        }
        how
    };
    let well = || ended(RunState::Succeeded);
    let run = says(begun(run), 2, 1, rows(well(), "two"));
    let run = says(run, 3, 1, rows(well(), "three"));
    let run = says(run, 1, 1, ended(RunState::Failed)).at("00:01");
    assert_eq!(pending(&run), (vec![1], vec![]));
    assert_eq!(kept(&run).started, 3);
    let run = says(run, 1, 1, ended(RunState::Failed)).at("00:03");
    assert_eq!(run.attempt("load").number, 3);
    let run = says(run, 1, 1, rows(well(), "one"));
    assert_eq!(run.state_of("load"), TaskState::Succeeded);
    let rows = &run.state.outputs[&1]["rows"].text;
    assert_eq!(rows, r#"["one","two","three"]"#);
}

#[test]
fn who_recovers_what_failed_goes_on_and_who_names_the_task_begins_anew() {
    let run = failed(0);
    assert_eq!(run.state.run_state(), RunState::Failed);
    let on = run.command(RunCommand::RerunFailed);
    assert_eq!(pending(&on), (vec![3, 5], vec![]));
    let anew = failed(0).command(rerun(&[1]));
    assert_eq!(pending(&anew), (vec![1, 2], vec![]));
    assert!(past(&anew).is_empty());
    // Whatever is run above it may hand it something else.
    let above = failed(0).command(rerun(&[0]));
    assert!(past(&above).is_empty());
    let run = done(done(done(on, 3), 5), 6).command(rerun(&[1]));
    assert_eq!(pending(&run), (vec![1, 2], vec![]));
}

#[test]
fn what_was_killed_goes_on_with_all_that_succeeded_nevertheless() {
    let run = done(begun(over(&["a", "b", "c", "d"])), 1).command(RunCommand::Kill);
    let run = says(run, 3, 1, ended(RunState::Canceled));
    let run = done(run, 2);
    assert_eq!(run.state.run_state(), RunState::Canceled);
    let run = run.command(RunCommand::RerunFailed);
    assert_eq!(pending(&run), (vec![3, 4], vec![]));
}

#[test]
fn who_decides_of_the_task_ends_what_could_go_on() {
    for what in [
        RunCommand::MarkSucceeded { tasks: vec![1] },
        RunCommand::Skip { tasks: vec![1] },
    ] {
        let run = failed(1).command(what);
        assert!(past(&run).is_empty());
    }
}

#[test]
fn other_lists_begin_anew() {
    let mut run = failed(1);
    let lists = vec![("region".to_owned(), vec!["a".to_owned(), "b".to_owned()])];
    let other = porpoise_engine::elements::Elements::expand(lists, &[], 9).unwrap();
    let family = run.state.family.as_mut().unwrap();
    family.past.get_mut(&1).unwrap().elements = other;
    let run = run.at("00:01");
    assert_eq!(pending(&run), (vec![1, 2], vec![]));
}

#[test]
fn what_is_left_of_an_attempt_is_stored_with_the_run() {
    let mut run = failed(1);
    let bytes = minicbor::to_vec(&run.state).unwrap();
    run.state = minicbor::decode(&bytes).unwrap();
    let run = run.at("00:01");
    assert_eq!(pending(&run), (vec![3, 5], vec![]));
}
