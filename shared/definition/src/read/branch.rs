//! Tasks that pick among those below them: their cases and tests, and that what they name are neighbours.

use indexmap::IndexMap;
use porpoise_expression::{Condition, Template};
use porpoise_model::Name;
use porpoise_model::limits::{ENTRIES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::{Case, Ending, Kind, Test};

use super::context::{At, Here, Reader};
use super::edge::Edges;
use super::order::at as place_of;
use super::reference::Use;
use crate::fault::{FaultKind, quoted};
use crate::fields_of_kinds::{CASE, CONDITIONS, SWITCH, TEST, TESTS};
use crate::tree::{NodeId, View};
use crate::word;

/// Tasks that are named as neighbours of others.
#[derive(Debug, Default)]
pub(crate) struct Branches(Vec<Named>);

/// A task that another one names.
#[derive(Debug)]
struct Named {
    path: String,
    node: NodeId,
    above: u32,
    below: u32,
    /// Which of the two is the one that names.
    by: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Above,
    Below,
}

impl Reader<'_> {
    pub(super) fn switch(&mut self, at: At<'_>, here: Here<'_>) -> Option<Kind> {
        let fields = self.object(at, &SWITCH)?;
        let otherwise = fields.get("otherwise");
        let otherwise = otherwise.map(|at| self.below(at, here));
        let cases = fields.get("cases")?;
        let items = self.list(
            cases,
            Some("write `cases: [{ when: …, then: […] }]`".into()),
        )?;
        if items.is_empty() {
            self.fault(cases, FaultKind::BadValue, "there is no case", None);
            return None;
        }
        if !self.at_most(cases, items.len(), ENTRIES_MAX) {
            return None;
        }
        let items = items.iter().enumerate();
        let read: Vec<_> = items
            .map(|(index, item)| self.case(cases.index(index, *item), here))
            .collect();
        Some(Kind::Switch {
            cases: read.into_iter().collect::<Option<_>>()?,
            otherwise: otherwise.map_or(Some(None), |read| read.map(Some))?,
        })
    }

    fn case(&mut self, at: At<'_>, here: Here<'_>) -> Option<Case> {
        let fields = self.object(at, &CASE)?;
        let when = fields.get("when");
        let when = when.and_then(|at| self.condition(at, here.index));
        let then = fields.get("then").and_then(|at| self.below(at, here));
        Some(Case {
            when: when?,
            then: then?,
        })
    }

    /// A condition. What another system let pass is noted, and fails when it is looked at.
    fn condition(&mut self, at: At<'_>, task: u32) -> Option<String> {
        let text = self.text(at, VALUE_BYTES_MAX)?;
        if let Some(secret) = Template::parse(text).secrets().next() {
            let message = format!(
                "a condition cannot look at the secret {}",
                quoted(secret.name)
            );
            self.fault_within(
                at,
                secret.span.start,
                FaultKind::BadExpression,
                message,
                None,
            );
        }
        self.text_with(at, text, Some(task), Use::Value);
        let empty = !self.strict && text.trim().is_empty();
        if let Err(fault) = Condition::parse(text)
            && !empty
        {
            let (message, offset) = (format!("no condition: {fault}"), fault.span.start);
            if self.strict {
                self.fault_within(at, offset, FaultKind::BadExpression, message, None);
                return None;
            }
            let spot = self.tree.spot_within(at.node, offset);
            self.note_at(spot, at.path.to_string(), message, None);
        }
        Some(text.to_owned())
    }

    pub(super) fn conditions(&mut self, at: At<'_>, here: Here<'_>) -> Option<Kind> {
        let fields = self.object(at, &CONDITIONS)?;
        let when = fields.get("when").and_then(|at| self.test(at, here));
        let then = fields.get("then").map(|at| self.below(at, here));
        let otherwise = fields.get("otherwise").map(|at| self.below(at, here));
        Some(Kind::Conditions {
            when: when?,
            then: then.unwrap_or_else(|| Some(Vec::new()))?,
            otherwise: otherwise.unwrap_or_else(|| Some(Vec::new()))?,
        })
    }

    /// Recursive: no deeper than a tree may be.
    fn test(&mut self, at: At<'_>, here: Here<'_>) -> Option<Test> {
        let hint = "write `{ task: NAME, is: succeeded }`, or `all` or `any` of such".to_owned();
        if !matches!(self.tree.view(at.node), View::Map(_)) {
            self.wrong_shape(at, "a test", Some(hint));
            return None;
        }
        let fields = self.object(at, &TEST)?;
        let present = fields.present(TESTS);
        let Some((word, others)) = present.split_first() else {
            if !fields.unknown {
                self.fault(
                    at,
                    FaultKind::MissingField,
                    "this tests nothing",
                    Some(hint),
                );
            }
            return None;
        };
        for other in others {
            let message = format!("a test is one of these, this one is `{word}` already");
            self.fault(fields.key(other), FaultKind::Conflict, message, None);
        }
        let within = fields.get(word)?;
        if *word == "task" {
            let above = self.task_named(within, here.names);
            let is = fields.get("is");
            let is = is.map_or(Some(Ending::Succeeded), |at| self.word(at, word::ENDINGS));
            let task = above?;
            self.branches.0.push(Named {
                path: within.path.to_string(),
                node: within.node,
                above: task,
                below: here.index,
                by: Side::Below,
            });
            return Some(Test::Task { task, is: is? });
        }
        if let Some(is) = fields.get("is") {
            let message = "`is` belongs to `task`".to_owned();
            self.fault(is, FaultKind::Conflict, message, None);
        }
        let items = self.list(within, Some(hint))?;
        if !self.at_most(within, items.len(), ENTRIES_MAX) {
            return None;
        }
        let items = items.iter().enumerate();
        let tests: Vec<_> = items
            .map(|(index, item)| self.test(within.index(index, *item), here))
            .collect();
        let tests = tests.into_iter().collect::<Option<Vec<_>>>()?;
        Some(match *word {
            "all" => Test::All(tests),
            _ => Test::Any(tests),
        })
    }

    /// Names of tasks below, as indices, ascending, each once.
    fn below(&mut self, at: At<'_>, here: Here<'_>) -> Option<Vec<u32>> {
        let hint = self.scalar(at).and_then(|scalar| scalar.non_null());
        let hint = hint.map(|name| format!("write `[{name}]`"));
        let items = self.list(at, hint)?;
        if !self.at_most(at, items.len(), ENTRIES_MAX) {
            return None;
        }
        let mut below = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            let at = at.index(position, *item);
            if let Some(task) = self.task_named(at, here.names) {
                self.branches.0.push(Named {
                    path: at.path.to_string(),
                    node: at.node,
                    above: here.index,
                    below: task,
                    by: Side::Above,
                });
                below.push(task);
            }
        }
        let whole = below.len() == items.len();
        below.sort_unstable();
        below.dedup();
        whole.then_some(below)
    }

    /// What is picked follows, and what is looked at comes before.
    pub(super) fn branches_are_edges(&mut self, names: &IndexMap<Name, u32>, edges: &Edges) {
        let name = |index: u32| {
            let name = names.get_index(place_of(index));
            quoted(name.map_or("", |(name, _)| name.as_str()))
        };
        for named in std::mem::take(&mut self.branches).0 {
            let after = edges.after.get(place_of(named.below));
            if after.is_none_or(|after| after.binary_search(&named.above).is_ok()) {
                continue;
            }
            let (above, below) = (name(named.above), name(named.below));
            let message = match named.by {
                Side::Above => format!("task {below} does not follow this one"),
                Side::Below => format!("this task does not follow {above}"),
            };
            let hint = Some(format!("add {above} to the `after` of {below}"));
            let spot = self.tree.spot(named.node);
            if self.strict {
                self.fault_at(spot, named.path, FaultKind::UnknownTask, message, hint);
            } else {
                self.note_at(spot, named.path, message, hint);
            }
        }
    }
}
