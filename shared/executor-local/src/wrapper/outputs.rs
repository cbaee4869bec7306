//! What a job sets: lines of its output file, and `setValue` in what it prints.
//!
//! | dialect | where `${setValue(key=value)}` or `#{setValue(key=value)}` counts |
//! | --- | --- |
//! | `porpoise/1`, `dolphinscheduler/3.2` and later | anywhere in a line, any number of times; the first `)}` ends it |
//! | `dolphinscheduler/3.1` and before | at the start of a line, once; no `)` in the value |

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;

use porpoise_model::limits::VALUE_BYTES_MAX;
use porpoise_model::{Cause, Outputs, Value};
use porpoise_ports::executor::Job;

use crate::helper::Told;
use crate::layout::AttemptDir;
use crate::secret::Mask;

/// Bytes of all outputs of an attempt: its report and the fact that records it fit in a record of 64 KB.
const OUTPUTS_BYTES_MAX: usize = 32 * 1024;
/// Bytes of the output file that are read: far beyond what may be set.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Dialects in which a line must begin with what sets a value.
const ONLY_AT_START: [&str; 4] = [
    "dolphinscheduler/1.3",
    "dolphinscheduler/2.0",
    "dolphinscheduler/3.0",
    "dolphinscheduler/3.1",
];

/// Values that were set so far; only declared ones are kept.
#[derive(Debug)]
pub(super) struct Setter<'a> {
    declared: &'a Outputs,
    only_at_start: bool,
    set: BTreeMap<&'a str, Found>,
}

#[derive(Debug)]
enum Found {
    Bytes(Vec<u8>),
    TooLong(usize),
}

impl<'a> Setter<'a> {
    pub(super) fn new(job: &'a Job) -> Self {
        Self {
            declared: &job.outputs,
            only_at_start: ONLY_AT_START.contains(&job.dialect.as_str()),
            set: BTreeMap::new(),
        }
    }

    /// A line of standard output.
    pub(super) fn line(&mut self, line: &[u8]) {
        if self.declared.is_empty() {
            return;
        }
        if self.only_at_start {
            let body = [&b"${setValue("[..], b"#{setValue("]
                .iter()
                .find_map(|open| line.strip_prefix(*open));
            if let Some((body, rest)) = body.and_then(|body| split(body, b")"))
                && rest.starts_with(b"}")
            {
                self.pair(body);
            }
            return;
        }
        let mut rest = line;
        while let Some((before, after)) = split(rest, b"{setValue(") {
            match split(after, b")}") {
                Some((body, after)) if before.ends_with(b"$") || before.ends_with(b"#") => {
                    self.pair(body);
                    rest = after;
                }
                Some(_) | None => rest = after,
            }
        }
    }

    fn pair(&mut self, body: &[u8]) {
        let Some((key, value)) = split(body, b"=") else {
            return;
        };
        let Ok(key) = std::str::from_utf8(key) else {
            return;
        };
        let Some((key, _)) = self.declared.get_key_value(key.trim()) else {
            return;
        };
        let found = if value.len() > VALUE_BYTES_MAX {
            Found::TooLong(value.len())
        } else {
            Found::Bytes(value.to_vec())
        };
        self.set.insert(key.as_str(), found);
    }

    /// Reads the output file: what stands there wins over what was printed.
    pub(super) fn file(&mut self, dir: &AttemptDir) -> Result<(), String> {
        if self.declared.is_empty() {
            return Ok(());
        }
        let bytes =
            read(dir).map_err(|error| format!("the output file cannot be read: {error}"))?;
        for line in bytes.split(|byte| *byte == b'\n') {
            self.pair(line.strip_suffix(b"\r").unwrap_or(line));
        }
        Ok(())
    }

