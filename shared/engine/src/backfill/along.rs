//! Which workflows go along with a backfill: found in definitions, when it is asked for.
//!
//! Pure: what is read is handed in. A workflow goes along if the longest time for which it waits for one that goes along,
//! or for the one that is backfilled, is the cycle of the schedule of that one. Within a date each comes behind those that
//! it waits for. Where two wait for each other for the same date, neither goes along: both would wait for ever. A wait
//! for earlier dates keeps nobody back who is waited for himself.

use std::collections::{BTreeMap, BTreeSet};

use porpoise_model::dependence::Period;
use porpoise_model::{ProjectId, VersionHash, WorkflowId};

use super::cycle::{Cycle, looks_back, reaches_back};
use super::dependent::{Awaited, Dependent, Levels};

/// A workflow of a project.
pub type Which = (ProjectId, WorkflowId);

/// A workflow that waits for others, as its current version says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub which: Which,
    /// What people call its project.
    pub project_name: String,
    /// What people call it.
    pub workflow_name: String,
    /// Its current version.
    pub version: VersionHash,
    /// The time zone of its schedule, if it has one.
    pub timezone: Option<String>,
    /// What it waits for, in the order of its tasks.
    pub waits: Vec<Wait>,
}

/// A task waits for runs of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The task.
    pub task: String,
    /// For whose runs.
    pub of: Which,
    /// For which times.
    pub period: Period,
}

/// What goes along, and what does not although it waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Along {
    /// Each behind those that it waits for.
    pub dependents: Vec<Dependent>,
    /// By project and name.
    pub left_out: Vec<LeftOut>,
    /// Those of the dependents that wait for runs of earlier dates as well: their numbers.
    pub reaching_back: Vec<u32>,
}

/// A workflow that waits and does not go along.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// What people call its project.
    pub project_name: String,
    /// What people call it.
    pub workflow_name: String,
    /// The first of its tasks that waits.
    pub task: Option<String>,
    /// In words.
    pub why: String,
}

/// Finds them among the workflows that wait for others.
pub fn along(
    root: Which,
    cycle: Cycle,
    levels: Levels,
    timezone: &str,
    candidates: &[Candidate],
) -> Along {
    let graph = Graph {
        root,
        cycle,
        levels,
        all: candidates.iter().map(|one| (one.which, one)).collect(),
    };
    let mut left_out = BTreeSet::new();
    let mut circular = BTreeSet::new();
    let found = graph.reached(&BTreeSet::new(), &mut left_out);
    for which in found.keys() {
        if graph.waits_for_itself(*which, &found) {
            circular.insert(*which);
            left_out.extend(graph.left_out(
                *which,
                "it waits for itself, over others, for the same date",
            ));
        }
    }
    let found = graph.reached(&circular, &mut BTreeSet::new());
    let order = graph.order(&found);
    let numbers: BTreeMap<Which, u32> = order.iter().map(|(which, _)| *which).zip(0..).collect();
    let mut along = Along {
        left_out: left_out.into_iter().collect(),
        ..Along::default()
    };
    for (number, (which, after)) in (0..).zip(&order) {
        let Some(candidate) = graph.all.get(which) else {
            continue;
        };
        let mut after: Vec<u32> = after
            .iter()
            .filter_map(|of| numbers.get(of))
            .copied()
            .collect();
        after.sort_unstable();
        let inside = |wait: &&Wait| wait.of == root || numbers.contains_key(&wait.of);
        let waits: Vec<&Wait> = candidate.waits.iter().filter(inside).collect();
        if waits.iter().any(|wait| reaches_back(wait.period)) {
            along.reaching_back.push(number);
        }
        let awaited: BTreeSet<Awaited> = waits
            .iter()
            .filter(|wait| wait.of != *which)
            .map(|wait| Awaited {
                task: wait.task.clone(),
                of: numbers.get(&wait.of).copied(),
            })
            .collect();
        along.dependents.push(Dependent {
            project: which.0,
            project_name: candidate.project_name.clone(),
            workflow: which.1,
            workflow_name: candidate.workflow_name.clone(),
            version: candidate.version,
            timezone: candidate
                .timezone
                .clone()
                .unwrap_or_else(|| timezone.to_owned()),
            waits: awaited.into_iter().collect(),
            after,
        });
    }
    along
}

struct Graph<'c> {
    root: Which,
    cycle: Cycle,
    levels: Levels,
    all: BTreeMap<Which, &'c Candidate>,
}

