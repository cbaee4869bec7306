//! The real server and its commands when things around them go away: standard error, the server, connections.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use rustix::process::Signal;

use crate::support::Place;

const QUICK: &str = "workflow: quick\ntasks:\n  a: { shell: echo a }\n  b: { after: [a], noop: }\n";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `porpoise up 2>&1 | head -1`
#[test]
fn a_server_whose_output_nobody_reads_any_more_goes_on() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let up = place
        .command(&["up", "--port", "0"])
        .env("PORPOISE_LOG", "debug")
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn();
    let _server = Server(up.unwrap());
    let first = BufReader::new(reader).lines().find_map(|line| {
        let line = line.unwrap();
        line.contains("Ctrl-C stops it").then_some(line)
    });
    assert!(first.is_some());
    place.file("quick.yaml", QUICK);
    place.ok(&["apply", "quick.yaml"]);
    place.ok(&["run", "quick", "--no-watch"]);
    place.wait_for("latest", None, "succeeded");
}

#[test]
fn who_watches_a_run_goes_on_watching_when_the_server_is_killed_and_started_again() {
    let mut place = Place::up();
    place.file(
        "slow.yaml",
        "workflow: slow\ntasks:\n  a: { shell: 'echo begun; sleep 3; echo over' }\n  b: { after: [a], shell: echo b }\n",
    );
    place.ok(&["apply", "slow.yaml"]);
    let watch = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let run = watch(&["run", "slow"]);
    while !place.run(&["show", "latest"]).status.success() {}
    place.wait_for("latest", Some("a"), "running");
    let logs = watch(&["logs", "latest", "a", "-f"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    place.stop(Signal::KILL);
    // At another port.
    place.start();
    let run = run.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{told}");
    assert!(
        told.contains("the server is back") && told.contains("b succeeded"),
        "{told}"
    );
    assert_eq!(told.matches("a running").count(), 1, "{told}");
    let logs = logs.wait_with_output().unwrap();
    assert!(
        logs.status.success(),
        "{}",
        String::from_utf8_lossy(&logs.stderr)
    );
    let log = String::from_utf8_lossy(&logs.stdout);
    let said: Vec<_> = log
        .lines()
        .filter_map(|line| line.split(' ').next_back())
        .collect();
    assert_eq!(said, ["begun", "over"]);
}

#[test]
fn who_stops_a_server_that_watches_its_first_run_sees_no_failure() {
    let mut place = Place::up();
    place.file(
        "slow.yaml",
        "workflow: slow\ntasks:\n  a: { shell: sleep 20 }\n",
    );
    place.ok(&["apply", "slow.yaml"]);
    place.stop(Signal::TERM);
    let up = place
        .command(&["up", "--port", "0", "--run", "slow"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut up = Server(up.unwrap());
    let mut stderr = BufReader::new(up.0.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("a running") {
        assert_ne!(stderr.read_line(&mut told).unwrap(), 0, "{told}");
    }
    let pid = rustix::process::Pid::from_child(&up.0);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    stderr.read_to_string(&mut told).unwrap();
    assert!(up.0.wait().unwrap().success(), "{told}");
    assert!(
        !told.contains("error") && !told.contains("cannot reach"),
        "{told}"
    );
    place.start();
    place.ok(&["kill", "latest"]);
}

/// Nothing but a sweep wakes a run that waits for its retry, and whose version cannot be read when the server starts.
#[test]
fn a_run_that_cannot_be_read_when_the_server_starts_goes_on_when_it_can() {
    let mut place = Place::up();
    let retry = "retry: { limit: 1, delay: 2s }";
    let again = place.work().join("again");
    let shell = format!("test -e {0} || {{ touch {0}; exit 1; }}", again.display());
    place.file(
        "waits.yaml",
        &format!("workflow: waits\ntasks:\n  a: {{ shell: '{shell}', {retry} }}\n"),
    );
    place.ok(&["apply", "waits.yaml"]);
    place.ok(&["run", "waits", "--no-watch"]);
    place.wait_for("latest", Some("a"), "up_for_retry");
    place.stop(Signal::KILL);
    let (blobs, away) = (place.data().join("blobs"), place.data().join("away"));
    std::fs::rename(&blobs, &away).unwrap();
    place.start();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let _ = std::fs::remove_dir(&blobs);
    std::fs::rename(&away, &blobs).unwrap();
    place.wait_for("latest", None, "succeeded");
}

#[test]
fn in_a_directory_that_others_can_enter_they_can_read_nothing() {
    let mut place = Place::new();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::create_dir(place.data()).unwrap();
    std::fs::set_permissions(place.data(), open).unwrap();
    place.start();
    place.file("quick.yaml", QUICK);
    place.ok(&["apply", "quick.yaml"]);
    place.ok(&["run", "quick"]);
    place.stop(Signal::KILL);
    // What the store makes on its first start, and what exists already on the second.
    place.start();
    let entries: Vec<_> = std::fs::read_dir(place.data()).unwrap().collect();
    assert!(entries.len() > 4, "{entries:?}");
    for entry in entries {
        let entry = entry.unwrap();
        let (path, mode) = (entry.path(), entry.metadata().unwrap().permissions().mode());
        assert_eq!(mode & 0o077, 0, "{path:?} has mode {mode:o}");
    }
}
