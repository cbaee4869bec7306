//! Parameters of projects, which DolphinScheduler 3.2 and later list by project.
//!
//! Pages are read one after the other: what moves from page to page meanwhile is listed twice, and the later one counts.

use std::collections::BTreeMap;

use porpoise_definition::fits;
use porpoise_model::limits::{ENTRIES_MAX, PROJECT_PARAMETERS_BYTES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::{Kind, Task};
use porpoise_model::{Name, Value, ValueType};

use crate::ProjectParameters;
use crate::document::Document;
use crate::fault::short;
use crate::file_name;
use crate::json::{At, Content, NodeId, Tree};
use crate::map::{Mapped, Owners, TYPES, known_word};
use crate::mapping::{List, items};
use crate::report::{Notes, Rule, Topic};
use crate::version::Version;

/// Of the row in its database, of nothing else.
/// Source: `ProjectParameter` of 3.2 and 3.3.
const OF_ROW: [&str; 8] = [
    "id",
    "userId",
    "operator",
    "code",
    "createTime",
    "updateTime",
    "createUser",
    "modifyUser",
];

/// What a reference to a secret begins with.
const SECRET: &str = "${secret:";

/// A parameter as it is listed.
#[derive(Debug, Clone, Copy)]
struct Listed<'d> {
    /// In which document.
    file: usize,
    at: At<'d>,
}

/// The nodes of a list that hold values.
pub(crate) fn values(tree: &Tree) -> Vec<NodeId> {
    let values = items(tree).filter_map(|item| item.get("paramValue"));
    values.map(|at| at.id).collect()
}

/// The parameters of each project, from all lists. What cannot be kept is left out, and said.
pub(crate) fn collect(
    documents: &[Document<'_>],
    owners: &Owners,
    notes: &mut Notes,
) -> Vec<ProjectParameters> {
    let listed = listed(documents, owners, notes);
    let file_names = file_name::unique(listed.keys().map(Name::as_str));
    let all = file_names.into_iter().zip(listed);
    let all = all.map(|(file_name, (project, listed))| ProjectParameters {
        file_name,
        values: of_project(&project, &listed, owners, notes),
        project,
    });
    all.filter(|parameters| !parameters.values.is_empty())
        .collect()
}

/// Says which scripts name a parameter that holds a secret: they would find the reference in their text.
pub(crate) fn say_secrets_in_scripts(
    documents: &[Document<'_>],
    mapped: &[Mapped],
    parameters: &[ProjectParameters],
    notes: &mut Notes,
) {
    for (file, (document, mapped)) in documents.iter().zip(mapped).enumerate() {
        notes.file = file;
        for (element, (version, workflow)) in document.elements.iter().zip(mapped) {
            let of_project = parameters.iter().find(|of| of.project == workflow.project);
            // before, a project has none
            let Some(of_project) = of_project.filter(|_| *version >= Version::V3_2) else {
                continue;
            };
            notes.workflow = Some(workflow.name.as_str().into());
            let secret = of_project.values.iter();
            let secret = secret.filter(|(_, value)| value.text.contains(SECRET));
            for (name, _) in secret.filter(|(name, _)| !workflow.parameters.contains_key(*name)) {
                for task in workflow.tasks.iter().filter(|task| reads(task, name)) {
                    let message = format!(
                        "the script of `{}` names `{}` of its project, which is a reference to a secret",
                        task.name,
                        short(name)
                    );
                    let at = document.tree.at(element.at);
                    notes.add(at, Topic::SecretInScript, name, message);
                }
            }
        }
    }
    notes.workflow = None;
}

/// Whether a script names something that its task does not know itself.
fn reads(task: &Task, name: &str) -> bool {
    let (Kind::Shell { script } | Kind::Python { script }) = &task.kind else {
        return false;
    };
    !task.parameters.contains_key(name) && script.contains(&format!("${{{name}}}"))
}

/// By project and name: the last one of a name.
fn listed<'d>(
    documents: &'d [Document<'_>],
    owners: &Owners,
    notes: &mut Notes,
) -> BTreeMap<Name, BTreeMap<String, Listed<'d>>> {
    let mut all: BTreeMap<Name, BTreeMap<String, Listed<'d>>> = BTreeMap::new();
    let lists = documents.iter().enumerate();
    let lists = lists.filter(|(_, document)| document.list == Some(List::Parameters));
    for (file, at) in lists.flat_map(|(file, list)| items(&list.tree).map(move |at| (file, at))) {
        notes.file = file;
        let of_row = OF_ROW.iter().filter_map(|key| at.get(key));
        of_row.for_each(|at| at.ignored(Rule::Row));
        let project = owner(at, owners).unwrap_or(&owners.default).clone();
        let Some(name) = name(at) else {
            let message = "the parameter has no name that could be used";
            notes.cover(at, Topic::NamelessParameter, "", message);
            continue;
        };
        let of_project = all.entry(project).or_default();
        let Some(before) = of_project.insert(name.clone(), Listed { file, at }) else {
            continue;
        };
        if value(before.at) == value(at) {
            before.at.ignored(Rule::Copy);
        } else {
            notes.file = before.file;
            let message = format!("`{}` of the project is listed again later", short(&name));
            notes.cover(before.at, Topic::Repeated, name, message);
        }
    }
    all
}

