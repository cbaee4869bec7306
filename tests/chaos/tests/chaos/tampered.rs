//! The proof can fail: journals and facts as they would be if something had gone wrong.

use std::collections::BTreeMap;

use porpoise_model::RunState;
use serde_json::{Value, json};

use crate::checks::{Known, journal_faults};
use crate::log::Log;
use crate::markers::Journal;
use crate::workload::{EXIT, Shape};

fn shape(name: &str) -> Shape {
    Shape::all()
        .into_iter()
        .find(|shape| shape.name == name)
        .unwrap()
}

/// What the attempts of a run write if each one ends before the next one begins.
fn written(run: &str, shape: &Shape) -> String {
    let mut lines = Vec::new();
    for (task, end) in shape.tasks.iter().zip(shape.ends()) {
        let tries = match end {
            crate::workload::End::Succeeded => task.fails + 1,
            crate::workload::End::Failed => task.retries + 1,
            crate::workload::End::UpstreamFailed => 0,
        };
        let tries = if task.silent { 0 } else { tries };
        for attempt in 1..=tries {
            let code = if attempt > task.fails { 0 } else { EXIT };
            let name = &task.name;
            lines.push(format!("begin {run} {name} {attempt} 7\n"));
            lines.push(format!("end {run} {name} {attempt} 7 {code}\n"));
        }
    }
    lines.concat()
}

fn faults(text: &str, runs: &[(&str, &Shape)]) -> Vec<String> {
    let known = runs.iter().map(|(run, shape)| {
        let known = Known {
            shape,
            rerun: false,
            attacked: false,
        };
        ((*run).to_owned(), known)
    });
    journal_faults(&Journal::parse(text), &known.collect())
}

/// The one fault of a journal of the diamond `small`, in which something was replaced.
fn fault(from: &str, to: &str) -> String {
    let shape = shape("small");
    let text = written("r", &shape);
    assert!(text.contains(from), "{text}");
    let found = faults(&text.replacen(from, to, 1), &[("r", &shape)]);
    found.first().cloned().unwrap_or_default()
}

#[test]
fn journals_in_which_all_is_well_have_no_faults() {
    for shape in Shape::all() {
        assert_eq!(
            faults(&written("r", &shape), &[("r", &shape)]),
            Vec::<String>::new()
        );
    }
}

#[test]
fn an_attempt_that_ran_twice_is_found() {
    let fault = fault("begin r b 1 7\n", "begin r b 1 6\nbegin r b 1 7\n");
    assert!(fault.contains("b#1: ran 2 times"), "{fault}");
}

#[test]
fn a_task_that_never_ran_is_found() {
    let fault = fault("begin r d 1 7\nend r d 1 7 0\n", "");
    assert!(
        fault.contains("d: attempts [1] are right, [] ran"),
        "{fault}"
    );
}

#[test]
fn an_attempt_too_many_is_found() {
    let more = "end r d 1 7 0\nbegin r d 2 8\nend r d 2 8 0\n";
    let fault = fault("end r d 1 7 0\n", more);
    assert!(
        fault.contains("d: attempts [1] are right, [1, 2] ran"),
        "{fault}"
    );
}

#[test]
fn an_attempt_without_an_end_is_found() {
    let fault = fault("end r d 1 7 0\n", "");
    assert!(fault.contains("d#1: began and never ended"), "{fault}");
}

#[test]
fn a_task_that_began_before_its_upstream_had_ended_is_found() {
    let swapped = "begin r d 1 7\nend r c 1 7 0\n";
    let fault = fault("end r c 1 7 0\nbegin r d 1 7\n", swapped);
    assert!(
        fault.contains("d#1: began before c had succeeded"),
        "{fault}"
    );
}

#[test]
fn an_end_by_another_process_or_with_another_code_is_found() {
    for end in ["end r b 1 8 0", "end r b 1 7 7"] {
        let fault = fault("end r b 1 7 0", end);
        assert!(fault.contains("b#1: began as"), "{fault}");
    }
}

#[test]
fn torn_lines_and_marks_of_nobody_are_found() {
    assert!(fault("end r b 1 7 0\n", "end r b 1 7\n").contains("no line of a task"));
    assert!(
        fault("begin r a 1 7\n", "begin x a 1 7\nbegin r a 1 7\n").contains("nobody submitted")
    );
}

