//! Files of others, in the folder that `PORPOISE_DS_DATA` names.

use porpoise_import::{Options, Topic, Version, import};
use porpoise_model::workflow::Kind;

use crate::common::{data, file, files};

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
    println!("{} files", all.len());
    let mut unlike = Vec::new();
    for (name, bytes, version) in &all {
        let (name, options) = (name.as_str(), Options::default());
        let told = import(name, bytes, &options).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(told, import(name, bytes, &options).unwrap());
        let of = |version| told.workflows.iter().all(|each| each.version == version);
        // As a person does who knows better.
        let known = version.filter(|version| !of(*version)).map(|version| {
            unlike.push(name);
            let from_version = Some(version);
            let options = Options {
                from_version,
                ..options
            };
            import(name, bytes, &options).unwrap_or_else(|faults| panic!("{faults}"))
        });
        let imported = known.as_ref().unwrap_or(&told);
        for imported in &imported.workflows {
            if let Some(version) = version {
                assert_eq!(imported.version, *version, "{name}");
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
    // A folder is where somebody filed it: the keys of one are those of 3.2, those of a page could be of 2.0.
    println!("taken for another version than their folder's: {unlike:?}");
}

#[test]
fn the_night_of_320_tasks_imports_with_a_report_of_a_page() {
    let bytes = data().and_then(|data| file(&data, "synthetic/nightly-320-tasks-3.1.json"));
    let Some(bytes) = bytes else { return };
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
    let name = "synthetic/logic-and-code-references-3.1.json";
    let Some(bytes) = data().and_then(|data| file(&data, name)) else {
        return;
    };
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

/// What is said of each malformed file, its faults a line each.
const MALFORMED: &str = include_str!("fixtures/malformed.txt");
/// What lies among the malformed files and is sound.
const SOUND_AFTER_ALL: &str = "task-params-as-string.json";

#[test]
fn malformed_files_say_what_is_wrong_and_where() {
    let Some(data) = data() else { return };
    for (name, bytes) in files(&data.join("malformed"), ".json") {
        match import(&name, &bytes, &Options::default()) {
            Ok(_) => assert_eq!(name, SOUND_AFTER_ALL),
            Err(faults) => {
                let said = faults.to_string();
                let place = said.strip_prefix(&format!("{name}:")).unwrap_or_default();
                let line = place.split(':').next().map(str::parse::<u32>);
                assert!(matches!(line, Some(Ok(1..))), "{said}");
            }
        }
    }
}

#[test]
fn each_malformed_file_says_the_same_as_ever() {
    let Some(data) = data() else { return };
    let name = |said: &str| said.split(':').next().unwrap_or_default().to_owned();
    let expected: Vec<&str> = MALFORMED.lines().filter(|line| !line.is_empty()).collect();
    for of_file in expected.chunk_by(|one, other| name(one) == name(other)) {
        let name = name(of_file[0]);
        let Some(bytes) = file(&data, &format!("malformed/{name}")) else {
            continue;
        };
        let said = match import(&name, &bytes, &Options::default()) {
            Ok(imported) => format!("{name}: {} workflow", imported.workflows.len()),
            Err(faults) => faults.to_string(),
        };
        assert_eq!(said, of_file.join("\n"));
    }
}
