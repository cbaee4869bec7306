//! What every part of the reader stands on: a tree, a place in it, and the findings.

use std::sync::Arc;

use indexmap::IndexMap;
use porpoise_model::Name;

use super::branch::Branches;
use super::path::Path;
use super::reference::Texts;
use crate::fault::{Fault, FaultKind, Findings, Note, Place, quoted};
use crate::field::Object;
use crate::suggest::Suggester;
use crate::tree::{NodeId, Spot, Tree, View};

/// A node and how one came to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'p> {
    pub(crate) path: Path<'p>,
    pub(crate) node: NodeId,
}

impl At<'_> {
    pub(crate) fn key<'a>(&'a self, key: &'a str, node: NodeId) -> At<'a> {
        At {
            path: Path::Key(&self.path, key),
            node,
        }
    }

    pub(crate) fn index(&self, index: usize, node: NodeId) -> At<'_> {
        At {
            path: Path::Index(&self.path, index),
            node,
        }
    }
}

/// Reads one file.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) file: Arc<str>,
    pub(crate) findings: Findings,
    pub(crate) suggester: Suggester,
    /// Whether expressions and values are ours to check: not those of a workflow that was imported.
    pub(crate) strict: bool,
    /// Texts with expressions, to be checked once all tasks are known.
    pub(crate) texts: Texts,
    /// Names of tasks that tasks give beside `after`, to be checked once all edges are known.
    pub(crate) branches: Branches,
    /// The name of the workflow that is being read.
    pub(crate) own_name: Option<Name>,
    /// Where its schedule names a calendar.
    pub(crate) calendar: Option<Place>,
}

/// Which task is being read, and what the others are called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here<'n> {
    pub(crate) index: u32,
    pub(crate) names: &'n IndexMap<Name, u32>,
}

/// An entry of a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'t> {
    pub(crate) name: &'t str,
    pub(crate) key: NodeId,
    pub(crate) value: NodeId,
}

/// The fields of an [`Object`] that are there.
#[derive(Debug)]
pub(crate) struct Fields<'p> {
    pub(crate) at: At<'p>,
    object: &'static Object,
    found: Vec<(&'static str, NodeId, NodeId)>,
    /// Whether there were others.
    pub(crate) unknown: bool,
}

