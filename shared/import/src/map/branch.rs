//! SWITCH, CONDITIONS and BLOCKING: tasks that pick which of those below them go on.
//!
//! They become `switch` and `conditions` (the last with an approval) where all that they name is there and is a neighbour. Else they are kept whole,
//! and fail when they are reached, as DolphinScheduler's own do.

use std::collections::{BTreeMap, BTreeSet};

use porpoise_expression::Condition;
use porpoise_model::limits::VALUE_BYTES_MAX;
use porpoise_model::workflow::{Case, Ending, Kind, Priority, Retry, Task, Test, TriggerRule};

use super::blocking::{self, BLOCKING, Gate};
use super::graph::Draft;
use super::scalar::Words;
use super::{Mapper, kind};
use crate::json::At;
use crate::report::Topic;

pub(super) const SWITCH: &str = "SWITCH";
pub(super) const CONDITIONS: &str = "CONDITIONS";

/// Whether all of them have to hold.
pub(super) const RELATIONS: Words<bool> = &[("AND", true), ("OR", false)];

/// Where tasks are, by their codes and by their names, and what is above each.
pub(super) struct Map<'g> {
    codes: &'g BTreeMap<i64, usize>,
    names: BTreeMap<String, usize>,
    edges: &'g [BTreeSet<usize>],
}

/// The task that is looked at: its place, and whether the codes of its file were made up.
#[derive(Clone, Copy)]
pub(super) struct Here {
    place: usize,
    by_name: bool,
}

impl Map<'_> {
    fn place(&self, at: At<'_>, here: Here) -> Option<usize> {
        if here.by_name {
            return self.names.get(at.text()?).copied();
        }
        self.codes.get(&at.integer()?).copied()
    }

    /// The tasks that a code or a list of codes names, all of which follow this one.
    fn below(&self, at: Option<At<'_>>, here: Here) -> Option<Vec<u32>> {
        let mut below = BTreeSet::new();
        for at in leaves(at) {
            let place = self.place(at, here)?;
            let follows = self.edges.get(place)?.contains(&here.place);
            below.insert(u32::try_from(place).ok().filter(|_| follows)?);
        }
        Some(below.into_iter().collect())
    }
}

