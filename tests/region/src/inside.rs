//! What runs in the namespaces of a server, as their first process: when it ends, the kernel ends all others in there.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use rustix::net::{AddressFamily, SendFlags, SocketType, send, socket};

use crate::bridge;

/// What a component says, in the folder of its server.
pub(crate) const LOG: &str = "log";

/// Where a component may leave files, in the folder of its server.
pub(crate) const SCRATCH: &str = "scratch";

/// Runs a component until standard input ends or it ends by itself; then nothing of it is left, its folder included.
pub(crate) fn run(folder: &Path, bridge: Option<u16>, command: &[OsString]) -> anyhow::Result<()> {
    if let Some(port) = bridge {
        loopback_up().context("cannot bring up the loopback interface of the namespace")?;
        bridge::inner(folder, port).context("cannot open the socket of the bridge")?;
    }
    let (program, args) = command.split_first().context("no command")?;
    let log = File::create(folder.join(LOG))?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .current_dir(folder.join(SCRATCH))
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let (ends, ended) = mpsc::channel();
    let input_ends = ends.clone();
    thread::spawn(move || {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        input_ends.send(End::Asked)
    });
    let pid = rustix::process::Pid::from_child(&child);
    thread::spawn(move || {
        let status = child.wait();
        ends.send(End::Itself(status))
    });
    match ended.recv()? {
        End::Asked => {
            _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            _ = ended.recv(); // it is gone
            remove(folder)
        }
        End::Itself(status) => anyhow::bail!("it ended: {}", status?), // whoever serves it reads the log
    }
}

enum End {
    Asked,
    Itself(io::Result<std::process::ExitStatus>),
}

/// Removes the folder. What the component has started may still write into it for a moment, until this process ends.
fn remove(folder: &Path) -> anyhow::Result<()> {
    let tries = 5;
    for _ in 1..tries {
        if std::fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            return Ok(());
        }
    }
    std::fs::remove_dir_all(folder).context("cannot remove the folder of the server")
}

/// Brings up the interface `lo`: in a new namespace it is down. `ip` would do it, where it is installed.
///
/// Source: rtnetlink(7): a header of 16 bytes, then `ifinfomsg`, also 16.
fn loopback_up() -> anyhow::Result<()> {
    const NEW_LINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
    const FIRST_INTERFACE: u32 = 1;
    const UP: u32 = 1;
    let mut message = Vec::new();
    message.extend(32_u32.to_ne_bytes()); // bytes
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    message.extend([0; 8]); // sequence, sender
    message.extend([0; 4]); // family, padding, type
    message.extend(FIRST_INTERFACE.to_ne_bytes());
    message.extend(UP.to_ne_bytes()); // flags
    message.extend(UP.to_ne_bytes()); // and which of them change
    let netlink = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    send(&netlink, &message, SendFlags::empty())?;
    let mut answer = [0; 20];
    rustix::net::recv(&netlink, &mut answer, rustix::net::RecvFlags::empty())?;
    let error = answer.last_chunk().copied().map_or(0, i32::from_ne_bytes);
    anyhow::ensure!(error == 0, io::Error::from_raw_os_error(-error));
    Ok(())
}
