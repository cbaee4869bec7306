//! `databases install` gets what is missing, `databases serve NAME` runs one until standard input ends.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for tests, which prints where it answers and waits in real time"
)]

mod certificate;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use porpoise_databases::Engine;
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// Whom a server runs as where this process is root, which PostgreSQL refuses.
const NOBODY: &str = "nobody";
const NOGROUP: &str = "nogroup";
const USER: &str = "porpoise";
const LOOKS_MAX: u32 = 1200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// Somebody else may take the port that was free: another is tried.
const TRIES_MAX: u32 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["install"] => install(),
        ["serve", name] | ["serve", name, "--tls"] => match Engine::ALL
            .into_iter()
            .find(|engine| engine.name() == *name)
        {
            Some(engine) => serve(engine, arguments.contains(&"--tls")),
            None => Err(anyhow::anyhow!("there is no database `{name}`")),
        },
        _ => Err(anyhow::anyhow!(
            "usage: databases install | serve postgresql|mariadb [--tls]"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("databases: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Where its programs are.
fn folder(engine: Engine) -> anyhow::Result<PathBuf> {
    let found = match engine {
        Engine::Postgresql => {
            let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
            let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
            let mut folders: Vec<PathBuf> = folders
                .filter(|folder| folder.join("initdb").is_file())
                .collect();
            folders.sort();
            folders.pop()
        }
        Engine::Mariadb => {
            let folder = PathBuf::from("/usr/sbin");
            folder.join("mariadbd").is_file().then_some(folder)
        }
    };
    found.with_context(|| {
        let package = engine.package();
        format!("it is not installed: `cargo xtask components`, or `apt-get install {package}`")
    })
}

fn install() -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for engine in Engine::ALL {
        if folder(engine).is_ok() {
            continue;
        }
        let package = engine.package();
        let by_hand = format!("`apt-get install {package}` installs it");
        if !geteuid().is_root() {
            faults.push(format!("{}: {by_hand}", engine.name()));
            continue;
        }
        eprintln!("databases: asks apt-get for {package}");
        let apt_get = || {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
            command
        };
        let mut install = apt_get();
        install.args(["install", "--yes", "--no-install-recommends", package]);
        let installed = no_cluster(engine)
            .and_then(|()| run(apt_get().arg("update")))
            .and_then(|()| run(&mut install));
        if let Err(error) = installed {
            faults.push(format!("{}: {error:#}; {by_hand}", engine.name()));
        }
    }
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// Debian's package of `PostgreSQL` makes a database of its own and starts it, unless it is told before that none is wanted.
fn no_cluster(engine: Engine) -> anyhow::Result<()> {
    const FOLDER: &str = "/etc/postgresql-common/createcluster.d";
    match engine {
        Engine::Postgresql => {
            fs::create_dir_all(FOLDER).context(FOLDER)?;
            let file = format!("{FOLDER}/porpoise.conf");
            fs::write(&file, "create_main_cluster = false\n").context(file)
        }
        Engine::Mariadb => Ok(()),
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let output = command.output();
    let output = output.with_context(|| format!("cannot start `{program}`"))?;
    anyhow::ensure!(
        output.status.success(),
        "`{program}` failed, {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout).trim_end(),
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(())
}

/// Prints one line, where it answers, and stops it when standard input ends.
fn serve(engine: Engine, tls: bool) -> anyhow::Result<()> {
    let programs = folder(engine)?;
    let mut tried = 0;
    let mut server = loop {
        tried += 1;
        match Server::start(engine, &programs, tls) {
            Ok(server) => break server,
            Err(error) if tried == TRIES_MAX => return Err(error),
            Err(_) => {}
        }
    };
    let (port, password) = (server.port, &server.password);
    let url = format!("{}://{USER}:{password}@127.0.0.1:{port}", engine.name());
    if tls {
        let authority = server.folder.path().join(certificate::AUTHORITY);
        println!("{url}?authority={}", authority.display());
    } else {
        println!("{url}");
    }
    io::stdout().flush()?;
    let (ends, ended) = mpsc::channel();
    thread::spawn(move || {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        ends.send(())
    });
    loop {
        match ended.recv_timeout(Duration::from_secs(1)) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if let Some(status) = server.child.try_wait()? {
            anyhow::bail!("it ended by itself: {status}\n{}", server.log());
        }
    }
}

/// A server, and the folder that goes with it.
struct Server {
    engine: Engine,
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
    password: String,
}

impl Server {
    fn start(engine: Engine, programs: &Path, tls: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("database-").tempdir()?;
        let password = password()?;
        let data = folder.path().join("data");
        let secret = folder.path().join("password");
        fs::write(&secret, &password)?;
        fs::create_dir(&data)?;
        if tls {
            certificate::make(folder.path())?;
        }
        if engine == Engine::Mariadb {
            fs::create_dir(data.join("mysql"))?;
        }
        if geteuid().is_root() {
            let owner = format!("{NOBODY}:{NOGROUP}");
            run(Command::new("chown")
                .args(["-R", &owner])
                .arg(folder.path()))?;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        prepare(engine, programs, folder.path(), &password)?;
        let mut command = match engine {
            Engine::Postgresql => {
                let mut command = as_nobody("SIGQUIT", &programs.join("postgres"));
                command.arg("-D").arg(&data).arg("-k").arg(folder.path());
                command.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
                // what is here is for tests, and gone after them
                command.args(["-c", "fsync=off", "-c", "synchronous_commit=off"]);
                command.args(["-c", "full_page_writes=off", "-c", "max_connections=100"]);
                command
            }
            Engine::Mariadb => {
                let mut command = as_nobody("SIGKILL", &programs.join("mariadbd"));
                command.args([
                    "--no-defaults",
                    "--bind-address=127.0.0.1",
                    "--skip-name-resolve",
                ]);
                command.arg(format!("--datadir={}", data.display()));
                command.arg(format!("--port={port}"));
                command.arg(format!(
                    "--socket={}",
                    folder.path().join("socket").display()
                ));
                command.arg(format!(
                    "--pid-file={}",
                    folder.path().join("pid").display()
                ));
                command.arg(format!(
                    "--init-file={}",
                    folder.path().join("init.sql").display()
                ));
                command.arg(format!("--tmpdir={}", folder.path().display()));
                command.args([
                    "--innodb-flush-log-at-trx-commit=0",
                    "--innodb-buffer-pool-size=32M",
                ]);
                command
            }
        };
        if tls {
            command.args(certificate::options(engine, folder.path()));
        }
        let log = fs::File::create(folder.path().join("log"))?;
        let errors = log.try_clone()?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().context("cannot start `setpriv`")?;
        let mut server = Self {
            engine,
            folder,
            child,
            port,
            password,
        };
        server.wait_for_answer()?;
        Ok(server)
    }

    fn wait_for_answer(&mut self) -> anyhow::Result<()> {
        for _ in 0..LOOKS_MAX {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("it ended before it answered: {status}\n{}", self.log());
            }
            let said = self.log();
            let ready = match self.engine {
                Engine::Postgresql => said.contains("ready to accept connections"),
                Engine::Mariadb => said.contains("ready for connections"),
            };
            if ready && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        anyhow::bail!("it does not answer\n{}", self.log())
    }

    fn log(&self) -> String {
        let mut said = String::new();
        if let Ok(mut file) = fs::File::open(self.folder.path().join("log")) {
            _ = file.read_to_string(&mut said);
        }
        said
    }
}

impl Drop for Server {
    /// PostgreSQL ends its connections at SIGINT, `MariaDB` at SIGTERM.
    fn drop(&mut self) {
        let signal = match self.engine {
            Engine::Postgresql => Signal::INT,
            Engine::Mariadb => Signal::TERM,
        };
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            _ = kill_process(pid, signal);
        }
        _ = self.child.wait();
    }
}

/// The files of the database, and who may use it.
fn prepare(engine: Engine, programs: &Path, folder: &Path, password: &str) -> anyhow::Result<()> {
    let data = folder.join("data");
    let mut command = match engine {
        Engine::Postgresql => {
            let mut command = as_nobody("SIGKILL", &programs.join("initdb"));
            command.arg("-D").arg(&data);
            command.args([
                "-U",
                USER,
                "-A",
                "scram-sha-256",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
            ]);
            command.arg(format!("--pwfile={}", folder.join("password").display()));
            command
        }
        Engine::Mariadb => {
            let sql = format!(
                "CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
                 GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
            );
            fs::write(folder.join("init.sql"), sql)?;
            // As `mariadb-install-db` does, which asks for programs of the client's package.
            let scripts = [
                "mysql_system_tables",
                "mysql_performance_tables",
                "mysql_system_tables_data",
            ];
            let mut bootstrap = String::from("use mysql;\n");
            for script in scripts {
                let path = format!("/usr/share/mysql/{script}.sql");
                bootstrap += &fs::read_to_string(&path).context(path)?;
            }
            let script = folder.join("bootstrap.sql");
            fs::write(&script, bootstrap)?;
            let mut command = as_nobody("SIGKILL", &programs.join("mariadbd"));
            command.args(["--no-defaults", "--bootstrap", "--skip-networking"]);
            command.arg("--innodb-buffer-pool-size=32M");
            command.arg(format!("--datadir={}", data.display()));
            command.arg(format!("--tmpdir={}", folder.display()));
            command.stdin(fs::File::open(script)?);
            command
        }
    };
    run(command.current_dir(folder))
}

/// A program that goes when this process does.
fn as_nobody(signal: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--pdeathsig={signal}"));
    if geteuid().is_root() {
        command
            .arg(format!("--reuid={NOBODY}"))
            .arg(format!("--regid={NOGROUP}"));
        command.arg("--clear-groups");
    }
    command.arg("--").arg(program);
    command
}

fn password() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let hex = |mut text: String, byte: &u8| {
        _ = write!(text, "{byte:02x}");
        text
    };
    Ok(bytes.iter().fold(String::new(), hex))
}
