//! What the environment says, read once; and the files by which commands find the server.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use porpoise_api::Code;
use serde::{Deserialize, Serialize};

use crate::args::Common;
use crate::client::{Access, Realm};
use crate::failure::{Failure, UNREACHABLE, USAGE};

/// Tells where a running server is.
const SERVER_FILE: &str = "server.json";
/// Whoever can read it may do everything.
const TOKEN_FILE: &str = "token";
/// What the store and the executors keep in the data directory.
const KEPT: [&str; 7] = [
    "porpoise.db",
    "porpoise.db-wal",
    "porpoise.db-shm",
    "porpoise.lock",
    "blobs",
    "attempts",
    "sleeps",
];

/// The environment under the options of the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    data: Option<PathBuf>,
    pub(crate) url: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) project: Option<String>,
    /// What the command line alone says of them: an import means another server by it.
    pub(crate) said_url: Option<String>,
    pub(crate) said_token: Option<String>,
    pub(crate) said_project: Option<String>,
    /// Token of another system that is imported from.
    pub(crate) foreign_token: Option<String>,
    /// Where a server on AWS is, as the command line says.
    pub(crate) region: Option<String>,
    /// Whose server it is: the principal of all that its token does.
    pub(crate) user: String,
    /// Filter of the server's own log.
    pub(crate) log: Option<String>,
}

/// Contents of `server.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) pid: u32,
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string().ok()?;
    (!value.is_empty()).then_some(value)
}

impl Config {
    pub(crate) fn from_env(common: &Common) -> Self {
        let below_home = |home| Path::new(&home).join(".local/share");
        let share = variable("XDG_DATA_HOME").map(PathBuf::from);
        let share = share.or_else(|| variable("HOME").map(below_home));
        let data = common.data.clone();
        let data = data.or_else(|| variable("PORPOISE_DATA").map(PathBuf::from));
        Self {
            data: data.or_else(|| Some(share?.join("porpoise"))),
            url: common.url.clone().or_else(|| variable("PORPOISE_URL")),
            token: common.token.clone().or_else(|| variable("PORPOISE_TOKEN")),
            project: common
                .project
                .clone()
                .or_else(|| variable("PORPOISE_PROJECT")),
            said_url: common.url.clone(),
            said_token: common.token.clone(),
            said_project: common.project.clone(),
            foreign_token: variable("DOLPHINSCHEDULER_TOKEN"),
            region: common.region.clone(),
            user: variable("USER").unwrap_or_else(|| "local".to_owned()),
            log: variable("PORPOISE_LOG"),
        }
    }

    /// Without what the command line says of a server: that is another one.
    pub(crate) fn of_environment(&self) -> Self {
        Self {
            url: variable("PORPOISE_URL"),
            token: variable("PORPOISE_TOKEN"),
            project: None,
            said_url: None,
            said_token: None,
            said_project: None,
            ..self.clone()
        }
    }

    /// The data directory.
    pub(crate) fn data(&self) -> Result<&Path, Failure> {
        self.data.as_deref().ok_or_else(|| {
            Failure::new(
                USAGE,
                "there is no place for the data: neither HOME nor PORPOISE_DATA is set",
            )
            .hint("name a directory with `--data DIR`")
        })
    }

    /// Address of the server, and what shows it who asks.
    pub(crate) fn server(&self) -> Result<(String, Access), Failure> {
        let Some(url) = &self.url else {
            let (url, token) = self.own_server()?;
            return Ok((url, Access::Token(token)));
        };
        let url = url.trim_end_matches('/').trim_end_matches("/v1");
        Ok((url.to_owned(), self.access(url)?))
    }

    /// Address and token of the server that runs on the data directory.
    pub(crate) fn own_server(&self) -> Result<(String, String), Failure> {
        let data = self.data()?;
        let running = running(data).ok_or_else(|| no_server(data, self.start_command()))?;
        Ok((running.url, self.token()?))
    }