    /// What the attempt hands on: outputs that were not set keep the values that they were declared with.
    pub(super) fn collect(self, mask: &Mask) -> Result<Outputs, String> {
        let mut outputs = Outputs::new();
        let keeps_declared = !self.only_at_start || self.set.is_empty();
        let mut total = 0;
        for (name, declared) in self.declared {
            let text = match self.set.get(name.as_str()) {
                Some(found) => found.text(name, mask)?,
                None if keeps_declared && !declared.text.is_empty() => declared.text.clone(),
                None => continue,
            };
            total += name.len() + text.len();
            let kind = declared.kind;
            outputs.insert(name.clone(), Value { kind, text });
        }
        if total > OUTPUTS_BYTES_MAX {
            return Err(too_much(total));
        }
        Ok(outputs)
    }
}

impl Found {
    fn told(&self, name: &str) -> String {
        let bytes = match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::TooLong(bytes) => *bytes,
        };
        format!(
            "output `{name}` is {bytes} bytes long, more than {VALUE_BYTES_MAX}: hand on the name of a file"
        )
    }

    fn text(&self, name: &str, mask: &Mask) -> Result<String, String> {
        let bytes = match self {
            Self::Bytes(bytes) => bytes,
            Self::TooLong(_) => return Err(self.told(name)),
        };
        let mut bytes = bytes.clone();
        mask.apply(&mut bytes);
        String::from_utf8(bytes).map_err(|_| format!("output `{name}` is not UTF-8"))
    }
}

/// What the program told that did the job: outputs that are not declared are kept if they are small.
pub(super) fn told(dir: &AttemptDir, job: &Job, mask: &Mask) -> Result<Outputs, Cause> {
    let told = dir.read_told();
    let told = told.map_err(|error| Cause::Failed {
        message: format!("what became of it cannot be read: {error}"),
    })?;
    let masked = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        mask.apply(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    match told {
        Some(Told::Done { outputs }) => {
            let outputs = outputs.into_iter().map(|(name, value)| {
                let text = masked(&value.text);
                (name, Value { text, ..value })
            });
            handed_on(&job.outputs, outputs.collect())
                .map_err(|message| Cause::Unresolved { message })
        }
        Some(Told::Failed { message }) => Err(Cause::Failed {
            message: masked(&message),
        }),
        Some(Told::Rejected { message }) => Err(Cause::Rejected {
            message: masked(&message),
        }),
        None => Err(Cause::Failed {
            message: "the program that does it ended without a word".to_owned(),
        }),
    }
}

/// Declared ones first, as what they are declared, then others as far as there is room.
fn handed_on(declared: &Outputs, mut found: Outputs) -> Result<Outputs, String> {
    let mut outputs = Outputs::new();
    let mut total = 0;
    for (name, declared) in declared {
        let text = found.remove(name).map(|value| value.text);
        let usual = (!declared.text.is_empty()).then(|| declared.text.clone());
        let Some(text) = text.or(usual) else {
            continue;
        };
        if text.len() > VALUE_BYTES_MAX {
            return Err(Found::TooLong(text.len()).told(name));
        }
        total += name.len() + text.len();
        let kind = declared.kind;
        outputs.insert(name.clone(), Value { kind, text });
    }
    if total > OUTPUTS_BYTES_MAX {
        return Err(too_much(total));
    }
    for (name, value) in found {
        total += name.len() + value.text.len();
        if value.text.len() <= VALUE_BYTES_MAX && total <= OUTPUTS_BYTES_MAX {
            outputs.insert(name, value);
        } else {
            total -= name.len() + value.text.len();
        }
    }
    Ok(outputs)
}

fn too_much(total: usize) -> String {
    format!(
        "the outputs are {total} bytes together, more than {OUTPUTS_BYTES_MAX}: hand on the name of a file"
    )
}

/// Without waiting, whatever the job has put in its place.
fn read(dir: &AttemptDir) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    options
        .read(true)
        .custom_flags(flags.try_into().unwrap_or_default());
    let file = match options.open(dir.file("output")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file any more"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > FILE_BYTES_MAX) {
        return Err(io::Error::other(format!(
            "it is larger than {FILE_BYTES_MAX} bytes"
        )));
    }
    Ok(bytes)
}

fn split<'b>(text: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let found = text.windows(at.len()).position(|window| window == at)?;
    let (before, rest) = text.split_at_checked(found)?;
    Some((before, rest.get(at.len()..)?))
}
