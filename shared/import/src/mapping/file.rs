//! The text of a mapping file: a first one, or one that is there with what is new in it.
//!
//! Only lines with the key of an entry are ever written again, with their remarks; all else that people wrote stays.

use std::collections::BTreeMap;

use super::plan::{Plan, Thing, order};
use super::{Section, read};
use crate::fault::{ImportFaults, Problems};
use crate::json;

const HEAD: &str = "\
# What the workflows name without saying what it is. Fill in what it is here, and import them with `--mapping` and this
# file; what stays empty is as it is without a mapping. Importing again keeps all that stands here, adds what is new, and
# writes the remarks behind the keys again.
";
const NOT_USED: &str = "nothing uses it any more";

pub(super) fn write(plan: &Plan, there: Option<(&str, &[u8])>) -> Result<String, ImportFaults> {
    let Some((name, bytes)) = there else {
        return Ok(merged(plan, HEAD));
    };
    let before = read::read(name, bytes)?;
    let text = json::text(bytes).map_err(|problems| problems.locate(name, "", None))?;
    let text = if text.trim().is_empty() { HEAD } else { text };
    let new = merged(plan, text);
    // What people wrote must not change its meaning, however they laid it out.
    let after = read::read(name, new.as_bytes());
    let keeps = after.is_ok_and(|after| {
        let kept = |(key, entry)| after.entries.get(key) == Some(entry);
        let has = |thing: &Thing| after.get(thing.section, &thing.key).is_some();
        before.entries.iter().all(kept) && plan.things().iter().all(has)
    });
    if keeps {
        return Ok(new);
    }
    let message = "the file is laid out in a way that nothing can be added to".to_owned();
    let hint = "write each entry on lines of its own, or write another file and copy from it";
    Err(Problems::one(Some(hint), message).locate(name, "", None))
}

/// The entries of a part of the file, as lines.
#[derive(Debug)]
struct Part {
    section: Option<Section>,
    /// From the line with its key on.
    lines: Vec<String>,
    /// Where entries begin in it, and their keys.
    entries: Vec<(usize, String)>,
}

fn merged(plan: &Plan, text: &str) -> String {
    let mut parts = parts(text);
    let mut things: BTreeMap<Section, Vec<&Thing>> = BTreeMap::new();
    for thing in plan.things() {
        things.entry(thing.section).or_default().push(thing);
    }
    for section in Section::ALL {
        let met = things.remove(&section).unwrap_or_default();
        let place = parts.iter().position(|part| part.section == Some(section));
        match place.and_then(|place| parts.get_mut(place)) {
            Some(part) => part.merge(&met),
            None if met.is_empty() => {}
            None => {
                let last = parts
                    .iter()
                    .rposition(|part| part.section.is_some_and(|other| other < section));
                let at = last.map_or(1, |last| last + 1).min(parts.len());
                parts.insert(at, Part::new(section, &met));
            }
        }
    }
    let mut text = String::new();
    for line in parts.iter().flat_map(|part| &part.lines) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The lines before the first part, and then the parts.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = vec![Part {
        section: None,
        lines: Vec::new(),
        entries: Vec::new(),
    }];
    for line in text.lines() {
        let section = key(line).filter(|_| indent(line) == 0);
        let section = section.map(|key| Section::ALL.into_iter().find(|known| known.key() == key));
        if let Some(section) = section {
            parts.push(Part {
                section,
                lines: Vec::new(),
                entries: Vec::new(),
            });
        }
        if let Some(part) = parts.last_mut() {
            part.lines.push(line.to_owned());
        }
    }
    parts.iter_mut().for_each(Part::find);
    parts
}

impl Part {
    fn new(section: Section, met: &[&Thing]) -> Self {
        let mut lines = vec![format!("{}:  # {}", section.key(), section.about())];
        lines.extend(met.iter().flat_map(|thing| entry(thing)));
        Self {
            section: Some(section),
            lines,
            entries: Vec::new(),
        }
    }