    /// What shows a server somewhere who asks. The token of a data directory never leaves for one behind TLS: whoever
    /// has no token of such a server is known to it by IAM.
    pub(crate) fn access(&self, url: &str) -> Result<Access, Failure> {
        if self.token.is_some() || !url.starts_with("https://") {
            return Ok(Access::Token(self.token()?));
        }
        let usual = || variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let named = || self.region.clone().or_else(usual);
        let realm = Realm::of(url).or_else(|| Some(Realm::named(&named()?)));
        let realm = realm.ok_or_else(|| {
            let message = format!("neither a token of the server at `{url}` was given, nor its region");
            Failure::new(USAGE, message).hint(
                "`--token` or PORPOISE_TOKEN gives a token; with credentials of AWS, `--region` or AWS_REGION says where it is",
            )
        })?;
        Ok(Access::iam(realm))
    }

    fn token(&self) -> Result<String, Failure> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let path = self.data()?.join(TOKEN_FILE);
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::new(
                UNREACHABLE,
                format!("cannot read the token `{}`", path.display()),
            )
            .coded(Code::File)
            .because(&error)
            .hint("give the server's token with `--token` or PORPOISE_TOKEN")
        })?;
        Ok(text.trim().to_owned())
    }

    /// What starts the server that commands with the same options look for.
    pub(crate) fn start_command(&self) -> String {
        let given = std::env::args_os().any(|argument| argument == "--data");
        match &self.data {
            Some(data) if given => format!("porpoise up --data {}", data.display()),
            _ => "porpoise up".to_owned(),
        }
    }
}

/// No server runs on this directory.
pub(crate) fn no_server(data: &Path, start: impl std::fmt::Display) -> Failure {
    Failure::new(
        UNREACHABLE,
        format!("no server runs on `{}`", data.display()),
    )
    .hint(format!("start one with `{start}`"))
}

/// What `server.json` says, if the process that wrote it still lives.
pub(crate) fn running(data: &Path) -> Option<Running> {
    let text = fs::read_to_string(data.join(SERVER_FILE)).ok()?;
    let running: Running = serde_json::from_str(&text).ok()?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(running.pid).ok()?)?;
    match rustix::process::test_kill_process(pid) {
        // Somebody else's process lives too.
        Ok(()) | Err(rustix::io::Errno::PERM) => Some(running),
        Err(_) => None,
    }
}

/// Makes the data directory for its owner alone.
pub(crate) fn make_data(data: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
}

/// Closes to everybody else what is kept: the directory may be one that others made, and can enter.
pub(crate) fn close_data(data: &Path) -> io::Result<()> {
    for path in KEPT.map(|name| data.join(name)) {
        let mode = match fs::metadata(&path) {
            Ok(metadata) => metadata.permissions().mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if mode & 0o077 != 0 {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    Ok(())
}

/// Reads the token, or makes it on the first start.
pub(crate) fn token(data: &Path) -> io::Result<String> {
    secret(data, TOKEN_FILE)
}

/// Reads what only the owner of the data directory may know, or makes it on the first start.
pub(crate) fn secret(data: &Path, name: &str) -> io::Result<String> {
    let path = data.join(name);
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            return Ok(text.trim().to_owned());
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let token = fresh_token()?;
    write_whole(&path, &format!("{token}\n"))?;
    Ok(token)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a token is made before there is an app and its Ids port"
)]
fn fresh_token() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}

/// Tells commands where the server is.
pub(crate) fn announce(data: &Path, running: &Running) -> io::Result<()> {
    let text = serde_json::to_string(running)?;
    write_whole(&data.join(SERVER_FILE), &format!("{text}\n"))
}

/// The server is gone.
pub(crate) fn renounce(data: &Path) {
    // A file that stays behind names a process that is gone.
    let _ = fs::remove_file(data.join(SERVER_FILE));
}

/// Readable by the owner alone; whole or not there at all.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}
