//! Files that scripts find in their folders, through the real binary.

use serde_json::json;

use crate::support::Place;

#[test]
fn an_imported_script_finds_its_resources_and_says_which_are_missing() {
    let place = Place::up();
    let there = place.work().join("resources");
    place.file("resources/greet.sh", "echo \"hello from $0 on $1\"\n");
    let script = "sh scripts/greet.sh $[yyyy-MM-dd]";
    let export = json!([{
        "processDefinition": {"code": 1, "name": "greetings", "projectCode": 7, "version": 1, "tenantId": 1, "executionType": "PARALLEL"},
        "processTaskRelationList": [{"preTaskCode": 0, "postTaskCode": 2}],
        "taskDefinitionList": [{
            "code": 2, "name": "greet", "taskType": "SHELL", "taskExecuteType": "BATCH",
            "taskParams": {"rawScript": script, "localParams": [], "resourceList": [{"resourceName": "/scripts/greet.sh"}]},
        }],
    }]);
    place.file("export.json", &export.to_string());
    let mapping = format!(
        "resources: {{ /scripts/greet.sh: {{ address: \"{}/greet.sh\" }} }}\n",
        there.display()
    );
    place.file("mapping.yaml", &mapping);
    let import = ["import", "dolphinscheduler", "export.json"];
    let said = place.ok(&[&import[..], &["--out", "without"]].concat());
    assert!(
        said.contains("1 × resource files that scripts expect in their folder: /scripts/greet.sh"),
        "{said}"
    );
    let with = ["--mapping", "mapping.yaml", "--out", "with"];
    let said = place.ok(&[&import[..], &with].concat());
    assert!(
        !said.contains("resource files that scripts expect"),
        "{said}"
    );
    place.ok(&["apply", "with/greetings.yaml"]);
    place.ok(&["run", "greetings", "--date", "2026-03-01"]);
    let said = place.ok(&["logs", "latest", "greet"]);
    assert!(
        said.contains("hello from scripts/greet.sh on 2026-03-01"),
        "{said}"
    );

    // one that is not there is named, and nothing is tried again
    std::fs::remove_file(there.join("greet.sh")).unwrap();
    let failed = place.run(&["run", "greetings"]);
    assert!(!failed.status.success());
    let shown = place.ok(&["show", "latest", "greet"]);
    assert!(
        shown.contains("the file `scripts/greet.sh` cannot be had"),
        "{shown}"
    );
    assert!(shown.contains("on this machine"), "{shown}");
    // a dry run and a simulated one need no file
    place.ok(&["run", "greetings", "--dry-run"]);
}

#[test]
fn the_path_of_a_file_may_follow_the_day_and_what_tasks_above_found() {
    let place = Place::up();
    place.file("conf/20260301-eu.ini", "rate=7\n");
    let conf = place.work().join("conf");
    let workflow = format!(
        "workflow: rates\ntasks:\n  \
         where: {{ shell: 'echo region=eu >> \"$PORPOISE_OUTPUT\"', outputs: [region] }}\n  \
         use:\n    after: [where]\n    files: {{ day.ini: \"{}/$[yyyyMMdd]-${{where.region}}.ini\" }}\n    command: [cat, day.ini]\n",
        conf.display()
    );
    place.file("rates.yaml", &workflow);
    place.ok(&["apply", "rates.yaml"]);
    place.ok(&["run", "rates", "--date", "2026-03-01"]);
    let said = place.ok(&["logs", "latest", "use"]);
    assert!(said.contains("rate=7"), "{said}");
}
