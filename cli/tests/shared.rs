//! What runs and workflows share: parameters of their project, tasks that others wait for, slots of pools.

use rustix::process::Signal;

use crate::support::Place;

fn started(place: &Place, workflow: &str) -> String {
    let run = place.ok(&["run", workflow, "--no-watch"]);
    run.trim().to_owned()
}

/// Imported from 3.2, where a script names what the project has; one of our own names it as the project's.
#[test]
fn every_workflow_of_a_project_can_name_its_parameters_and_a_run_keeps_what_they_were() {
    let mut place = Place::up();
    place.file(
        "both.yaml",
        r#"
workflow: own
project: retail
tasks:
  say: { shell: 'echo "$where"', parameters: { where: "${project.folder}" } }
  ask: { approval: "Go on?" }
  again: { after: [ask], shell: 'echo "$where"', parameters: { where: "${project.folder}" } }
---
workflow: imported
project: retail
dialect: dolphinscheduler/3.2
tasks:
  say: { shell: 'echo ${folder} ${HOME:+home}' }
"#,
    );
    place.file(
        "shared.yaml",
        "region: eu\nfolder: /data/${project.region}\n",
    );
    place.ok(&["parameters", "--project", "retail", "--file", "shared.yaml"]);
    place.ok(&["apply", "both.yaml"]);
    let own = started(&place, "own");
    place.wait_for(&own, Some("say"), "succeeded");
    let said = place.ok(&["logs", &own, "say"]);
    assert!(said.contains("/data/eu"), "{said}");
    let shown = place.ok(&["show", &own, "say", "--parameters"]);
    assert!(shown.contains("project.folder"), "{shown}");
    place.ok(&[
        "parameters",
        "--set",
        "region=us",
        "--set",
        "folder=/${region}",
    ]);
    place.stop(Signal::KILL);
    place.start();
    // The run goes on with what it was created with; another one sees the change.
    place.ok(&["approve", &own, "ask"]);
    place.wait_for(&own, None, "succeeded");
    let said = place.ok(&["logs", &own, "again"]);
    assert!(said.contains("/data/eu"), "{said}");
    let imported = started(&place, "imported");
    place.wait_for(&imported, None, "succeeded");
    let said = place.ok(&["logs", &imported, "say"]);
    assert!(said.contains("/us home"), "{said}");
    // What the project does not have is named by whoever names it.
    place.ok(&["parameters", "--unset", "folder"]);
    let lacks = started(&place, "own");
    let shown = place.wait_for(&lacks, Some("say"), "failed");
    let why = shown["cause"]["text"].as_str().unwrap();
    assert!(
        why.contains("no parameter is named `project.folder`"),
        "{why}"
    );
}

/// The task that is waited for ends; its run waits for a person.
#[test]
fn who_waits_for_a_task_goes_on_while_its_run_does_also_after_a_crash() {
    let mut place = Place::up();
    place.file(
        "both.yaml",
        r"
workflow: orders
tasks:
  ask: { approval: Extract? }
  extract: { after: [ask], shell: echo rows }
  confirm: { after: [extract], approval: Right? }
---
workflow: report
tasks:
  wait: { dependent: { needs: { workflow: orders, task: extract, period: today } } }
  build: { after: [wait], shell: echo built }
",
    );
    place.ok(&["apply", "both.yaml"]);
    let early = started(&place, "report");
    let orders = started(&place, "orders");
    place.wait_for(&early, Some("wait"), "queued");
    place.wait_for(&orders, Some("ask"), "queued");
    place.stop(Signal::KILL);
    place.start();
    let late = started(&place, "report");
    place.wait_for(&late, Some("wait"), "queued");
    place.ok(&["approve", &orders, "ask"]);
    place.wait_for(&early, None, "succeeded");
    place.wait_for(&late, None, "succeeded");
    place.wait_for(&orders, None, "running");
}

#[test]
fn a_task_that_is_granted_its_slots_starts_although_none_is_free() {
    let place = Place::up();
    place.file(
        "slow.yaml",
        "workflow: slow\ntasks:\n  wait: { approval: Free?, disabled: true }\n  work: { shell: 'while [ ! -e go ]; do sleep 0.1; done', pool: one }\n",
    );
    place.ok(&["apply", "slow.yaml"]);
    place.ok(&["pool", "default/one", "--slots", "1"]);
    let first = started(&place, "slow");
    place.wait_for(&first, Some("work"), "running");
    let second = started(&place, "slow");
    place.wait_for(&second, Some("work"), "queued");
    place.ok(&["pool", "default/one", "--grant", &second, "work"]);
    place.wait_for(&second, Some("work"), "running");
    let shown = place.ok(&["pool", "default/one"]);
    let holders = [&first, &second].map(|run| shown.contains(&format!("held by {run} work")));
    assert_eq!(holders, [true, true], "{shown}");
    place.ok(&["kill", &first]);
    place.ok(&["kill", &second]);
}
