//! Lists that DolphinScheduler's REST API answers: what ids and codes are called.
//!
//! Only names, types and sizes are read; connections and their parameters are not looked at.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Section;
use super::section::Field;
use porpoise_model::Name;

use crate::json::{At, Tree};
use crate::secret::is_harmless;

/// What a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Projects,
    DataSources,
    Resources,
    Udfs,
    Environments,
    TaskGroups,
    AlertGroups,
    Tenants,
    Queues,
    WorkerGroups,
    /// Schedules with their real state.
    Schedules,
    /// Definitions without their tasks, as pages list them.
    Definitions,
    /// Parameters of projects, which are read elsewhere (`project_parameter`).
    Parameters,
}

/// Keys of the objects of a list, all of which they have, and what the list is of. The first that fits counts.
/// Source: the entities that the REST API of 3.1, 3.2 and 3.3 answers.
const SHAPES: [(&[&str], List); 18] = [
    (&["crontab", "releaseState"], List::Schedules),
    (&["paramName", "projectCode"], List::Parameters),
    (&["connectionParams", "name", "type"], List::DataSources),
    (&["funcName", "className"], List::Udfs),
    (&["fullName", "type", "alias"], List::Resources),
    (&["fullName", "type", "fileName"], List::Resources),
    (&["fullName", "type", "name"], List::Resources),
    (&["groupSize", "useSize"], List::TaskGroups),
    (&["groupName", "alertInstanceIds"], List::AlertGroups),
    (&["tenantCode", "queueId"], List::Tenants),
    (&["queueName", "queue"], List::Queues),
    (&["addrList", "name"], List::WorkerGroups),
    (&["config", "name", "code"], List::Environments),
    (&["code", "name", "perm"], List::Projects),
    (&["code", "name", "defCount"], List::Projects),
    (
        &["code", "name", "projectCode", "releaseState"],
        List::Definitions,
    ),
    // 1.x has no codes.
    (&["id", "name", "perm"], List::Projects),
    (&["id", "name", "defCount"], List::Projects),
];

impl List {
    /// What a file holds if it is such a list, an answer with one, or a page of one.
    pub(crate) fn of(tree: &Tree) -> Option<Self> {
        let mut items = items(tree);
        let first = items.next()?;
        if !first.is_object() {
            return None;
        }
        let fits = |keys: &[&str], at: At<'_>| keys.iter().all(|key| at.get(key).is_some());
        let (keys, list) = SHAPES.iter().find(|(keys, _)| fits(keys, first))?;
        items.all(|item| fits(keys, item)).then_some(*list)
    }

    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Projects => "projects",
            Self::DataSources => "data sources",
            Self::Resources => "resources",
            Self::Udfs => "UDFs",
            Self::Environments => "environments",
            Self::TaskGroups => "task groups",
            Self::AlertGroups => "alert groups",
            Self::Tenants => "tenants",
            Self::Queues => "queues",
            Self::WorkerGroups => "worker groups",
            Self::Schedules => "schedules",
            Self::Definitions => "workflows",
            Self::Parameters => "parameters of projects",
        }
    }
}

/// The items of a list, of an answer or of a page.
pub(crate) fn items(tree: &Tree) -> impl Iterator<Item = At<'_>> {
    let mut at = tree.root();
    while let Some(inner) = ["data", "totalList"].iter().find_map(|key| at.get(key)) {
        at = inner;
    }
    at.items()
}

/// What lists say, by section and key.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    about: BTreeMap<(Section, String), String>,
    proposed: BTreeMap<(Section, String), Vec<(Field, String)>>,
    projects: BTreeMap<String, String>,
}

impl Catalogue {
    pub(crate) fn add(&mut self, list: List, tree: &Tree) {
        for item in items(tree) {
            self.item(list, item);
        }
    }

    /// What a thing is called. `known` is what files say of it.
    pub(super) fn about(&self, section: Section, key: &str, known: &str) -> Option<String> {
        if section == Section::Workflows {
            let about = self.about.get(&(section, key.to_owned())).cloned();
            let project = known.strip_prefix("of project ");
            let named = || Some(format!("of project {}", self.projects.get(project?)?));
            return about.or_else(named);
        }
        self.about.get(&(section, key.to_owned())).cloned()
    }

