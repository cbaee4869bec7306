//! Parameters of projects, which servers from 3.2 on have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use porpoise_canned::{Answer, Canned};
use serde_json::{Value, json};

use super::server::{Ds, Generation};
use super::{files, import, stderr, stdout};
use crate::support::Place;

/// What is secret among them.
const HIDDEN: &str = "sesame77";

fn pages(server: &Canned) -> Vec<String> {
    let requests = server.requests();
    let paths = requests.iter().map(|request| request.path.clone());
    paths
        .filter(|path| path.contains("/project-parameter"))
        .collect()
}

fn text(place: &Place, path: &str) -> String {
    std::fs::read_to_string(place.work().join(path)).unwrap()
}

fn entries<'v>(answer: &'v Value, topic: &str) -> Vec<&'v Value> {
    let entries = answer["report"]["entries"].as_array().unwrap().iter();
    entries.filter(|entry| entry["topic"] == topic).collect()
}

#[test]
fn all_pages_become_a_file_for_each_project() {
    for (generation, batch) in [
        (Generation::V3_2, "batch: \"500\""),
        (Generation::V3_3, "batch: 500"),
    ] {
        let place = Place::new();
        let server = Ds::new(generation).start();
        let html = ["--json", "--report-html", "report.html"];
        let output = import(&place, server.endpoint(), &html);
        assert!(output.status.success(), "{}", stderr(&output));
        let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let of = answer["parameters"].as_array().unwrap();
        assert_eq!(of.len(), 2);
        assert_eq!(of[0]["project"], "ops");
        let names = json!(["api_token", "batch", "folder", "region"]);
        assert_eq!(of[0]["names"], names);
        assert_eq!(of[0]["file"], "in/parameters/ops.yaml");
        assert_eq!(of[1]["names"].as_array().unwrap().len(), 230);
        let ops = text(&place, "in/parameters/ops.yaml");
        for part in [
            batch,
            "region: eu",
            "folder: \"/data/${region}\"",
            "${secret:project-api_token}",
        ] {
            assert!(ops.contains(part), "{part}\n{ops}");
        }
        let market = text(&place, "in/parameters/市场-A-B.yaml");
        assert_eq!(market.lines().count(), 230, "{market}");
        // three pages of one project, one of the other
        assert_eq!(pages(&server).len(), 4, "{:?}", pages(&server));
        assert_eq!(entries(&answer, "project_parameters").len(), 2);
        assert_eq!(entries(&answer, "secret").len(), 1);
        let page = text(&place, "report.html");
        assert!(page.contains("project `ops`: 4 parameters"), "{page}");
        let told = format!("{}{}", stdout(&output), stderr(&output));
        assert!(!told.contains(HIDDEN) && !page.contains(HIDDEN));
        for (name, bytes) in files(&place.work().join("in")) {
            assert!(!String::from_utf8_lossy(&bytes).contains(HIDDEN), "{name}");
        }
        // again, and nothing has changed
        let output = import(&place, server.endpoint(), &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains("unchanged in/parameters/ops.yaml"));
        let told = stderr(&output);
        let step = "porpoise parameters --project ops --file in/parameters/ops.yaml";
        assert!(told.contains(step), "{told}");
    }
}

