//! A mapping file, with every mistake in it.

use indexmap::IndexMap;
use porpoise_model::Name;
use porpoise_model::limits::{POOL_SLOTS_MAX, VALUE_BYTES_MAX};

use super::section::Field;
use super::{Entry, Mapping, Section};
use crate::fault::{ImportFaults, Problem, Problems, Spot, short};
use crate::json::{self, At};

pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Mapping, ImportFaults> {
    let text = json::text(bytes).map_err(|problems| problems.locate(name, "", None))?;
    if text.lines().all(is_remark) {
        return Ok(Mapping::default());
    }
    let tree = json::parse_yaml(text).map_err(|problems| problems.locate(name, text, None))?;
    let mut reader = Reader::default();
    for repeated in &tree.repeated {
        let message = "the key is there more than once";
        reader.fault(tree.at(*repeated), message, None);
    }
    let mapping = reader.mapping(tree.root());
    if reader.problems.is_empty() {
        Ok(mapping)
    } else {
        let places = tree.places.as_deref();
        Err(reader.problems.locate(name, text, places))
    }
}

fn is_remark(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

#[derive(Debug, Default)]
struct Reader {
    problems: Problems,
}

impl Reader {
    fn fault(&mut self, at: At<'_>, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem {
            spot: Spot::of(at),
            message: message.into(),
            hint,
        });
    }

    fn unknown<'k>(&mut self, at: At<'_>, key: &str, known: impl Iterator<Item = &'k str> + Clone) {
        let listed: Vec<_> = known.clone().map(|key| format!("`{key}`")).collect();
        let message = format!(
            "there is no `{}` here; known are {}",
            short(key),
            listed.join(", ")
        );
        let hint = nearest(key, known).map(|near| format!("did you mean `{near}`?"));
        self.fault(at, message, hint);
    }

    fn mapping(&mut self, root: At<'_>) -> Mapping {
        let mut mapping = Mapping::default();
        if !root.is_object() {
            let known: Vec<_> = Section::ALL.iter().map(|section| section.key()).collect();
            self.fault(
                root,
                format!("expected a map with {}", known.join(", ")),
                Some("`--plan FILE` writes one".to_owned()),
            );
            return mapping;
        }
        for (key, at) in root.entries() {
            let Some(section) = Section::ALL
                .into_iter()
                .find(|section| section.key() == key)
            else {
                self.unknown(at, key, Section::ALL.iter().map(|section| section.key()));
                continue;
            };
            if at.is_empty() {
                continue;
            }
            if !at.is_object() {
                self.fault(
                    at,
                    format!("expected a map: {}s by their ids or names", section.noun()),
                    None,
                );
                continue;
            }
            for (key, at) in at.entries() {
                self.key(section, key, at);
                let entry = self.entry(section, at);
                mapping.entries.insert((section, key.to_owned()), entry);
            }
        }
        mapping
    }

    fn key(&mut self, section: Section, key: &str, at: At<'_>) {
        if section == Section::Workflows && key.parse::<i64>().is_err() {
            let message = format!(
                "`{}` is no code of a workflow, which is a number",
                short(key)
            );
            self.fault(at, message, None);
        }
    }

    fn entry(&mut self, section: Section, at: At<'_>) -> Entry {
        let mut entry = Entry::default();
        if at.is_empty() {
            return entry;
        }
        let fields = section.fields();
        let keys = || fields.iter().map(|field| field.key());
        if !at.is_object() {
            let keys: Vec<_> = keys().map(|key| format!("`{key}: …`")).collect();
            self.fault(at, format!("expected {}", keys.join(" and ")), None);
            return entry;
        }
        for (key, at) in at.entries() {
            match fields.iter().find(|field| field.key() == key) {
                None => self.unknown(at, key, keys()),
                Some(_) if at.is_empty() => {}
                Some(field) => self.field(*field, at, &mut entry),
            }
        }
        entry
    }

    fn field(&mut self, field: Field, at: At<'_>, entry: &mut Entry) {
        match field {
            Field::Target => entry.target = self.name(at, "a target"),
            Field::Env => entry.env = self.env(at),
            Field::ServiceAccount => entry.service_account = self.text(at),
            Field::Address => entry.address = self.address(at),
            Field::Pool => entry.pool = self.name(at, "a pool"),
            Field::Slots => entry.slots = self.slots(at),
            Field::Label => entry.label = self.text(at),
            Field::Workflow => entry.workflow = self.workflow(at),
        }
    }

    fn text(&mut self, at: At<'_>) -> Option<String> {
        let text = at.scalar();
        match &text {
            None => self.fault(at, "expected a text", None),
            Some(text) if text.len() > VALUE_BYTES_MAX => {
                let message = format!("at most {VALUE_BYTES_MAX} bytes are allowed");
                self.fault(at, message, None);
            }
            Some(_) => {}
        }
        text
    }

    fn name(&mut self, at: At<'_>, noun: &str) -> Option<Name> {
        let text = self.text(at)?;
        let name = text.parse::<Name>();
        if let Err(error) = &name {
            let message = format!("`{}` cannot be the name of {noun}: {error}", short(&text));
            self.fault(at, message, None);
        }
        name.ok()
    }

    fn env(&mut self, at: At<'_>) -> IndexMap<String, String> {
        let mut env = IndexMap::new();
        if !at.is_object() {
            self.fault(at, "expected a map of variables: `{ NAME: value }`", None);
            return env;
        }
        for (name, value) in at.entries() {
            let message = if name.is_empty() || name.contains(['=', '\0']) {
                "the name of a variable is not empty and holds no `=`"
            } else if name.starts_with("PORPOISE_") {
                "names that begin with `PORPOISE_` are Porpoise's own"
            } else {
                if let Some(text) = self.text(value) {
                    env.insert(name.to_owned(), text);
                }
                continue;
            };
            self.fault(value, message, None);
        }
        env
    }

    fn address(&mut self, at: At<'_>) -> Option<String> {
        let text = self.text(at)?;
        let (scheme, is_address) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme, !rest.is_empty()),
            None => ("", text.starts_with('/')),
        };
        if !is_address || !["", "s3"].contains(&scheme) {
            let message = format!("`{}` is neither an address on S3 nor a path", short(&text));
            let hint = Some("write `s3://BUCKET/KEY` or `/PATH`".to_owned());
            self.fault(at, message, hint);
            return None;
        }
        Some(text)
    }

    fn slots(&mut self, at: At<'_>) -> Option<u32> {
        let slots = at.integer().and_then(|slots| u32::try_from(slots).ok());
        let slots = slots.filter(|slots| (1..=POOL_SLOTS_MAX).contains(slots));
        if slots.is_none() {
            let message = format!("expected a whole number from 1 to {POOL_SLOTS_MAX}");
            self.fault(at, message, None);
        }
        slots
    }

    fn workflow(&mut self, at: At<'_>) -> Option<(Option<Name>, Name)> {
        let text = self.text(at)?;
        // Names may hold slashes: the first one ends the project.
        let (project, name) = match text.split_once('/') {
            Some((project, name)) => (Some(project.parse::<Name>()), name.parse::<Name>()),
            None => (None, text.parse::<Name>()),
        };
        match (project.transpose(), name) {
            (Ok(project), Ok(name)) => Some((project, name)),
            (Err(error), _) | (_, Err(error)) => {
                let message = format!("`{}` names no workflow: {error}", short(&text));
                self.fault(at, message, Some("write `PROJECT/NAME`".to_owned()));
                None
            }
        }
    }
}

/// The known word that is nearest, if one is near.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let allowed = (word.chars().count() / 3).max(1);
    let distances = known.map(|known| (strsim::osa_distance(word, known), known));
    let near = distances.filter(|(distance, _)| *distance <= allowed);
    near.min().map(|(_, known)| known)
}
