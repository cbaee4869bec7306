//! What a command works with: options, the server, and how to print.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use porpoise_ports::Clock as _;
use serde_json::Value;

use crate::args::Common;
use crate::client::Client;
use crate::config::Config;
use crate::failure::Failure;
use crate::host::SystemClock;

/// The options of a command, and the environment.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) json: bool,
    pub(crate) config: Config,
    pub(crate) zone: TimeZone,
}

impl Session {
    pub(crate) fn new(common: &Common) -> Self {
        Self {
            json: common.json,
            config: Config::from_env(common),
            zone: TimeZone::system(),
        }
    }

    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.config)
    }

    /// Prints a result: as JSON what the server said, or as text what `text` makes of it.
    pub(crate) fn result(&self, value: &Value, text: impl FnOnce() -> String) {
        if self.json {
            let json = serde_json::to_string_pretty(value).unwrap_or_default();
            print(&format!("{json}\n"));
        } else {
            print(&text());
        }
    }

    /// A time as the user's clock shows it, with its offset.
    pub(crate) fn time(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.zone.clone());
        local.strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
    }

    /// The time in a text of RFC 3339, or the text.
    pub(crate) fn time_of(&self, text: &str) -> String {
        let at: Result<Timestamp, _> = text.parse();
        at.map_or_else(|_| text.to_owned(), |at| self.time(at))
    }
}

/// On standard output. A pipe that was closed is no failure: whoever read it has enough.
pub(crate) fn print(text: &str) {
    let _ = anstream::stdout().lock().write_all(text.as_bytes());
}

/// Each on a line of its own.
pub(crate) fn lines(lines: impl IntoIterator<Item = impl Display>) -> String {
    lines.into_iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

/// On standard error: progress, notes.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Whether progress can be drawn.
pub(crate) fn interactive() -> bool {
    io::stderr().is_terminal()
}

/// The clock of this machine.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// `850ms`, `3.2s`, `4m05s`, `2h07m`.
pub(crate) fn duration(duration: SignedDuration) -> String {
    let millis = duration.as_millis().max(0);
    let seconds = millis / 1_000;
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}.{}s", millis % 1_000 / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Columns as wide as their widest cell, two spaces apart; the last is not padded.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let mut widths = vec![0; head.len()];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let pad = width - cell.chars().count();
            line.push_str(cell);
            line.push_str(&" ".repeat(pad + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let shown = |millis| duration(SignedDuration::from_millis(millis));
        assert_eq!(
            [shown(-5), shown(850), shown(3_249)],
            ["0ms", "850ms", "3.2s"]
        );
        assert_eq!([shown(245_000), shown(7_620_000)], ["4m05s", "2h07m"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".to_owned(), "long".to_owned()],
            vec!["依赖".to_owned(), String::new()],
        ];
        assert_eq!(table(&["X", "Y"], &rows), "X   Y\na   long\n依赖\n");
    }
}
