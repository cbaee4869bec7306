//! References to secrets, their values in files, and keeping them out of logs.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use porpoise_model::ProjectId;
use porpoise_ports::executor::{Job, Work};
use porpoise_ports::secrets::Secret;
use porpoise_ports::source::Source;
use porpoise_ports::{Secrets, Unavailable};

const OPEN: &str = "${secret:";
/// Shorter values are not masked: they occur in anything.
const MASKED_BYTES_MIN: usize = 6;

/// The secrets that a job refers to and that its definition names, each once, in order.
pub(crate) fn names(job: &Job) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut look = |text: &str| {
        let _ = replace(text, &job.secrets, |name| {
            found.insert(name.to_owned());
            Some(String::new())
        });
    };
    for value in job.env.values() {
        look(value);
    }
    if let Work::Command { argv } = &job.work {
        for argument in argv {
            look(argument);
        }
    }
    if let Work::Http { call } = &job.work {
        for text in call.texts() {
            look(text);
        }
    }
    if let Some(secret) = source(job).as_ref().and_then(Source::secret) {
        found.insert(secret.to_owned());
    }
    found.into_iter().collect()
}

/// The data source of a job, if its target is one that can be used.
pub(crate) fn source(job: &Job) -> Option<Source> {
    let target = job.target.as_ref()?;
    Source::read(&target.kind, &target.settings).ok()
}

/// `text` with its references to the secrets in `named` replaced, and others left as they are; `None` if `value` knows
/// one of them not.
pub(crate) fn replace(
    text: &str,
    named: &BTreeSet<String>,
    mut value: impl FnMut(&str) -> Option<String>,
) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        if named.contains(name) {
            out.push_str(&value(name)?);
        } else {
            out.push_str(OPEN);
            out.push_str(name);
            out.push('}');
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Replaces secret values by `***`.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    /// Longest first, so that one within another leaves nothing behind.
    values: Vec<Vec<u8>>,
}

impl Mask {
    /// Each line of a value of several lines is a secret, too, and so is what stands for it in JSON.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a String>) -> Self {
        let lines = secrets
            .into_iter()
            .flat_map(|value| std::iter::once(value.as_str()).chain(value.lines()));
        let long = lines.filter(|line| line.len() >= MASKED_BYTES_MIN);
        let forms = long.flat_map(|line| [line.to_owned(), escaped(line)]);
        let distinct: BTreeSet<Vec<u8>> = forms.map(String::into_bytes).collect();
        let mut values: Vec<Vec<u8>> = distinct.into_iter().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { values }
    }

    /// Bytes at the end of a piece that may be the beginning of a secret.
    pub(crate) fn overlap(&self) -> usize {
        self.values
            .first()
            .map_or(0, |value| value.len().saturating_sub(1))
    }

    pub(crate) fn apply(&self, text: &mut Vec<u8>) {
        for value in &self.values {
            let mut from = 0;
            while let Some(at) = text
                .get(from..)
                .and_then(|rest| rest.windows(value.len()).position(|found| found == value))
            {
                let start = from + at;
                text.splice(start..start + value.len(), *b"***");
                from = start + 3;
            }
        }
    }
}

/// As JSON has it within quotes.
fn escaped(text: &str) -> String {
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    quoted
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\t', "\\t")
}

/// Secrets in files: `DIR/secrets/NAME`, each readable by its owner alone. A line end at the end is not part of it.
#[derive(Debug, Clone)]
pub struct FileSecrets {
    dir: PathBuf,
}

/// A file of a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// Others may read it.
    #[error(
        "the file of secret `{name}` has mode {mode:04o}, which lets others use it: set it to 0600"
    )]
    Mode {
        /// Which.
        name: String,
        /// What it is.
        mode: u32,
    },
    /// It holds something that no environment variable can.
    #[error("the file of secret `{0}` holds no text without zero bytes")]
    NoText(String),
    /// It cannot be read.
    #[error("cannot read the file of secret `{0}`")]
    Read(String, #[source] io::Error),
}

impl FileSecrets {
    /// Secrets below `dir/secrets`.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.join("secrets"),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Secret>, SecretFileError> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Ok(None);
        }
        let fault = |error| SecretFileError::Read(name.to_owned(), error);
        let mut file = match File::open(self.dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(error)),
        };
        let metadata = file.metadata().map_err(fault)?;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o177 != 0 {
            let name = name.to_owned();
            return Err(SecretFileError::Mode { name, mode });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fault)?;
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(Some(secret(&text, &metadata))),
            Ok(_) | Err(_) => Err(SecretFileError::NoText(name.to_owned())),
        }
    }
}

fn secret(text: &str, metadata: &Metadata) -> Secret {
    let value = text.strip_suffix('\n').unwrap_or(text);
    Secret {
        value: value.strip_suffix('\r').unwrap_or(value).to_owned(),
        version: format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec()),
    }
}

#[async_trait]
impl Secrets for FileSecrets {
    async fn resolve(
        &self,
        _project: ProjectId,
        name: &str,
    ) -> Result<Option<Secret>, Unavailable> {
        self.read(name)
            .map_err(|error| Unavailable::new("the secret", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_where_they_stand() {
        let value = |name: &str| (name == "A").then(|| "x".to_owned());
        let text = "a${secret:A}b${secret:A}${secret:";
        let named: BTreeSet<_> = ["A", "B"].map(str::to_owned).into();
        assert_eq!(
            replace(text, &named, value).as_deref(),
            Some("axbx${secret:")
        );
        assert_eq!(replace("${secret:B}", &named, value), None);
        let foreign = "${secret:C}";
        assert_eq!(replace(foreign, &named, value).as_deref(), Some(foreign));
    }

    #[test]
    fn long_secrets_and_their_lines_are_masked_and_short_ones_are_not() {
        let secrets = [
            "sesame-open".to_owned(),
            "ab".to_owned(),
            "first line\nsecond line".to_owned(),
        ];
        let mask = Mask::new(&secrets);
        let mut text = b"ab sesame-open|second line|sesame-open".to_vec();
        mask.apply(&mut text);
        assert_eq!(String::from_utf8(text).unwrap(), "ab ***|***|***");
    }
}