#[test]
fn a_server_without_them_has_none_whatever_it_says_of_the_path() {
    for answer in [
        Answer::json(404, r#"{"status":404,"error":"Not Found"}"#),
        Answer::json(405, ""),
        Answer::json(
            200,
            r#"{"code":10000,"msg":"Internal Server Error","data":null}"#,
        ),
    ] {
        let place = Place::new();
        let server = Ds::new(Generation::V3_1).start_with(move |path, known| {
            if path.contains("/project-parameter") {
                answer.clone()
            } else {
                known
            }
        });
        let output = import(&place, server.endpoint(), &["--project", "ops", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(answer["parameters"], json!([]));
        assert!(!place.work().join("in/parameters").exists());
        assert_eq!(pages(&server).len(), 1);
    }
    // who may not read them is told
    let place = Place::new();
    let server = Ds::new(Generation::V3_3).start_with(|path, known| {
        if path.contains("/project-parameter") {
            let text = r#"{"code":30001,"msg":"user has no operation privilege","data":null}"#;
            Answer::json(200, text)
        } else {
            known
        }
    });
    let output = import(&place, server.endpoint(), &["--project", "ops"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = "parameters of project `ops` are not read: the user of the token may not read this";
    assert!(stderr(&output).contains(told), "{}", stderr(&output));
}

#[test]
fn a_token_that_expires_between_their_pages_is_told_and_a_new_one_goes_on() {
    let place = Place::new();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = Ds::new(Generation::V3_3).start_with(move |path, answer| {
        let is_page = path.contains("/project-parameter");
        match is_page.then(|| counted.fetch_add(1, Ordering::SeqCst)) {
            Some(1) => Answer::json(401, ""),
            // then it is busy once, and breaks off
            Some(3) => Answer::json(503, ""),
            Some(5) => Answer::Cut,
            Some(_) | None => answer,
        }
    });
    let output = import(&place, server.endpoint(), &[]);
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr(&output).contains("does not know the token"));
    assert!(place.work().join("kept/1/parameters-1.json").exists());
    assert!(!place.work().join("in").exists());
    let output = import(&place, server.endpoint(), &["--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let clean = Place::new();
    let other = Ds::new(Generation::V3_3).start();
    import(&clean, other.endpoint(), &["--json"]);
    for folder in ["in", "kept/1", "kept/2"] {
        let of = |place: &Place| files(&place.work().join(folder));
        assert_eq!(of(&place), of(&clean));
    }
}

#[test]
fn a_task_of_an_imported_workflow_sees_them_and_what_people_changed_here_stays() {
    let place = Place::up();
    let said = |place: &Place| {
        let run = place.ok(&["run", "ops/ops 4", "--no-watch"]);
        let run = run.trim();
        place.wait_for(run, None, "succeeded");
        place.ok(&["logs", run, "pull"])
    };
    let ds = |generation| Ds::new(generation).with_script("echo ${folder} ${batch} ${HOME:+home}");
    let server = ds(Generation::V3_3).start();
    let output = import(&place, server.endpoint(), &["--project", "ops"]);
    assert!(output.status.success(), "{}", stderr(&output));
    place.ok(&["apply", "in"]);
    let file = ["--file", "in/parameters/ops.yaml"];
    place.ok(&[&["parameters", "--project", "ops"], &file[..]].concat());
    let log = said(&place);
    assert!(log.contains("/data/eu 500 home"), "{log}");

    // straight to the server, with what people have changed here, and there
    place.ok(&["parameters", "--project", "ops", "--set", "region=us"]);
    let changed = ds(Generation::V3_3)
        .with_parameter(2, "region", "cn")
        .with_parameter(2, "batch", "700")
        .with_parameter(2, "added", "new");
    let server = changed.start();
    place.ok(&["parameters", "--project", "ops", "--unset", "folder"]);
    let apply = ["--project", "ops", "--apply", "--replace", "--json"];
    let over = |more: &[&str]| {
        place.file("token", super::server::TOKEN);
        let to = ["--token-file", "token", "--answers", "again"];
        let url = ["import", "dolphinscheduler", "--url", server.endpoint()];
        place.run(&[&url[..], &to, &apply, more].concat())
    };
    let output = over(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let expected = json!({"put": ["added", "folder"], "unchanged": ["api_token"], "kept": ["batch", "region"]});
    assert_eq!(answer["parameters"][0]["applied"], expected);
    let kept = entries(&answer, "project_parameter_kept");
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0]["level"], "not_carried");
    assert_eq!(
        kept[1]["message"],
        "`region` of project `ops` has another value here, which stays"
    );
    let log = said(&place);
    assert!(log.contains("/data/us 500 home"), "{log}");
    // once more, and nothing is put
    let output = over(&[]);
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let expected = json!({"put": [], "unchanged": ["added", "api_token", "folder"], "kept": ["batch", "region"]});
    assert_eq!(answer["parameters"][0]["applied"], expected);
    let shown = place.ok(&["parameters", "--project", "ops", "--json"]);
    assert!(shown.contains("${secret:project-api_token}") && !shown.contains(HIDDEN));
}

#[test]
fn what_was_put_and_what_stayed_is_told_on_a_terminal() {
    let place = Place::up();
    place.ok(&["parameters", "--project", "ops", "--set", "region=us"]);
    let server = Ds::new(Generation::V3_2).start();
    let output = import(&place, server.endpoint(), &["--project", "ops", "--apply"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = stdout(&output);
    for line in [
        "1 × parameters of projects that have another value here, which stays: region\n",
        "1 × parameters of projects, which a run keeps as they were when it was created: ops\n",
        "ops: 3 parameters put, 1 with another value here, which stays: region\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    assert!(!stderr(&output).contains("porpoise parameters"));
}
