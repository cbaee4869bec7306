//! Files of others, in the folder that `PORPOISE_DS_DATA` names.

use porpoise_import::{Options, Topic, Version, import};
use porpoise_model::workflow::Kind;

use crate::common::{data, files};

/// The keys of one are those of 3.2, those of a page could be of 2.0; their collectors filed them under 3.1.
const UNLIKE_THEIR_FOLDER: [&str; 2] = ["shell-shell-python.json", "python-api-page.json"];

#[test]
fn every_file_imports_as_its_version_and_reads_back() {
    let Some(data) = data() else { return };
    let folders = [
        ("exports/1.3", ".json", Some(Version::V1)),
        ("exports/2.0", ".json", Some(Version::V2_0)),
        ("exports/3.1", ".json", Some(Version::V3_1)),
        ("exports/3.2", ".json", Some(Version::V3_2)),
        ("exports/3.3", ".json", Some(Version::V3_3)),
        ("synthetic", "3.1.json", Some(Version::V3_1)),
        ("synthetic", "3.3.json", Some(Version::V3_3)),
        ("create-requests", "Workflow.json", None),
        ("pydolphinscheduler/golden", ".json", None),
        ("pydolphinscheduler", ".yaml", None),
        ("pydolphinscheduler/community", ".yaml", None),
    ];
    let all: Vec<_> = folders
        .into_iter()
        .flat_map(|(folder, part, version)| {
            let files = files(&data.join(folder), part).into_iter();
            files
                .filter(|(name, _)| !name.contains(".tmpl"))
                .map(move |(name, bytes)| (name, bytes, version))
        })
        .collect();
    assert!(all.len() >= 65, "{}", all.len());
    let options = Options::default();
    for (name, bytes, version) in all {
        let imported = import(&name, &bytes, &options).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(imported, import(&name, &bytes, &options).unwrap());
        let version = version.filter(|_| !UNLIKE_THEIR_FOLDER.contains(&&*name));
        for imported in &imported.workflows {
            if let Some(version) = version {
                assert_eq!(imported.version, version, "{name}");
            }
            assert_eq!(
                imported.workflow.dialect,
                imported.version.dialect().as_str()
            );
            let text = imported.definition();
            let read = porpoise_definition::read(&imported.file_name, text.as_bytes());
            let read = read.unwrap_or_else(|faults| panic!("{name}: {faults}"));
            assert_eq!(read[0].workflow, imported.workflow, "{name}");
        }
    }
}

#[test]
fn the_night_of_320_tasks_imports_with_a_report_of_a_page() {
    let Some(data) = data() else { return };
    let bytes = std::fs::read(data.join("synthetic/nightly-320-tasks-3.1.json")).unwrap();
    let imported = import("nightly.json", &bytes, &Options::default()).unwrap();
    let workflow = &imported.workflows[0].workflow;
    assert_eq!(workflow.tasks.len(), 320);
    let external = workflow
        .tasks
        .iter()
        .filter(|task| matches!(task.kind, Kind::External { .. }))
        .count();
    assert_eq!(external, 75 + 70);
    assert_eq!(
        workflow.tasks.iter().filter(|task| task.disabled).count(),
        7
    );
    assert_eq!(
        workflow
            .tasks
            .iter()
            .filter(|task| task.timeout.is_some())
            .count(),
        9
    );
    let report = imported.report.to_string();
    println!("{report}");
    assert!(report.lines().count() < 40, "{report}");
    assert!(imported.report.full().to_string().lines().count() > 100);
}

#[test]
fn codes_are_explained_by_the_names_they_stand_for() {
    let Some(data) = data() else { return };
    let bytes = std::fs::read(data.join("synthetic/logic-and-code-references-3.1.json")).unwrap();
    let imported = import("logic.json", &bytes, &Options::default()).unwrap();
    let messages: Vec<_> = imported
        .report
        .entries
        .iter()
        .filter(|entry| matches!(entry.topic, Topic::CodeReference | Topic::UnknownReference))
        .map(|entry| entry.message.as_str())
        .collect();
    for message in [
        "code 50000000000104 is task `load_large`",
        "code 50000000000003 is workflow `orders_land`",
        "code 50000000000131 is task `land`",
        "code 50000000000002 is workflow `orders_load`",
        "code 50000000000109 is task `alarm`",
        "code 88888888888888 is not in this file",
    ] {
        assert!(messages.contains(&message), "{message}: {messages:#?}");
    }
}

#[test]
fn a_page_of_2_0_cannot_be_told_from_one_of_3_1_and_says_so() {
    let Some(data) = data() else { return };
    for (name, bytes) in files(&data.join("exports/2.0"), ".json") {
        let imported = import(&name, &bytes, &Options::default()).unwrap();
        let notes = imported
            .report
            .entries
            .iter()
            .filter(|entry| entry.topic == Topic::Version);
        assert_eq!(notes.count(), imported.workflows.len(), "{name}");
    }
}

#[test]
fn malformed_files_say_what_is_wrong_and_where() {
    let Some(data) = data() else { return };
    let files = files(&data.join("malformed"), ".json");
    let said: Vec<_> = files
        .iter()
        .map(
            |(name, bytes)| match import(name, bytes, &Options::default()) {
                Ok(imported) => format!("{name}: {} workflow", imported.workflows.len()),
                Err(faults) => faults.to_string(),
            },
        )
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}
