//! What a box leaves behind: nothing.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::{FUNCTIONS, TEMPLATES, folder, pause};

/// In the environment of everything that a box starts.
const MARK: &str = "PORPOISE_TEST_OF_TRACES";

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_is_interrupted_or_killed_leaves_no_process_and_no_port_behind() {
    for signal in ["INT", "KILL"] {
        let mark = format!("{MARK}={signal}-{}", std::process::id());
        let (mut program, _output, addresses) = up(&mark);
        assert_eq!(
            addresses.len(),
            4,
            "API, ministack, tables, jobs: {addresses:?}"
        );
        for address in &addresses {
            TcpStream::connect(address).unwrap();
        }
        // the program, two servers with their guards, functions that were called when the stacks were made, if any
        assert!(processes(&mark) >= 5, "{} processes", processes(&mark));
        let pid = program.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(kill.unwrap().success());
        let status = program.wait().unwrap();
        assert_eq!(status.success(), signal == "INT", "{status}");
        for _ in 0..25 {
            if processes(&mark) == 0 {
                break;
            }
            pause().await;
        }
        assert_eq!(processes(&mark), 0, "after {signal}");
        for address in &addresses {
            TcpStream::connect(address).unwrap_err();
        }
    }
}

/// `cloud up`, and where it says that something answers.
fn up(mark: &str) -> (Child, BufReader<ChildStdout>, Vec<String>) {
    let (name, value) = mark.split_once('=').unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_cloud"));
    program.args(["up", "--port", "0", "--functions"]);
    program.arg(folder(FUNCTIONS));
    program.arg("--templates").arg(folder(TEMPLATES));
    program.env(name, value).stdout(Stdio::piped());
    let mut program = program.spawn().unwrap();
    let mut addresses = Vec::new();
    let mut output = BufReader::new(program.stdout.take().unwrap());
    for line in output.by_ref().lines().map_while(Result::ok) {
        if line.starts_with("  roles") {
            break;
        }
        let (_, address) = line.split_once("http://").unwrap_or_default();
        let address = address.split(['/', ' ']).next().unwrap_or_default();
        addresses.extend(Some(address.to_owned()).filter(|address| !address.is_empty()));
    }
    (program, output, addresses)
}

/// Processes with this in their environment.
fn processes(mark: &str) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let marked = all.filter(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    });
    marked.count()
}
