//! What a task does.

use porpoise_model::limits::{SCRIPT_BYTES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::Kind;

use super::dependent::DEPENDENT;
use super::dynamic::DYNAMIC;
use super::parameter::Parameters;
use super::{Mapper, branch, child};
use crate::fault::short;
use crate::json::{At, Mark};
use crate::mapping;
use crate::report::{Rule, Topic};

/// What kinds are called in [`Kind::External`].
pub(super) const SYSTEM: &str = "dolphinscheduler";

/// Types that decide about other tasks or wait for them.
const LOGIC: [&str; 7] = [
    "SWITCH",
    "CONDITIONS",
    "DEPENDENT",
    "SUB_PROCESS",
    "SUB_WORKFLOW",
    DYNAMIC,
    "BLOCKING",
];

/// Whether tasks of a type decide about others or wait for them.
pub(crate) fn is_logic(name: &str) -> bool {
    LOGIC.contains(&name)
}

impl<'t> Mapper<'t> {
    /// The kind, and the parameters of the task itself. `own` is the code of its workflow.
    pub(super) fn kind(&mut self, task: At<'t>, own: Option<i64>) -> (Option<Kind>, Parameters) {
        let Some((at, name)) = task.get("taskType").and_then(|at| Some((at, at.text()?))) else {
            self.fault(
                task.get("taskType").unwrap_or(task),
                "there is no `taskType`",
                None,
            );
            return (None, Parameters::default());
        };
        at.used();
        if name.is_empty() || name.len() > VALUE_BYTES_MAX {
            self.fault(at, "this cannot be a type of tasks", None);
        }
        let Some(params) = task.get("taskParams").filter(|at| at.is_object()) else {
            let message = "expected an object, or a text that holds one in JSON";
            self.fault(task.get("taskParams").unwrap_or(task), message, None);
            return (None, Parameters::default());
        };
        if params.is_embedded() {
            self.notes
                .add(params, Topic::ParamsAsText, "", "the text was read as JSON");
        }
        match name {
            "SHELL" => {
                let kind = self.script(params).map(|script| Kind::Shell { script });
                (kind, self.rest_of_script(task, params))
            }
            "PYTHON" => {
                let kind = self.script(params).map(|script| Kind::Python { script });
                (kind, self.rest_of_script(task, params))
            }
            "SQL" | "PROCEDURE" => {
                let mut parameters = self.locals(params);
                let mut values = parameters.inward.values();
                // nobody hands a secret to a statement
                let secret = values.any(|value| value.text.contains("${secret:"));
                let on_source = match name {
                    _ if secret => None,
                    "SQL" => self.sql(params),
                    _ => self.procedure(params),
                };
                let kind = on_source.map(|found| {
                    parameters.target = Some(found.target);
                    found.kind
                });
                let kind = kind.unwrap_or_else(|| self.external(task, name, params, own));
                Self::ignore(task, &[(Rule::Copy, &["resourceIds"])]);
                (Some(kind), parameters)
            }
            "HTTP" => {
                let kind = self.http(params);
                let kind = kind.unwrap_or_else(|| self.external(task, name, params, own));
                Self::ignore(task, &[(Rule::Copy, &["resourceIds"])]);
                (Some(kind), self.locals(params))
            }
            _ if child::TYPES.contains(&name) => {
                let mut parameters = self.locals(params);
                let kind = self.child(params, own, &mut parameters);
                let kind = kind.unwrap_or_else(|| self.external(task, name, params, own));
                (Some(kind), parameters)
            }
            DYNAMIC => {
                let kind = self.dynamic(params, own);
                let kind = kind.unwrap_or_else(|| self.external(task, name, params, own));
                (Some(kind), self.locals(params))
            }
            DEPENDENT => {
                let kind = self.dependent(task, params, own);
                let kind = kind.unwrap_or_else(|| self.external(task, name, params, own));
                (Some(kind), self.locals(params))
            }
            _ => {
                let kind = branch::pending(name);
                let kind = kind.unwrap_or_else(|| self.external(task, name, params, own));
                (Some(kind), self.locals(params))
            }
        }
    }

    fn script(&mut self, params: At<'t>) -> Option<String> {
        let at = params.get("rawScript").unwrap_or(params);
        let Some(text) = at.text().filter(|text| !text.trim().is_empty()) else {
            self.fault(
                at,
                "the task has no script",
                Some("DolphinScheduler refuses to save such a task"),
            );
            return None;
        };
        if text.len() > SCRIPT_BYTES_MAX {
            let message = format!(
                "the script has {} bytes, at most {SCRIPT_BYTES_MAX} are allowed",
                text.len()
            );
            self.fault(
                at,
                message,
                Some("put it into a file that the task fetches"),
            );
        }
        at.used();
        if !text.contains("\r\n") {
            return Some(text.to_owned());
        }
        self.notes
            .add(at, Topic::LineEnds, "", "the lines end as on Unix now");
        Some(text.replace("\r\n", "\n"))
    }

    /// What a script task has beside its script.
    fn rest_of_script(&mut self, task: At<'t>, params: At<'t>) -> Parameters {
        let parameters = self.locals(params);
        let mut with_files = false;
        for (key, at) in params.entries() {
            match key {
                "rawScript" | "localParams" => {}
                _ if at.is_hollow() => at.ignored(Rule::Empty),
                "resourceList" => with_files = self.files(at),
                _ => self.notes.cover(
                    at,
                    Topic::UnknownTaskParameter,
                    key,
                    "the parameter has no counterpart",
                ),
            }
        }
        if let Some(at) = task.get("resourceIds").filter(|at| !at.is_empty()) {
            if with_files {
                at.ignored(Rule::Copy);
            } else {
                at.mark_all(Mark::Reported);
                for id in mapping::resource_ids(at) {
                    self.missing(at, short(&id));
                }
            }
        }
        parameters
    }

    /// Files that a script looks for in its folder: a mapping file says where they are. Whether there is a list of some.
    fn files(&mut self, list: At<'t>) -> bool {
        if list.items().next().is_none() {
            let message = "the resource files are in no list";
            self.notes
                .cover(list, Topic::Resources, "without a list", message);
            return false;
        }
        list.mark_all(Mark::Reported);
        for file in list.items() {
            let (at, name) = match mapping::resource(file) {
                Some((at, key, name)) if name.is_empty() => (at, key),
                Some((at, key, name)) => (at, format!("{key} ({name})")),
                None => (file, "without a name".to_owned()),
            };
            self.missing(at, short(&name));
        }
        true
    }

    fn missing(&mut self, at: At<'t>, name: String) {
        let message = format!("the resource file {name} is not there");
        self.notes.add(at, Topic::Resources, name, message);
    }

    pub(super) fn external(
        &mut self,
        task: At<'t>,
        name: &str,
        params: At<'t>,
        own: Option<i64>,
    ) -> Kind {
        params.used();
        Self::ignore(task, &[(Rule::Copy, &["resourceIds"])]);
        let at = task.get("taskType").unwrap_or(task);
        let name_shown = crate::fault::short(name);
        let topic = if LOGIC.contains(&name) {
            Topic::Logic
        } else {
            Topic::NoExecutor
        };
        self.notes.add(
            at,
            topic,
            &name_shown,
            if topic == Topic::Logic {
                format!("{name_shown} is kept whole; nothing runs it here yet")
            } else {
                format!("{name_shown} is kept whole; a target that knows it runs it")
            },
        );
        let parameters = if LOGIC.contains(&name) {
            self.named(params, own)
        } else {
            params.to_value()
        };
        Kind::External {
            system: SYSTEM.to_owned(),
            name: name.to_owned(),
            parameters,
        }
    }
}