/// Codes stand alone or in a list; empty texts name nothing.
fn leaves(at: Option<At<'_>>) -> Vec<At<'_>> {
    let all = at.map_or_else(Vec::new, |at| {
        if at.is_list() {
            at.items().collect()
        } else {
            vec![at]
        }
    });
    all.into_iter().filter(|at| !at.is_empty()).collect()
}

impl<'t> Mapper<'t> {
    /// Turns the tasks that pick into what they are here.
    pub(super) fn branches(
        &mut self,
        own: Option<i64>,
        tasks: &mut Vec<Draft<'t>>,
        codes: &BTreeMap<i64, usize>,
        edges: &mut Vec<BTreeSet<usize>>,
        order: &mut Vec<usize>,
    ) {
        let named = tasks.iter().enumerate();
        let names = named
            .filter_map(|(place, (_, _, task))| Some((task.as_ref()?.name.to_string(), place)));
        let map = Map {
            codes,
            names: names.collect(),
            edges,
        };
        let (mut picking, mut gates) = (BTreeSet::new(), Vec::new());
        let first_gate = tasks.len();
        for (place, (at, _, task)) in tasks.iter_mut().enumerate() {
            let Some(task) = task else { continue };
            if matches!(task.kind, Kind::Dependent { .. }) {
                self.unpacked(*at, task);
                continue;
            }
            let (Some(word), Some(params)) = (at.get("taskType"), at.get("taskParams")) else {
                continue;
            };
            let here = Here {
                place,
                by_name: at.get("code").is_some_and(At::is_made),
            };
            let kind = match word.text() {
                Some(SWITCH) => self.switch(params, &map, here),
                Some(CONDITIONS) => self.conditions(params, &map, here),
                Some(BLOCKING) => {
                    let gate = first_gate + gates.len();
                    let kind = self.blocking(params, &map, here, gate);
                    gates.extend(kind.as_ref().map(|_| Gate { place, at: *at }));
                    kind
                }
                _ => continue,
            };
            let word = word.text().unwrap_or_default();
            if let Some(kind) = kind {
                picking.insert(place);
                task.trigger = kind.usual_trigger().unwrap_or_default();
                task.kind = kind;
                self.unpacked(*at, task);
            } else {
                task.kind = self.external(*at, word, params, own);
            }
        }
        blocking::add(gates, tasks, edges, order);
        join(tasks, edges, order, picking);
    }

    fn switch(&mut self, params: At<'t>, map: &Map<'_>, here: Here) -> Option<Kind> {
        let result = params.get("switchResult")?;
        let items: Vec<_> = result.get("dependTaskList")?.items().collect();
        let mut cases = Vec::with_capacity(items.len());
        for item in &items {
            let when = item.get("condition")?.text()?;
            let then = map.below(item.get("nextNode"), here)?;
            let fits = when.len() <= VALUE_BYTES_MAX && !when.contains("${secret:");
            cases.push(Case {
                when: Some(when).filter(|_| fits && !then.is_empty())?.to_owned(),
                then,
            });
        }
        if cases.is_empty() {
            return None;
        }
        let otherwise = map.below(result.get("nextNode"), here)?;
        for item in &items {
            if let Some(condition) = item.get("condition") {
                self.condition(condition.used());
            }
            self.explain(item.get("nextNode"), "nextNode", map, here);
        }
        self.explain(result.get("nextNode"), "nextNode", map, here);
        Some(Kind::Switch {
            cases,
            otherwise: Some(otherwise).filter(|below| !below.is_empty()),
        })
    }

    /// What cannot be decided there fails the task, and so it does here; it is good to know before.
    fn condition(&mut self, at: At<'t>) {
        let text = at.text().unwrap_or_default();
        if let Err(fault) = Condition::parse(text)
            && !text.trim().is_empty()
        {
            let place = fault.span.start + 1;
            let message = format!("the condition cannot be decided: {fault}, at its byte {place}");
            self.notes.add(at, Topic::Condition, "", message);
        }
    }

    fn conditions(&mut self, params: At<'t>, map: &Map<'_>, here: Here) -> Option<Kind> {
        let dependence = params.get("dependence")?;
        let result = params.get("conditionResult")?;
        let then = map.below(result.get("successNode"), here)?;
        let otherwise = map.below(result.get("failedNode"), here)?;
        let when = self.tests(dependence, map, here)?;
        for key in ["successNode", "failedNode"] {
            self.explain(result.get(key), key, map, here);
        }
        Some(Kind::Conditions {
            when,
            then,
            otherwise,
        })
    }

    /// What has to hold of tasks above.
    pub(super) fn tests(&mut self, dependence: At<'t>, map: &Map<'_>, here: Here) -> Option<Test> {
        let groups: Vec<_> = dependence.get("dependTaskList")?.items().collect();
        let mut tests = Vec::with_capacity(groups.len());
        for group in groups {
            let mut within = Vec::new();
            for item in group.get("dependItemList").into_iter().flat_map(At::items) {
                within.push(self.test(item, map, here)?);
            }
            tests.push(self.joined(group, within));
        }
        Some(self.joined(dependence, tests))
    }

    fn joined(&mut self, object: At<'t>, tests: Vec<Test>) -> Test {
        if self.word(object, "relation", RELATIONS, true) {
            Test::All(tests)
        } else {
            Test::Any(tests)
        }
    }

    fn test(&mut self, item: At<'t>, map: &Map<'_>, here: Here) -> Option<Test> {
        let keys = ["depTaskCode", "depTaskName", "depTasks"];
        let at = keys.iter().find_map(|key| item.get(key))?;
        let status = item.get("status")?;
        let is = match status.text()? {
            "SUCCESS" => Ending::Succeeded,
            "FAILURE" => Ending::Failed,
            _ => return None,
        };
        let Some(place) = map.place(at, here) else {
            // What does not exist counts as failed there: the item does not hold.
            let named = at.scalar().unwrap_or_default();
            let named = crate::fault::short(&named);
            let message = format!("no task of this workflow is {named}: this never holds");
            let key = at.key().unwrap_or_default().to_owned();
            self.notes.add(
                at.used(),
                Topic::UnknownReference,
                format!("{key} {named}"),
                message,
            );
            status.used();
            return Some(Test::Any(Vec::new()));
        };
        let is_above = map.edges.get(here.place)?.contains(&place);
        let task = u32::try_from(place).ok().filter(|_| is_above)?;
        status.used();
        self.explain(Some(at), at.key().unwrap_or_default(), map, here);
        Some(Test::Task { task, is })
    }

    /// Marks codes as used, and says for which names they stand.
    fn explain(&mut self, at: Option<At<'t>>, key: &str, map: &Map<'_>, here: Here) {
        for at in leaves(at) {
            at.used();
            let (Some(place), Some(code)) = (map.place(at, here), at.integer()) else {
                continue;
            };
            let name = map.names.iter().find(|(_, known)| **known == place);
            if let Some((name, _)) = name.filter(|_| !here.by_name) {
                let message = format!("code {code} is task `{}`", crate::fault::short(name));
                self.notes.add(at, Topic::CodeReference, key, message);
            }
        }
    }

    /// What picks has no job: what is said about one falls away.
    fn unpacked(&mut self, at: At<'t>, task: &mut Task) {
        let mut gone = Vec::new();
        if task.retry.limit > 0 {
            let delay = task.retry.delay.as_secs();
            gone.push(format!("{} retries after {delay} s", task.retry.limit));
        }
        let waits = matches!(task.kind, Kind::Dependent { .. });
        if let Some(timeout) = task.timeout.filter(|_| !waits) {
            gone.push(format!("a time limit of {} s", timeout.after.as_secs()));
        }
        if let Some(pool) = &task.pool {
            gone.push(format!("pool `{}` (weight {})", pool.name, pool.weight));
        }
        if !task.outputs.is_empty() {
            let names: Vec<_> = task
                .outputs
                .keys()
                .map(|name| crate::fault::short(name))
                .collect();
            gone.push(format!("outputs {}", names.join(", ")));
        }
        if task.priority != Priority::Medium {
            gone.push("a priority".to_owned());
        }
        task.retry = Retry::default();
        if !waits {
            task.timeout = None;
        }
        task.pool = None;
        task.outputs.clear();
        task.priority = Priority::Medium;
        if !gone.is_empty() {
            let message = format!(
                "`{}` {} no job: left out are {}",
                task.name,
                if waits {
                    "has"
                } else {
                    "takes no time and has"
                },
                gone.join(", ")
            );
            self.notes.add(at, Topic::BranchSettings, "", message);
        }
    }
}

/// What joins branches runs once all of those that were taken ended well.
fn join(
    tasks: &mut [Draft<'_>],
    edges: &[BTreeSet<usize>],
    order: &[usize],
    picking: BTreeSet<usize>,
) {
    let mut below = picking;
    for place in order {
        let Some(above) = edges.get(*place) else {
            continue;
        };
        if above.is_disjoint(&below) {
            continue;
        }
        below.insert(*place);
        if let Some((_, _, Some(task))) = tasks.get_mut(*place)
            && above.len() > 1
            && task.trigger == TriggerRule::AllSucceeded
        {
            task.trigger = TriggerRule::NoneFailedMinOneSucceeded;
        }
    }
}

/// What stands for such a task until its edges are known.
pub(super) fn pending(word: &str) -> Option<Kind> {
    matches!(word, SWITCH | CONDITIONS | BLOCKING).then(|| Kind::External {
        system: kind::SYSTEM.to_owned(),
        name: word.to_owned(),
        parameters: serde_json::Value::Null,
    })
}
