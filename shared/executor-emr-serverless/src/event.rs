//! Events of the service, as EventBridge delivers them.

use jiff::Timestamp;
use porpoise_ports::executor::{JobState, News};
use serde::Deserialize;

use crate::find::external_id;
use crate::usage::{Hours, prices, usage};

/// Source: "Monitoring with Amazon EventBridge" in the EMR Serverless user guide.
const SOURCE: &str = "aws.emr-serverless";
const STATE: &str = "EMR Serverless Job Run State Change";
const USAGE: &str = "EMR Serverless Job Resource Utilization Update";

#[derive(Debug, Deserialize)]
struct Event {
    source: String,
    #[serde(rename = "detail-type")]
    kind: String,
    region: Option<String>,
    detail: Detail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    application_id: Option<String>,
    job_run_id: Option<String>,
    state: Option<String>,
    updated_at: Option<Timestamp>,
    #[serde(default)]
    resource_utilization_final: bool,
    total_billed_resource_utilization: Option<Billed>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Billed {
    #[serde(rename = "vCPUHour")]
    vcpu: Option<f64>,
    #[serde(rename = "memoryGBHour")]
    memory_gb: Option<f64>,
    #[serde(rename = "storageGBHour")]
    storage_gb: Option<f64>,
}

impl From<Billed> for Hours {
    fn from(billed: Billed) -> Self {
        Self {
            vcpu: billed.vcpu.unwrap_or_default(),
            memory_gb: billed.memory_gb.unwrap_or_default(),
            storage_gb: billed.storage_gb.unwrap_or_default(),
        }
    }
}

/// What an event says of a job. That a run is over is said without a state: the event does not tell when it began, nor
/// why it failed, so it has to be asked for, unless that is known of one that succeeded.
pub fn read(text: &str) -> Option<News> {
    let event: Event = serde_json::from_str(text).ok()?;
    let detail = event.detail;
    if event.source != SOURCE {
        return None;
    }
    let external_id = external_id(&detail.application_id?, &detail.job_run_id?);
    match event.kind.as_str() {
        STATE => Some(News {
            external_id,
            succeeded: (detail.state.as_deref() == Some("SUCCESS"))
                .then_some(detail.updated_at)
                .flatten(),
            state: state(&detail.state?, detail.updated_at),
            usage: None,
        }),
        USAGE if detail.resource_utilization_final => {
            let billed = detail.total_billed_resource_utilization?;
            let prices = prices(None, event.region.as_deref());
            Some(News {
                external_id,
                state: None,
                succeeded: None,
                usage: Some(usage(billed.into(), prices)),
            })
        }
        _ => None,
    }
}

fn state(word: &str, at: Option<Timestamp>) -> Option<JobState> {
    match word {
        "RUNNING" => Some(JobState::Running { started: at? }),
        "SUCCESS" | "FAILED" | "CANCELLED" => None,
        open => Some(JobState::Waiting {
            why: Some(open.to_owned()),
        }),
    }
}
