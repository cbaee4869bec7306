//! A site and its agent, both real: tasks that are fetched, executed once and reported, whoever dies meanwhile.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use porpoise_engine::effect::Attempt;
use porpoise_engine::input::{Report, ReportKind};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::Place;

const BERLIN: &str = r#"{"name": "berlin", "kind": "process", "place": "site.berlin"}"#;

/// A server with the target, and where to reach it.
struct Home {
    place: Place,
    url: String,
    token: String,
}

impl Home {
    fn up() -> Self {
        Self::of(Place::up())
    }

    fn of(place: Place) -> Self {
        let running = std::fs::read_to_string(place.data().join("server.json")).unwrap();
        let running: Value = serde_json::from_str(&running).unwrap();
        let token = std::fs::read_to_string(place.data().join("token")).unwrap();
        Self {
            url: running["url"].as_str().unwrap().to_owned(),
            token: token.trim().to_owned(),
            place,
        }
    }

    /// Starts a run of a workflow with these tasks in a project that has the target.
    fn begin(&self, tasks: &str) -> String {
        let text = format!("workflow: w\nproject: shop\ntasks:\n{tasks}");
        self.place.file("w.yaml", &text);
        self.place.ok(&["apply", "w.yaml"]);
        self.place.file("berlin.json", BERLIN);
        self.place
            .ok(&["target", "put", "berlin.json", "--project", "shop"]);
        let run = self.place.ok(&["run", "w", "--no-watch"]);
        run.trim().to_owned()
    }

    /// Posts as somebody who has the token.
    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.build().into();
        let answer = agent
            .post(format!("{}/v1{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .send(body.to_string());
        let mut answer = answer.unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str(&text).unwrap(),
        )
    }
}

/// A server that is killed when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A machine with an agent, or between two of them.
struct Site {
    place: Place,
    agent: Option<Child>,
}

impl Site {
    fn new() -> Self {
        Self {
            place: Place::new(),
            agent: None,
        }
    }

    fn with_agent(home: &Home) -> Self {
        let mut site = Self::new();
        site.start(home, &[]);
        site
    }

