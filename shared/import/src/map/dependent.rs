//! DEPENDENT: tasks that wait for runs of other workflows.
//!
//! They become `dependent` where every workflow and task that they name is known by name, and every period is one that
//! DolphinScheduler knows. Else they are kept whole. Source: `DependentParameters`, versions 1.3 to 3.4.

use std::time::Duration;

use porpoise_model::Name;
use porpoise_model::dependence::{Need, Part, Period, Runs};
use porpoise_model::limits::DEPENDENCES_MAX;
use porpoise_model::workflow::Kind;

use super::branch::RELATIONS;
use super::scalar::Words;
use super::{Mapper, scalar};
use crate::fault::short;
use crate::json::At;
use crate::report::{Rule, Topic};

pub(super) const DEPENDENT: &str = "DEPENDENT";

/// Whether a need that has failed may still be met for a while.
const POLICIES: Words<bool> = &[
    ("DEPENDENT_FAILURE_FAILURE", false),
    ("DEPENDENT_FAILURE_WAITING", true),
];

/// The code that stands for all tasks, since 3.2. 0 is the end of the run.
const ALL_TASKS: i64 = -1;

/// An item, of which everything is known.
struct Item<'t> {
    at: At<'t>,
    runs: Runs,
}

impl<'t> Mapper<'t> {
    /// `None`: it has to be kept whole.
    pub(super) fn dependent(
        &mut self,
        task: At<'t>,
        params: At<'t>,
        own: Option<i64>,
    ) -> Option<Kind> {
        let dependence = params.get("dependence")?;
        let groups: Vec<_> = dependence.get("dependTaskList")?.items().collect();
        let mut read = Vec::with_capacity(groups.len());
        for group in groups {
            let items = group.get("dependItemList")?.items();
            let items: Option<Vec<_>> = items.map(|item| self.item(item, own)).collect();
            read.push((group, items.filter(|items| !items.is_empty())?));
        }
        let count: usize = read.iter().map(|(_, items)| items.len()).sum();
        if count == 0 || count > DEPENDENCES_MAX {
            return None;
        }
        let mut needs = Vec::with_capacity(read.len());
        for (group, items) in read {
            let items: Vec<_> = items.into_iter().map(|item| self.taken(item)).collect();
            needs.push(self.related(group, items));
        }
        let needs = self.related(dependence, needs);
        Some(Kind::Dependent {
            needs,
            timezone: self.zone_of(task),
            failure_wait: self.failure_wait(dependence),
        })
    }

