//! Edges.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use porpoise_model::limits::EDGES_MAX;
use porpoise_model::workflow::Task;

use super::Mapper;
use super::output;
use crate::fault::short;
use crate::json::{At, Mark};
use crate::report::{Rule, Topic};

/// What does not matter in a relation; versions are informational, conditions empty.
const IGNORED: &[(Rule, &[&str])] = &[
    (
        Rule::Row,
        &[
            "id",
            "createTime",
            "updateTime",
            "operator",
            "operateTime",
            "userId",
            "userName",
        ],
    ),
    (
        Rule::Copy,
        &[
            "projectCode",
            "processDefinitionCode",
            "processDefinitionVersion",
            "workflowDefinitionCode",
            "workflowDefinitionVersion",
        ],
    ),
    (Rule::Unread, &["preTaskVersion", "postTaskVersion"]),
];

/// Tasks of a circle that are named.
const CIRCLE_SHOWN_MAX: usize = 20;

const ENDS: [&str; 2] = ["preTaskCode", "postTaskCode"];

/// A task in the making: its node, its code, and itself unless it has a fault.
pub(super) type Draft<'t> = (At<'t>, Option<i64>, Option<Task>);

impl<'t> Mapper<'t> {
    /// Reads the relations into the tasks.
    pub(super) fn edges(&mut self, element: At<'t>, tasks: &mut Vec<Draft<'t>>) {
        let list = element.get("processTaskRelationList");
        let relations: Vec<_> = list.into_iter().flat_map(At::items).collect();
        if tasks.is_empty() {
            return; // said already
        }
        if relations.is_empty() {
            let hint = "every task has at least a root edge: export the workflow again";
            self.fault(
                list.unwrap_or(element),
                "the workflow has no relations",
                Some(hint),
            );
            return;
        }
        if relations.len() > EDGES_MAX {
            let message = format!(
                "the workflow has {} relations, at most {EDGES_MAX} are allowed",
                relations.len()
            );
            self.fault(list.unwrap_or(element), message, None);
            return;
        }
        let places: BTreeMap<i64, usize> = tasks
            .iter()
            .enumerate()
            .filter_map(|(place, (_, code, _))| Some(((*code)?, place)))
            .collect();
        let mut edges: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); tasks.len()];
        let mut attached = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut roots = Vec::new();
        for relation in relations {
            let Some((pre, post)) = self.relation(relation, &places) else {
                continue;
            };
            if !seen.insert((pre, post)) {
                self.notes.add(
                    relation,
                    Topic::RepeatedEdge,
                    "",
                    "the edge is there already",
                );
            }
            let Some(pre) = pre else {
                roots.push((relation, post));
                continue;
            };
            attached.extend([pre, post]);
            ENDS.iter()
                .filter_map(|key| relation.get(key))
                .for_each(|at| at.mark_all(Mark::Used));
            edges.get_mut(post).map(|above| above.insert(pre));
        }
        for (relation, post) in &roots {
            root(*relation, attached.contains(post));
        }
        attached.extend(roots.iter().map(|(_, post)| *post));
        let Some(mut order) = self.order(list.unwrap_or(element), &edges, tasks) else {
            return;
        };
        self.detach(tasks, &attached);
        // Only whole workflows go on: with a missing task, indices would not fit.
        if tasks.iter().any(|(_, _, task)| task.is_none()) {
            return;
        }
        for ((_, _, task), above) in tasks.iter_mut().zip(&edges) {
            if let Some(task) = task {
                task.after = above
                    .iter()
                    .filter_map(|place| u32::try_from(*place).ok())
                    .collect();
            }
        }
        let definition = element.get("processDefinition");
        let own = definition.and_then(|at| at.get("code")?.integer());
        self.branches(own, tasks, &places, &mut edges, &mut order);
        output::hand_on(&mut self.notes, tasks, &edges, &order);
    }

    /// The places of a relation's ends; no first end for a root edge.
    fn relation(
        &mut self,
        at: At<'t>,
        places: &BTreeMap<i64, usize>,
    ) -> Option<(Option<usize>, usize)> {
        Self::ignore(at, IGNORED);
        if let Some(name) = at.get("name").filter(|name| !name.is_empty()) {
            self.notes.cover(
                name,
                Topic::EdgeLabel,
                "",
                "the label of the edge is not kept",
            );
        }
        if let Some(kind) = at.get("conditionType") {
            if kind.is_empty() || kind.text() == Some("NONE") || kind.integer() == Some(0) {
                kind.ignored(Rule::Unread);
            } else {
                self.notes.cover(
                    kind,
                    Topic::EdgeCondition,
                    "",
                    "the condition of the edge is not kept",
                );
            }
        }
        if let Some(params) = at
            .get("conditionParams")
            .filter(|params| !params.is_hollow())
        {
            self.notes.cover(
                params,
                Topic::EdgeCondition,
                "",
                "the condition of the edge is not kept",
            );
        }
        let pre = match at.get("preTaskCode").and_then(At::integer) {
            Some(0) => Some(None),
            _ => self.end(at, "preTaskCode", places).map(Some),
        };
        let post = self.end(at, "postTaskCode", places);
        Some((pre?, post?))
    }

    fn end(&mut self, relation: At<'t>, key: &str, places: &BTreeMap<i64, usize>) -> Option<usize> {
        let at = relation.get(key).unwrap_or(relation);
        let Some(code) = relation.get(key).and_then(At::integer) else {
            self.fault(at, format!("there is no `{key}`"), None);
            return None;
        };
        let place = places.get(&code).copied();
        if place.is_none() {
            self.fault(
                at,
                format!("no task of this workflow has the code {code}"),
                None,
            );
        }
        place
    }

    /// The places in an order in which each follows those above it; a fault if they go round in a circle.
    fn order(
        &mut self,
        at: At<'t>,
        edges: &[BTreeSet<usize>],
        tasks: &[Draft<'t>],
    ) -> Option<Vec<usize>> {
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
        let mut waits: Vec<usize> = Vec::with_capacity(edges.len());
        for (place, above) in edges.iter().enumerate() {
            waits.push(above.len());
            for pre in above {
                below
                    .get_mut(*pre)
                    .into_iter()
                    .for_each(|list| list.push(place));
            }
        }
        let mut ready: VecDeque<usize> = waits
            .iter()
            .enumerate()
            .filter(|(_, waits)| **waits == 0)
            .map(|(place, _)| place)
            .collect();
        let mut order = Vec::with_capacity(edges.len());
        while let Some(place) = ready.pop_front() {
            order.push(place);
            for next in below.get(place).into_iter().flatten() {
                let Some(left) = waits.get_mut(*next) else {
                    continue;
                };
                *left -= 1;
                if *left == 0 {
                    ready.push_back(*next);
                }
            }
        }
        if order.len() == edges.len() {
            return Some(order);
        }
        let circle = circle(edges, &waits);
        let name = |place: &usize| tasks.get(*place)?.0.get("name")?.text().map(short);
        let mut names: Vec<_> = circle.iter().filter_map(name).collect();
        if names.len() > CIRCLE_SHOWN_MAX {
            let last = names.split_off(names.len() - 1);
            names.truncate(CIRCLE_SHOWN_MAX);
            names.push(format!("{} more", circle.len() - 1 - CIRCLE_SHOWN_MAX));
            names.extend(last);
        }
        self.fault(
            at,
            format!("tasks follow each other in a circle: {}", names.join(" → ")),
            None,
        );
        None
    }

    fn detach(&mut self, tasks: &mut [Draft<'t>], attached: &BTreeSet<usize>) {
        for (place, (at, _, task)) in tasks.iter_mut().enumerate() {
            if let Some(task) = task.as_mut().filter(|_| !attached.contains(&place)) {
                task.disabled = true;
                let message = format!(
                    "`{}` has no edge, not even a root edge: it is disabled",
                    task.name
                );
                self.notes.add(*at, Topic::Detached, "", message);
            }
        }
    }
}

/// A root edge says that a task is there; where other edges say so, it says nothing.
fn root(relation: At<'_>, is_attached: bool) {
    let mark = if is_attached {
        Mark::Ignored(Rule::Implied)
    } else {
        Mark::Used
    };
    ENDS.iter()
        .filter_map(|key| relation.get(key))
        .for_each(|at| at.mark_all(mark));
}

/// One circle, its first task again at the end. `waits` is above 0 for tasks in circles and below them.
fn circle(edges: &[BTreeSet<usize>], waits: &[usize]) -> Vec<usize> {
    let is_left = |place: &usize| waits.get(*place).is_some_and(|waits| *waits > 0);
    let mut walked: Vec<usize> = Vec::new();
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    let mut at = (0..edges.len()).find(|place| is_left(place));
    // Each task that is left follows one that is left: upwards it must come round.
    while let Some(place) = at {
        if let Some(first) = seen.insert(place, walked.len()) {
            let mut circle = walked.split_off(first);
            circle.push(place);
            circle.reverse();
            return circle;
        }
        walked.push(place);
        at = edges
            .get(place)
            .and_then(|above| above.iter().copied().find(is_left));
    }
    walked
}