impl Fields<'_> {
    /// The value of a field.
    pub(crate) fn get(&self, name: &'static str) -> Option<At<'_>> {
        debug_assert!(
            self.object.known(name).is_some(),
            "`{name}` is no field of {}",
            self.object.name
        );
        let (_, _, value) = self.found.iter().find(|(found, _, _)| *found == name)?;
        Some(self.at.key(name, *value))
    }

    /// The place of a field's name.
    pub(crate) fn key(&self, name: &'static str) -> At<'_> {
        let found = self.found.iter().find(|(found, _, _)| *found == name);
        self.at
            .key(name, found.map_or(self.at.node, |(_, key, _)| *key))
    }

    /// From now on as if these were not there.
    pub(crate) fn leave_out(&mut self, names: &[&'static str]) {
        self.found.retain(|(name, _, _)| !names.contains(name));
    }

    /// Those of `names` that are there, in the order of the file.
    pub(crate) fn present(&self, names: &[&'static str]) -> Vec<&'static str> {
        let found = self.found.iter().map(|(name, _, _)| *name);
        found.filter(|name| names.contains(name)).collect()
    }
}

impl<'t> Reader<'t> {
    pub(crate) fn new(tree: &'t Tree, file: Arc<str>) -> Self {
        Self {
            tree,
            file,
            findings: Findings::default(),
            suggester: Suggester::default(),
            strict: true,
            texts: Texts::default(),
            branches: Branches::default(),
            own_name: None,
            calendar: None,
        }
    }

    pub(crate) fn fault(
        &mut self,
        at: At<'_>,
        kind: FaultKind,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let spot = self.tree.spot(at.node);
        self.fault_at(spot, at.path.to_string(), kind, message.into(), hint);
    }

    /// A fault at a byte of a scalar's text.
    pub(crate) fn fault_within(
        &mut self,
        at: At<'_>,
        offset: usize,
        kind: FaultKind,
        message: String,
        hint: Option<String>,
    ) {
        let spot = self.tree.spot_within(at.node, offset);
        self.fault_at(spot, at.path.to_string(), kind, message, hint);
    }

    pub(crate) fn fault_at(
        &mut self,
        spot: Spot,
        path: String,
        kind: FaultKind,
        message: String,
        hint: Option<String>,
    ) {
        let place = self.place(spot, path);
        self.findings.fault(|| Fault {
            kind,
            place,
            message,
            hint,
        });
    }

    pub(crate) fn note(&mut self, at: At<'_>, message: String, hint: Option<String>) {
        let spot = self.tree.spot(at.node);
        self.note_at(spot, at.path.to_string(), message, hint);
    }

    pub(crate) fn note_at(
        &mut self,
        spot: Spot,
        path: String,
        message: String,
        hint: Option<String>,
    ) {
        let place = self.place(spot, path);
        self.findings.note(|| Note {
            place,
            message,
            hint,
        });
    }

    fn place(&self, spot: Spot, path: String) -> Place {
        super::place(&self.file, spot, path)
    }

    pub(crate) fn wrong_shape(&mut self, at: At<'_>, expected: &str, hint: Option<String>) {
        let found = self.tree.view(at.node).noun();
        self.fault(
            at,
            FaultKind::WrongShape,
            format!("expected {expected}, found {found}"),
            hint,
        );
    }

    /// The entries of a map, each name once.
    pub(crate) fn entries(&mut self, at: At<'_>) -> Option<Vec<Entry<'t>>> {
        let View::Map(children) = self.tree.view(at.node) else {
            self.wrong_shape(at, "a map", None);
            return None;
        };
        let mut entries = Vec::with_capacity(children.len() / 2);
        for pair in children.chunks_exact(2) {
            let &[key, value] = pair else { continue };
            if let Some(name) = self.entry_name(at, key) {
                entries.push(Entry { name, key, value });
            }
        }
        self.refuse_duplicates(at, &entries);
        Some(entries)
    }

    fn entry_name(&mut self, at: At<'_>, key: NodeId) -> Option<&'t str> {
        let key_at = At { node: key, ..at };
        match self.tree.view(key) {
            View::Scalar(scalar) if scalar.text == "<<" && scalar.is_plain() => {
                let hint = "use `defaults`, or an alias for the whole value".to_owned();
                self.fault(
                    key_at,
                    FaultKind::Syntax,
                    "merge keys are not part of YAML 1.2",
                    Some(hint),
                );
                None
            }
            View::Scalar(scalar) => Some(scalar.text),
            View::List(_) | View::Map(_) => {
                self.wrong_shape(key_at, "a name", None);
                None
            }
        }
    }

    fn refuse_duplicates(&mut self, at: At<'_>, entries: &[Entry<'t>]) {
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_by_key(|entry| (entry.name, entry.key));
        for pair in sorted.windows(2) {
            if let &[first, second] = pair
                && first.name == second.name
            {
                self.duplicate(at, second.name, first.key, second.key);
            }
        }
    }

    pub(crate) fn duplicate(&mut self, at: At<'_>, name: &str, first: NodeId, second: NodeId) {
        let line = self.tree.spot(first).line;
        self.fault(
            at.key(name, second),
            FaultKind::Duplicate,
            format!("{} is there twice, first in line {line}", quoted(name)),
            None,
        );
    }

    /// The fields of a map that has to be an `object`.
    pub(crate) fn object<'p>(&mut self, at: At<'p>, object: &'static Object) -> Option<Fields<'p>> {
        let entries = self.entries(at)?;
        let mut fields = Fields {
            at,
            object,
            found: Vec::with_capacity(entries.len()),
            unknown: false,
        };
        for entry in entries {
            if let Some(name) = object.known(entry.name) {
                // Said twice: the first counts, the second has been reported.
                if fields.get(name).is_none() {
                    fields.found.push((name, entry.key, entry.value));
                }
            } else {
                fields.unknown = true;
                self.unknown_field(at, object, entry);
            }
        }
        for name in object.required {
            if fields.get(name).is_none() {
                self.fault(
                    at,
                    FaultKind::MissingField,
                    format!("`{name}` is missing"),
                    None,
                );
            }
        }
        Some(fields)
    }

    fn unknown_field(&mut self, at: At<'_>, object: &'static Object, entry: Entry<'_>) {
        let hint = self.suggester.hint(entry.name, object.names()).or_else(|| {
            let names: Vec<_> = object.names().collect();
            Some(if names.is_empty() {
                "there are none here".to_owned()
            } else {
                format!("known here: {}", names.join(", "))
            })
        });
        self.fault(
            at.key(entry.name, entry.key),
            FaultKind::UnknownField,
            format!("no field named {}", quoted(entry.name)),
            hint,
        );
    }
}
