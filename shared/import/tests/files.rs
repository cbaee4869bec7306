//! Resource files of scripts, and where a mapping file says that they are.

use porpoise_import::{Imported, Input, Mapping, Options, Topic, import_all};
use serde_json::{Value, json};

use crate::common::minimal;

fn said(imported: &Imported, topic: Topic) -> String {
    let entries = imported.report.entries.iter();
    let entries = entries.filter(|entry| entry.topic == topic);
    let lines: Vec<_> = entries
        .map(|entry| format!("{}: {}", entry.path, entry.message))
        .collect();
    lines.join("\n")
}

#[test]
fn scripts_find_the_files_that_a_mapping_file_says() {
    let scripts = |files: Value, mapping: &str| {
        let mut value = minimal();
        value["taskDefinitionList"][0]["taskParams"]["resourceList"] = files;
        let text = value.to_string();
        let lists = r#"[{"id":9,"alias":"load.sh","fullName":"/scripts/load.sh","type":"FILE"},
            {"id":11,"alias":"etl.sh","fullName":"/etl/resources/etl.sh","type":"FILE"},
            {"id":16,"alias":"c","fullName":"/conf/c.ini/c","type":"FILE"}]"#;
        let inputs = [
            Input::new("x.json", text.as_bytes()),
            Input {
                is_found: true,
                ..Input::new("resources.json", lists.as_bytes())
            },
        ];
        let options = Options {
            mapping: Some(Mapping::read("mapping.yaml", mapping.as_bytes()).unwrap()),
            ..Options::default()
        };
        import_all(&inputs, &options).unwrap()
    };
    let all = "resources: { '9': { address: /srv/load.sh }, '10': { address: /srv/own/b.py }, \
        '/conf/c.ini': { address: /srv/c.ini }, \
        's3a://bucket/dolphinscheduler/etl/resources/sql/d.sql': { address: /srv/d.sql }, \
        '/../e': { address: /srv/e }, '11': { address: /srv/own/etl.sh }, '16': { address: /srv/c.ini }, \
        '17': { address: '/srv/${x}' }, '18': { address: '/srv/${secret:x}' }, '14': { address: /srv/other/b.py }, '15': { address: /srv/conf }, '12': { address: 's3://code/f' } }\n";
    let files = json!([
        {"id": 9}, {"id": 10}, {"resourceName": "/conf/c.ini"},
        {"resourceName": "s3a://bucket/dolphinscheduler/etl/resources/sql/d.sql"},
        {"resourceName": "/../e"}, {"id": 11}, {"id": 16}, {"id": 17}, {"id": 18}, {"id": 14}, {"id": 15}, {"id": 12, "res": "f.sh"}, {"id": 13, "name": "g.sh"},
    ]);
    let imported = scripts(files, all);
    let found = &imported.workflows[0].workflow.tasks[0].files;
    let found: Vec<_> = found.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(
        found,
        [
            ("scripts/load.sh", "/srv/load.sh"),
            ("b.py", "/srv/own/b.py"),
            ("conf/c.ini", "/srv/c.ini"),
            ("sql/d.sql", "/srv/d.sql"),
            ("etl/resources/etl.sh", "/srv/own/etl.sh"),
        ]
    );
    // what is not there is said of each, and what cannot be
    let missing = said(&imported, Topic::Resources);
    assert!(
        missing.contains("/../e") && missing.contains("12 (f.sh)"),
        "{missing}"
    );
    assert!(missing.contains("13 (g.sh)"), "{missing}");
    assert_eq!(missing.lines().count(), 8, "{missing}");
    let without = said(&imported, Topic::MappingWithoutEffect);
    assert!(without.contains("none within the folder"), "{without}");
    let taken = "another file has its place";
    assert_eq!(without.matches(taken).count(), 3, "{without}");
    assert_eq!(
        without.matches("holds an expression").count(),
        2,
        "{without}"
    );
    assert!(
        without.contains("absolute paths of the machine"),
        "{without}"
    );
    let definition = imported.workflows[0].definition();
    let read = porpoise_definition::read("x.yaml", definition.as_bytes()).unwrap();
    assert_eq!(read[0].workflow, imported.workflows[0].workflow);
}

#[test]
fn ids_in_one_text_are_told_one_by_one_and_lists_of_another_form_are_told_too() {
    let import = |change: &dyn Fn(&mut Value), mapping: &str| {
        let mut value = minimal();
        change(&mut value["taskDefinitionList"][0]);
        let text = value.to_string();
        let options = Options {
            mapping: Some(Mapping::read("mapping.yaml", mapping.as_bytes()).unwrap()),
            ..Options::default()
        };
        import_all(&[Input::new("x.json", text.as_bytes())], &options).unwrap()
    };
    let ids = |task: &mut Value| task["resourceIds"] = json!("3,9");
    let both = "resources: { '3': { address: /srv/a.sh }, '9': { address: /srv/b.sh } }\n";
    let one = "resources: { '3': { address: /srv/a.sh } }\n";
    let missing = |mapping: &str| said(&import(&ids, mapping), Topic::Resources);
    assert_eq!(missing(both), "");
    let left = missing(one);
    assert!(left.contains("file 9 is not there"), "{left}");
    assert_eq!(left.lines().count(), 1, "{left}");
    assert_eq!(missing("{}").lines().count(), 2);
    for list in [
        json!("/a.sh,/b.sh"),
        json!({"resourceName": "/a.sh"}),
        json!(7),
    ] {
        let change = |task: &mut Value| task["taskParams"]["resourceList"] = list.clone();
        let told = said(&import(&change, "{}"), Topic::Resources);
        assert!(told.contains("in no list"), "{list}: {told}");
    }
}