impl Graph<'_> {
    /// Those that go along, each with how many steps it lies below the root, but for these and those below them.
    fn reached(
        &self,
        but: &BTreeSet<Which>,
        left_out: &mut BTreeSet<LeftOut>,
    ) -> BTreeMap<Which, usize> {
        let mut reached = BTreeMap::new();
        let mut level = BTreeSet::from([self.root]);
        let mut depth = 1;
        while !level.is_empty() {
            let mut below = BTreeSet::new();
            for (which, candidate) in &self.all {
                let waits = |wait: &&Wait| level.contains(&wait.of) && wait.of != *which;
                let periods = candidate.waits.iter().filter(waits).map(|wait| wait.period);
                let Some(longest) = periods.map(Cycle::of_period).max() else {
                    continue;
                };
                let known = *which == self.root || reached.contains_key(which);
                if known || but.contains(which) {
                    continue;
                }
                if longest == self.cycle {
                    below.insert(*which);
                } else {
                    left_out.extend(self.left_out(*which, &self.too_long(longest)));
                }
            }
            reached.extend(below.iter().map(|which| (*which, depth)));
            depth += 1;
            level = match self.levels {
                Levels::All => below,
                Levels::Direct => BTreeSet::new(),
            };
        }
        // Reached over another one after all.
        left_out.retain(|left| !reached.keys().any(|which| self.is(*which, left)));
        reached
    }

    fn too_long(&self, longest: Cycle) -> String {
        let (waits, runs) = (longest.as_str(), self.cycle.as_str());
        format!(
            "the longest time for which it waits is of the cycle `{waits}`, that of the schedule is `{runs}`"
        )
    }

    fn is(&self, which: Which, left: &LeftOut) -> bool {
        self.all.get(&which).is_some_and(|one| {
            one.project_name == left.project_name && one.workflow_name == left.workflow_name
        })
    }

    fn left_out(&self, which: Which, why: &str) -> Option<LeftOut> {
        let candidate = self.all.get(&which)?;
        Some(LeftOut {
            project_name: candidate.project_name.clone(),
            workflow_name: candidate.workflow_name.clone(),
            task: candidate.waits.first().map(|wait| wait.task.clone()),
            why: why.to_owned(),
        })
    }

    /// For which of the others, or the root, a workflow waits, for the same date or for earlier ones.
    fn waits_of(
        &self,
        which: Which,
        among: &BTreeMap<Which, usize>,
        back: bool,
    ) -> BTreeSet<Which> {
        let waits = self.all.get(&which).map_or(&[][..], |one| &one.waits);
        let counts = |wait: &&Wait| {
            let inside = wait.of == self.root || among.contains_key(&wait.of);
            inside && wait.of != which && looks_back(wait.period) == back
        };
        waits.iter().filter(counts).map(|wait| wait.of).collect()
    }

    fn waits_for_itself(&self, which: Which, among: &BTreeMap<Which, usize>) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = vec![which];
        while let Some(one) = next.pop() {
            for of in self.waits_of(one, among, false) {
                if of == which {
                    return true;
                }
                if seen.insert(of) {
                    next.push(of);
                }
            }
        }
        false
    }

    /// All of them, each behind those that it waits for, which come with it.
    fn order(&self, among: &BTreeMap<Which, usize>) -> Vec<(Which, BTreeSet<Which>)> {
        let mut after: BTreeMap<Which, BTreeSet<Which>> = BTreeMap::new();
        for which in among.keys() {
            let mut same = self.waits_of(*which, among, false);
            same.remove(&self.root);
            after.insert(*which, same);
        }
        // Waits for earlier dates, unless that closes a circle; those on the way down first.
        let mut back: Vec<(bool, Which, Which)> = Vec::new();
        for which in among.keys() {
            let of = self.waits_of(*which, among, true);
            let others = of.into_iter().filter(|of| *of != self.root);
            back.extend(others.map(|of| (among.get(&of) >= among.get(which), *which, of)));
        }
        back.sort_unstable();
        for (_, which, of) in back {
            if !is_behind(&after, of, which) {
                after.entry(which).or_default().insert(of);
            }
        }
        let mut order: Vec<(Which, BTreeSet<Which>)> = Vec::new();
        let mut left: Vec<Which> = among.keys().copied().collect();
        left.sort_by_key(|which| (among.get(which).copied(), self.name(*which)));
        while !left.is_empty() {
            let placed: BTreeSet<Which> = order.iter().map(|(which, _)| *which).collect();
            let free = |which: &Which| {
                let before = after.get(which);
                before.is_none_or(|before| before.is_subset(&placed))
            };
            let Some(at) = left.iter().position(free) else {
                break;
            };
            let which = left.remove(at);
            order.push((which, after.remove(&which).unwrap_or_default()));
        }
        order
    }

    fn name(&self, which: Which) -> Option<(&str, &str)> {
        let one = self.all.get(&which)?;
        Some((&one.project_name, &one.workflow_name))
    }
}

