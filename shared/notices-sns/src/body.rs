//! What a subscriber reads: the form of "custom notifications" that Amazon Q Developer shows in Slack, Teams and Chime.
//! What programs want to know stands in `metadata.additionalContext`, which holds texts only.
//!
//! Source: Amazon Q Developer in chat applications, administrator guide, "Custom notifications".

use porpoise_ports::notices::{Notice, What};
use serde_json::{Map, Value, json};

/// Failed tasks that the text for people names.
const DESCRIBED_MAX: usize = 10;

/// The message of a notice. Times have their zone, which is UTC.
pub fn body(notice: &Notice) -> Value {
    let title = title(notice);
    json!({
        "version": "1.0",
        "source": "custom",
        "id": notice.key(),
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": description(notice),
        },
        "metadata": {
            // what becomes of one run is one thread
            "threadId": notice.run.to_string(),
            "summary": title,
            "eventType": event_type(&notice.what),
            "additionalContext": context(notice),
        },
    })
}

/// `retail/daily failed`.
pub(crate) fn title(notice: &Notice) -> String {
    let Notice {
        project, workflow, ..
    } = notice;
    let what = match &notice.what {
        What::Ended { state, .. } => state.to_string(),
        What::TaskFailed { task, .. } => format!("task {task} failed"),
        What::TaskLate { task, .. } => format!("task {task} is late"),
        What::Late { .. } => "is late".to_owned(),
    };
    format!("{project}/{workflow} {what}")
}

fn description(notice: &Notice) -> String {
    let Notice {
        run,
        logical_date,
        trigger,
        at,
        ..
    } = notice;
    let whose = format!("un `{run}` of {logical_date} ({trigger})");
    match &notice.what {
        What::Ended {
            tasks,
            failed,
            failed_count,
            ..
        } => {
            let failed = failures(*tasks, failed, *failed_count);
            format!("R{whose} ended at {at}.{failed}")
        }
        What::TaskFailed { task, attempt: 0 } => {
            format!("Task `{task}` of r{whose} failed at {at}, before its first attempt.")
        }
        What::TaskFailed { task, attempt } => {
            format!("Task `{task}` of r{whose} failed at {at}, in attempt {attempt}, the last one.")
        }
        What::TaskLate {
            task,
            attempt,
            stopped,
        } => {
            let then = then(*stopped);
            format!(
                "Attempt {attempt} of task `{task}` of r{whose} ran out of time at {at}. {then}"
            )
        }
        What::Late { stopped } => format!("R{whose} ran out of time at {at}. {}", then(*stopped)),
    }
}

/// What becomes of something that is late.
const fn then(stopped: bool) -> &'static str {
    if stopped {
        "It is being stopped."
    } else {
        "It goes on."
    }
}

/// How many tasks failed, and some of their names; nothing if none did.
fn failures(tasks: u32, failed: &[String], failed_count: u32) -> String {
    if failed.is_empty() {
        return String::new();
    }
    let named = failed.iter().take(DESCRIBED_MAX);
    let named: Vec<String> = named.map(|name| format!("`{name}`")).collect();
    let all = usize::try_from(failed_count).unwrap_or(usize::MAX);
    let more = match all.saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = named.join(", ");
    format!("\n{failed_count} of {tasks} tasks failed: {named}{more}.")
}

const fn event_type(what: &What) -> &'static str {
    match what {
        What::Ended { .. } => "run_ended",
        What::TaskFailed { .. } => "task_failed",
        What::TaskLate { .. } => "task_late",
        What::Late { .. } => "run_late",
    }
}

fn context(notice: &Notice) -> Map<String, Value> {
    let mut texts = vec![
        ("project", notice.project.clone()),
        ("workflow", notice.workflow.clone()),
        ("run_id", notice.run.to_string()),
        ("event", notice.what.word().to_owned()),
        ("at", notice.at.to_string()),
        ("trigger", notice.trigger.to_owned()),
        ("logical_date", notice.logical_date.to_string()),
        ("created", notice.created.to_string()),
    ];
    if let Some(started) = notice.started {
        texts.push(("started", started.to_string()));
    }
    texts.extend(details(&notice.what));
    let pairs = texts.into_iter();
    pairs
        .map(|(name, text)| (name.to_owned(), Value::String(text)))
        .collect()
}

