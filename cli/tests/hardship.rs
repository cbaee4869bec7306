//! The real server and its commands when things around them go away: standard error, the server, connections.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    dead_code,
    reason = "test code"
)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use support::Place;

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