/// Whose it is, if that is known.
fn owner<'o>(at: At<'_>, owners: &'o Owners) -> Option<&'o Name> {
    owners.of_code(at.get("projectCode")?.integer())
}

fn name(at: At<'_>) -> Option<String> {
    let name = at.get("paramName")?.scalar()?.trim().parse::<Name>();
    name.ok().map(|name| name.to_string())
}

/// As it is written; the first versions have no types.
fn value(at: At<'_>) -> Value {
    let kind = at.get("paramDataType");
    let kind = kind.and_then(|at| known_word(at, TYPES));
    Value {
        kind: kind.unwrap_or_default(),
        text: at.get("paramValue").map(text).unwrap_or_default(),
    }
}

fn text(at: At<'_>) -> String {
    match at.content() {
        Content::Null => String::new(),
        Content::Text(text) => (**text).to_owned(),
        Content::Number(_)
        | Content::Bool(_)
        | Content::Embedded(_)
        | Content::List(_)
        | Content::Object(_) => at.to_value().to_string(),
    }
}

/// Those of a project that can be kept, in the order of their names.
fn of_project(
    project: &Name,
    listed: &BTreeMap<String, Listed<'_>>,
    owners: &Owners,
    notes: &mut Notes,
) -> BTreeMap<String, Value> {
    let mut kept = BTreeMap::new();
    let mut bytes = 0;
    for (name, Listed { file, at }) in listed {
        notes.file = *file;
        let mut value = value(*at);
        let size = name.len() + value.text.len();
        let room = kept.len() < ENTRIES_MAX && bytes + size <= PROJECT_PARAMETERS_BYTES_MAX;
        if let Some(why) = refusal(&value.text, room) {
            let message = format!("`{}` of project `{project}`: {why}", short(name));
            notes.cover(*at, Topic::ProjectParameterTooLong, name, message);
            continue;
        }
        typed(name, &mut value, *at, notes);
        let code = at.get("projectCode");
        let code = code.filter(|_| owner(*at, owners).is_some());
        let used = [at.get("paramName"), at.get("paramValue"), code];
        for at in used.into_iter().flatten() {
            at.used();
        }
        // of a project that is not known
        if let Some(code) = at.get("projectCode") {
            code.ignored(Rule::Row);
        }
        bytes += size;
        kept.insert(name.clone(), value);
    }
    let first = listed.iter().find(|(name, _)| kept.contains_key(*name));
    if let Some((_, Listed { file, at })) = first {
        notes.file = *file;
        let plural = if kept.len() == 1 { "" } else { "s" };
        let message = format!("project `{project}`: {} parameter{plural}", kept.len());
        notes.add(*at, Topic::ProjectParameters, project.as_str(), message);
    }
    kept
}

/// Why a value cannot be kept; `room` says whether there is any for it.
fn refusal(text: &str, room: bool) -> Option<String> {
    if text.len() > VALUE_BYTES_MAX {
        let bytes = text.len();
        return Some(format!(
            "the value has {bytes} bytes, at most {VALUE_BYTES_MAX} are allowed"
        ));
    }
    if text.contains('\0') {
        return Some("a NUL character cannot reach a process".to_owned());
    }
    (!room).then(|| {
        format!(
            "a project has at most {ENTRIES_MAX} parameters, of {PROJECT_PARAMETERS_BYTES_MAX} bytes together"
        )
    })
}

/// Values that are not of their type become texts, which they are for scripts there as well.
fn typed(name: &str, value: &mut Value, at: At<'_>, notes: &mut Notes) {
    if let Some(kind) = at.get("paramDataType").filter(|at| !at.is_empty()) {
        if known_word(kind, TYPES).is_some() {
            kind.used();
        } else {
            let message = format!("`{}` has a type that is not known: a text", short(name));
            notes.cover(kind, Topic::UnknownWord, "paramDataType", message);
        }
    }
    if !fits(value.kind, &value.text) {
        let message = format!("the value of `{}` is not of its type: a text", short(name));
        notes.add(at, Topic::ProjectParameterType, name, message);
        value.kind = ValueType::Varchar;
    }
    let is_other = |at: &At<'_>| !matches!(at.content(), Content::Null | Content::Text(_));
    if let Some(at) = at.get("paramValue").filter(is_other) {
        notes.add(at, Topic::Converted, name, "the value is a text now");
    }
}
