//! What a command prints when it cannot do what it should, and its exit code.

use std::fmt::Write as _;
use std::io::Write as _;

use owo_colors::OwoColorize as _;
use porpoise_api::Code;
use serde::Serialize;

/// A run that was watched failed.
pub(crate) const RUN_FAILED: u8 = 1;
/// A run that was watched was canceled.
pub(crate) const RUN_CANCELED: u8 = 2;
/// The command line makes no sense (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// What was given has faults, or the server refused it (`EX_DATAERR`).
pub(crate) const REFUSED: u8 = 65;
/// No server, or none that answers (`EX_UNAVAILABLE`).
pub(crate) const UNREACHABLE: u8 = 69;
/// Something of ours is broken (`EX_SOFTWARE`).
pub(crate) const BROKEN: u8 = 70;

/// What clap says of a command line, with our code before it; help and version as they are, on standard output.
pub(crate) fn print_usage(error: &clap::Error) {
    if !error.use_stderr() {
        let _ = error.print();
        return;
    }
    let code = Code::Usage.as_str();
    let text = error.render().ansi().to_string();
    let text = text.replacen("error:", &format!("error[{code}]:"), 1);
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// ``error[PP0012]: …``, its causes, and what to do.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Failure {
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    /// Nearest first; a text of several lines is printed as it is.
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    #[serde(skip)]
    pub(crate) exit: u8,
    /// The HTTP status of a refusal.
    #[serde(skip)]
    pub(crate) status: Option<u16>,
    /// Where in the request the server found faults.
    #[serde(skip)]
    pub(crate) paths: Box<[String]>,
}

impl Failure {
    /// With the code that most failures of this exit code have.
    pub(crate) fn new(exit: u8, message: impl Into<String>) -> Self {
        let code = match exit {
            USAGE => Code::Usage,
            UNREACHABLE => Code::NoServer,
            BROKEN => Code::Bug,
            _ => Code::Refused,
        };
        Self {
            code: Some(code.as_str().to_owned()),
            message: message.into(),
            exit,
            ..Self::default()
        }
    }

    /// Nothing that the user can mend.
    pub(crate) fn broken(message: impl Into<String>, error: &dyn std::error::Error) -> Self {
        Self::new(BROKEN, message).because(error)
    }

    /// With a code that says more than the exit code.
    pub(crate) fn coded(self, code: Code) -> Self {
        let code = Some(code.as_str().to_owned());
        Self { code, ..self }
    }

    /// With an error and all that is behind it.
    pub(crate) fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The server has no such thing.
    pub(crate) fn is_absence(&self) -> bool {
        self.status == Some(404)
    }

    /// For a note: what is no failure to whoever asked.
    pub(crate) fn in_a_line(&self) -> String {
        let causes = self.causes.iter().map(String::as_str);
        let parts = std::iter::once(&*self.message).chain(causes);
        let parts: Vec<&str> = parts.chain(self.hint.as_deref()).collect();
        parts.join(": ")
    }

    /// On standard error: nothing is left to do if that fails.
    pub(crate) fn print(&self, json: bool) {
        let mut stderr = anstream::stderr().lock();
        let text = if json {
            let text = serde_json::to_string(&serde_json::json!({ "error": self }));
            text.unwrap_or_default() + "\n"
        } else {
            self.text()
        };
        let _ = stderr.write_all(text.as_bytes());
    }

    fn text(&self) -> String {
        let code = self.code.as_ref();
        let head = code.map_or_else(|| "error".to_owned(), |code| format!("error[{code}]"));
        let mut text = format!("{}: {}\n", head.red().bold(), self.message);
        for cause in &self.causes {
            let cause = cause.replace('\n', "\n  ");
            let _ = writeln!(text, "  {cause}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "{}: {hint}", "hint".cyan().bold());
        }
        text
    }
}
