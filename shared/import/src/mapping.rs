//! What the files name without saying what it is: worker groups, data sources, resources … and what each is here.
//!
//! A **mapping file** is YAML that people fill in. [`Plan`] is what an import met; it writes the first file, and adds to
//! one that is there what is new: everything else in it stays, byte for byte. [`Mapping`] is such a file, read with
//! every mistake at once. `apply` puts what it says into workflows; what cannot take effect yet is in the report.
//!
//! Start reading at `section.rs`.

mod apply;
mod catalogue;
mod collect;
mod file;
mod plan;
mod read;
mod section;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use porpoise_model::Name;

use crate::fault::ImportFaults;

pub(crate) use apply::{Applied, apply, unused};
pub(crate) use catalogue::{Catalogue, List, items};
pub(crate) use collect::{Met, known_codes, of_element, resource, resource_ids};
pub use plan::{Plan, Thing};
pub use section::Section;

/// A mapping file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    pub(crate) entries: BTreeMap<(Section, String), Entry>,
}

/// What something is here. What is not filled in stays as it is without a mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The target that its tasks run on.
    pub(crate) target: Option<Name>,
    /// Variables of the tasks.
    pub(crate) env: IndexMap<String, String>,
    pub(crate) service_account: Option<String>,
    /// `s3://…` or a path.
    pub(crate) address: Option<String>,
    pub(crate) pool: Option<Name>,
    pub(crate) slots: Option<u32>,
    pub(crate) label: Option<String>,
    /// Its project, if it is named, and its name.
    pub(crate) workflow: Option<(Option<Name>, Name)>,
}

impl Mapping {
    /// Reads a mapping file. `name` serves messages only.
    ///
    /// # Errors
    /// Every fault of the file, with places and paths.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, ImportFaults> {
        read::read(name, bytes)
    }

    pub(crate) fn get(&self, section: Section, key: &str) -> Option<&Entry> {
        self.entries.get(&(section, key.to_owned()))
    }

    /// The workflows of other files, by their codes.
    pub(crate) fn workflows(&self) -> BTreeMap<i64, (Option<Name>, Name)> {
        let of_workflows = |((section, key), entry): (&(Section, String), &Entry)| {
            let code = key
                .parse()
                .ok()
                .filter(|_| *section == Section::Workflows)?;
            Some((code, entry.workflow.clone()?))
        };
        self.entries.iter().filter_map(of_workflows).collect()
    }
}
