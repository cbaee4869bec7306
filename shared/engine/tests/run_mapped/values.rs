//! What mapped tasks are given, and what they hand on.

use porpoise_engine::effect::{Effect, EffectKey};
use porpoise_engine::family::{ChildStage, ChildState};
use porpoise_engine::record::Record;
use porpoise_engine::run::{RunFact, State};
use porpoise_model::limits::{RECORD_BYTES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::{Items, Kind};
use porpoise_model::{RunState, TaskState, Value, ValueType};

use super::{begun, done, effect, kept, made, mapped, open, over, says, values, view};
use crate::support::start_of_day;

fn set(outputs: &[(&str, ValueType, &str)]) -> ChildState {
    let value = |(name, kind, text): &(&str, ValueType, &str)| {
        let text = (*text).to_owned();
        ((*name).to_owned(), Value { kind: *kind, text })
    };
    ChildState::Ended {
        state: RunState::Succeeded,
        started: Some(start_of_day()),
        ended: start_of_day(),
        why: String::new(),
        outputs: outputs.iter().map(value).collect(),
    }
}

#[test]
fn nothing_is_made_for_an_empty_list_and_all_goes_on() {
    let run = mapped(
        &[("a", values(&["1", "2"])), ("b", values(&["x"]))],
        |each| {
            each.without = vec!["x".to_owned()];
        },
    );
    let run = begun(run.with("load", |task| {
        task.outputs = [("rows".to_owned(), Value::default())].into();
    }));
    assert_eq!(run.state_of("load"), TaskState::Succeeded);
    assert_eq!(run.state_of("report"), TaskState::Dispatched);
    assert_eq!(run.state.outputs[&1]["rows"].text, "[]");
}

#[test]
fn combinations_are_filtered_before_they_are_cut() {
    let lists = [("a", values(&["1", "2", "3"])), ("b", values(&["x", "2"]))];
    let run = begun(mapped(&lists, |each| {
        each.without = vec!["2".to_owned()];
        each.at_most = 1;
    }));
    let elements = &kept(&run).elements;
    assert_eq!((elements.count(), elements.cut()), (1, 1));
    assert_eq!(elements.get(0).unwrap(), [("a", "1"), ("b", "x")]);
    assert_eq!(elements.get(1), None);
}

#[test]
fn lists_come_out_of_values_as_they_are_then_and_are_not_evaluated_again() {
    let text = |text: &str, separator: Option<&str>| Items::Text {
        text: text.to_owned(),
        separator: separator.map(ToOwned::to_owned),
    };
    let lists = [
        ("id", text("${ids}", None)),
        ("day", text("$[yyyyMMdd-1]; $[yyyyMMdd]", Some(";"))),
    ];
    let mut run = mapped(&lists, |_| {});
    run.workflow.parameters = [("ids".to_owned(), Value::text(r#"[7, "b"]"#))].into();
    let run = begun(run);
    let all: Vec<_> = (0..).map_while(|at| kept(&run).elements.get(at)).collect();
    let words: Vec<_> = all
        .iter()
        .map(|one| format!("{}/{}", one[0].1, one[1].1))
        .collect();
    assert_eq!(
        words,
        ["7/20260301", "7/20260302", "b/20260301", "b/20260302"]
    );
    // What is none fails at once, without an attempt, and is not tried again.
    for (given, wanted) in [
        (
            "a,b",
            "unresolved: cannot map over `id`: `a,b` is no list in JSON: correct it, or name its `separator`",
        ),
        (
            "[1",
            "unresolved: cannot map over `id`: `[1` is no list in JSON: correct it, or name its `separator`",
        ),
    ] {
        let mut run = mapped(&lists, |_| {}).retries("load", 2);
        run.workflow.parameters = [("ids".to_owned(), Value::text(given))].into();
        let run = begun(run);
        assert_eq!(run.cause_of("load"), wanted);
        assert_eq!(
            (run.state_of("load"), run.attempt("load").number),
            (TaskState::Failed, 0)
        );
    }
    let long = serde_json::to_string(&vec!["x".repeat(400); 100]).unwrap();
    let mut run = mapped(&lists, |_| {});
    run.workflow.parameters = [("ids".to_owned(), Value::text(long))].into();
    let run = begun(run);
    assert!(
        run.cause_of("load").contains("bytes long together"),
        "{}",
        run.cause_of("load")
    );
}

#[test]
fn outputs_are_lists_in_the_order_of_elements() {
    use ValueType::{Integer, List, Long, Varchar};
    let run = over(&["a", "b", "c"]).with("load", |task| {
        task.outputs = [("none".to_owned(), Value::default())].into();
    });
    let run = begun(run);
    let run = says(
        run,
        2,
        1,
        set(&[("rows", Integer, "2"), ("name", Varchar, "b\"")]),
    );
    let run = says(
        run,
        3,
        1,
        set(&[("rows", Long, "3"), ("ids", List, "[1, 2]")]),
    );
    let run = says(
        run,
        1,
        1,
        set(&[("rows", Integer, "x"), ("name", Varchar, "a")]),
    );
    let shown: Vec<String> = run.state.outputs[&1]
        .iter()
        .map(|(name, value)| {
            assert_eq!(value.kind, List);
            format!("{name}={}", value.text)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "ids=[null,null,[1, 2]]",
            r#"name=["a","b\"",null]"#,
            "none=[null,null,null]",
            r#"rows=["x",2,"3"]"#
        ]
    );
}

#[test]
fn outputs_that_are_too_long_together_fail_the_element_that_brings_them() {
    let long = "x".repeat(VALUE_BYTES_MAX);
    let names: Vec<String> = (0..40).map(|at| at.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut run = begun(over(&names));
    let mut number = 1;
    while run.state_of("load") != TaskState::Failed {
        run = says(run, number, 1, set(&[("text", ValueType::Varchar, &long)]));
        number += 1;
        assert!(number < 20);
    }
    let cause = run.cause_of("load");
    assert!(
        cause.contains("the outputs of all elements are more than 49152 bytes together"),
        "{cause}"
    );
    for (at, fact) in &run.facts {
        let record = Record {
            at: *at,
            facts: vec![fact.clone()],
        };
        assert!(record.to_bytes().len() < RECORD_BYTES_MAX);
    }
}

#[test]
fn in_dolphinscheduler_all_of_it_has_a_name_of_its_own() {
    let lists = [(
        "region",
        Items::Text {
            text: "${list}".to_owned(),
            separator: Some(",".to_owned()),
        },
    )];
    let mut run = mapped(&lists, |_| {});
    run.workflow.dialect = "dolphinscheduler/3.2".to_owned();
    run.workflow.parameters = [("list".to_owned(), Value::text("eu, us,"))].into();
    let run = run.with("report", |task| {
        task.kind = Kind::Shell {
            script: "echo '${dynamic.out(load)}' ${rows}".to_owned(),
        };
    });
    let run = begun(run);
    assert_eq!(made(&run, 1).parameters["region"], "eu");
    let run = says(run, 2, 1, set(&[("rows", ValueType::Integer, "2")]));
    let run = says(run, 1, 1, set(&[]));
    let Effect::Dispatch(intent) = effect(&run, EffectKey::Dispatch(run.attempt("report"))) else {
        panic!("nothing is dispatched");
    };
    let porpoise_model::job::Work::Shell { script } = intent.job.work else {
        panic!("no script");
    };
    assert_eq!(
        script,
        r#"echo '[{"dynParams":{"region":"eu"},"outputValue":{},"mappedTimes":1},{"dynParams":{"region":"us"},"outputValue":{"rows":"2"},"mappedTimes":2}]' ${rows}"#
    );
}

#[test]
fn a_dry_run_makes_nothing() {
    let mut run = over(&["a", "b"]);
    run.new.dry_run = true;
    let run = run.start();
    assert_eq!(run.state.run_state(), RunState::Succeeded);
    assert_eq!(run.state.family, None);
}

#[test]
fn a_thousand_elements_take_little_space_and_fold_to_the_same() {
    let list: Vec<String> = (0..1_500).map(|at| at.to_string()).collect();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    let mut run = begun(mapped(&[("n", values(&list))], |each| each.parallel = 100));
    for number in 1..=900 {
        run = says(run, number, 1, open(ChildStage::Running));
        run = done(run, number);
    }
    assert_eq!(kept(&run).elements.count(), 1_024);
    let state = minicbor::to_vec(&run.state).unwrap();
    assert!(state.len() < 16_000, "{}", state.len());
    assert_eq!(minicbor::decode::<State>(&state).unwrap(), run.state);
    let ends = run
        .facts
        .iter()
        .filter(|(_, fact)| matches!(fact, RunFact::ElementEnded { .. }));
    let bytes = minicbor::to_vec(ends.map(|(_, fact)| fact).next_back().unwrap()).unwrap();
    assert!(bytes.len() < 40, "{}", bytes.len());
    view(&run);
    for number in 901..=1_024 {
        run = done(run, number);
    }
    assert_eq!(run.state_of("load"), TaskState::Succeeded);
}
