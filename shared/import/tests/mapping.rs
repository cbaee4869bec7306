//! Mapping files: what an import met, and what people say it is.

use porpoise_import::{Imported, Input, Mapping, Options, Section, Topic, import, import_all};
use porpoise_model::workflow::{Kind, Task};
use serde_json::{Value, json};

use crate::common;
use crate::common::{data, fixture, minimal};

fn with(mapping: &str) -> Options {
    Options {
        project: Some("retail".into()),
        mapping: Some(Mapping::read("mapping.yaml", mapping.as_bytes()).unwrap()),
        ..Options::default()
    }
}

fn orders(options: &Options) -> Imported {
    import("orders.json", fixture("orders.json").as_bytes(), options).unwrap()
}

fn said(imported: &Imported, topic: Topic) -> Vec<String> {
    let entries = imported.report.entries.iter();
    let entries = entries.filter(|entry| entry.topic == topic);
    entries
        .map(|entry| format!("{}: {}", entry.path, entry.message))
        .collect()
}

fn task<'i>(imported: &'i Imported, name: &str) -> &'i Task {
    let tasks = imported
        .workflows
        .iter()
        .flat_map(|each| &each.workflow.tasks);
    tasks
        .into_iter()
        .find(|task| task.name.as_str() == name)
        .unwrap()
}

fn refused(text: &str) -> String {
    Mapping::read("m.yaml", text.as_bytes())
        .unwrap_err()
        .to_string()
}

/// One of everything that a workflow can name.
fn everything() -> Value {
    let mut value = minimal();
    let definition = &mut value["processDefinition"];
    definition["tenantId"] = json!(5);
    definition["warningGroupId"] = json!(2);
    let tasks = value["taskDefinitionList"].as_array_mut().unwrap();
    tasks[0]["workerGroup"] = json!("etl");
    tasks[0]["environmentCode"] = json!(8_831);
    tasks[0]["taskGroupId"] = json!(3);
    tasks[0]["taskParams"]["resourceList"] = json!([{"id": 9}]);
    let add = |tasks: &mut Vec<Value>, name: &str, kind: &str, params: Value| {
        let code = 100 + tasks.len();
        tasks.push(json!({"code": code, "name": name, "taskType": kind, "workerGroup": "default", "taskExecuteType": "BATCH", "taskParams": params}));
    };
    add(
        tasks,
        "sql",
        "PROCEDURE",
        json!({"type": "MYSQL", "datasource": 7, "method": "call p()"}),
    );
    add(
        tasks,
        "copy",
        "DATAX",
        json!({"customConfig": 0, "dsType": "MYSQL", "dataSource": 7, "dtType": "HIVE", "dataTarget": "8", "sql": "select 1"}),
    );
    add(
        tasks,
        "jar",
        "SPARK",
        json!({"programType": "SCALA", "mainClass": "A", "mainJar": {"id": 9}, "yarnQueue": "night", "namespace": "{\"name\":\"etl\",\"cluster\":\"prod\"}"}),
    );
    add(
        tasks,
        "move",
        "SQOOP",
        json!({"sourceParams": "{\"srcType\":\"MYSQL\",\"srcDatasource\":11}"}),
    );
    add(
        tasks,
        "child",
        "DYNAMIC",
        json!({"processDefinitionCode": 999_999}),
    );
    value["processTaskRelationList"]
        .as_array_mut()
        .unwrap()
        .extend((102..=106).map(|code| json!({"preTaskCode": 0, "postTaskCode": code})));
    value
}

const LISTS: [(&str, &str); 4] = [
    (
        "data-sources.json",
        r#"{"code":0,"msg":"success","data":{"totalList":[{"id":7,"name":"dwh","type":"MYSQL","note":"","connectionParams":"{\"user\":\"etl\",\"password\":\"hunter22\"}"}],"total":1}}"#,
    ),
    (
        "environments.json",
        r#"{"code":0,"data":[{"id":1,"code":8831,"name":"spark3","config":"export SPARK_HOME=/opt/spark\nexport TOKEN=abcdefg12345\nexport PATH=$SPARK_HOME/bin:$PATH\nexport TZ='Asia/Shanghai'"}]}"#,
    ),
    (
        "task-groups.json",
        r#"{"code":0,"data":{"totalList":[{"id":3,"name":"etl limit","groupSize":4,"useSize":0}],"total":1}}"#,
    ),
    (
        "resources.json",
        r#"[{"id":1,"pid":-1,"alias":"lib","fullName":"/lib","type":"FILE","children":[{"id":9,"alias":"a.jar","fullName":"/lib/a.jar","type":"FILE","children":[]}]}]"#,
    ),
];

