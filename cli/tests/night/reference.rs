//! What a night has to come to, worked out from its export alone: none of the engine's rules are used here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::Value;

use super::export::{Export, TaskOfExport};
use crate::support::Place;

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Succeeded,
    Failed,
    /// Something before it failed: it never starts.
    UpstreamFailed,
    /// It is switched off, and nothing before it failed.
    Skipped,
}

impl End {
    /// As the command line says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::UpstreamFailed => "upstream_failed",
            Self::Skipped => "skipped",
        }
    }
}

/// How each task ends if the scripts of these fail, and the workflow goes on where it can.
pub fn ends<'e>(export: &'e Export, failing: &BTreeSet<&str>) -> BTreeMap<&'e str, End> {
    let mut ends = BTreeMap::new();
    for name in export.tasks.keys() {
        end(export, failing, name, &mut ends);
    }
    ends
}

fn end<'e>(
    export: &'e Export,
    failing: &BTreeSet<&str>,
    name: &'e str,
    ends: &mut BTreeMap<&'e str, End>,
) -> End {
    if let Some(known) = ends.get(name) {
        return *known;
    }
    let task = &export.tasks[name];
    let mut before = export.running_before(task).into_iter();
    let found = if before.any(|above| end(export, failing, above, ends) != End::Succeeded) {
        End::UpstreamFailed
    } else if task.disabled {
        End::Skipped
    } else if failing.contains(name) {
        End::Failed
    } else {
        End::Succeeded
    };
    ends.insert(name, found);
    found
}

/// Tasks that fail at once when their scripts do, spread over the whole graph.
pub fn some_that_fail(export: &Export) -> BTreeSet<&str> {
    let plain = |task: &TaskOfExport| {
        task.kind == "shell" && task.retries == 0 && !task.disabled && !task.grouped
    };
    let plain = export.tasks.iter().filter(|(_, task)| plain(task));
    plain
        .map(|(name, _)| name.as_str())
        .rev() // not all below the first
        .step_by(3)
        .take(7)
        .collect()
}

/// What is written, as a person reads it for the night of a day.
fn value(written: &str, day: Date) -> String {
    let date = match written {
        "${system.biz.date}" | "$[yyyyMMdd-1]" => day.checked_sub(1.day()).unwrap(),
        "$[month_begin(yyyyMMdd,0)]" => day.first_of_month(),
        other => unreachable!("`{other}` is a value that nobody has read"),
    };
    date.strftime("%Y%m%d").to_string()
}

/// Each task that ran had these values and no others, and says where they come from.
pub fn check_values(
    place: &Place,
    run: &str,
    export: &Export,
    tasks: &BTreeMap<String, Value>,
    day: Date,
) {
    let all = |given: &BTreeMap<String, String>, from: &str| -> Vec<(String, String, String)> {
        let one = |(name, written): (&String, &String)| {
            (name.clone(), value(written, day), from.to_owned())
        };
        given.iter().map(one).collect()
    };
    let ran = |name: &str| !tasks[name]["started"].is_null();
    for (name, task) in export.tasks.iter().filter(|(name, _)| ran(name)) {
        let mut expected = all(&export.parameters, "workflow");
        expected.extend(all(&task.parameters, "task"));
        expected.sort();
        let known = place.json(&["show", run, name, "--parameters"]);
        let known = known["items"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let known: Vec<_> = known
            .map(|one| {
                (
                    text(&one["name"]),
                    text(&one["value"]),
                    text(&one["source"]),
                )
            })
            .collect();
        assert_eq!(known, expected, "{name}");
    }
}
