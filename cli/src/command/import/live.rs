//! Reading from a running DolphinScheduler, through its REST API.
//!
//! Every answer is a file in a folder as soon as it is there (`store`), so that an import that was interrupted goes on
//! where it was, and the folder can be imported again without the server: the same bytes give the same result. What is
//! asked, in which order and in the words of which version stands in `crawl`; how, with which patience, in `ask`.
//!
//! Nothing is ever changed there: only GET requests are sent. The token is in their headers and nowhere else.

mod ask;
mod crawl;
mod progress;
mod store;
mod words;

use std::path::{Path, PathBuf};

use porpoise_api::Code;

use crate::failure::{Failure, USAGE};
use crate::output::{Session, note};

use ask::Asker;
use store::Store;

/// A server to read from.
#[derive(Debug)]
pub(crate) struct Live {
    /// As somebody wrote it.
    pub(crate) url: String,
    /// The only project to read.
    pub(crate) project: Option<String>,
    /// What was said of the token: on the command line, or by a file; otherwise the environment holds it.
    pub(crate) token_file: Option<PathBuf>,
    /// Where the answers are kept.
    pub(crate) answers: Option<PathBuf>,
}

/// Reads everything into a folder, and gives that.
pub(super) fn read(session: &Session, live: &Live) -> Result<PathBuf, Failure> {
    let base = base(&live.url)?;
    let token = token(session, live.token_file.as_deref())?;
    let folder = live.answers.clone().unwrap_or_else(|| folder(&base));
    let store = Store::open(&folder, &base, live.project.as_deref())?;
    if store.goes_on() {
        note(&format!("going on with what is in `{}`", folder.display()));
    }
    let asker = Asker::new(base, token)?;
    crawl::crawl(&asker, store, live.project.as_deref())?;
    Ok(folder)
}

/// The address of the API: `https://HOST:12345/dolphinscheduler`, also from that of a page of the console.
fn base(url: &str) -> Result<String, Failure> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let console = rest
        .find("/ui/")
        .or_else(|| rest.strip_suffix("/ui").map(str::len));
    let rest = console
        .and_then(|at| rest.get(..at))
        .unwrap_or(rest)
        .trim_end_matches('/');
    if !["http", "https"].contains(&scheme) || rest.is_empty() || rest.contains('@') {
        let message = format!("`{url}` is no address of a DolphinScheduler");
        let hint =
            "write it as `https://HOST:12345/dolphinscheduler`; the token is given apart from it";
        return Err(Failure::new(USAGE, message).hint(hint));
    }
    // Source: `server.servlet.context-path` of the API server
    let path = if rest.contains('/') {
        ""
    } else {
        "/dolphinscheduler"
    };
    Ok(format!("{scheme}://{rest}{path}"))
}

/// `dolphinscheduler-HOST` in the current directory.
fn folder(base: &str) -> PathBuf {
    let host = base.split("://").nth(1).unwrap_or_default();
    let host = host.trim_end_matches("/dolphinscheduler");
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    PathBuf::from(format!(
        "dolphinscheduler-{}",
        host.chars().map(plain).collect::<String>()
    ))
}

/// From a file, the command line, or the environment, in this order.
fn token(session: &Session, file: Option<&Path>) -> Result<String, Failure> {
    let from_file = file.map(|path| {
        std::fs::read_to_string(path).map_err(|error| {
            Failure::new(USAGE, format!("cannot read `{}`", path.display()))
                .coded(Code::File)
                .because(&error)
        })
    });
    let said = from_file.transpose()?;
    let said = said.or_else(|| session.config.said_token.clone());
    let said = said.or_else(|| session.config.foreign_token.clone());
    let token = said.unwrap_or_default().trim().to_owned();
    let hint = "make one in DolphinScheduler under Security → Token Manage, and name a file with it: `--token-file FILE`";
    if token.is_empty() {
        let message = "there is no token for DolphinScheduler";
        return Err(
            Failure::new(USAGE, message).hint(format!("{hint}; or set DOLPHINSCHEDULER_TOKEN"))
        );
    }
    if !token.chars().all(|c| c.is_ascii_graphic()) {
        let message = "what was given as a token is none: it holds blanks or other characters";
        return Err(Failure::new(USAGE, message).hint(hint));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_found_from_any_address_of_the_server() {
        for (url, expected) in [
            ("http://ds:12345", "http://ds:12345/dolphinscheduler"),
            (
                "http://ds:12345/dolphinscheduler/",
                "http://ds:12345/dolphinscheduler",
            ),
            (
                "https://ds.example.com/dolphinscheduler/ui/projects/list?x=1",
                "https://ds.example.com/dolphinscheduler",
            ),
            ("https://proxy/tools/ds", "https://proxy/tools/ds"),
        ] {
            assert_eq!(base(url).unwrap(), expected);
        }
        for url in ["ds:12345", "ftp://ds", "http://", "http://me:secret@ds"] {
            assert!(base(url).is_err(), "{url}");
        }
        assert_eq!(
            folder("http://ds:12345/dolphinscheduler"),
            PathBuf::from("dolphinscheduler-ds-12345")
        );
    }
}
