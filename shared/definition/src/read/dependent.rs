//! Tasks that wait for runs of other workflows.

use std::time::Duration;

use porpoise_model::dependence::{Need, Part, Runs};
use porpoise_model::limits::{DEPENDENCES_MAX, ENTRIES_MAX};
use porpoise_model::workflow::Kind;

use super::context::{At, Fields, Reader};
use crate::fault::FaultKind;
use crate::fields_of_kinds::{DEPENDENT, NEED, NEEDS};
use crate::tree::View;
use crate::word;

/// Fields that say which runs.
const OF_RUNS: &[&str] = &["project", "task", "all_tasks", "period", "only_scheduled"];

impl Reader<'_> {
    pub(super) fn dependent(&mut self, at: At<'_>) -> Option<Kind> {
        let fields = self.object(at, &DEPENDENT)?;
        let needs = fields.get("needs");
        let read = needs.and_then(|at| self.need(at));
        let timezone = fields.get("timezone").map(|at| self.time_zone(at));
        let failure_wait = fields.get("failure_wait").map(|at| self.duration(at));
        let needed = read?;
        let count = needed.runs().len();
        if let Some(at) = needs.filter(|_| count > DEPENDENCES_MAX) {
            let message =
                format!("it names runs {count} times, at most {DEPENDENCES_MAX} are allowed");
            self.fault(at, FaultKind::TooLarge, message, None);
            return None;
        }
        let timezone = match timezone {
            None => None,
            Some(read) => Some(read?.0),
        };
        Some(Kind::Dependent {
            needs: needed,
            timezone,
            failure_wait: failure_wait.unwrap_or(Some(Duration::ZERO))?,
        })
    }

    /// Recursive: no deeper than a tree may be.
    fn need(&mut self, at: At<'_>) -> Option<Need> {
        let hint =
            "write `{ workflow: NAME, period: last_day }`, or `all` or `any` of such".to_owned();
        if !matches!(self.tree.view(at.node), View::Map(_)) {
            self.wrong_shape(at, "a need", Some(hint));
            return None;
        }
        let fields = self.object(at, &NEED)?;
        let present = fields.present(NEEDS);
        let Some((word, others)) = present.split_first() else {
            if !fields.unknown {
                let message = "this needs nothing";
                self.fault(at, FaultKind::MissingField, message, Some(hint));
            }
            return None;
        };
        for other in others {
            let message = format!("a need is one of these, this one is `{word}` already");
            self.fault(fields.key(other), FaultKind::Conflict, message, None);
        }
        if *word == "workflow" {
            return self.runs(&fields).map(|runs| Need::Runs(Box::new(runs)));
        }
        for other in fields.present(OF_RUNS) {
            let message = format!("`{other}` belongs to `workflow`");
            self.fault(fields.key(other), FaultKind::Conflict, message, None);
        }
        let within = fields.get(word)?;
        let items = self.list(within, Some(hint.clone()))?;
        if items.is_empty() {
            let message = "there is nothing in it";
            self.fault(within, FaultKind::BadValue, message, Some(hint));
            return None;
        }
        if !self.at_most(within, items.len(), ENTRIES_MAX) {
            return None;
        }
        let items = items.iter().enumerate();
        let needs: Vec<_> = items
            .map(|(index, item)| self.need(within.index(index, *item)))
            .collect();
        let needs = needs.into_iter().collect::<Option<Vec<_>>>()?;
        Some(match *word {
            "all" => Need::All(needs),
            _ => Need::Any(needs),
        })
    }

    fn runs(&mut self, fields: &Fields<'_>) -> Option<Runs> {
        let workflow = fields.get("workflow").and_then(|at| self.name(at));
        let project = fields.get("project").map(|at| self.name(at));
        let task = fields.get("task").map(|at| self.name(at));
        let all_tasks = fields.get("all_tasks").map(|at| self.boolean(at));
        let only = fields.get("only_scheduled").map(|at| self.boolean(at));
        let period = fields.get("period");
        if period.is_none() {
            let hint = "write `period: last_day`, `today` or another one".to_owned();
            let message = "`period` is missing";
            self.fault(fields.at, FaultKind::MissingField, message, Some(hint));
        }
        let period = period.and_then(|at| self.word(at, word::PERIODS));
        if task.is_some() && all_tasks.is_some() {
            let message = "it is one task, or all of them";
            self.fault(fields.key("all_tasks"), FaultKind::Conflict, message, None);
        }
        let part = match (task, all_tasks) {
            (Some(task), _) => Part::Task(task?),
            (None, Some(all)) if all? => Part::AllTasks,
            (None, Some(_) | None) => Part::Whole,
        };
        let project = match project {
            None => None,
            Some(project) => Some(project?),
        };
        Some(Runs {
            project,
            workflow: workflow?,
            part,
            period: period?,
            only_scheduled: only.unwrap_or(Some(false))?,
        })
    }
}
