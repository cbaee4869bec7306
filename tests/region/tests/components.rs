//! Components start, answer, and leave nothing behind, however their user ends.
#![expect(
    clippy::unwrap_used,
    reason = "what tests share: a machine that cannot be looked at is a failed test"
)]

use std::io::{BufRead as _, BufReader};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use porpoise_region::{Component, Ministack};

/// Processes in whose command line or environment `mark` stands.
fn processes(mark: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let folders = entries.map(|entry| entry.path());
    let told = folders.filter_map(|folder| {
        let command = std::fs::read(folder.join("cmdline")).ok()?;
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        let all = String::from_utf8_lossy(&[&*command, &*environment].concat()).replace('\0', " ");
        all.contains(mark)
            .then(|| format!("{} {all}", folder.display()))
    });
    told.collect()
}

/// Waits until there are none. What was killed needs a moment to go.
fn gone(mark: &str, temporary: &Path) -> bool {
    for _ in 0..100 {
        let left = std::fs::read_dir(temporary).unwrap().count();
        if processes(mark).is_empty() && left == 0 {
            return true;
        }
        sleep(Duration::from_millis(50));
    }
    false
}

/// The program, with a folder for its temporary files, whose name is in the environment of all that it starts.
fn serve(component: Component, temporary: &Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_region"))
        .args(["serve", component.name()])
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    (child, line.trim_end().to_owned())
}

fn answers(endpoint: &str) -> bool {
    let address = endpoint.strip_prefix("http://").unwrap();
    let address = address.to_socket_addrs().unwrap().next().unwrap();
    assert!(address.ip().is_loopback(), "{address}");
    TcpStream::connect(address).is_ok()
}

#[test]
fn a_component_is_gone_with_its_files_when_its_input_ends() {
    for component in Component::ALL {
        let temporary = tempfile::tempdir().unwrap();
        let mark = temporary.path().display().to_string();
        let (mut child, endpoint) = serve(component, temporary.path());
        assert!(answers(&endpoint));
        // the program itself, `unshare`, what runs inside, and the component
        assert!(processes(&mark).len() >= 4, "{:?}", processes(&mark));
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        assert!(!answers(&endpoint));
        assert!(gone(&mark, temporary.path()), "{:?}", processes(&mark));
    }
}

#[test]
fn a_component_is_gone_with_its_files_when_what_runs_it_is_killed() {
    for component in Component::ALL {
        let temporary = tempfile::tempdir().unwrap();
        let mark = temporary.path().display().to_string();
        let (mut child, endpoint) = serve(component, temporary.path());
        assert!(answers(&endpoint));
        let _held = child.stdin.take();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(gone(&mark, temporary.path()), "{:?}", processes(&mark));
        assert!(!answers(&endpoint));
    }
}

#[test]
fn a_server_of_its_own_stops_when_it_is_dropped() {
    let server = Ministack::start().unwrap();
    let endpoint = server.endpoint().to_owned();
    let clone = server.clone();
    drop(server);
    assert!(answers(&endpoint));
    drop(clone);
    assert!(!answers(&endpoint));
}

#[test]
fn dynamodb_is_reached_over_the_bridge_and_not_otherwise() {
    let temporary = tempfile::tempdir().unwrap();
    let mark = temporary.path().display().to_string();
    let (mut child, endpoint) = serve(Component::DynamoDb, temporary.path());
    let answer = ureq::post(&endpoint)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.ListTables")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a/20260101/eu-central-1/dynamodb/aws4_request, \
             SignedHeaders=host, Signature=0",
        )
        .send("{}")
        .unwrap();
    let body = answer.into_body().read_to_string().unwrap();
    assert_eq!(body, r#"{"TableNames":[]}"#);
    // it listens to every interface, of a network that is not ours
    let network = |process: &Path| std::fs::read_link(process.join("ns/net")).unwrap();
    let java = processes(&mark)
        .into_iter()
        .filter(|line| line.contains("DynamoDBLocal.jar -inMemory") && !line.contains(" inside "));
    let networks: Vec<PathBuf> = java
        .map(|line| network(Path::new(line.split(' ').next().unwrap())))
        .collect();
    assert_eq!(networks.len(), 1, "{:?}", processes(&mark));
    assert!(!networks.contains(&network(Path::new("/proc/self"))));
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn both_are_shared_by_all_who_ask_in_this_process() {
    let (one, two) = (
        porpoise_region::ministack().unwrap(),
        porpoise_region::ministack().unwrap(),
    );
    assert_eq!(one.endpoint(), two.endpoint());
    let (one, two) = (
        porpoise_region::dynamodb().unwrap(),
        porpoise_region::dynamodb().unwrap(),
    );
    assert_eq!(one.endpoint(), two.endpoint());
    assert!(answers(one.endpoint()));
}

#[test]
fn what_is_not_installed_is_named_together_with_what_installs_it() {
    let empty = tempfile::tempdir().unwrap();
    for component in Component::ALL {
        let output = Command::new(env!("CARGO_BIN_EXE_region"))
            .args(["serve", component.name()])
            .env("PORPOISE_COMPONENTS", empty.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(component.package()), "{said}");
        assert!(
            said.contains("`cargo xtask components` installs it"),
            "{said}"
        );
    }
}

#[test]
fn a_component_that_cannot_start_says_why() {
    let components = tempfile::tempdir().unwrap();
    let home = Component::DynamoDb.home().unwrap();
    let home = components.path().join(home.file_name().unwrap());
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("DynamoDBLocal.jar"), "no jar").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_region"))
        .args(["serve", "dynamodb"])
        .env("PORPOISE_COMPONENTS", components.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = output.wait_with_output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("jarfile"), "{said}");
}