    /// Marks nothing: what is not known keeps the whole task as it is.
    fn item(&self, at: At<'t>, own: Option<i64>) -> Option<Item<'t>> {
        let (project, workflow, code) = self.upstream(at, own)?;
        let part = match ["depTaskCode", "depTaskName", "depTasks"]
            .iter()
            .find_map(|key| at.get(key).filter(|at| !at.is_empty()))
        {
            None => Part::Whole,
            Some(task) => match (task.integer(), task.text()) {
                (Some(0), _) | (_, Some("ALL")) => Part::Whole,
                (Some(ALL_TASKS), _) => Part::AllTasks,
                (Some(task), _) => Part::Task(self.index.task(code?, task)?.clone()),
                (None, _) => Part::Task(scalar::named(task)?),
            },
        };
        let period = Period::of_date_value(at.get("dateValue")?.text()?)?;
        let runs = Runs {
            project,
            workflow,
            part,
            period,
            only_scheduled: false,
        };
        Some(Item { at, runs })
    }

    /// The workflow that is waited for: its project, if that is not the one that is imported into, its name, its code.
    fn upstream(&self, at: At<'t>, own: Option<i64>) -> Option<(Option<Name>, Name, Option<i64>)> {
        if let Some(name) = at.get("definitionName") {
            let name = scalar::named(name)?;
            // By its name it can be waited for, though it is in no file.
            return Some((self.elsewhere(at, &name), name, None));
        }
        let codes = ["definitionCode", "definitionId"];
        let code = codes.iter().find_map(|key| at.get(key))?.integer()?;
        let known = self.index.workflow(code).cloned();
        debug_assert!(
            known.is_some() || own != Some(code),
            "a workflow knows itself"
        );
        let home = self.index.home(code).filter(|home| *home != self.project);
        Some((home.cloned(), known?, Some(code)))
    }

    /// The project of a workflow that is named, if it is another one. What is imported with it is of its own project
    /// here, whatever that is called there.
    fn elsewhere(&self, at: At<'t>, workflow: &Name) -> Option<Name> {
        let project = at.get("projectName").and_then(scalar::named)?;
        let own = project == *self.project || Some(&project) == self.there.as_ref();
        let with_it = self.index.has(self.project, workflow);
        let other = !own && (!with_it || self.index.has(&project, workflow));
        other.then_some(project)
    }

    fn taken(&mut self, item: Item<'t>) -> Need {
        let Item { at, runs } = item;
        for key in ["definitionCode", "definitionId", "definitionName"] {
            self.explained(at.get(key), key, "workflow", &runs.workflow);
        }
        for key in ["depTaskCode", "depTaskName", "depTasks"] {
            let task = at.get(key);
            match &runs.part {
                Part::Task(name) => self.explained(task, key, "task", name),
                Part::Whole | Part::AllTasks => used(task),
            }
        }
        used(at.get("dateValue"));
        Self::ignore(
            at,
            &[
                (Rule::Implied, &["cycle", "dependentType"]),
                (Rule::Unread, &["state", "status"]),
                (Rule::Copy, &["projectCode", "projectId"]),
            ],
        );
        if let Some(project) = at.get("projectName") {
            let named = at.get("definitionName").is_some();
            if named && (runs.project.is_some() || !self.index.has(self.project, &runs.workflow)) {
                project.used();
            } else {
                project.ignored(Rule::Copy);
            }
        }
        if let Some(passing) = at.get("parameterPassing") {
            if passing.boolean() == Some(true) {
                let message = "outputs are handed on that the task declares: it declares none yet";
                self.notes.cover(passing, Topic::PassedOutputs, "", message);
            } else {
                passing.ignored(Rule::Default);
            }
        }
        let project = runs.project.as_ref().unwrap_or(self.project);
        if let Some(at) = at.get("definitionName")
            && !self.index.has(project, &runs.workflow)
        {
            let workflow = short(runs.workflow.as_str());
            let message =
                format!("workflow `{workflow}` is in no file: it is waited for by its name");
            self.notes
                .add(at, Topic::UnknownReference, &*workflow, message);
        }
        Need::Runs(Box::new(runs))
    }

    /// Marks a name or a code as used, and says for which name it stands.
    fn explained(&mut self, at: Option<At<'t>>, key: &str, noun: &str, name: &Name) {
        let Some(at) = at else { return };
        at.used();
        if let Some(code) = at.integer() {
            let message = format!("code {code} is {noun} `{}`", short(name.as_str()));
            self.notes.add(at, Topic::CodeReference, key, message);
        }
    }

    fn related(&mut self, object: At<'t>, needs: Vec<Need>) -> Need {
        let all = self.word(object, "relation", RELATIONS, true);
        match <[Need; 1]>::try_from(needs) {
            Ok([only]) => only,
            Err(needs) if all => Need::All(needs),
            Err(needs) => Need::Any(needs),
        }
    }

    fn failure_wait(&mut self, dependence: At<'t>) -> Duration {
        let waits = self.word(dependence, "failurePolicy", POLICIES, false);
        if let Some(at) = dependence.get("checkInterval") {
            at.ignored(Rule::Told);
        }
        if waits {
            return self.minutes(dependence, "failureWaitingTime", 0);
        }
        if let Some(at) = dependence.get("failureWaitingTime") {
            at.ignored(Rule::Off);
        }
        Duration::ZERO
    }

    /// DolphinScheduler reads periods in the zone of its server, which no export tells.
    fn zone_of(&mut self, task: At<'t>) -> Option<String> {
        let at = task.get("taskType").unwrap_or(task);
        if let Some(zone) = self.zone {
            let message = format!("its days and hours are those of {zone}, the zone of the server");
            self.notes.add(at, Topic::ServerZone, zone, message);
            return Some(zone.to_owned());
        }
        let message = "its days and hours are those of the zone of its workflow's schedule";
        self.notes.add(at, Topic::DependentZone, "", message);
        None
    }
}

fn used(at: Option<At<'_>>) {
    if let Some(at) = at {
        at.used();
    }
}