    /// What to fill in, unless somebody knows better.
    pub(super) fn proposed(&self, section: Section, key: &str) -> Vec<(Field, String)> {
        let found = self.proposed.get(&(section, key.to_owned()));
        found.cloned().unwrap_or_default()
    }

    /// The names of projects, by their codes.
    pub(crate) fn projects(&self) -> BTreeMap<i64, Name> {
        let known = self.projects.iter();
        known
            .filter_map(|(code, name)| Some((code.parse().ok()?, name.parse().ok()?)))
            .collect()
    }

    fn item(&mut self, list: List, at: At<'_>) {
        let text = |key: &str| {
            at.get(key)
                .and_then(At::scalar)
                .filter(|text| !text.is_empty())
        };
        let (section, key, about) = match list {
            List::Projects => {
                if let (Some(code), Some(name)) = (text("code").or(text("id")), text("name")) {
                    self.projects.insert(code, name);
                }
                return;
            }
            List::DataSources => {
                let about = [text("type"), text("name")].into_iter().flatten();
                (
                    Section::DataSources,
                    text("id"),
                    Some(about.collect::<Vec<_>>().join(" ")),
                )
            }
            List::Resources => {
                at.get("children")
                    .into_iter()
                    .flat_map(At::items)
                    .for_each(|child| self.item(list, child));
                (
                    Section::Resources,
                    text("id").filter(|id| id != "0"),
                    text("fullName"),
                )
            }
            List::Udfs => {
                let about = [text("funcName"), text("className"), text("resourceName")];
                let about: Vec<_> = about.into_iter().flatten().collect();
                (Section::Udfs, text("id"), Some(about.join(" ")))
            }
            List::Environments => {
                if let (Some(code), Some(config)) = (text("code"), text("config")) {
                    self.propose_variables(&code, &config);
                }
                (Section::Environments, text("code"), text("name"))
            }
            List::TaskGroups => {
                if let Some(id) = text("id") {
                    self.propose_pool(&id, text("name"), text("groupSize"));
                }
                (Section::TaskGroups, text("id"), text("name"))
            }
            List::AlertGroups => (Section::AlertGroups, text("id"), text("groupName")),
            List::Tenants => (Section::Tenants, text("id"), text("tenantCode")),
            List::Queues => (Section::Queues, text("queue"), text("queueName")),
            List::WorkerGroups => (Section::WorkerGroups, text("name"), text("description")),
            List::Definitions => (Section::Workflows, text("code"), text("name")),
            List::Schedules | List::Parameters => return,
        };
        if let (Some(key), Some(about)) = (key, about) {
            self.about.entry((section, key)).or_insert(about);
        }
    }

    /// An environment is a text for a shell: lines that only export a value say what its variables are.
    fn propose_variables(&mut self, code: &str, config: &str) {
        let mut lines = String::new();
        for line in config.lines() {
            let exported = line.trim().strip_prefix("export ");
            let Some((name, value)) = exported.and_then(|line| line.trim().split_once('=')) else {
                continue;
            };
            let value = value.trim().trim_end_matches(';');
            let bare = |quote: char| {
                value
                    .strip_prefix(quote)
                    .and_then(|rest| rest.strip_suffix(quote))
            };
            let value = bare('"').or_else(|| bare('\'')).unwrap_or(value);
            let is_name =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            // what a shell would have to work out, and what may be a secret, is for people
            let is_plain = !value.is_empty() && !value.contains(['$', '`', '\\', '"', '\'']);
            if is_name && is_plain && is_harmless(name, value) {
                let value = serde_json::Value::from(value);
                let _ = write!(lines, "\n      {name}: {value}");
            }
        }
        if !lines.is_empty() {
            let key = (Section::Environments, code.to_owned());
            self.proposed.insert(key, vec![(Field::Env, lines)]);
        }
    }

    fn propose_pool(&mut self, id: &str, name: Option<String>, size: Option<String>) {
        let pool = name.filter(|name| name.parse::<Name>().is_ok());
        let pool = pool.map(|name| (Field::Pool, format!(" {}", serde_json::Value::from(name))));
        let is_size = |size: &String| size.parse::<u32>().is_ok_and(|size| size > 0);
        let slots = size
            .filter(is_size)
            .map(|size| (Field::Slots, format!(" {size}")));
        let key = (Section::TaskGroups, id.to_owned());
        self.proposed
            .insert(key, pool.into_iter().chain(slots).collect());
    }
}