    /// Entries are at the indentation of the first line of the part that is no remark.
    fn find(&mut self) {
        let is_content = |line: &&String| key(line).is_some();
        let Some(first) = self
            .lines
            .iter()
            .skip(1)
            .find(is_content)
            .map(|line| indent(line))
        else {
            return;
        };
        let lines = self.lines.iter().enumerate().skip(1);
        let keys =
            lines.filter_map(|(at, line)| Some((at, key(line).filter(|_| indent(line) == first)?)));
        self.entries = keys.collect();
    }

    fn merge(&mut self, met: &[&Thing]) {
        if met.is_empty() && self.entries.is_empty() {
            return;
        }
        // `queues: {}` and `queues: ~` hold nothing, and may hold something now
        if self.entries.is_empty()
            && let (Some(section), Some(head)) = (self.section, self.lines.first_mut())
        {
            *head = format!("{}:  # {}", section.key(), section.about());
        }
        for (at, name) in &self.entries {
            let Some(line) = self.lines.get_mut(*at) else {
                continue;
            };
            let thing = met.iter().find(|thing| thing.key == *name);
            let remark = thing.map_or_else(|| NOT_USED.to_owned(), |thing| thing.remark());
            remarked(line, &remark);
        }
        // backwards: what is added moves only what was looked at already
        let new = met
            .iter()
            .filter(|thing| !self.entries.iter().any(|(_, key)| *key == thing.key));
        let mut added: Vec<(usize, &Thing)> = new
            .map(|thing| {
                let later = self
                    .entries
                    .iter()
                    .find(|(_, key)| order(key) > order(&thing.key));
                (
                    later.map_or_else(|| self.end(), |(at, _)| self.above(*at)),
                    *thing,
                )
            })
            .collect();
        added.reverse();
        added.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, thing) in added {
            self.lines.splice(at..at, entry(thing));
        }
    }

    /// Above the remarks that stand right above a line.
    fn above(&self, line: usize) -> usize {
        let is_remark = |at: &usize| {
            let line = self.lines.get(*at);
            line.is_some_and(|line| line.trim_start().starts_with('#'))
        };
        let remarks = (1..line).rev().take_while(is_remark).count();
        line - remarks
    }

    /// Behind its last line that is no remark and not empty.
    fn end(&self) -> usize {
        let is_content = |line: &String| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        };
        self.lines
            .iter()
            .rposition(is_content)
            .map_or(self.lines.len(), |last| last + 1)
    }
}

fn entry(thing: &Thing) -> Vec<String> {
    let mut lines = vec![format!("  {}:  # {}", quoted(&thing.key), thing.remark())];
    lines.extend(thing.lines());
    lines
}

/// Puts a remark behind a line that holds nothing but a key, in the place of another one.
fn remarked(line: &mut String, remark: &str) {
    let without = match line.find(" #") {
        Some(at) => line.get(..at).unwrap_or_default().trim_end(),
        None => line.trim_end(),
    };
    if without.ends_with(':') && key(without) == key(line) {
        *line = format!("{without}  # {remark}");
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The key that a line begins with.
fn key(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', '-', '%']) || line == "---" {
        return None;
    }
    let quote = line.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some('"') => {
            let mut escaped = false;
            let close = line.char_indices().skip(1).find(|(_, c)| {
                let closes = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                closes
            });
            close?.0 + 1
        }
        Some(_) => line.get(1..)?.find('\'')? + 2,
        None => line
            .find(": ")
            .or_else(|| line.find(":\t"))
            .or_else(|| line.strip_suffix(':').map(str::len))?,
    };
    line.get(end..)?.trim_start().strip_prefix(':')?;
    let tree = json::parse_yaml(&format!("{}:", line.get(..end)?)).ok()?;
    let (key, _) = tree.root().entries().next()?;
    Some(key.to_owned())
}

/// A key as YAML reads it again as a text.
fn quoted(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_alphabetic())
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    if plain {
        key.to_owned()
    } else {
        serde_json::Value::from(key).to_string()
    }
}