fn with_lists() -> Imported {
    let text = everything().to_string();
    let mut inputs = vec![Input::new("export.json", text.as_bytes())];
    inputs.extend(LISTS.iter().map(|(name, text)| Input {
        is_found: true,
        ..Input::new(name, text.as_bytes())
    }));
    import_all(&inputs, &Options::default()).unwrap()
}

#[test]
fn a_first_file_names_everything_and_where_it_is_used() {
    let imported = import_all(
        &[Input::new("x.json", everything().to_string().as_bytes())],
        &Options::default(),
    )
    .unwrap();
    insta::assert_snapshot!("mapping.first", imported.plan.file(None).unwrap());
}

#[test]
fn lists_give_names_and_propose_what_to_fill_in_and_no_secret() {
    let imported = with_lists();
    let text = imported.plan.file(None).unwrap();
    insta::assert_snapshot!("mapping.lists", text);
    assert!(!text.contains("hunter22") && !text.contains("abcdefg12345"));
    assert_eq!(said(&imported, Topic::Catalogue).len(), LISTS.len());
    let report = &imported.report;
    assert_eq!(
        report.used + report.reported + report.ignored.values().sum::<usize>(),
        report.leaves
    );
    // what lists propose can be used as it stands
    Mapping::read("mapping.yaml", text.as_bytes()).unwrap();
}

#[test]
fn a_file_that_is_there_keeps_what_people_wrote_and_only_gets_what_is_new() {
    let imported = with_lists();
    let first = imported.plan.file(None).unwrap();
    let again = imported
        .plan
        .file(Some(("m.yaml", first.as_bytes())))
        .unwrap();
    assert_eq!(again, first);

    let mine = "\
# mine: agreed on 3 March
data_sources:
  # the warehouse
  '7':
    target: warehouse  # ask Li
  \"12\":  # 1 use: gone/task
    target: old

worker_groups: {}
# the end
";
    let merged = imported
        .plan
        .file(Some(("m.yaml", mine.as_bytes())))
        .unwrap();
    insta::assert_snapshot!("mapping.merged", merged);
    assert_eq!(
        imported
            .plan
            .file(Some(("m.yaml", merged.as_bytes())))
            .unwrap(),
        merged
    );
    for line in [
        "# mine: agreed on 3 March",
        "  # the warehouse",
        "    target: warehouse  # ask Li",
        "    target: old",
        "# the end",
    ] {
        assert!(
            merged.lines().any(|found| found == line),
            "{line}\n{merged}"
        );
    }
}

#[test]
fn a_file_in_another_layout_is_added_to_or_refused_and_never_changed() {
    let plan = with_lists().plan;
    for there in [
        "data_sources: { '7': { target: a } }\n",
        "{data_sources: {'7': {target: a}}}\n",
        "data_sources:\n    \"7\": { target: a }\n",
        "data_sources:\n  ? '7'\n  : target: a\n",
        "",
        "# nothing yet\n",
    ] {
        match plan.file(Some(("m.yaml", there.as_bytes()))) {
            Ok(text) => {
                let before = Mapping::read("m.yaml", there.as_bytes()).unwrap();
                let after = Mapping::read("m.yaml", text.as_bytes()).unwrap();
                assert!(
                    before == Mapping::default() || text.contains("target: a"),
                    "{text}"
                );
                assert_ne!(before, after);
            }
            Err(faults) => {
                assert!(faults.to_string().contains("laid out"), "{faults}");
            }
        }
    }
}

