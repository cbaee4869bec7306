//! Lists, page by page.

use serde_json::{Value, json};

use super::{Emr, text};
use crate::answer::Fault;
use crate::clock::seconds;

/// The largest page.
const PAGE: usize = 50;

impl Emr {
    pub(super) fn list_applications(&self, input: &Value) -> Value {
        let states = words(input, "states");
        let applications = self.applications.iter().enumerate().rev();
        let all = applications.map(|(index, (id, application))| Row {
            group: 0,
            index,
            value: self.summary(id, application),
        });
        let wanted = |row: &Row| states.is_empty() || states.contains(&text(&row.value, "state"));
        page(input, "applications", all.filter(wanted).collect())
    }

    /// The newest first; grouped by state if several are asked for.
    pub(super) fn list_jobs(&self, input: &Value) -> Result<Value, Fault> {
        let (application, _) = self.application(input).map_err(|_| {
            let id = text(input, "applicationId");
            Fault::validation(&format!("Application {id} does not exist"))
        })?;
        let states = words(input, "states");
        let mode = input.get("mode").and_then(Value::as_str);
        let bound = |name: &str| input.get(name).and_then(Value::as_f64);
        let (from, until) = (bound("createdAtAfter"), bound("createdAtBefore"));
        let mut rows = Vec::new();
        for (index, (id, job)) in self.jobs.iter().enumerate().rev() {
            let created = seconds(job.created).as_f64().unwrap_or_default();
            let group = states.iter().position(|state| *state == job.state.word());
            let wanted = job.application == *application
                && (states.is_empty() || group.is_some())
                && mode.is_none_or(|mode| mode == job.mode())
                && from.is_none_or(|from| created >= from)
                && until.is_none_or(|until| created <= until);
            if wanted {
                rows.push(Row {
                    group: group.unwrap_or(0),
                    index,
                    value: self.job_summary(id, job),
                });
            }
        }
        rows.sort_by_key(|row| (row.group, std::cmp::Reverse(row.index)));
        Ok(page(input, "jobRuns", rows))
    }

    pub(super) fn list_attempts(&self, input: &Value) -> Result<Value, Fault> {
        let (id, job) = self.job(input)?;
        let mut rows = Vec::new();
        let attempt = |number, created, updated, state: &str, details: &str| {
            let mut value = self.job_summary(id, job);
            value["attempt"] = json!(number);
            value["jobCreatedAt"] = seconds(job.created);
            value["createdAt"] = seconds(created);
            value["updatedAt"] = seconds(updated);
            value["state"] = json!(state);
            value["stateDetails"] = json!(details);
            for name in ["attemptCreatedAt", "attemptUpdatedAt"] {
                value
                    .as_object_mut()
                    .and_then(|value| value.shift_remove(name));
            }
            value
        };
        let (created, updated) = (job.attempt_created, job.updated);
        let current = attempt(
            job.attempt,
            created,
            updated,
            job.state.word(),
            &job.details,
        );
        rows.push(current);
        for past in job.attempts.iter().rev() {
            let details = &past.details;
            rows.push(attempt(
                past.number,
                past.created,
                past.ended,
                "FAILED",
                details,
            ));
        }
        let rows = rows.into_iter().enumerate().map(|(index, value)| Row {
            group: index,
            index,
            value,
        });
        Ok(page(input, "jobRunAttempts", rows.collect()))
    }
}

/// A row and its place among all rows, whatever comes and goes.
struct Row {
    group: usize,
    index: usize,
    value: Value,
}

fn words<'a>(input: &'a Value, name: &str) -> Vec<&'a str> {
    let words = input.get(name).and_then(Value::as_array);
    words
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The rows behind the token, as many as fit, and the token of the next page.
fn page(input: &Value, name: &str, rows: Vec<Row>) -> Value {
    let most = input.get("maxResults").and_then(Value::as_u64);
    let most = most
        .map_or(PAGE, |most| usize::try_from(most).unwrap_or(PAGE))
        .min(PAGE);
    let behind = input
        .get("nextToken")
        .and_then(Value::as_str)
        .and_then(|token| {
            let (group, index) = token.split_once('_')?;
            Some((group.parse::<usize>().ok()?, index.parse::<usize>().ok()?))
        });
    let is_behind = |row: &Row| {
        behind.is_none_or(|(group, index)| {
            (row.group, std::cmp::Reverse(row.index)) > (group, std::cmp::Reverse(index))
        })
    };
    let mut rest = rows.into_iter().filter(is_behind).peekable();
    let rows: Vec<Row> = rest.by_ref().take(most).collect();
    let last = rows
        .last()
        .map(|row| format!("{}_{}", row.group, row.index));
    let values: Vec<Value> = rows.into_iter().map(|row| row.value).collect();
    let mut answer = json!({name: values});
    if let (Some(_), Some(last)) = (rest.peek(), last) {
        answer["nextToken"] = json!(last);
    }
    answer
}
