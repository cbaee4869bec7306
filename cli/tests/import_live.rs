//! Reading from a running DolphinScheduler, with a server of our own in its place: pages of three generations of its
//! API, slow and broken answers, tokens that expire, and kills.

mod parameters;
mod server;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use porpoise_canned::{Answer, Canned};
use serde_json::Value;

use crate::support::Place;
use server::{Ds, Generation, TOKEN};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Imports from a server, with more arguments.
fn import(place: &Place, url: &str, more: &[&str]) -> Output {
    place.file("token", &format!("{TOKEN}\n"));
    let mut arguments = vec![
        "import",
        "dolphinscheduler",
        "--url",
        url,
        "--token-file",
        "token",
        "--answers",
        "kept",
        "--out",
        "in",
    ];
    arguments.extend(more);
    place.run(&arguments)
}

/// Every file below a folder, by its path from there.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn details(server: &Canned) -> usize {
    let of_workflow = |path: &str| path.contains("-definition/") && !path.contains('?');
    server
        .requests()
        .iter()
        .filter(|request| of_workflow(&request.path))
        .count()
}

#[test]
fn each_generation_of_the_api_is_read_whole() {
    for (generation, dialect) in [
        (Generation::V3_1, "dolphinscheduler/3.1"),
        (Generation::V3_2, "dolphinscheduler/3.2"),
        (Generation::V3_3, "dolphinscheduler/3.3"),
    ] {
        let place = Place::new();
        let ds = Ds::new(generation);
        let server = ds.start();
        let output = import(&place, server.endpoint(), &["--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
        // three pages of one project, and one of another
        assert_eq!(
            answer["files"].as_array().unwrap().len(),
            253,
            "{generation:?}"
        );
        let workflows = answer["report"]["workflows"].as_array().unwrap();
        assert!(
            workflows.iter().all(|each| each["dialect"] == dialect),
            "{generation:?}"
        );
        let text = std::fs::read_to_string(place.work().join("in/每日-订单-1.yaml")).unwrap();
        for part in [
            "project: 市场 A/B",
            "offline: true",
            "dolphinscheduler.schedule-state: ONLINE",
            "workflow: 每日 订单 1",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let text = std::fs::read_to_string(place.work().join("in/每日-订单-2.yaml")).unwrap();
        assert!(
            text.contains("dolphinscheduler.schedule-state: OFFLINE"),
            "{text}"
        );
        let mapping =
            std::fs::read_to_string(place.work().join("in/mapping/dolphinscheduler.yaml")).unwrap();
        for part in [
            "# MYSQL dwh; ",
            "SPARK_HOME: \"/opt/spark\"",
            "pool: \"nightly limit\"",
            "slots: 4",
        ] {
            assert!(mapping.contains(part), "{part}\n{mapping}");
        }
        let topics: Vec<_> = answer["report"]["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["topic"].as_str().unwrap())
            .collect();
        assert!(topics.contains(&"schedule_online") && topics.contains(&"schedule_off"));
        assert!(
            !topics.contains(&"unknown_field") && !topics.contains(&"version"),
            "{generation:?} {topics:?}"
        );

        // the folder alone gives the same, byte for byte
        let offline = place.run(&[
            "import",
            "dolphinscheduler",
            "kept",
            "--out",
            "offline",
            "--json",
        ]);
        assert!(offline.status.success(), "{}", stderr(&offline));
        assert_eq!(
            files(&place.work().join("in")),
            files(&place.work().join("offline"))
        );

        // nothing but GET, the token in every header, and nowhere else
        let requests = server.requests();
        assert!(
            requests
                .iter()
                .all(|request| request.method == "GET" && request.headers["token"] == TOKEN)
        );
        assert!(requests.iter().all(|request| !request.path.contains(TOKEN)));
        let told = format!("{}{}", stdout(&output), stderr(&output));
        assert!(!told.contains(TOKEN) && !told.contains("hunter22"));
        for (name, bytes) in files(&place.work().join("kept"))
            .into_iter()
            .chain(files(&place.work().join("in")))
        {
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                !text.contains(TOKEN) && !text.contains("hunter22"),
                "{name}"
            );
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(place.work().join("kept"))
                .unwrap()
                .permissions(),
        );
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn one_project_is_read_by_its_name_and_a_wrong_name_is_corrected() {
    let place = Place::new();
    let server = Ds::new(Generation::V3_1).start();
    let output = import(&place, server.endpoint(), &["--project", "ops", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(answer["files"].as_array().unwrap().len(), 3);
    // its folder is not that of another project
    let output = import(&place, server.endpoint(), &[]);
    assert_eq!(output.status.code(), Some(65));
    assert!(
        stderr(&output).contains("(project `ops`)"),
        "{}",
        stderr(&output)
    );

    let place = Place::new();
    let output = import(&place, server.endpoint(), &["--project", "opps"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(
        stderr(&output).contains("did you mean `ops`?"),
        "{}",
        stderr(&output)
    );
    let output = import(&place, server.endpoint(), &["--project", "something else"]);
    assert!(
        stderr(&output).contains("`市场 A/B`"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn busy_slow_and_broken_answers_are_asked_for_again() {
    let place = Place::new();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = Ds::new(Generation::V3_2).start_with(move |path, answer| {
        if !path.contains("/schedules") && !path.contains("-definition/") {
            return answer;
        }
        match counted.fetch_add(1, Ordering::SeqCst) {
            2 => Answer::json(500, "<html>"),
            5 => Answer::Cut,
            9 => Answer::json(200, r#"{"code":0,"msg":"succ"#),
            14 => Answer::json(503, ""),
            15 => Answer::Response {
                status: 429,
                headers: vec![("retry-after".into(), "1".into())],
                body: Vec::new(),
            },
            20 => {
                std::thread::sleep(Duration::from_millis(1_500));
                answer
            }
            _ => answer,
        }
    });
    let output = import(&place, server.endpoint(), &["--project", "ops", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let clean = Place::new();
    let server = Ds::new(Generation::V3_2).start();
    import(&clean, server.endpoint(), &["--project", "ops", "--json"]);
    assert_eq!(
        files(&place.work().join("in")),
        files(&clean.work().join("in"))
    );
}

#[test]
fn a_token_that_expires_in_the_middle_is_told_and_a_new_one_goes_on() {
    let place = Place::new();
    let ds = Ds::new(Generation::V3_1);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = ds.start_with(move |path, answer| {
        let is_detail = path.contains("-definition/") && !path.contains('?');
        if is_detail && counted.fetch_add(1, Ordering::SeqCst) == 100 {
            // as its interceptor has it: a status and no body
            return Answer::json(401, "");
        }
        answer
    });
    let output = import(&place, server.endpoint(), &[]);
    assert_eq!(output.status.code(), Some(65));
    let told = stderr(&output);
    assert!(
        told.contains("does not know the token") && told.contains("goes on from there"),
        "{told}"
    );
    assert!(!place.work().join("in").exists());
    assert_eq!(details(&server), 101);
    let output = import(&place, server.endpoint(), &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("going on with what is in `kept`"),
        "{}",
        stderr(&output)
    );
    // what was there was not asked for again
    assert_eq!(details(&server), 101 + 153);
    // a third import begins anew
    let output = import(&place, server.endpoint(), &["--replace"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(details(&server), 101 + 153 + 253);
}

#[test]
fn a_killed_import_goes_on_and_ends_with_the_same_files() {
    let clean = Place::new();
    let server = Ds::new(Generation::V3_3).start();
    let output = import(&clean, server.endpoint(), &["--json"]);
    assert!(output.status.success(), "{}", stderr(&output));

    let place = Place::new();
    place.file("token", TOKEN);
    let server = Ds::new(Generation::V3_3).start();
    let arguments = [
        "import",
        "dolphinscheduler",
        "--url",
        server.endpoint(),
        "--token-file",
        "token",
        "--answers",
        "kept",
        "--out",
        "in",
    ];
    for wanted in [3, 120] {
        let mut child = place
            .command(&arguments)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while details(&server) < wanted {
            assert!(begun.elapsed() < Duration::from_mins(1));
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!place.work().join("in").exists());
    }
    // what was half written is no answer; what is gone there goes here
    place.file("kept/1/999.part", "{\"code\":0,");
    place.file("kept/1/998.json", "{\"code\":0}");
    let output = import(&place, server.endpoint(), &["--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(details(&server) < 253 + 20, "{}", details(&server));
    assert_eq!(
        files(&place.work().join("in")),
        files(&clean.work().join("in"))
    );
    let names = |place: &Place| -> Vec<String> {
        files(&place.work().join("kept"))
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(names(&place), names(&clean));
}

#[test]
fn what_is_no_api_is_said_in_words() {
    let said = |answer: Answer| {
        let place = Place::new();
        let server = Canned::start(move |_| answer.clone()).unwrap();
        let output = import(&place, server.endpoint(), &[]);
        assert_eq!(output.status.code(), Some(65));
        stderr(&output)
    };
    let page = Answer::Response {
        status: 200,
        headers: vec![("content-type".into(), "text/html".into())],
        body: b"\n<!doctype html><html>".to_vec(),
    };
    assert!(said(page).contains("answers with a page for a browser"));
    let login = Answer::Response {
        status: 302,
        headers: vec![(
            "location".into(),
            "https://sso.example.com/login?to=secret".into(),
        )],
        body: Vec::new(),
    };
    let told = said(login);
    assert!(
        told.contains("sends on to `https://sso.example.com/login`") && !told.contains("secret"),
        "{told}"
    );
    assert!(
        said(Answer::json(200, r#"{"hello":"world"}"#))
            .contains("JSON that DolphinScheduler does not write")
    );
    let told = said(Answer::json(
        200,
        r#"{"code":30001,"msg":"user has no operation privilege"}"#,
    ));
    assert!(
        told.contains("the user of the token may not read this"),
        "{told}"
    );
}

#[test]
fn a_server_that_stays_away_is_left_after_a_while() {
    let place = Place::new();
    let begun = Instant::now();
    let output = import(&place, "http://127.0.0.1:9", &[]);
    assert_eq!(output.status.code(), Some(69));
    assert!(
        stderr(&output).contains("does not answer `projects`"),
        "{}",
        stderr(&output)
    );
    assert!(begun.elapsed() < Duration::from_secs(40));
}

#[test]
fn without_a_token_or_an_address_nothing_is_asked() {
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        stderr(&output)
    };
    let import = ["import", "dolphinscheduler"];
    assert!(run(&import).contains("nothing is named that could be imported"));
    let url = ["import", "dolphinscheduler", "--url", "http://127.0.0.1:9"];
    assert!(run(&url).contains("there is no token for DolphinScheduler"));
    place.file("token", "two words\n");
    let told = run(&[&url[..], &["--token-file", "token"]].concat());
    assert!(
        told.contains("holds blanks") && !told.contains("two words"),
        "{told}"
    );
    assert!(
        run(&["import", "dolphinscheduler", "--url", "ds", "--token", "x"])
            .contains("no address of a DolphinScheduler")
    );
    // the environment gives it as well
    let server = Ds::new(Generation::V3_1).start();
    let mut command = place.command(&[
        "import",
        "dolphinscheduler",
        "--url",
        server.endpoint(),
        "--project",
        "ops",
        "--out",
        "in",
    ]);
    let output = command
        .env("DOLPHINSCHEDULER_TOKEN", TOKEN)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let port = server.endpoint().rsplit(':').next().unwrap();
    assert!(
        place
            .work()
            .join(format!(
                "dolphinscheduler-127.0.0.1-{port}/1/workflows-1.json"
            ))
            .exists()
            || place
                .work()
                .join(format!(
                    "dolphinscheduler-127.0.0.1-{port}/2/workflows-1.json"
                ))
                .exists()
    );
}

/// The pages that others recorded, as a server of ours answers them.
#[test]
fn recorded_pages_are_read_as_their_files_are() {
    let Some(data) = std::env::var_os("PORPOISE_DS_DATA") else {
        println!("SKIPPED: PORPOISE_DS_DATA is not set, the pages of others are not there");
        return;
    };
    let data = Path::new(&data);
    for (page, generation) in [
        ("exports/3.1/api-page-four-workflows.json", Generation::V3_1),
        ("exports/3.1/python-api-page.json", Generation::V3_1),
        (
            "exports/2.0/api-page-three-workflows.json",
            Generation::V3_1,
        ),
    ] {
        let lists = [
            ("data-sources", "catalogue/datasources-3.x.json"),
            ("resources", "catalogue/resources-3.1.json"),
        ];
        let here = lists.iter().map(|(_, file)| *file).chain([page]);
        if let Some(missing) = here.into_iter().find(|file| !data.join(file).exists()) {
            println!("SKIPPED: {} has no {missing}", data.display());
            continue;
        }
        let read = |file: &str| -> Value {
            serde_json::from_slice(&std::fs::read(data.join(file)).unwrap()).unwrap()
        };
        let recorded = read(page);
        let inner = recorded.get("data").unwrap_or(&recorded);
        let one = || vec![inner.clone()];
        let workflows: Vec<Value> = inner.as_array().cloned().unwrap_or_else(one);
        let lists = lists.map(|(path, file)| (path, read(file)));
        let place = Place::new();
        let server = Ds::recorded(generation, &workflows, &lists).start();
        let output = import(&place, server.endpoint(), &["--json"]);
        assert!(output.status.success(), "{page}: {}", stderr(&output));
        let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(
            answer["files"].as_array().unwrap().len(),
            workflows.len(),
            "{page}"
        );
        let names: Vec<_> = answer["report"]["workflows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| each["workflow"].clone())
            .collect();
        for workflow in &workflows {
            assert!(
                names.contains(&workflow["processDefinition"]["name"]),
                "{page}: {names:?}"
            );
        }
        let entries = answer["report"]["entries"].as_array().unwrap();
        let lists = entries.iter().filter(|entry| entry["topic"] == "catalogue");
        assert!(lists.count() > 2, "{page}");
    }
}
