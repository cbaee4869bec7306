//! Mapped tasks: what they are read as, and what is said of those that are at fault.

use indexmap::IndexMap;
use porpoise_model::workflow::{Each, Items, Kind, Workflow};

use crate::support::faults;

fn read(text: &str) -> Workflow {
    let read = porpoise_definition::read("f.yaml", text.as_bytes());
    read.unwrap_or_else(|faults| panic!("{faults}"))
        .remove(0)
        .workflow
}

#[test]
fn a_mapped_task_names_its_lists_in_order() {
    let workflow = read(
        r#"
workflow: night
tasks:
  list: { shell: 'true', outputs: [days] }
  load:
    after: [list]
    outputs: [rows]
    workflow:
      name: load region
      for_each:
        region: [eu, us, 01]
        day: "${list.days}"
        zone: { text: "a;b", separator: ";" }
      without: [us, 2]
      at_most: 40
      parallel: 4
  plain: { workflow: { name: load region } }
  report: { after: [load], env: { ROWS: "${load.rows}" }, shell: 'true' }
"#,
    );
    let text = |text: &str, separator: Option<&str>| Items::Text {
        text: text.to_owned(),
        separator: separator.map(ToOwned::to_owned),
    };
    let values = ["eu", "us", "01"].map(ToOwned::to_owned).into();
    let lists = [
        ("region".to_owned(), Items::Values(values)),
        ("day".to_owned(), text("${list.days}", None)),
        ("zone".to_owned(), text("a;b", Some(";"))),
    ];
    let each = Each {
        lists: IndexMap::from(lists),
        without: ["us", "2"].map(ToOwned::to_owned).into(),
        at_most: 40,
        parallel: 4,
    };
    let kind = |each: Option<Each>| Kind::Workflow {
        workflow: "load region".parse().unwrap(),
        each: each.map(Box::new),
    };
    let Kind::Workflow {
        each: Some(found), ..
    } = &workflow.tasks[1].kind
    else {
        panic!("{:?}", workflow.tasks[1].kind);
    };
    let names: Vec<&String> = found.lists.keys().collect();
    assert_eq!(names, ["region", "day", "zone"]);
    assert_eq!(workflow.tasks[1].kind, kind(Some(each)));
    assert_eq!(workflow.tasks[2].kind, kind(None));
    // What was stored before there were mapped tasks, is stored so still.
    let stored = serde_json::to_string(&workflow.tasks[2].kind).unwrap();
    assert_eq!(
        stored,
        r#"{"kind":"workflow","do":{"workflow":"load region"}}"#
    );
}

#[test]
fn all_that_is_at_fault_in_a_mapped_task_is_said_at_once() {
    insta::assert_snapshot!(faults("
workflow: night
tasks:
  a: { workflow: { name: night, for_each: { x: [1] } } }
  b: { workflow: { name: o, at_most: 3, parallel: 0, without: [a] } }
  c: { workflow: { name: o, for_each: {} } }
  d: { workflow: { name: o, for_each: [1, 2] } }
  e:
    parameters: { x: 1, y: 2 }
    workflow:
      name: o
      for_each: { x: [1, '${nobody}', [2], ~], z: '1,2', s: { text: a, separator: '' }, t: { text: a }, u: 7 }
      at_most: 1025
      parallel: 101
      without: a
      paralel: 2
  f: { workflow: { for_each: { x: ['${secret:TOKEN}'] } } }
"), @r#"
    f.yaml:4:26: tasks.a.workflow.name: workflow `night` would run itself without end
    f.yaml:5:29: tasks.b.workflow.at_most: there is no `for_each`, and so no `at_most`
    f.yaml:5:41: tasks.b.workflow.parallel: there is no `for_each`, and so no `parallel`
    f.yaml:5:54: tasks.b.workflow.without: there is no `for_each`, and so no `without`
    f.yaml:6:39: tasks.c.workflow.for_each: there is no list to make runs for
    f.yaml:7:39: tasks.d.workflow.for_each: expected a map, found a list
    f.yaml:12:39: tasks.e.workflow.for_each.x[2]: expected a text, found a list
    f.yaml:12:44: tasks.e.workflow.for_each.x[3]: expected a text, found nothing; write `""` for an empty text
    f.yaml:12:51: tasks.e.workflow.for_each.z: `1,2` is no list in JSON; write `[a, b]`, or `{ text: "a,b", separator: "," }`
    f.yaml:12:83: tasks.e.workflow.for_each.s.separator: nothing separates nothing
    f.yaml:12:92: tasks.e.workflow.for_each.t: `separator` is missing
    f.yaml:12:108: tasks.e.workflow.for_each.u: `7` is no list in JSON; write `[a, b]`, or `{ text: "a,b", separator: "," }`
    f.yaml:13:16: tasks.e.workflow.at_most: `1025` is no whole number from 1 to 1024
    f.yaml:14:17: tasks.e.workflow.parallel: `101` is no whole number from 1 to 100
    f.yaml:15:16: tasks.e.workflow.without: expected a list, found a text; write `[first, second]`
    f.yaml:16:7: tasks.e.workflow.paralel: no field named `paralel`; did you mean `parallel`?
    f.yaml:17:18: tasks.f.workflow: `name` is missing
    f.yaml:17:36: tasks.f.workflow.for_each.x[0]: the secret `TOKEN` cannot be handed to another run; let the task that needs it name it itself
    "#);
    insta::assert_snapshot!(faults("
workflow: night
tasks:
  a: { parameters: { x: 1, y: 2 }, workflow: { name: o, for_each: { x: ['${nobody}'], z: '$[nonsense]' } } }
  b: { workflow: { name: o, for_each: { x: '${a.rows}' } } }
"), @r"
    f.yaml:4:25: tasks.a.parameters.x: `x` is what `for_each` gives already
    f.yaml:4:74: tasks.a.workflow.for_each.x[0]: no parameter named `nobody`
    f.yaml:4:91: tasks.a.workflow.for_each.z: `$[nonsense]`: `o` is no date letter; put text into single quotes, at byte 1
    f.yaml:5:45: tasks.b.workflow.for_each.x: task `a` declares no output `rows`; add `rows` to the `outputs` of `a`
    ");
}

#[test]
fn what_dolphinscheduler_calls_all_of_it_is_known_there_only() {
    let text = |dialect: &str| {
        format!(
            "
workflow: w
dialect: {dialect}
tasks:
  load: {{ workflow: {{ name: o, for_each: {{ x: [1] }} }} }}
  report: {{ after: [load], command: [echo, '${{dynamic.out(load)}}', '${{dynamic.out(nobody)}}'] }}
"
        )
    };
    insta::assert_snapshot!(faults(&text("dolphinscheduler/3.2")), @"note f.yaml:6:69: tasks.report.command[2]: no parameter named `dynamic.out(nobody)`");
    insta::assert_snapshot!(faults(&text("porpoise/1")), @r"
    f.yaml:6:45: tasks.report.command[1]: no parameter named `dynamic.out(load)`
    f.yaml:6:69: tasks.report.command[2]: no parameter named `dynamic.out(nobody)`
    ");
}
