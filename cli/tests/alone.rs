//! What the binary does without an API: checks, complaints, starting and stopping.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use rustix::process::Signal;

use crate::support::{Place, masked};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn check_names_every_fault_with_its_place() {
    let place = Place::new();
    place.file(
        "a.yaml",
        "workflow: a\ntasks:\n  b: { shell: echo, after: [c] }\n  d: { shel: echo }\n",
    );
    place.file("e.yaml", "workflow: e\ntasks:\n  f: { noop: }\n");
    let output = place.run(&["check", "e.yaml", "a.yaml"]);
    assert_eq!(output.status.code(), Some(65));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.starts_with("default/e: 1 task, no faults\na.yaml:"),
        "{stdout}"
    );
    assert_eq!(stdout.lines().count(), 3, "{stdout}");
    let json = place.run(&["check", "a.yaml", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value["faults"].as_array().unwrap().len(), 2);
    assert_eq!(value["faults"][0]["line"], 3);
}

#[test]
fn a_folder_stands_for_the_definition_files_in_it() {
    let place = Place::new();
    std::fs::create_dir_all(place.work().join("dags/mapping")).unwrap();
    place.file("dags/b.yaml", "workflow: b\ntasks:\n  f: { noop: }\n");
    place.file("dags/a.yml", "workflow: a\ntasks:\n  f: { noop: }\n");
    place.file("dags/notes.txt", "not one");
    place.file("dags/mapping/names.yaml", "worker_groups: {}\n");
    assert_eq!(
        place.ok(&["check", "dags"]),
        "default/a: 1 task, no faults\ndefault/b: 1 task, no faults\n"
    );
    let output = place.run(&["check", "."]);
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no definition file lies in `.`"), "{said}");
}

#[test]
fn check_reads_standard_input() {
    let place = Place::new();
    let mut command = place.command(&["check", "-"]);
    place.file("in.yaml", "workflow: in\ntasks:\n  f: { noop: }\n");
    command.stdin(std::fs::File::open(place.work().join("in.yaml")).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"default/in: 1 task, no faults\n");
}

#[test]
fn the_command_line_is_refused_with_a_code_of_its_own() {
    let place = Place::new();
    for (wrong, code) in [
        (&["frobnicate"][..], "error[PP0021]: "),
        (&["run"], "error[PP0021]: "),
        (&["rerun", "latest"], "error[PP0021]: "),
        (&["check", "nothing.yaml"], "error[PP0022]: "),
    ] {
        let output = place.run(wrong);
        assert_eq!(output.status.code(), Some(64), "{wrong:?}");
        assert!(
            output.stdout.is_empty() && stderr(&output).starts_with(code),
            "{wrong:?}"
        );
    }
    assert!(place.ok(&["--help"]).contains("Usage: porpoise"));
}

#[test]
fn without_a_server_commands_say_how_to_start_one() {
    let place = Place::new();
    let output = place.run(&["runs"]);
    assert_eq!(output.status.code(), Some(69));
    assert_eq!(
        masked(&stderr(&output), &place.data()),
        "error[PP0023]: no server runs on `DATA`\nhint: start one with `porpoise up`"
    );
    let json = place.run(&["runs", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(value["error"]["code"], "PP0023");
    assert_eq!(value["error"]["hint"], "start one with `porpoise up`");
}

#[test]
fn a_second_server_on_a_directory_names_the_first() {
    let mut place = Place::new();
    let told = place.start();
    assert_eq!(
        masked(&told, &place.data()),
        "porpoise serves URL from DATA; Ctrl-C stops it"
    );
    let second = place.run(&["up", "--port", "0"]);
    assert_eq!(second.status.code(), Some(69));
    let complaint = stderr(&second);
    assert!(complaint.starts_with("error[PP0024]: "), "{complaint}");
    assert!(
        complaint.contains(&format!("already: process {}", place.pid())),
        "{complaint}"
    );
    assert!(
        complaint.contains("hint: it is at http://127.0.0.1:"),
        "{complaint}"
    );
}

#[test]
fn the_token_is_made_once_and_only_its_owner_can_read_it() {
    let mut place = Place::up();
    let path = place.data().join("token");
    let token = std::fs::read_to_string(&path).unwrap();
    assert_eq!(token.trim().len(), 64);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    place.stop(Signal::TERM);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    place.start();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), token);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_signal_stops_the_server_in_good_order() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut place = Place::up();
        assert!(place.data().join("server.json").exists());
        assert_eq!(place.stop(signal).code(), Some(0));
        assert!(!place.data().join("server.json").exists());
    }
}

#[test]
fn a_server_that_was_killed_is_not_taken_for_one_that_runs() {
    let mut place = Place::up();
    place.stop(Signal::KILL);
    assert!(place.data().join("server.json").exists());
    assert_eq!(place.run(&["runs"]).status.code(), Some(69));
    place.start();
}

