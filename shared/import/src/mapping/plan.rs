//! What an import met, and the mapping file that says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::catalogue::Catalogue;
use super::section::Field;
use super::{Met, Section, file};
use crate::fault::{ImportFaults, short};

/// Places that a remark in the file names.
const PLACES_SHOWN: usize = 3;
/// Places that are kept of a thing.
const PLACES_MAX: usize = 10_000;

/// Everything that workflows name without saying what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plan {
    things: Vec<Thing>,
}

/// One thing that workflows name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thing {
    /// What sort of thing it is.
    pub section: Section,
    /// Its id, code or name.
    pub key: String,
    /// What files and lists say of it: its name, its type.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// How often it is named.
    pub uses: usize,
    /// Where: `WORKFLOW/TASK`, or `WORKFLOW`.
    pub used_by: Vec<Arc<str>>,
    /// What lists propose to fill in, as lines of the file.
    #[serde(skip)]
    proposed: BTreeMap<&'static str, String>,
}

impl Plan {
    /// Of each workflow: its name, the names of its tasks, and what it names.
    pub(crate) fn of<'w>(
        workflows: impl Iterator<Item = (&'w str, Vec<&'w str>, &'w [Met])>,
        catalogue: &Catalogue,
    ) -> Self {
        let mut things: BTreeMap<(Section, &str), Thing> = BTreeMap::new();
        for (workflow, tasks, met) in workflows {
            for met in met {
                let task = met.task.and_then(|index| tasks.get(index));
                let place = match task {
                    Some(task) => format!("{workflow}/{task}"),
                    None => workflow.to_owned(),
                };
                let thing = things
                    .entry((met.section, &met.key))
                    .or_insert_with(|| Thing {
                        section: met.section,
                        key: met.key.clone(),
                        about: String::new(),
                        uses: 0,
                        used_by: Vec::new(),
                        proposed: BTreeMap::new(),
                    });
                if thing.about.is_empty() {
                    thing.about = short(&met.about);
                }
                thing.uses += 1;
                if thing.used_by.len() < PLACES_MAX {
                    thing.used_by.push(place.into());
                }
            }
        }
        let mut things: Vec<_> = things.into_values().collect();
        for thing in &mut things {
            if let Some(about) = catalogue.about(thing.section, &thing.key, &thing.about) {
                thing.about = short(&about);
            }
            for (field, lines) in catalogue.proposed(thing.section, &thing.key) {
                thing.proposed.insert(field.key(), lines);
            }
        }
        things.sort_by(|a, b| (a.section, order(&a.key)).cmp(&(b.section, order(&b.key))));
        Self { things }
    }

    /// What was met: by section, then by key.
    pub fn things(&self) -> &[Thing] {
        &self.things
    }

    /// The mapping file that names everything. Of a file that is `there` already all is kept, and what is new is added.
    ///
    /// # Errors
    /// The faults of the file that is there.
    pub fn file(&self, there: Option<(&str, &[u8])>) -> Result<String, ImportFaults> {
        file::write(self, there)
    }
}

impl Thing {
    /// What the remark behind its key says: `MYSQL dwh; 2 uses: orders/load, orders/check`.
    pub(super) fn remark(&self) -> String {
        let uses = if self.uses == 1 { "use" } else { "uses" };
        let mut places: Vec<String> = Vec::new();
        let mut seen = Vec::new();
        for place in &self.used_by {
            if !seen.contains(&place) && seen.len() < PLACES_SHOWN {
                seen.push(place);
                places.push(short(place));
            }
        }
        let shown = self
            .used_by
            .iter()
            .filter(|place| seen.contains(place))
            .count();
        let mut places = places.join(", ");
        if self.uses > shown {
            places = format!("{places} and {} more", self.uses - shown);
        }
        let about = if self.about.is_empty() {
            String::new()
        } else {
            format!("{}; ", self.about)
        };
        format!("{about}{} {uses}: {places}", self.uses)
    }

    /// A line or more for each field: `    target:`.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let fields = self.section.fields().iter();
        fields.map(|field: &Field| match self.proposed.get(field.key()) {
            Some(value) => format!("    {}:{value}", field.key()),
            None => format!("    {}:", field.key()),
        })
    }
}

/// Numbers by their size, before names.
pub(super) fn order(key: &str) -> (bool, i64, &str) {
    match key.parse() {
        Ok(number) => (false, number, key),
        Err(_) => (true, 0, key),
    }
}