fn details(what: &What) -> Vec<(&'static str, String)> {
    match what {
        What::Ended {
            state,
            tasks,
            failed,
            failed_count,
        } => vec![
            ("state", state.to_string()),
            ("tasks", tasks.to_string()),
            ("failed_count", failed_count.to_string()),
            ("failed_tasks", json!(failed).to_string()),
        ],
        What::TaskFailed { task, attempt } => {
            vec![("task", task.clone()), ("attempt", attempt.to_string())]
        }
        What::TaskLate {
            task,
            attempt,
            stopped,
        } => vec![
            ("task", task.clone()),
            ("attempt", attempt.to_string()),
            ("stopped", stopped.to_string()),
        ],
        What::Late { stopped } => vec![("stopped", stopped.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use porpoise_model::RunState;
    use porpoise_ports::conformance::notices::notice;

    use super::*;

    #[test]
    fn a_notice_has_this_form() {
        let failed = Notice {
            what: What::Ended {
                state: RunState::Failed,
                tasks: 4,
                failed: vec!["load".to_owned(), "report".to_owned()],
                failed_count: 3,
            },
            ..notice(0, RunState::Failed)
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&body(&failed)).unwrap(), @r#"
        {
          "version": "1.0",
          "source": "custom",
          "id": "a4dqobyha4dqobyha4dqobyha4@2026-03-07T00:01:01Z",
          "content": {
            "textType": "client-markdown",
            "title": "retail/daily failed",
            "description": "Run `a4dqobyha4dqobyha4dqobyha4` of 2026-03-07T00:00:00Z (schedule) ended at 2026-03-07T00:01:01Z.\n3 of 4 tasks failed: `load`, `report` and 1 more."
          },
          "metadata": {
            "threadId": "a4dqobyha4dqobyha4dqobyha4",
            "summary": "retail/daily failed",
            "eventType": "run_ended",
            "additionalContext": {
              "project": "retail",
              "workflow": "daily",
              "run_id": "a4dqobyha4dqobyha4dqobyha4",
              "event": "failed",
              "at": "2026-03-07T00:01:01Z",
              "trigger": "schedule",
              "logical_date": "2026-03-07T00:00:00Z",
              "created": "2026-03-07T00:00:00Z",
              "started": "2026-03-07T00:00:01Z",
              "state": "failed",
              "tasks": "4",
              "failed_count": "3",
              "failed_tasks": "[\"load\",\"report\"]"
            }
          }
        }
        "#);
    }

    #[test]
    fn people_read_what_happened() {
        let plain = notice(0, RunState::Succeeded);
        let task = || "load".to_owned();
        let whats = [
            plain.what.clone(),
            What::TaskFailed {
                task: task(),
                attempt: 3,
            },
            What::TaskLate {
                task: task(),
                attempt: 3,
                stopped: true,
            },
            What::Late { stopped: false },
        ];
        let said = whats.map(|what| {
            let notice = Notice {
                what,
                ..plain.clone()
            };
            let body = body(&notice);
            format!(
                "{}\n{}\n{}\n{}",
                body["id"],
                body["content"]["title"],
                body["content"]["description"],
                body["metadata"]["additionalContext"]
            )
        });
        insta::assert_snapshot!(said.join("\n\n"), @r#"
        "a4dqobyha4dqobyha4dqobyha4@2026-03-07T00:01:01Z"
        "retail/daily succeeded"
        "Run `a4dqobyha4dqobyha4dqobyha4` of 2026-03-07T00:00:00Z (schedule) ended at 2026-03-07T00:01:01Z."
        {"project":"retail","workflow":"daily","run_id":"a4dqobyha4dqobyha4dqobyha4","event":"succeeded","at":"2026-03-07T00:01:01Z","trigger":"schedule","logical_date":"2026-03-07T00:00:00Z","created":"2026-03-07T00:00:00Z","started":"2026-03-07T00:00:01Z","state":"succeeded","tasks":"10000","failed_count":"0","failed_tasks":"[]"}

        "a4dqobyha4dqobyha4dqobyha4/load/failed@2026-03-07T00:01:01Z"
        "retail/daily task load failed"
        "Task `load` of run `a4dqobyha4dqobyha4dqobyha4` of 2026-03-07T00:00:00Z (schedule) failed at 2026-03-07T00:01:01Z, in attempt 3, the last one."
        {"project":"retail","workflow":"daily","run_id":"a4dqobyha4dqobyha4dqobyha4","event":"task_failed","at":"2026-03-07T00:01:01Z","trigger":"schedule","logical_date":"2026-03-07T00:00:00Z","created":"2026-03-07T00:00:00Z","started":"2026-03-07T00:00:01Z","task":"load","attempt":"3"}

        "a4dqobyha4dqobyha4dqobyha4/load/late@2026-03-07T00:01:01Z"
        "retail/daily task load is late"
        "Attempt 3 of task `load` of run `a4dqobyha4dqobyha4dqobyha4` of 2026-03-07T00:00:00Z (schedule) ran out of time at 2026-03-07T00:01:01Z. It is being stopped."
        {"project":"retail","workflow":"daily","run_id":"a4dqobyha4dqobyha4dqobyha4","event":"late","at":"2026-03-07T00:01:01Z","trigger":"schedule","logical_date":"2026-03-07T00:00:00Z","created":"2026-03-07T00:00:00Z","started":"2026-03-07T00:00:01Z","task":"load","attempt":"3","stopped":"true"}

        "a4dqobyha4dqobyha4dqobyha4/late@2026-03-07T00:01:01Z"
        "retail/daily is late"
        "Run `a4dqobyha4dqobyha4dqobyha4` of 2026-03-07T00:00:00Z (schedule) ran out of time at 2026-03-07T00:01:01Z. It goes on."
        {"project":"retail","workflow":"daily","run_id":"a4dqobyha4dqobyha4dqobyha4","event":"late","at":"2026-03-07T00:01:01Z","trigger":"schedule","logical_date":"2026-03-07T00:00:00Z","created":"2026-03-07T00:00:00Z","started":"2026-03-07T00:00:01Z","stopped":"false"}
        "#);
    }
}