#[test]
fn every_mistake_of_a_file_is_said_at_once() {
    insta::assert_snapshot!(
        "mapping.faults",
        refused(
            "\
workergroups:
  etl: { target: a }
worker_groups:
  etl: { tarket: a, env: {} }
  b: spark
environments:
  '1': { env: [A=1] }
  '2': { env: { A=B: x, PORPOISE_X: y, C: [1] } }
resources:
  '9': { address: http://x/y }
task_groups:
  '3': { slots: 0, pool: \"a\\nb\" }
workflows:
  child: { workflow: a/b }
  '5': { workflow: \"a/\" }
tenants: [a]
"
        )
    );
    assert!(
        refused("worker_groups:\n  a: { target: x }\n  a: { target: y }\n")
            .contains("more than once")
    );
    assert!(refused("- a\n").contains("expected a map with"));
}

const MAPPING: &str = "\
worker_groups: { etl: { target: spark }, default: { target: other } }
data_sources: { '7': { target: warehouse }, '8': { target: hive }, '11': {} }
queues: { night: { target: night } }
clusters: { prod/etl: { target: eks } }
environments: { '8831': { env: { SPARK_HOME: /opt/spark, TZ: Asia/Shanghai } } }
resources: { '9': { address: 's3://code/a.jar' } }
task_groups: { '3': { pool: limit, slots: 4 } }
tenants: { '5': { service_account: etl-reader } }
alert_groups: { '2': { label: on-call } }
workflows: { '999999': { workflow: other/child of it } }
";

#[test]
fn what_a_file_says_is_in_the_workflows_and_in_the_report() {
    let text = everything().to_string();
    let imported = import("x.json", text.as_bytes(), &with(MAPPING)).unwrap();
    let target = |name| task(&imported, name).target.as_deref();
    assert_eq!(target("first"), Some("spark"));
    assert_eq!(target("sql"), Some("warehouse"));
    // two data sources: what is left is the worker group
    assert_eq!(target("copy"), Some("other"));
    assert_eq!(target("jar"), Some("eks"));
    assert_eq!(target("child"), None);
    let first = task(&imported, "first");
    assert_eq!(first.env["SPARK_HOME"], "/opt/spark");
    assert_eq!(first.pool.as_ref().unwrap().name.as_str(), "limit");
    assert_eq!(imported.pools["retail/limit"], 4);
    let Kind::External { parameters, .. } = &task(&imported, "jar").kind else {
        panic!("not external")
    };
    assert_eq!(parameters["mainJar"]["resourceName"], "s3://code/a.jar");
    let labels = &imported.workflows[0].workflow.labels;
    assert_eq!(labels["service-account"], "etl-reader");
    assert_eq!(labels["alert-group"], "on-call");
    for topic in [
        Topic::Environment,
        Topic::TaskGroup,
        Topic::Tenant,
        Topic::UnknownReference,
        Topic::MappingUnused,
    ] {
        assert_eq!(said(&imported, topic), Vec::<String>::new(), "{topic:?}");
    }
    let all =
        [Topic::Mapped, Topic::MappingWithoutEffect].map(|topic| said(&imported, topic).join("\n"));
    insta::assert_snapshot!("mapping.said", all.join("\n---\n"));
    // all of it reads back
    let definition = imported.workflows[0].definition();
    let read = porpoise_definition::read("x.yaml", definition.as_bytes()).unwrap();
    assert_eq!(read[0].workflow, imported.workflows[0].workflow);
    assert!(imported.report.html().contains("worker group etl"));
}

#[test]
fn an_empty_file_changes_nothing_and_what_nothing_uses_is_said() {
    let plain = orders(&Options {
        project: Some("retail".into()),
        ..Options::default()
    });
    assert_eq!(orders(&with("")), plain);
    let first = plain.plan.file(None).unwrap();
    assert_eq!(orders(&with(&first)).workflows, plain.workflows);
    assert_eq!(
        said(&orders(&with(&first)), Topic::MappingUnused),
        Vec::<String>::new()
    );
    let groups = plain.plan.things().iter();
    let groups = groups.filter(|thing| thing.section == Section::WorkerGroups);
    let groups: Vec<_> = groups.map(|thing| &*thing.key).collect();
    assert_eq!(groups, ["default", "etl"]);
    let unused = said(
        &orders(&with("worker_groups: { elt: { target: a } }")),
        Topic::MappingUnused,
    );
    assert_eq!(
        unused,
        ["worker_groups.elt: nothing uses worker group `elt`; did you mean `etl`?"]
    );
}

#[test]
fn what_has_no_job_gets_neither_a_target_nor_variables() {
    let mut parent = minimal();
    parent["processDefinition"]["name"] = json!("parent");
    parent["processDefinition"]["code"] = json!(2);
    let day = json!({"relation": "AND", "dependTaskList": [{"relation": "AND", "dependItemList": [
        {"projectCode": 42, "definitionCode": 1, "depTaskCode": 0, "cycle": "day", "dateValue": "today", "state": null}
    ]}]});
    let kinds = [
        ("SUB_PROCESS", json!({"processDefinitionCode": 1})),
        ("DEPENDENT", json!({"dependence": day})),
    ];
    let tasks = parent["taskDefinitionList"].as_array_mut().unwrap();
    for (task, (kind, params)) in tasks.iter_mut().zip(kinds) {
        task["taskType"] = json!(kind);
        task["taskParams"] = params;
        task["workerGroup"] = json!("default");
        task["environmentCode"] = json!(8_831);
    }
    let text = json!([minimal(), parent]).to_string();
    let mapping = with(
        "worker_groups: { default: { target: a } }\nenvironments: { '8831': { env: { A: b } } }",
    );
    let imported = import("x.json", text.as_bytes(), &mapping).unwrap();
    let parent = &imported.workflows[1];
    for task in &parent.workflow.tasks {
        assert_eq!((&task.target, task.env.len()), (&None, 0), "{}", task.name);
    }
    let read = porpoise_definition::read("x.yaml", parent.definition().as_bytes()).unwrap();
    assert_eq!(read[0].workflow, parent.workflow);
}

#[test]
fn a_list_of_projects_says_which_project_owns_a_workflow() {
    let workflow = |name: &str, project: i64, code: i64| {
        let mut value = minimal();
        value["processDefinition"]["name"] = json!(name);
        value["processDefinition"]["projectCode"] = json!(project);
        value["processDefinition"]["code"] = json!(code);
        value
    };
    let export = json!([
        workflow("one", 1, 10),
        workflow("one", 2, 20),
        workflow("one", 2, 21),
        workflow("two", 3, 30)
    ])
    .to_string();
    let projects = json!([{"id": 1, "code": 1, "name": "市场", "perm": 0}, {"id": 2, "code": 2, "name": "b", "perm": 0}]).to_string();
    let inputs = [
        Input::new("x.json", export.as_bytes()),
        Input::new("projects.json", projects.as_bytes()),
    ];
    let owned = |options: &Options| -> Vec<String> {
        let imported = import_all(&inputs, options).unwrap();
        let names = imported
            .workflows
            .iter()
            .map(|each| format!("{}/{}", each.workflow.project, each.workflow.name));
        names.collect()
    };
    assert_eq!(
        owned(&Options::default()),
        ["市场/one", "b/one", "b/one (2)", "default/two"]
    );
    assert_eq!(owned(&with(""))[3], "retail/two");
}

/// 1.x counts its projects.
#[test]
fn a_list_of_projects_without_codes_goes_by_their_ids() {
    let page = fixture("page-1.3.json");
    let projects = json!([{"id": 4, "name": "shop", "perm": 0, "defCount": 2}]).to_string();
    let mut page: Value = serde_json::from_str(&page).unwrap();
    for each in page["data"]["totalList"].as_array_mut().unwrap() {
        each["projectId"] = json!(4);
    }
    let page = page.to_string();
    let inputs = [
        Input::new("page.json", page.as_bytes()),
        Input::new("projects.json", projects.as_bytes()),
    ];
    let imported = import_all(&inputs, &Options::default()).unwrap();
    let owners = imported
        .workflows
        .iter()
        .map(|each| each.workflow.project.as_str());
    assert!(owners.clone().count() > 0);
    assert!(owners.into_iter().all(|owner| owner == "shop"));
}

#[test]
fn schedules_of_a_list_go_to_their_workflows_with_their_real_state() {
    let mut value = minimal();
    let schedule = value.as_object_mut().unwrap().remove("schedule").unwrap();
    let code = value["processDefinition"]["code"].clone();
    for (state, topic) in [
        ("ONLINE", Topic::ScheduleOnline),
        ("OFFLINE", Topic::ScheduleOff),
    ] {
        let mut listed = schedule.clone();
        listed["processDefinitionCode"] = code.clone();
        listed["releaseState"] = json!(state);
        listed["vendor"] = json!(1);
        let list = json!({"code": 0, "msg": "success", "data": {"totalList": [listed], "total": 1, "currentPage": 1}}).to_string();
        let answer = json!({"code": 0, "data": value}).to_string();
        let found = |name, text| Input {
            is_found: true,
            ..Input::new(name, text)
        };
        let empty = br#"{"code":0,"msg":"success","data":{"totalList":[],"total":0}}"#;
        let inputs = [
            found("1.json", answer.as_bytes()),
            found("s.json", list.as_bytes()),
            found("e.json", empty),
        ];
        let imported = import_all(&inputs, &Options::default()).unwrap();
        let workflow = &imported.workflows[0].workflow;
        let kept = workflow.schedule.as_ref().unwrap();
        assert!(kept.offline && kept.cron == schedule["crontab"]);
        assert_eq!(workflow.labels["dolphinscheduler.schedule-state"], state);
        assert_eq!(said(&imported, topic).len(), 1);
        let unknown = said(&imported, Topic::UnknownField);
        assert!(
            unknown[0].contains("schedule.vendor") && unknown.len() == 1,
            "{unknown:?}"
        );
        assert_eq!(said(&imported, Topic::ScheduleOffline).len(), 0);
        let report = &imported.report;
        assert_eq!(
            report.used + report.reported + report.ignored.values().sum::<usize>(),
            report.leaves
        );
    }
}

#[test]
fn every_real_file_gives_a_mapping_file_that_reads_back() {
    let Some(data) = data() else { return };
    let mut lists: Vec<_> = common::files(&data.join("catalogue"), ".json");
    // An empty list can be of anything.
    lists.retain(|(_, bytes)| bytes.windows(2).any(|two| two == b"\":"));
    let mut named = 0;
    for folder in [
        "exports/1.3",
        "exports/2.0",
        "exports/3.1",
        "exports/3.2",
        "exports/3.3",
        "synthetic",
    ] {
        for (name, bytes) in common::files(&data.join(folder), ".json") {
            let mut inputs = vec![Input::new(&name, &bytes)];
            inputs.extend(lists.iter().map(|(name, bytes)| Input {
                is_found: true,
                ..Input::new(name, bytes)
            }));
            let imported = import_all(&inputs, &Options::default())
                .unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
            let text = imported.plan.file(None).unwrap();
            let mapping = Mapping::read("m.yaml", text.as_bytes())
                .unwrap_or_else(|faults| panic!("{name}: {faults}\n{text}"));
            assert_eq!(
                imported
                    .plan
                    .file(Some(("m.yaml", text.as_bytes())))
                    .unwrap(),
                text,
                "{name}"
            );
            let again = import_all(
                &inputs,
                &Options {
                    mapping: Some(mapping),
                    ..Options::default()
                },
            )
            .unwrap();
            assert_eq!(again.workflows.len(), imported.workflows.len());
            assert_eq!(
                said(&imported, Topic::Catalogue).len(),
                lists.len(),
                "{name}"
            );
            named += imported
                .plan
                .things()
                .iter()
                .filter(|thing| !thing.about.is_empty())
                .count();
        }
    }
    println!("{named} things have a name or a type");
    assert!(named > 10 || lists.is_empty(), "{named}");
}

/// What the page for users shows is what is printed today.
#[test]
fn the_page_for_users_shows_this_file_and_this_report() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(page.join("../../docs/import-dolphinscheduler.md")).unwrap();
    let shows = |text: &str| {
        assert!(
            page.contains(text.trim()),
            "the page does not show:\n{text}"
        );
    };
    let names = ["data-sources", "environments", "task-groups"];
    let lists = names.map(|name| (name, fixture(&format!("catalogue/{name}.json"))));
    let export = fixture("orders.json");
    let mut inputs = vec![Input::new("orders.json", export.as_bytes())];
    inputs.extend(lists.iter().map(|(name, text)| Input {
        is_found: true,
        ..Input::new(name, text.as_bytes())
    }));
    let imported = import_all(&inputs, &Options::default()).unwrap();
    shows(&imported.plan.file(None).unwrap());
    let report = orders(&with(&fixture("mapping.yaml"))).report.to_string();
    let part = |title: &str| {
        let from = report
            .find(title)
            .unwrap_or_else(|| panic!("{title}\n{report}"));
        let from = report[..from].rfind('\n').unwrap();
        let to = report[from..].match_indices('\n').nth(2).unwrap().0;
        report[from..from + to].to_owned()
    };
    shows(&part("what the mapping file says and cannot take effect"));
    shows(&part("what the mapping file says, put in place"));
    shows(&part("entries of the mapping file that nothing uses"));
}
