//! What a task can read by name, where it comes from, and what it hides.

use insta::assert_snapshot;
use porpoise_engine::run::parameters::{Given, Named, known, may_name, named_of};
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

/// Names of the project come after all that is nearer; what was not there before 3.2 is not there now.
#[test]
fn parameters_of_the_project_are_the_last_but_what_is_built_in() {
    let of = |dialect: &str| {
        let mut run = scenario("load").with("load", |task| {
            task.kind = Kind::Command {
                argv: [
                    "${project.zone}",
                    "${project.root}",
                    "${zone} ${root} ${system.datetime}",
                ]
                .map(str::to_owned)
                .into(),
            };
            task.parameters.insert("own".into(), Value::text("own"));
        });
        dialect.clone_into(&mut run.workflow.dialect);
        run.workflow.parameters = [("zone".to_owned(), Value::text("of the workflow"))].into();
        let all = [
            ("zone", "eu"),
            ("root", "/${project.zone}/$[yyyy]"),
            ("system.datetime", "$[yyyy]"),
            ("own", "of the project"),
        ];
        let all = all.map(|(name, text)| (name.to_owned(), Value::text(text)));
        run.new.project_parameters = Some(all.into());
        shown(&run.start())
    };
    let dialects = ["porpoise/1", "dolphinscheduler/3.1", "dolphinscheduler/3.2"];
    assert_snapshot!(dialects.map(of).join("\n\n"), @"
    own: own (task)
    project.root: /eu/2026 (project `/${project.zone}/$[yyyy]`)
    project.zone: eu (project)
    system.datetime: 20260302000000 (builtin)
    zone: of the workflow (workflow)

    own: own (task)
    system.datetime: 20260302000000 (builtin)
    zone: of the workflow (workflow)

    own: own (task), not of the project (project)
    root: /${project.zone}/2026 (project `/${project.zone}/$[yyyy]`)
    system.datetime: 2026 (project `$[yyyy]`), not 20260302000000 (builtin)
    zone: of the workflow (workflow), not eu (project)
    ");
}

/// A run carries no more of them than it can name.
#[test]
fn a_run_keeps_those_parameters_of_the_project_that_it_can_name() {
    let kept = |dialect: &str, text: &str, start: &str| {
        let mut run = scenario("load").with("load", |task| {
            task.kind = Kind::Switch {
                cases: Vec::new(),
                otherwise: None,
            };
            task.env.insert("x".into(), Value::text(text).text);
        });
        dialect.clone_into(&mut run.workflow.dialect);
        run.workflow.parameters = [("declared".to_owned(), Value::text(""))].into();
        run.new.parameters = [("given".to_owned(), start.to_owned())].into();
        let all = [
            ("a", "${b} ${project.b}"),
            ("b", ""),
            ("c", ""),
            ("declared", ""),
        ];
        let all = all
            .map(|(name, text)| (name.to_owned(), Value::text(text)))
            .into();
        let named = Named::by(&run.workflow);
        let may = may_name(&run.new, &run.workflow, &named);
        let kept = named_of(&run.new, &run.workflow, &named, &all);
        let names = kept.map(|kept| kept.into_keys().collect::<Vec<_>>().join(" "));
        format!("{may} {}", names.unwrap_or_default())
    };
    let cases = [
        ("porpoise/1", "a ${c}", "", "false "),
        ("porpoise/1", "${project.a}", "", "true a b"),
        ("porpoise/1", "", "${project.c}", "true c"),
        ("porpoise/1", "${project.${x}}", "", "true a b c declared"),
        ("dolphinscheduler/3.1", "${a}", "", "false "),
        (
            "dolphinscheduler/3.2",
            "${a} ${declared}",
            "",
            "true a b declared",
        ),
        ("dolphinscheduler/3.3", "${declared}", "", "false declared"),
    ];
    for (dialect, text, start, expected) in cases {
        assert_eq!(
            kept(dialect, text, start),
            expected,
            "{dialect} {text} {start}"
        );
    }
}