/// Whether `which` comes behind `before`, over however many.
fn is_behind(after: &BTreeMap<Which, BTreeSet<Which>>, which: Which, before: Which) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![which];
    while let Some(one) = next.pop() {
        if one == before {
            return true;
        }
        let of = after.get(&one).into_iter().flatten();
        next.extend(of.filter(|of| seen.insert(**of)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> ProjectId {
        ProjectId::of_name("shop")
    }

    fn which(name: &str) -> Which {
        (project(), WorkflowId::first_named(project(), name))
    }

    /// `b <today a`: the task `for a` of `b` waits for the day itself of `a`.
    fn workflow(name: &str, waits: &[(&str, Period)]) -> Candidate {
        let wait = |(of, period): &(&str, Period)| Wait {
            task: format!("for {of}"),
            of: which(of),
            period: *period,
        };
        Candidate {
            which: which(name),
            project_name: "shop".to_owned(),
            workflow_name: name.to_owned(),
            version: VersionHash::of(name.as_bytes()),
            timezone: None,
            waits: waits.iter().map(wait).collect(),
        }
    }

    fn say(along: &Along) -> String {
        let name = |number: &u32| {
            let dependent = usize::try_from(*number).ok();
            let dependent = dependent.and_then(|at| along.dependents.get(at));
            dependent.map_or("?", |dependent| &dependent.workflow_name)
        };
        let goes = along.dependents.iter().map(|one| {
            let after: Vec<&str> = one.after.iter().map(name).collect();
            let waits: Vec<&str> = one.waits.iter().map(|wait| wait.task.as_str()).collect();
            format!(
                "{} [{}] behind [{}]\n",
                one.workflow_name,
                waits.join(", "),
                after.join(", ")
            )
        });
        let stays = along.left_out.iter();
        let stays = stays.map(|left| format!("not {}: {}\n", left.workflow_name, left.why));
        goes.chain(stays).collect()
    }

    fn of_a(levels: Levels, candidates: &[Candidate]) -> Along {
        along(which("a"), Cycle::Day, levels, "UTC", candidates)
    }

    #[test]
    fn those_that_wait_go_along_and_if_asked_for_those_below_them() {
        let all = [
            workflow("b", &[("a", Period::Today)]),
            workflow("c", &[("b", Period::Today), ("x", Period::Today)]),
            workflow("d", &[("c", Period::LastDay), ("a", Period::Today)]),
            workflow("e", &[("x", Period::Today)]),
        ];
        insta::assert_snapshot!(say(&of_a(Levels::Direct, &all)), @r"
        b [for a] behind []
        d [for a] behind []
        ");
        insta::assert_snapshot!(say(&of_a(Levels::All, &all)), @r"
        b [for a] behind []
        c [for b] behind [b]
        d [for a, for c] behind [c]
        ");
        assert_eq!(of_a(Levels::All, &all).reaching_back, [2]);
    }

    #[test]
    fn who_waits_for_longer_or_shorter_times_stays_with_all_below() {
        let all = [
            workflow("b", &[("a", Period::Today), ("a", Period::LastWeek)]),
            workflow("c", &[("b", Period::Today)]),
            workflow("d", &[("a", Period::ThisHour)]),
            workflow("e", &[("a", Period::Last7Days), ("x", Period::LastMonth)]),
        ];
        insta::assert_snapshot!(say(&of_a(Levels::All, &all)), @r"
        e [for a] behind []
        not b: the longest time for which it waits is of the cycle `week`, that of the schedule is `day`
        not d: the longest time for which it waits is of the cycle `hour`, that of the schedule is `day`
        ");
    }

    #[test]
    fn who_waits_for_himself_stays_and_earlier_dates_are_no_circle() {
        let all = [
            workflow("a", &[("b", Period::LastDay), ("a", Period::LastDay)]),
            workflow(
                "b",
                &[
                    ("a", Period::Today),
                    ("b", Period::LastDay),
                    ("c", Period::LastDay),
                ],
            ),
            workflow("c", &[("b", Period::Today)]),
            workflow("d", &[("c", Period::Today), ("e", Period::Today)]),
            workflow("e", &[("d", Period::Today)]),
            workflow("f", &[("e", Period::Today)]),
            workflow("g", &[("f", Period::Today)]),
        ];
        insta::assert_snapshot!(say(&of_a(Levels::All, &all)), @r"
        b [for a, for c] behind []
        c [for b] behind [b]
        not d: it waits for itself, over others, for the same date
        not e: it waits for itself, over others, for the same date
        ");
        let mutual = [
            workflow("a", &[("b", Period::Today)]),
            workflow("b", &[("a", Period::Today)]),
        ];
        insta::assert_snapshot!(say(&of_a(Levels::Direct, &mutual)), @"not b: it waits for itself, over others, for the same date");
    }

    #[test]
    fn a_wait_for_the_same_date_comes_before_one_for_earlier_dates() {
        let all = [
            workflow("b", &[("a", Period::Today), ("c", Period::Today)]),
            workflow("c", &[("b", Period::LastDay)]),
        ];
        insta::assert_snapshot!(say(&of_a(Levels::All, &all)), @r"
        c [for b] behind []
        b [for a, for c] behind [c]
        ");
    }
}