    fn start(&mut self, home: &Home, more: &[&str]) {
        assert!(self.agent.is_none(), "an agent runs already");
        let words = [&["agent", "--place", "site.berlin"], more].concat();
        let told = |name: &str| {
            let path = self.place.work().join(name);
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        let agent = self
            .place
            .command(&words)
            .env("PORPOISE_URL", &home.url)
            .env("PORPOISE_TOKEN", &home.token)
            .stdout(told("stdout"))
            .stderr(told("stderr"))
            .spawn()
            .unwrap();
        self.agent = Some(agent);
    }

    fn stop(&mut self, signal: Signal) -> ExitStatus {
        let mut agent = self.agent.take().unwrap();
        kill_process(Pid::from_child(&agent), signal).unwrap();
        agent.wait().unwrap()
    }

    /// Waits for the agent to end by itself.
    fn ended(&mut self) -> ExitStatus {
        let mut agent = self.agent.take().unwrap();
        soon("the agent ends", || agent.try_wait().unwrap())
    }

    fn said(&self, name: &str) -> String {
        let mut text = String::new();
        let file = File::open(self.place.work().join(name));
        file.unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn dir(&self) -> PathBuf {
        self.place.data().join("agents/site.berlin")
    }

    /// How many jobs there ever were here.
    fn jobs(&self) -> usize {
        let below = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten();
        let shards = below(self.dir().join("attempts"));
        let attempts = shards.flat_map(|shard| below(shard.unwrap().path()));
        attempts.count()
    }

    /// A file that jobs write their names into.
    fn ran(&self) -> PathBuf {
        self.place.work().join("ran")
    }

    /// How often each job ran.
    fn runs(&self) -> BTreeMap<String, u32> {
        let text = std::fs::read_to_string(self.ran()).unwrap_or_default();
        let mut runs = BTreeMap::new();
        for line in text.lines() {
            *runs.entry(line.to_owned()).or_default() += 1;
        }
        runs
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

/// Waits until it is so.
fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(40), "not yet: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Six tasks beside each other and one after them, which write their names down.
fn seven(site: &Site) -> String {
    let ran = site.ran();
    let ran = ran.display();
    let six = (1..=6).map(|number| {
        format!("  t{number}: {{ target: berlin, shell: 'echo t{number} >> {ran}; sleep 0.{number}' }}\n")
    });
    let last = "after: [t1, t2, t3, t4, t5, t6], target: berlin";
    let last = format!("  last: {{ {last}, shell: 'echo last >> {ran}' }}\n");
    six.chain([last]).collect()
}

#[test]
fn an_agent_that_is_killed_again_and_again_runs_every_attempt_once() {
    let home = Home::up();
    let mut site = Site::new();
    let run = home.begin(&seven(&site));
    for millis in [30, 120, 250, 60, 400] {
        site.start(&home, &[]);
        std::thread::sleep(Duration::from_millis(millis));
        site.stop(Signal::KILL);
    }
    site.start(&home, &[]);
    let shown = home.place.wait_for(&run, None, "succeeded");
    let wanted = ["last", "t1", "t2", "t3", "t4", "t5", "t6"];
    let wanted = wanted.map(|name| (name.to_owned(), 1)).into();
    assert_eq!(site.runs(), wanted, "{shown}");
    assert_eq!(site.jobs(), 7);
    for task in ["t1", "t6", "last"] {
        let task = home.place.json(&["show", &run, task]);
        assert_eq!(task["attempt"], 1, "{task}");
    }
    let ended = site.stop(Signal::TERM);
    assert!(ended.success(), "{ended}: {}", site.said("stderr"));
    let said = site.said("stdout");
    assert!(said.contains("porpoise serves site.berlin for"), "{said}");
    let told = format!("last#1 of run {run}: succeeded");
    assert!(said.contains(&told), "{said}");
    assert!(
        !said.contains("task 6#1"),
        "told again, when it was forgotten: {said}"
    );
}

#[test]
fn what_ends_while_no_agent_is_there_or_home_is_away_is_reported_later() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let place = Place::new();
    let serve = |place: &Place| {
        let mut server = place.command(&["up", "--port", &port]);
        let server = Server(server.stdout(Stdio::null()).spawn().unwrap());
        soon("the server answers", || {
            let asked = place.run(&["workflows"]);
            asked.status.success().then_some(())
        });
        server
    };
    let server = serve(&place);
    let home = Home::of(place);
    let mut site = Site::new();
    let ran = site.ran();
    let ran = ran.display();
    let run = home.begin(&format!(
        "  long: {{ target: berlin, shell: 'echo begun >> {ran}; sleep 1; echo over >> {ran}' }}\n  after: {{ after: [long], target: berlin, shell: 'echo after >> {ran}' }}\n"
    ));
    site.start(&home, &[]);
    let has = |site: &Site, line: &str| site.runs().contains_key(line).then_some(());
    soon("the job begins", || has(&site, "begun"));
    drop(server);
    assert!(site.stop(Signal::TERM).success(), "the job goes on");
    soon("the job ends", || has(&site, "over"));
    let before = site.said("stderr").len();
    let said = |site: &Site| site.said("stderr").split_off(before);
    site.start(&home, &[]);
    soon("the agent misses its home", || {
        let missed = said(&site).contains("home is asked again");
        missed.then_some(())
    });
    let _server = serve(&home.place);
    home.place.wait_for(&run, None, "succeeded");
    soon("the agent says so", || {
        said(&site).contains("home is back").then_some(())
    });
    assert_eq!((site.runs().values().max(), site.jobs()), (Some(&1), 2));
}

#[test]
fn a_place_has_one_agent_until_another_replaces_it() {
    let home = Home::up();
    let mut first = Site::with_agent(&home);
    let run = home.begin("  a: { target: berlin, shell: 'exit 3' }\n");
    home.place.wait_for(&run, None, "failed");
    let mut second = Site::with_agent(&home);
    assert_eq!(second.ended().code(), Some(65));
    let said = second.said("stderr");
    assert!(
        said.contains("another agent serves the place `site.berlin`") && said.contains("--replace"),
        "{said}"
    );
    second.start(&home, &["--replace"]);
    assert_eq!(first.ended().code(), Some(65), "{}", first.said("stderr"));
    let run = home.begin("  a: { target: berlin, shell: 'echo hello' }\n");
    home.place.wait_for(&run, None, "succeeded");
    // its log stays here, and home says where
    let told = String::from_utf8(home.place.run(&["logs", &run, "a"]).stderr).unwrap();
    let file = told.split('`').find(|part| part.starts_with("agents/"));
    let log = second.place.data().join(file.unwrap_or(&told));
    assert!(std::fs::read_to_string(log).unwrap().contains("hello"));
    assert_eq!((first.jobs(), second.jobs()), (1, 1));
    // a second one on the same directory never gets so far
    let mut beside = second.place.command(&["agent", "--place", "site.berlin"]);
    beside
        .env("PORPOISE_URL", &home.url)
        .env("PORPOISE_TOKEN", &home.token);
    let output = beside.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(said.contains("an agent runs on"), "{said}");
}

#[test]
fn a_run_that_is_killed_stops_at_the_site() {
    let home = Home::up();
    let site = Site::with_agent(&home);
    let run = home.begin("  long: { target: berlin, shell: 'sleep 60' }\n");
    home.place.wait_for(&run, Some("long"), "running");
    home.place.ok(&["kill", &run]);
    home.place.wait_for(&run, None, "canceled");
    soon("the agent says so", || {
        let told = site.said("stdout");
        told.contains("long#1 of run").then_some(())
    });
    assert_eq!(site.jobs(), 1);
}

#[test]
fn an_agent_of_another_place_cannot_report_for_this_one() {
    let home = Home::up();
    let site = Site::with_agent(&home);
    let run = home.begin("  long: { target: berlin, shell: 'sleep 60' }\n");
    home.place.wait_for(&run, Some("long"), "running");
    let secret = "0123456789abcdef0123456789abcdef";
    let now = jiff::Timestamp::now();
    let report = Report {
        attempt: Attempt::of(0, 1),
        what: ReportKind::Succeeded {
            started: now,
            ended: now,
            outputs: BTreeMap::new(),
        },
    };
    let report = data_encoding::BASE64.encode(&minicbor::to_vec(report).unwrap());
    let project = porpoise_model::ProjectId::of_name("shop");
    let reports = json!({
        "secret": secret,
        "reports": [{"project": project, "run": run, "report": report}],
    });
    let take = json!({"secret": secret});
    // for its own place it may take, and there is nothing
    let (status, taken) = home.post("/places/site.oslo/take", &take);
    assert_eq!((status, &taken["orders"]), (200, &json!([])));
    let (status, refused) = home.post("/places/site.oslo/reports", &reports);
    assert_eq!(
        (status, &refused["faults"][0]["path"]),
        (403, &json!("reports[0]"))
    );
    // and of this one it has no secret
    for route in ["take", "reports"] {
        let body = if route == "take" { &take } else { &reports };
        let (status, refused) = home.post(&format!("/places/site.berlin/{route}"), body);
        assert_eq!(status, 409, "{refused}");
    }
    let shown = home.place.json(&["show", &run, "long"]);
    assert_eq!(shown["state"], "running", "{shown}");
    home.place.ok(&["kill", &run]);
    home.place.wait_for(&run, None, "canceled");
    drop(site);
}

#[test]
fn what_is_no_site_is_refused_before_anything_is_done() {
    let place = Place::new();
    for (name, why) in [
        ("local", "no agent serves `local`"),
        ("aws.eu-central-1.111122223333", "no agent serves"),
        ("berlin", "`berlin` is no place"),
    ] {
        let output = place.run(&["agent", "--place", name]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(why), "{said}");
    }
    assert!(!place.data().exists());
}

#[test]
fn statements_are_sent_from_the_site_and_so_are_connection_tests() {
    let home = Home::up();
    let site = Site::with_agent(&home);
    home.begin("  a: { noop: }\n");
    let file = site.place.work().join("till.db");
    std::fs::write(&file, "").unwrap();
    let till = json!({"kind": "sqlite", "place": "site.berlin", "settings": {"file": file}});
    home.place.file("till.json", &till.to_string());
    let put = ["target", "put", "till.json", "--name", "shop/till"];
    home.place.ok(&put);
    let said = home.place.ok(&["target", "test", "till"]);
    assert!(said.starts_with("shop/till answers: SQLite 3."), "{said}");
    let ask = "  ask: { target: till, sql: 'select 6 * 7 as answer', outputs: { answer: {} } }\n  \
        tell: { after: [ask], target: till, sql: { statement: 'select ? + 1 as more', arguments: [\"${ask.answer}\"] } }\n";
    let run = home.begin(ask);
    home.place.wait_for(&run, None, "succeeded");
    assert_eq!(site.jobs(), 3);
}

#[test]
fn a_connection_test_does_not_wait_for_an_agent_for_ever() {
    let home = Home::up();
    let run = home.begin("  a: { noop: }\n");
    home.place.wait_for(&run, None, "succeeded");
    let till = json!({"kind": "sqlite", "place": "site.berlin", "settings": {"file": "/till.db"}});
    home.place.file("till.json", &till.to_string());
    home.place
        .ok(&["target", "put", "till.json", "--name", "shop/till"]);
    let tested = home.place.run(&["target", "test", "till", "--wait", "1s"]);
    let said = String::from_utf8_lossy(&tested.stdout);
    let why = "does not answer: nobody at `site.berlin` has fetched the test within 1.0s: is its agent running?";
    assert!(said.contains(why), "{said}");
    assert!(!tested.status.success());
    // whoever asks for the latest run means another
    let latest = home.place.ok(&["show", "latest"]);
    assert!(latest.contains(&run), "{latest}");
    let listed = home.place.ok(&["runs"]);
    assert!(listed.contains("canceling"), "{listed}");
}
