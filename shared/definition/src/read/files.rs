//! Files that scripts find in their folders.

use indexmap::IndexMap;
use porpoise_expression::Template;
use porpoise_model::limits::VALUE_BYTES_MAX;
use porpoise_model::workflow::Kind;

use super::context::{At, Reader};
use super::path::Path;
use super::reference::Use;
use crate::fault::{FaultKind, quoted};

impl Reader<'_> {
    /// Names in the folder, and where each file comes from.
    pub(super) fn files(
        &mut self,
        at: At<'_>,
        kind: Option<&Kind>,
        task: u32,
    ) -> Option<IndexMap<String, String>> {
        if kind.is_some_and(|kind| !kind.has_folder()) {
            let message = "only `shell`, `python` and `command` have a folder, and so `files`";
            self.fault(at, FaultKind::Conflict, message, None);
            return None;
        }
        let files = self.named(at, |reader, at, _| {
            if let Path::Key(_, name) = at.path {
                reader.file_name(at, name);
            }
            let text = reader.process_text(at, VALUE_BYTES_MAX)?;
            reader.source(at, text);
            reader.text_with(at, text, Some(task), Use::Value);
            Some(text.to_owned())
        })?;
        self.folders(at, &files);
        Some(files)
    }

    /// A name cannot be that of a file, and of a folder with another.
    fn folders(&mut self, at: At<'_>, files: &IndexMap<String, String>) {
        for name in files.keys() {
            let below = format!("{name}/");
            if let Some(other) = files.keys().find(|other| other.starts_with(&below)) {
                let (name, other) = (quoted(name), quoted(other));
                let message = format!("{name} cannot be a file and the folder of {other}");
                self.fault(at, FaultKind::Conflict, message, None);
            }
        }
    }

    fn file_name(&mut self, at: At<'_>, name: &str) {
        if !is_inside(name) {
            let message = format!(
                "{} does not name a file in the folder of the task",
                quoted(name)
            );
            let hint = Some("write a relative path without `..`: `scripts/load.sh`".to_owned());
            self.fault(at, FaultKind::BadName, message, hint);
        }
    }

    fn source(&mut self, at: At<'_>, text: &str) {
        let template = Template::parse(text);
        if let Some(secret) = template.secrets().next() {
            let message = format!("the secret {} is no part of a path", quoted(secret.name));
            self.fault(at, FaultKind::BadValue, message, None);
        } else if !text.starts_with('/') && !text.starts_with("${") && !text.starts_with("$[") {
            let message = format!("{} is no absolute path", quoted(text));
            let hint =
                "name the file as the machine that runs the task knows it: `/srv/scripts/load.sh`";
            self.fault(at, FaultKind::BadValue, message, Some(hint.to_owned()));
        }
    }
}

/// Whether a path stays in the folder that it begins in.
fn is_inside(name: &str) -> bool {
    name.split('/').all(|part| !["", ".", ".."].contains(&part))
}
