//! Log lines: JSON, one line of at most [`LINE_BYTES_MAX`] each, one name per field everywhere.
//!
//! `at, level, message, project, run, task, attempt, place, target, took_ms, error`, and what else a line says. Code
//! that is shared with the local server names aggregates by their address; here that becomes `project` and the word of
//! its sort (`run`, `pool` …). What is too long is cut: first the longest text, in its middle, since an error begins with
//! what could not be done and ends with why.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;

use jiff::Timestamp;
use porpoise_model::{Address, RunId};
use porpoise_ports::Clock as _;
use porpoise_system::SystemClock;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

/// A line's longest, with its line feed. `CloudWatch` bills lines by the byte.
pub const LINE_BYTES_MAX: usize = 300;
/// Stands where something was cut off.
const CUT: &str = "…";

/// From now on everything of ours is logged, and warnings of everybody else.
pub fn start() {
    // an error means that it has started before
    _ = tracing::subscriber::set_global_default(Registry::default().with(Lines { write }));
}

/// Calls `run`; what it logs meanwhile on this thread goes to `write` line by line, as it would be written. For those
/// who count it.
pub fn to<R>(write: fn(&str), run: impl FnOnce() -> R) -> R {
    tracing::subscriber::with_default(Registry::default().with(Lines { write }), run)
}

/// Writes a line.
pub(crate) fn write(line: &str) {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    // in one piece, since Lambda takes each as a line; without standard output there is nobody to tell
    _ = std::io::stdout().lock().write_all(&bytes);
}

#[derive(Debug, Clone, Copy)]
struct Lines {
    write: fn(&str),
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, about: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        let ours = about.target().starts_with("porpoise");
        *about.level() <= if ours { Level::INFO } else { Level::WARN }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        (self.write)(&fields.line(SystemClock.now(), *event.metadata().level()));
    }
}

/// The fields of an event.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        match (name, value.as_str()) {
            ("message", Some(text)) => text.clone_into(&mut self.message),
            ("address" | "aggregate", Some(text)) => self.put_address(text),
            (name, _) => _ = self.others.insert(name.to_owned(), value),
        }
    }

    fn put_address(&mut self, text: &str) {
        let Ok(address) = text.parse::<Address>() else {
            self.others.insert("address".to_owned(), text.into());
            return;
        };
        let id = RunId::from_bytes(address.id).to_string();
        self.others
            .insert("project".to_owned(), address.project.to_string().into());
        self.others
            .insert(address.kind.as_str().to_owned(), id.into());
    }

    fn line(self, at: Timestamp, level: Level) -> String {
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let mut line = Map::new();
        line.insert("at".to_owned(), at.to_string().into());
        let level = level.as_str().to_ascii_lowercase();
        line.insert("level".to_owned(), level.into());
        line.insert("message".to_owned(), self.message.into());
        line.extend(self.others);
        fit(line)
    }
}

/// Cuts what is longest until the line fits. Names and numbers are short, so it always does.
fn fit(mut line: Map<String, Value>) -> String {
    loop {
        let text = Value::Object(line).to_string();
        let over = (text.len() + 1).saturating_sub(LINE_BYTES_MAX);
        if over == 0 {
            return text;
        }
        line = match serde_json::from_str(&text) {
            Ok(Value::Object(line)) => line,
            Ok(_) | Err(_) => return text,
        };
        let longest = line.iter().filter_map(|(name, value)| {
            let text = value.as_str()?;
            (name != "at").then_some((text.len(), name.clone()))
        });
        let Some((length, name)) = longest.max() else {
            return text;
        };
        if length <= CUT.len() {
            return text;
        }
        let keep = length.saturating_sub(over + CUT.len());
        if let Some(Value::String(value)) = line.get_mut(&name) {
            let head = value.floor_char_boundary(keep / 2);
            let tail = value.ceil_char_boundary(length - (keep - keep / 2));
            value.replace_range(head..tail, CUT);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        _ = write!(text, "{value:?}"); // a text takes everything
        self.put(field.name(), text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: &[(&str, Value)]) -> String {
        let mut all = Fields::default();
        for (name, value) in fields {
            all.put(name, value.clone());
        }
        let at = Timestamp::from_microsecond(1_767_225_600_123_456).unwrap();
        all.line(at, Level::WARN)
    }

    #[test]
    fn an_address_becomes_a_project_and_the_word_of_its_sort() {
        let address = Address::run(
            porpoise_model::ProjectId::from_bytes([7; 16]),
            RunId::from_bytes([1; 16]),
        );
        let line = line(&[
            ("message", "messages returned".into()),
            ("aggregate", address.to_string().into()),
            ("took_ms", 12.into()),
        ]);
        insta::assert_snapshot!(line, @r#"{"at":"2026-01-01T00:00:00.123Z","level":"warn","message":"messages returned","project":"a4dqobyha4dqobyha4dqobyha4","run":"aeaqcaibaeaqcaibaeaqcaibae","took_ms":12}"#);
    }

    #[test]
    fn an_error_keeps_what_could_not_be_done_and_why() {
        let error = format!("cannot send {}: access denied", "x".repeat(500));
        let line = line(&[("message", "step failed".into()), ("error", error.into())]);
        assert!(
            line.contains("cannot send xx") && line.contains("x: access denied"),
            "{line}"
        );
    }

    #[test]
    fn a_line_is_never_longer_than_its_limit_and_keeps_what_is_short() {
        for length in [0, 10, 150, 200, 300, 5_000] {
            for unit in ["x", "\"", "ü", "\u{1}"] {
                let error = unit.repeat(length);
                let line = line(&[
                    ("message", "step failed".into()),
                    ("project", "p".repeat(32).into()),
                    ("run", "r".repeat(26).into()),
                    ("error", error.into()),
                ]);
                assert!(line.len() < LINE_BYTES_MAX, "{} bytes: {line}", line.len());
                let read: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(read["message"], "step failed");
                assert_eq!(read["run"], "r".repeat(26));
                assert_eq!(read["at"], "2026-01-01T00:00:00.123Z");
            }
        }
    }
}