#[test]
fn a_pool_with_more_attempts_than_slots_is_found() {
    let shape = shape("pooled");
    let mut lines: Vec<String> = written("r", &shape)
        .lines()
        .map(|line| format!("{line}\n"))
        .collect();
    // Three of them begin before the first ends.
    let begins = ["p4", "p5"].map(|task| {
        let at = lines
            .iter()
            .position(|line| line.starts_with(&format!("begin r {task} ")))
            .unwrap();
        lines.remove(at)
    });
    let first = lines
        .iter()
        .position(|line| line.starts_with("end r p1 "))
        .unwrap();
    lines.splice(first..first, begins);
    let found = faults(&lines.concat(), &[("r", &shape)]);
    assert!(
        found
            .iter()
            .any(|fault| fault.starts_with("3 attempts in a pool of 2")),
        "{found:?}"
    );
}

#[test]
fn serial_runs_that_overlap_are_found() {
    let shape = shape("serial");
    let (one, two) = (written("one", &shape), written("two", &shape));
    let runs = [("one", &shape), ("two", &shape)];
    assert_eq!(faults(&format!("{one}{two}"), &runs), Vec::<String>::new());
    let (begin, rest) = two.split_once('\n').unwrap();
    let found = faults(&format!("{begin}\n{one}{rest}"), &runs);
    assert!(
        found.iter().any(|fault| fault.contains("overlap")),
        "{found:?}"
    );
}

/// The records of a run of `chain` cut down to two tasks, and what its tasks wrote.
fn records() -> (Shape, Vec<Value>) {
    let mut shape = shape("chain");
    shape.tasks.truncate(2);
    let of = |word: &str, task: &str| json!({ "type": word, "tasks": [task] });
    let facts = vec![
        json!({ "type": "created" }),
        json!({ "type": "begun" }),
        of("dispatched", "c0"),
        of("started", "c0"),
        of("succeeded", "c0"),
        of("dispatched", "c1"),
        of("started", "c1"),
        of("succeeded", "c1"),
        json!({ "type": "ended", "state": "succeeded" }),
    ];
    (shape, facts)
}

fn log_faults(change: impl FnOnce(&mut Vec<Value>)) -> Vec<String> {
    let (shape, mut facts) = records();
    let marks = Journal::parse(&written("r", &shape))
        .runs()
        .remove("r")
        .unwrap();
    change(&mut facts);
    let numbered = (1..).zip(facts);
    let records: Vec<Value> = numbered
        .map(|(sequence, fact)| json!({ "sequence": sequence, "facts": [fact] }))
        .filter(|record| !record["facts"][0].is_null())
        .collect();
    let known = Known {
        shape: &shape,
        rerun: false,
        attacked: false,
    };
    let log = Log::of(known, &records);
    let mut faults = log.faults.clone();
    faults.extend(log.against(&marks));
    if log.state() != Some(RunState::Succeeded) {
        faults.push(format!("it is {:?}", log.state()));
    }
    faults
}

#[test]
fn logs_that_are_wrong_are_found() {
    assert_eq!(log_faults(|_| {}), Vec::<String>::new());
    let found = |change: fn(&mut Vec<Value>), fault: &str| {
        let faults = log_faults(change);
        assert!(
            faults.iter().any(|found| found.contains(fault)),
            "{fault}: {faults:?}"
        );
    };
    found(|facts| facts[4] = Value::Null, "record 5 is not there");
    found(
        |facts| facts.swap(2, 5),
        "c1 does not wait for what it comes after",
    );
    found(
        |facts| facts[7] = facts[6].clone(),
        "Started is no arrow from here",
    );
    found(
        |facts| facts.insert(8, facts[7].clone()),
        "no attempt is open",
    );
    found(|facts| facts.swap(7, 8), "a run ended before its attempts");
    found(|facts| facts.truncate(8), "it is Some(Running)");
    found(
        |facts| facts.insert(0, facts[0].clone()),
        "nobody asked for this",
    );
}

#[test]
fn marks_that_the_log_does_not_know_and_the_other_way_round_are_found() {
    let (shape, facts) = records();
    let records: Vec<Value> = (1..)
        .zip(facts)
        .map(|(at, fact)| json!({ "sequence": at, "facts": [fact] }))
        .collect();
    let known = Known {
        shape: &shape,
        rerun: false,
        attacked: false,
    };
    let log = Log::of(known, &records);
    assert_eq!(log.against(&BTreeMap::new()).len(), 2);
    let more = format!("{}begin r c1 2 9\nend r c1 2 9 0\n", written("r", &shape));
    let found = log.against(&Journal::parse(&more).runs()["r"]);
    assert!(
        found[0].contains("c1: 1 attempts dispatched, [1, 2] ran"),
        "{found:?}"
    );
}
