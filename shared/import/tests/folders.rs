//! Several files at once: folders and archives, those made by somebody hostile included.

use std::io::{Cursor, Write as _};

use porpoise_import::{Archive, ImportFaults, Imported, Input, Level, Options, Topic, import_all};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::common::{fixture, minimal};

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (path, bytes) in files {
        writer.start_file(*path, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Imports what of an archive may be a workflow.
fn imported(archive: &Archive) -> Result<Imported, Vec<ImportFaults>> {
    let files: Vec<_> = archive
        .files()
        .filter(|(path, _)| [".json", ".yaml"].iter().any(|end| path.ends_with(end)))
        .map(|(path, bytes)| Input {
            path,
            folder: Some(archive),
            is_found: true,
            ..Input::new(path, bytes)
        })
        .collect();
    import_all(&files, &Options::default())
}

fn refused(bytes: &[u8]) -> String {
    Archive::open("a.zip", bytes).unwrap_err().to_string()
}

#[test]
fn an_archive_is_imported_with_the_files_that_its_files_name() {
    let sdk = fixture("orders-sdk.yaml");
    let bytes = zip(&[
        ("dags/orders-sdk.yaml", sdk.as_bytes()),
        ("dags/scripts/pull.sh", b"echo pulled\n"),
        ("dags/child.yaml", b"workflow: { name: the child }\ntasks: [ { name: a, task_type: Shell, command: '$FILE{\"part.json\"}' } ]\n"),
        ("dags/part.json", b"{ this is no JSON"),
        ("export.json", minimal().to_string().as_bytes()),
        ("projects.json", br#"{"code":0,"msg":"success","data":[{"id":1,"name":"p"}]}"#),
        ("other.yaml", b"a: 1\n"),
        ("empty.json", b"[]"),
        ("logo.png", b"\x89PNG"),
    ]);
    let imported = imported(&Archive::open("a.zip", &bytes).unwrap()).unwrap();
    let names: Vec<_> = imported
        .workflows
        .iter()
        .map(|each| each.workflow.name.as_str())
        .collect();
    assert_eq!(names, ["the child", "sdk orders", "minimal"]);
    let script = format!("{:?}", imported.workflows[1].workflow.tasks[0].kind);
    assert!(script.contains("echo pulled"), "{script}");
    let entries = &imported.report.entries;
    let others = entries
        .iter()
        .filter(|entry| entry.topic == Topic::OtherFile);
    let others: Vec<_> = others.map(|entry| entry.file.as_deref().unwrap()).collect();
    assert_eq!(others, ["empty.json", "other.yaml", "projects.json"]);
    let report = &imported.report;
    assert_eq!(
        report.used + report.reported + report.ignored.values().sum::<usize>(),
        report.leaves
    );
}

#[test]
fn one_bad_file_of_an_archive_keeps_all_out() {
    let good = minimal().to_string();
    let bytes = zip(&[("good.json", good.as_bytes()), ("sub/bad.json", b"{ no")]);
    let faults = imported(&Archive::open("a.zip", &bytes).unwrap()).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0].to_string().starts_with("sub/bad.json:1:3: "),
        "{}",
        faults[0]
    );
    let bytes = zip(&[("projects.json", b"[{}]"), ("x.txt", b"")]);
    let faults = imported(&Archive::open("a.zip", &bytes).unwrap()).unwrap_err();
    assert!(
        faults[0]
            .to_string()
            .contains("there is no workflow in these files"),
        "{}",
        faults[0]
    );
}

#[test]
fn paths_that_leave_their_folder_are_refused() {
    for path in [
        "../x.json",
        "a/../../x.json",
        "/etc/x.json",
        "C:x.json",
        "a\\..\\x.json",
        "a//x.json",
        "./x.json",
        "a\u{7}.json",
    ] {
        // The writer takes any name when it stands in bytes already: so one of the same length is put in its place.
        let place = "q".repeat(path.len());
        let mut bytes = zip(&[(&place, b"[]")]);
        while let Some(at) = bytes
            .windows(place.len())
            .position(|found| found == place.as_bytes())
        {
            bytes[at..at + place.len()].copy_from_slice(path.as_bytes());
        }
        let said = refused(&bytes);
        assert!(
            said.contains("a path that leaves its folder"),
            "{path}: {said}"
        );
    }
}

#[test]
fn links_and_repeated_names_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .add_symlink("x.json", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert!(
        refused(&bytes).contains("holds a link, `x.json`"),
        "{}",
        refused(&bytes)
    );
    let mut bytes = zip(&[("a.json", b"1"), ("b.json", b"2")]);
    while let Some(at) = bytes.windows(6).position(|found| found == b"b.json") {
        bytes[at] = b'a';
    }
    // Some readers keep the last of them: either it is refused, or nothing was hidden.
    match Archive::open("a.zip", &bytes) {
        Err(faults) => assert!(faults.to_string().contains("more than once"), "{faults}"),
        Ok(archive) => assert_eq!(archive.files().count(), 1),
    }
}

#[test]
fn bombs_and_damaged_archives_are_refused() {
    let zeros = vec![b' '; 40 * 1024 * 1024];
    let bomb = zip(&[("a.json", &zeros), ("b.json", &zeros)]);
    assert!(bomb.len() < 1024 * 1024);
    assert!(
        refused(&bomb).contains("unpacks to more than"),
        "{}",
        refused(&bomb)
    );
    let many: Vec<_> = (0..10_001).map(|number| format!("{number}.json")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(refused(&zip(&many)).contains("at most 10000"));
    let good = zip(&[("a.json", minimal().to_string().as_bytes())]);
    for cut in [4, 40, good.len() / 2, good.len() - 1] {
        assert!(refused(&good[..cut]).contains("cannot be read"), "{cut}");
    }
    let mut flipped = good.clone();
    flipped[60] ^= 0xff;
    assert!(Archive::open("a.zip", &flipped).is_err());
    assert!(Archive::is_one(&good) && !Archive::is_one(b"[]"));
}

#[test]
fn the_page_of_a_report_shows_everything_and_runs_nothing() {
    let mut value = minimal();
    value["processDefinition"]["name"] = "<script>alert(1)</script>&\"'".into();
    value["taskDefinitionList"][0]["<img src=x>"] = 1.into();
    let text = value.to_string();
    let input = Input::new("a.json", text.as_bytes());
    let imported = import_all(&[input], &Options::default()).unwrap();
    let page = imported.report.html();
    assert!(
        !page.contains("<script") && !page.contains("<img"),
        "{page}"
    );
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;"));
    for entry in &imported.report.entries {
        assert!(page.contains(entry.topic.title()), "{:?}", entry.topic);
    }
    for level in Level::ALL {
        assert!(page.contains(level.title()));
    }
}

#[test]
fn an_archive_of_statements_is_one_workflow() {
    let files: [(&str, &[u8]); 3] = [
        ("a/extract.sql", b"-- upstream: root\n-- datasource: dwh\ninsert into x select 1; -- keep: this\n"),
        ("a/2.sql", b"-- name: load \xe8\xae\xa2\xe5\x8d\x95\n-- Upstream: extract\n\ninsert into y\nselect * from x;\n"),
        ("a/check.SQL", b"-- upstream: extract, load \xe8\xae\xa2\xe5\x8d\x95\nselect 1"),
    ];
    let imported = |files: &[(&str, &[u8])]| {
        let bytes = porpoise_import::statements("nightly.zip", files.iter().copied()).unwrap();
        import_all(
            &[Input::new("nightly.zip/statements.yaml", &bytes)],
            &Options::default(),
        )
    };
    let all = imported(&files).unwrap();
    let workflow = &all.workflows[0].workflow;
    assert_eq!(workflow.name.as_str(), "nightly");
    let after: Vec<_> = workflow
        .tasks
        .iter()
        .map(|task| (task.name.as_str(), task.after.clone()))
        .collect();
    assert_eq!(
        after,
        [
            ("extract", vec![]),
            ("load 订单", vec![0]),
            ("check", vec![0, 1])
        ]
    );
    let text = all.workflows[0].definition();
    for part in [
        "insert into x select 1; -- keep: this",
        "select * from x\"",
        "dwh",
    ] {
        assert!(
            text.contains(part) || text.contains(&part.replace('"', "\n")),
            "{part}\n{text}"
        );
    }
    assert!(!text.contains("-- upstream"));
    let wrong: [(&str, &[u8]); 1] = [("a.sql", b"-- upstream: b\nselect 1")];
    let faults = imported(&wrong).unwrap_err();
    assert!(faults[0].to_string().contains('b'), "{}", faults[0]);
    let empty: [(&str, &[u8]); 1] = [("a.sql", b"-- name: x\n")];
    let faults = porpoise_import::statements("n.zip", empty.into_iter()).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "n.zip/a.sql:1:1: there is no statement in this file"
    );
}
