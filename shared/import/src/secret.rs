//! Texts that look like they hold a secret: a reference takes its place. What is found is shown nowhere: where it was,
//! why it was taken for a secret, and under which name it is expected from now on.

mod find;

use std::collections::{BTreeMap, BTreeSet};

use crate::json::{At, Content, Mark, NodeId, Tree};
use crate::report::{Notes, Topic};
use crate::shape::Element;
use find::{Part, in_text, is_literal, is_secret_name};

/// Characters of a part of a name.
const PART_CHARS_MAX: usize = 40;

/// What the names of secrets in parameters of projects begin with.
const OF_PROJECT: &str = "project";

/// Where the name of a value stands beside it, by the key of the value.
const NAMES: [(&str, &str); 2] = [("value", "prop"), ("paramValue", "paramName")];

/// Secrets by their values, so that one that stands at several places has one name.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    by_value: BTreeMap<String, String>,
    names: BTreeSet<String>,
}

/// Where a secret was.
#[derive(Debug)]
pub(crate) struct Hidden {
    node: NodeId,
    reason: &'static str,
    name: String,
}

impl Hidden {
    pub(crate) fn say(&self, tree: &Tree, notes: &mut Notes) {
        let Self {
            node, reason, name, ..
        } = self;
        let message = format!("{reason} is `${{secret:{name}}}` now");
        notes.add(tree.at(*node), Topic::Secret, name, message);
    }
}

/// A text that holds secrets, and its parts that are.
#[derive(Debug)]
struct Found {
    node: NodeId,
    /// What the names of its secrets begin with.
    of: String,
    parts: Vec<Part>,
}

/// Whether neither the name of a value nor the value itself look like a secret.
pub(crate) fn is_harmless(name: &str, value: &str) -> bool {
    !is_secret_name(&name.to_ascii_lowercase()) && in_text(value).is_empty()
}

impl Secrets {
    /// Puts references in the place of the secrets of a workflow.
    pub(crate) fn hide(&mut self, tree: &mut Tree, element: &Element) -> Vec<Hidden> {
        let mut found = Vec::new();
        let shaped = tree.at(element.shaped);
        if let Some(definition) = shaped.get("processDefinition") {
            let of = slug(definition.get("name").and_then(At::text));
            let globals = definition.get("globalParams");
            if let Some(at) = globals {
                look(at, &of, &mut found);
            }
        }
        let tasks = shaped.get("taskDefinitionList").into_iter();
        for task in tasks.flat_map(At::items) {
            let of = slug(task.get("name").and_then(At::text));
            let params = task.get("taskParams");
            if let Some(at) = params {
                look(at, &of, &mut found);
            }
        }
        let mut hidden = Vec::new();
        for found in found {
            self.replace(tree, found, &mut hidden);
        }
        hidden
    }

    /// Puts references in the place of the secrets of parameters of projects, whose nodes are given.
    pub(crate) fn hide_values(&mut self, tree: &mut Tree, values: &[NodeId]) -> Vec<Hidden> {
        let (mut found, mut hidden) = (Vec::new(), Vec::new());
        for id in values {
            look(tree.at(*id), OF_PROJECT, &mut found);
        }
        for found in found {
            self.replace(tree, found, &mut hidden);
        }
        hidden
    }

    fn replace(&mut self, tree: &mut Tree, found: Found, hidden: &mut Vec<Hidden>) {
        let at = tree.at(found.node);
        let Some(text) = at.text().map(str::to_owned) else {
            return;
        };
        if matches!(&*found.parts, [part] if part.range == (0..text.len())) {
            at.mark_all(Mark::Reported);
        }
        let mut whole = String::with_capacity(text.len());
        let mut from = 0;
        for part in found.parts {
            let value = text.get(part.range.clone()).unwrap_or_default();
            let name = self.name(value, &found.of, &part.name);
            whole.push_str(text.get(from..part.range.start).unwrap_or_default());
            whole.push_str("${secret:");
            whole.push_str(&name);
            whole.push('}');
            from = part.range.end;
            hidden.push(Hidden {
                node: found.node,
                reason: part.reason,
                name,
            });
        }
        whole.push_str(text.get(from..).unwrap_or_default());
        tree.set(found.node, Content::Text(whole.into()));
    }

    fn name(&mut self, value: &str, of: &str, what: &str) -> String {
        if let Some(name) = self.by_value.get(value) {
            return name.clone();
        }
        let what = slug(Some(what));
        let stem = match (of, &*what) {
            ("", "") => "secret".to_owned(),
            ("", part) | (part, "") => part.to_owned(),
            (of, what) => format!("{of}-{what}"),
        };
        let mut name = stem.clone();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{stem}-{number}");
        }
        self.by_value.insert(value.to_owned(), name.clone());
        name
    }
}

/// What may stand in names of files and of secrets everywhere.
fn slug(text: Option<&str>) -> String {
    let mut slug = String::new();
    for c in text.unwrap_or_default().chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= PART_CHARS_MAX {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

fn look(at: At<'_>, of: &str, found: &mut Vec<Found>) {
    match at.content() {
        Content::Text(text) => {
            let parts = parts(at, text);
            if !parts.is_empty() {
                found.push(Found {
                    node: at.id,
                    of: of.to_owned(),
                    parts,
                });
            }
        }
        Content::List(_) | Content::Object(_) => {
            at.children().for_each(|child| look(child, of, found));
        }
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::Embedded(_) => {}
    }
}

fn parts(at: At<'_>, text: &str) -> Vec<Part> {
    let name = name_of(at);
    if is_secret_name(&name.to_ascii_lowercase()) && is_literal(text) {
        return vec![Part {
            range: 0..text.len(),
            reason: "a value whose name says that it is secret",
            name,
        }];
    }
    in_text(text)
}

/// The name of a value: that of its parameter where it is the value of one.
fn name_of(at: At<'_>) -> String {
    let key = at.key().unwrap_or_default();
    let beside = NAMES.iter().find(|(value, _)| *value == key);
    let name = beside.and_then(|(_, name)| at.parent()?.get(name)?.text());
    name.unwrap_or(key).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_has_one_name_and_two_have_two() {
        let mut secrets = Secrets::default();
        assert_eq!(
            secrets.name("a", "load orders", "db_password"),
            "load orders-db_password"
        );
        assert_eq!(secrets.name("a", "x", "pwd"), "load orders-db_password");
        assert_eq!(
            secrets.name("b", "load orders", "db_password"),
            "load orders-db_password-2"
        );
        assert_eq!(secrets.name("c", "", "口令"), "secret");
        assert_eq!(slug(Some("Load orders (daily)")), "load-orders-daily");
    }
}
