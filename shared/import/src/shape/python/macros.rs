//! What the SDK puts in before it reads a value: other files, variables, names of other workflows.

use super::Python;
use crate::fault::short;
use crate::json::{At, Content, FILE_BYTES_MAX, NodeId, Tree, parse_yaml};
use crate::report::Topic;

const FILE: &str = "$FILE{\"";
const WORKFLOW: &str = "$WORKFLOW{\"";
const END: &str = "\"}";
const ENV: &str = "$ENV{";
const CONFIG: &str = "${CONFIG.";

impl Python<'_> {
    /// Replaces the macros in all texts of a part of the file.
    pub(super) fn macros(&mut self, tree: &mut Tree, id: NodeId) {
        let mut texts = Vec::new();
        with_macros(tree.at(id), &mut texts);
        // What an alias repeats is one node.
        texts.sort_unstable();
        texts.dedup();
        for id in texts {
            let Some(text) = tree.at(id).text().map(str::to_owned) else {
                continue;
            };
            if let Some(text) = self.replaced(tree.at(id), &text) {
                tree.set(id, Content::Text(text.into()));
            }
        }
    }

    fn replaced(&mut self, at: At<'_>, text: &str) -> Option<String> {
        if let Some(path) = argument(text, FILE) {
            // As in the SDK, the file takes the place of the whole text.
            return match self.other(path) {
                Ok((path, file)) => {
                    self.paths.push(path);
                    Some(file)
                }
                Err(why) => {
                    let message = format!("`{}` {why}: the macro stays as it is", short(path));
                    self.remark(at, Topic::MissingFile, &short(path), &message, false);
                    None
                }
            };
        }
        if let Some(path) = argument(text, WORKFLOW) {
            let name = self.other(path).and_then(|(_, file)| {
                let other = parse_yaml(&file).map_err(|_| "is no YAML")?;
                let workflow = other.root().get("workflow");
                let name = workflow.and_then(|at| at.get("name")?.scalar());
                name.ok_or("names no workflow")
            });
            return match name {
                Ok(name) => {
                    let message = format!("`{}` is workflow `{}`", short(path), short(&name));
                    self.remark(at, Topic::CodeReference, "$WORKFLOW", &message, false);
                    Some(name)
                }
                Err(why) => {
                    let message = format!("`{}` {why}: the macro stays as it is", short(path));
                    self.remark(at, Topic::UnknownReference, &short(path), &message, false);
                    None
                }
            };
        }
        if text.contains(CONFIG) {
            let message = "a setting of the SDK is asked for, which nothing gives here";
            self.remark(at, Topic::UnknownReference, "${CONFIG}", message, false);
        }
        text.contains(ENV).then(|| self.variables(at, text))
    }

    fn variables(&mut self, at: At<'_>, text: &str) -> String {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(ENV) {
            let Some((name, after)) = after.split_once('}') else {
                break;
            };
            whole.push_str(before);
            let options = self.options;
            if let Some(value) = options.env.get(name) {
                whole.push_str(value);
            } else {
                let message = format!(
                    "`{}` is not given, and is `$NAME` now as in the SDK",
                    short(name)
                );
                self.remark(at, Topic::Variable, &short(name), &message, false);
                whole.push('$');
                whole.push_str(name);
            }
            rest = after;
        }
        whole + rest.get(..).unwrap_or_default()
    }

    /// The path and the text of a file, by its path from this one.
    fn other(&mut self, path: &str) -> Result<(String, String), &'static str> {
        let path = resolved(self.input.path, path).ok_or("is outside of what is imported")?;
        let bytes = self.input.folder.and_then(|folder| folder.read(&path));
        let bytes = bytes.ok_or("is not there")?;
        self.read += bytes.len();
        if self.read > FILE_BYTES_MAX {
            return Err("is too much with those before it");
        }
        let text = String::from_utf8(bytes).map_err(|_| "is no UTF-8")?;
        Ok((path, text))
    }
}

fn with_macros(at: At<'_>, texts: &mut Vec<NodeId>) {
    match at.text() {
        Some(text) => {
            if [FILE, WORKFLOW, ENV, CONFIG]
                .iter()
                .any(|word| text.contains(word))
            {
                texts.push(at.id);
            }
        }
        None => at.children().for_each(|child| with_macros(child, texts)),
    }
}

fn argument<'t>(text: &'t str, open: &str) -> Option<&'t str> {
    let (_, after) = text.split_once(open)?;
    after.split_once(END).map(|(path, _)| path)
}

/// A path from a file, as a path from the folder; none if it leaves that.
fn resolved(file: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(['\\', '\0', ':']) {
        return None;
    }
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_their_folder() {
        for (file, path, expected) in [
            ("a/b.yaml", "c.sh", Some("a/c.sh")),
            ("a/b.yaml", "../c.sh", Some("c.sh")),
            ("a/b.yaml", "./x/../c.sh", Some("a/c.sh")),
            ("a/b.yaml", "../../c.sh", None),
            ("b.yaml", "../c.sh", None),
            ("b.yaml", "/etc/passwd", None),
            ("b.yaml", "..\\c", None),
            ("b.yaml", "C:c", None),
            ("b.yaml", ".", None),
        ] {
            assert_eq!(resolved(file, path).as_deref(), expected, "{path}");
        }
    }
}
