//! What a task can read by name, where it comes from, and what it hides.

use insta::assert_snapshot;
use porpoise_engine::run::parameters::{Given, known};
use porpoise_model::Value;
use porpoise_model::workflow::Kind;

use crate::support::{Scenario, scenario};

/// A workflow whose second task has everything that a name can come from.
fn load(dialect: &str) -> Scenario {
    let mut run = scenario("extract -> load")
        .with("extract", |task| {
            task.outputs.insert("rows".into(), Value::text(""));
        })
        .with("load", |task| {
            task.kind = Kind::Shell {
                script: "echo ${day} ${system.biz.date} ${HOME} ${extract.rows}".into(),
            };
            for (name, text) in [
                ("rows", "${extract.rows}"),
                ("day", "own ${day}"),
                ("key", "${secret:KEY}"),
                ("nothing", ""),
            ] {
                task.parameters.insert(name.into(), Value::text(text));
            }
            task.env.insert("rows".into(), "<${rows}>".into());
        });
    dialect.clone_into(&mut run.workflow.dialect);
    run.workflow.parameters = [
        ("day", "$[yyyy-MM-dd-1]"),
        ("zone", "eu"),
        ("nothing", "something"),
    ]
    .map(|(name, text)| (name.to_owned(), Value::text(text)))
    .into();
    run.new.parameters = [("day".to_owned(), "$[yyyy]".to_owned())].into();
    let rows = [("rows".to_owned(), Value::text("42"))].into();
    run.start().succeeds_with("extract", rows)
}

fn shown(run: &Scenario) -> String {
    let one = |given: &Given| {
        let value = given.value.as_ref().unwrap_or_else(|error| error);
        let written = given.written.as_ref();
        let written = written.map_or_else(String::new, |text| format!(" `{text}`"));
        format!("{value} ({}{written})", given.source.as_str())
    };
    let known = known(&run.state, run.plan.as_ref().unwrap(), run.index("load")).unwrap();
    let lines = known.iter().map(|known| {
        let hidden = known.hidden.iter().map(one);
        let hidden: Vec<String> = hidden.map(|hidden| format!(", not {hidden}")).collect();
        format!("{}: {}{}", known.name, one(&known.given), hidden.concat())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_task_of_our_own_reads_the_nearest_value_of_a_name() {
    assert_snapshot!(shown(&load("porpoise/1")), @"
    day: own 2026 (task `own ${day}`), not 2026 (start `$[yyyy]`)
    extract.rows: 42 (output)
    key: ${secret:KEY} (task)
    nothing:  (task), not something (workflow)
    rows: <42> (env `<${rows}>`), not 42 (task `${extract.rows}`)
    zone: eu (workflow)
    ");
}

#[test]
fn in_3_1_a_parameter_of_the_task_comes_before_what_the_run_was_started_with() {
    assert_snapshot!(shown(&load("dolphinscheduler/3.1")), @"
    day: own 2026 (task `own ${day}`), not 2026 (start `$[yyyy]`)
    extract.rows: 42 (output)
    key: ${secret:KEY} (task)
    nothing: something (workflow)
    rows: <42> (env `<${rows}>`), not 42 (task `${extract.rows}`)
    system.biz.date: 20260301 (builtin)
    zone: eu (workflow)
    ");
}

#[test]
fn from_3_2_on_what_the_run_was_started_with_comes_first() {
    assert_snapshot!(shown(&load("dolphinscheduler/3.2")), @"
    day: 2026 (start `$[yyyy]`), not own 2026 (task `own ${day}`)
    extract.rows: 42 (output)
    key: ${secret:KEY} (task)
    nothing: something (workflow)
    rows: <42> (env `<${rows}>`), not 42 (task `${extract.rows}`)
    system.biz.date: 20260301 (builtin)
    zone: eu (workflow)
    ");
}

/// What is told is what the job is given: its script is rendered from the same names.
#[test]
fn what_is_told_is_what_the_job_is_given() {
    let script = |dialect: &str| {
        let job = load(dialect).job("load");
        format!("{:?} {:?}", job.work, job.env)
    };
    let dialects = ["porpoise/1", "dolphinscheduler/3.1", "dolphinscheduler/3.2"];
    assert_snapshot!(dialects.map(script).join("\n"), @r#"
    Shell { script: "echo ${day} ${system.biz.date} ${HOME} ${extract.rows}" } {"day": "own 2026", "key": "${secret:KEY}", "nothing": "", "rows": "<42>", "zone": "eu"}
    Shell { script: "echo own 2026 20260301 ${HOME} 42" } {"day": "own 2026", "key": "${secret:KEY}", "nothing": "something", "rows": "<42>", "zone": "eu"}
    Shell { script: "echo 2026 20260301 ${HOME} 42" } {"day": "2026", "key": "${secret:KEY}", "nothing": "something", "rows": "<42>", "zone": "eu"}
    "#);
}

#[test]
fn a_parameter_that_cannot_be_resolved_says_why_and_leaves_the_others() {
    let run = scenario("load")
        .with("load", |task| {
            task.parameters.insert("a".into(), Value::text("${nope}"));
            task.parameters.insert("b".into(), Value::text("fine"));
        })
        .start();
    assert_snapshot!(shown(&run), @"
    a: cannot resolve `a`: no parameter is named `nope` (task `${nope}`)
    b: fine (task)
    ");
}
