//! Reports on their way home: out of the messages of the poller, into requests.

use data_encoding::BASE64;
use porpoise_app::job_item::JobId;
use porpoise_engine::Input;
use porpoise_engine::input::{Report, ReportKind, RunInput};
use porpoise_model::{Cause, RunId};
use porpoise_ports::Unavailable;
use porpoise_ports::queue::Message;
use serde_json::{Value, json};

use crate::failure::Failure;

use super::home::HOME;

/// Reports of one request: home takes 500.
const REPORTS_MAX: usize = 400;
/// Bytes of the reports of one request, before base64.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// A report on its way, and whose it is.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) id: JobId,
    pub(super) report: Report,
}

/// The number in `reports[7].report`.
pub(super) fn index(path: &str) -> Option<usize> {
    let rest = path.strip_prefix("reports[")?;
    rest.split_once(']')?.0.parse().ok()
}

impl Outgoing {
    /// As a request has it.
    pub(super) fn json(&self) -> Value {
        let report = minicbor::to_vec(&self.report).unwrap_or_default();
        json!({"project": self.id.project, "run": self.id.run, "report": BASE64.encode(&report)})
    }

    /// The end of an attempt without what home does not take.
    pub(super) fn simplify(&mut self, failure: &Failure) {
        let (started, ended) = match &self.report.what {
            ReportKind::Succeeded { started, ended, .. } => (Some(*started), *ended),
            ReportKind::Failed { started, ended, .. } => (*started, *ended),
            ReportKind::Canceled { ended } => (None, *ended),
            ReportKind::Started { at, .. } => (Some(*at), *at),
            ReportKind::Accepted | ReportKind::Waiting { .. } => {
                self.report.what = ReportKind::Accepted;
                return;
            }
        };
        let mut message = format!(
            "home does not take the report: {}",
            failure.causes.join("; ")
        );
        message.truncate(message.floor_char_boundary(4_096));
        self.report.what = ReportKind::Failed {
            started,
            ended,
            cause: Cause::Rejected { message },
        };
    }
}

/// The reports in a message to a run; an agent sends nothing else.
pub(super) fn reports_of(message: &Message) -> Result<Vec<Outgoing>, Unavailable> {
    let bug = || {
        let why = format!("bug: an agent tells `{}` something else", message.group);
        Unavailable::new(HOME, why)
    };
    let input = minicbor::decode::<Input>(&message.body).map_err(|_| bug())?;
    let Input::Run(RunInput::Reported(reports)) = input else {
        return Err(bug());
    };
    let (project, run) = (message.group.project, RunId::from_bytes(message.group.id));
    let outgoing = reports.into_iter().map(|report| {
        let attempt = report.attempt;
        let id = JobId {
            run,
            attempt,
            project,
        };
        Outgoing { id, report }
    });
    Ok(outgoing.collect())
}

/// As many as fit in a request each.
pub(super) fn requests(reports: Vec<Outgoing>) -> Vec<Vec<Outgoing>> {
    let mut requests: Vec<Vec<Outgoing>> = Vec::new();
    let mut used = 0;
    for report in reports {
        let bytes = minicbor::to_vec(&report.report).map_or(0, |bytes| bytes.len());
        match requests.last_mut() {
            Some(request) if request.len() < REPORTS_MAX && used + bytes <= REQUEST_BYTES_MAX => {
                used += bytes;
                request.push(report);
            }
            Some(_) | None => {
                used = bytes;
                requests.push(vec![report]);
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use porpoise_engine::effect::Attempt;
    use porpoise_model::ProjectId;

    use super::*;

    #[test]
    fn a_path_names_a_report() {
        assert_eq!(index("reports[12].report"), Some(12));
        assert_eq!(index("reports[0]"), Some(0));
        assert_eq!(index("reports"), None);
        assert_eq!(index("secret"), None);
    }

    #[test]
    fn a_request_has_so_many_reports_and_no_more() {
        let report = |task| Outgoing {
            id: JobId {
                run: RunId::from_bytes([7; 16]),
                attempt: Attempt::of(task, 1),
                project: ProjectId::of_name("retail"),
            },
            report: Report {
                attempt: Attempt::of(task, 1),
                what: ReportKind::Waiting {
                    why: "x".repeat(if task < 1_000 { 1 } else { 300 * 1024 }),
                },
            },
        };
        let sizes = |tasks: std::ops::Range<u32>| {
            let cut = requests(tasks.map(report).collect());
            cut.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(0..900), [400, 400, 100]);
        assert_eq!(sizes(1_000..1_007), [3, 3, 1]);
    }
}
