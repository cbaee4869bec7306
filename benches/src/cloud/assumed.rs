//! What nothing here can measure, and what is taken for it. Printed with every bill.

use std::time::Duration;

/// What a function calls, and how long an answer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    DynamoDb,
    Sqs,
    EventBridge,
    Scheduler,
    S3,
    StepFunctions,
    Emr,
    Lambda,
}

impl Service {
    pub(crate) const ALL: [Self; 8] = [
        Self::DynamoDb,
        Self::Sqs,
        Self::EventBridge,
        Self::Scheduler,
        Self::S3,
        Self::StepFunctions,
        Self::Emr,
        Self::Lambda,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB",
            Self::Sqs => "SQS",
            Self::EventBridge => "EventBridge",
            Self::Scheduler => "Scheduler",
            Self::S3 => "S3",
            Self::StepFunctions => "Step Functions",
            Self::Emr => "EMR Serverless",
            Self::Lambda => "Lambda",
        }
    }

    pub(crate) const fn answers_in(self) -> Duration {
        Duration::from_millis(match self {
            Self::DynamoDb => 5,
            Self::Sqs => 10,
            Self::EventBridge | Self::Lambda => 15,
            Self::Scheduler => 50,
            Self::S3 | Self::StepFunctions => 30,
            Self::Emr => 100,
        })
    }
}

/// From a message that is sent to the function that gets it.
pub(crate) const QUEUE_DELIVERS: Duration = Duration::from_millis(15);
/// From an event that is put, or that a service sends, to the function that gets it.
pub(crate) const BUS_DELIVERS: Duration = Duration::from_millis(100);
/// From an asynchronous invocation to its begin.
pub(crate) const INVOCATION_BEGINS: Duration = Duration::from_millis(30);
/// Of a new copy of a function; billed. The bar for ours is 30 ms to the first poll.
pub(crate) const INIT: Duration = Duration::from_millis(30);
/// A copy of a function that was not called for so long is thrown away.
pub(crate) const IDLE_MAX: Duration = Duration::from_mins(10);
/// Processor time of a call of AWS beyond what is measured here: request, signature, TLS, answer.
pub(crate) const CALL_CPU: Duration = Duration::from_micros(300);
/// Megabytes at which a function has a whole processor. Source: Lambda developer guide, "Configure Lambda function memory".
pub(crate) const WHOLE_CPU_MB: u64 = 1769;

/// All of it, a line each.
pub(crate) fn assumptions(megabytes: u64, poller: u64) -> Vec<String> {
    let mut lines: Vec<String> = Service::ALL
        .iter()
        .map(|service| {
            let millis = service.answers_in().as_millis();
            format!("a call of {} answers in {millis} ms", service.name())
        })
        .collect();
    lines.push(format!(
        "a queue delivers in {} ms, a bus in {} ms, an asynchronous invocation begins in {} ms (not billed)",
        QUEUE_DELIVERS.as_millis(),
        BUS_DELIVERS.as_millis(),
        INVOCATION_BEGINS.as_millis()
    ));
    lines.push(format!(
        "a new copy of a function takes {} ms, and is thrown away after {} minutes without a call",
        INIT.as_millis(),
        IDLE_MAX.as_secs() / 60
    ));
    lines.push(format!(
        "processor time is measured here, {} ms are added for each call of AWS, and both are stretched by {WHOLE_CPU_MB} divided by the megabytes of a function ({megabytes}, the poller {poller}), the share of a processor that it has",
        CALL_CPU.as_secs_f64() * 1e3
    ));
    lines
}