#[test]
fn an_import_writes_files_once_and_tells_what_comes_next() {
    let place = Place::new();
    place.file("export.json", include_str!("fixtures/export.json"));
    let import = || place.run(&["import", "dolphinscheduler", "export.json", "--out", "in"]);
    let output = import();
    assert!(stdout(&output).contains("wrote in/minimal.yaml"));
    let told = stderr(&output);
    assert!(
        told.contains("  porpoise apply in/minimal.yaml\n")
            && told.contains("  porpoise run minimal"),
        "{told}"
    );
    assert!(stdout(&import()).contains("unchanged in/minimal.yaml"));
    place.file(
        "in/minimal.yaml",
        "workflow: mine\ntasks: { a: { noop: } }\n",
    );
    let output = import();
    assert_eq!(output.status.code(), Some(65));
    let told = stderr(&output);
    assert!(
        told.contains("`in/minimal.yaml` exists and differs"),
        "{told}"
    );
}

#[test]
fn an_import_takes_folders_and_reports_in_three_forms() {
    let place = Place::new();
    place.file("dags/a/export.json", include_str!("fixtures/export.json"));
    let sdk = "workflow: { name: sdk }\ntasks:\n- { name: a, task_type: Shell, command: '$FILE{\"run.sh\"}' }\n- { name: b, task_type: Shell, command: 'echo $ENV{WHERE}' }\n";
    place.file("dags/sdk.yaml", sdk);
    place.file("dags/run.sh", "echo run\n");
    place.file("dags/.hidden/x.json", "no");
    place.file("dags/projects.json", "[{}]");
    let import = |more: &[&str]| {
        let mut args = vec![
            "import",
            "dolphinscheduler",
            "dags",
            "--out",
            "in",
            "--env",
            "WHERE=here",
        ];
        args.extend(more);
        place.run(&args)
    };
    let output = import(&["--report", "json", "--report-html", "report.html"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let names: Vec<_> = report["workflows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| &each["workflow"])
        .collect();
    assert_eq!(names, ["minimal", "sdk"]);
    assert!(
        stderr(&output).contains("wrote in/sdk.yaml"),
        "{}",
        stderr(&output)
    );
    let sdk = std::fs::read_to_string(place.work().join("in/sdk.yaml")).unwrap();
    assert!(
        sdk.contains("echo run") && sdk.contains("echo here"),
        "{sdk}"
    );
    let page = std::fs::read_to_string(place.work().join("report.html")).unwrap();
    assert!(page.contains("<code>dags/projects.json</code>"), "{page}");
    assert!(stdout(&import(&[])).contains("unchanged in/sdk.yaml"));
    place.file("dags/b.json", "{");
    let output = place.run(&["import", "dolphinscheduler", "dags", "--out", "other"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(
        stderr(&output).contains("dags/b.json:1:1: the file ends in the middle"),
        "{}",
        stderr(&output)
    );
    assert!(!place.work().join("other").exists());
}

#[test]
fn an_import_asks_what_things_are_and_takes_the_answers() {
    let place = Place::new();
    let export = include_str!("fixtures/export.json");
    let export = export.replace(
        "\"name\": \"first\",",
        "\"name\": \"first\", \"workerGroup\": \"etl\",",
    );
    place.file("export.json", &export);
    let import = |more: &[&str]| {
        let arguments = [&["import", "dolphinscheduler", "export.json"], more].concat();
        place.run(&arguments)
    };
    let output = import(&["--out", "in"]);
    let told = stderr(&output);
    assert!(
        told.contains("fill in in/mapping/dolphinscheduler.yaml")
            && told.contains("--out in --replace --mapping in/mapping/dolphinscheduler.yaml"),
        "{told}"
    );
    let output = import(&["--plan", "mapping.yaml"]);
    assert_eq!(stdout(&output), "wrote mapping.yaml: 1 worker group\n");
    let path = place.work().join("mapping.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    place.file(
        "mapping.yaml",
        &text.replace("    target:", "    target: site-a  # mine"),
    );
    let output = import(&["--plan", "mapping.yaml"]);
    assert!(stdout(&output).starts_with("unchanged mapping.yaml"));
    assert!(std::fs::read_to_string(&path).unwrap().contains("# mine"));

    let output = import(&["--out", "in", "--mapping", "mapping.yaml"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr(&output).contains("--replace"), "{}", stderr(&output));
    let output = import(&["--out", "in", "--mapping", "mapping.yaml", "--replace"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let written = std::fs::read_to_string(place.work().join("in/minimal.yaml")).unwrap();
    assert!(written.contains("target: site-a"), "{written}");

    place.file(
        "mapping.yaml",
        &text.replace("    target:", "    tarket: a"),
    );
    let output = import(&["--out", "other", "--mapping", "mapping.yaml"]);
    assert_eq!(output.status.code(), Some(65));
    let told = stderr(&output);
    assert!(told.contains("did you mean `target`?"), "{told}");
    assert!(!place.work().join("other").exists());
}

#[test]
fn an_import_of_nothing_says_where_there_is_nothing() {
    let place = Place::new();
    place.file("export.json", "[]");
    let output = place.run(&["import", "dolphinscheduler", "export.json"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(
        stderr(&output).contains("export.json:1:1: there is no workflow in this file"),
        "{}",
        stderr(&output)
    );
}
