//! List prices of us-east-1, in US dollars, as known in November 2026.
//!
//! "Infracost" names the golden file of that project's tests that holds the price as AWS publishes it.

use porpoise_ports::usage::Line;

/// Hours that a month is billed as.
pub const HOURS_OF_A_MONTH: u64 = 730;

/// A million.
const M: f64 = 1e6;
/// Bytes of a GB of storage and logs: the smaller of the two that go by the name, so that no bill is too low.
const GB: f64 = 1e9;
/// Byte-hours of a GB-month.
const GB_MONTH: f64 = GB * 730.0;
/// Hours of a month.
const MONTH: f64 = 730.0;

/// What functions run on, which sets the price of their time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Processor {
    /// Graviton: the default of a deployment.
    #[default]
    Arm64,
    /// The dearer one.
    X86,
}

/// What a line costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// What the line is called on a bill.
    pub name: &'static str,
    /// What the price is for: `million requests`, `GB-month` …
    pub unit: &'static str,
    /// Counted pieces of one unit.
    pub pieces: f64,
    /// For one unit.
    pub dollars: f64,
    /// Where the price is from.
    pub source: &'static str,
}

const fn of(
    name: &'static str,
    unit: &'static str,
    pieces: f64,
    dollars: f64,
    source: &'static str,
) -> Price {
    Price {
        name,
        unit,
        pieces,
        dollars,
        source,
    }
}

/// What a line costs.
pub const fn price(line: Line, processor: Processor) -> Price {
    const TABLE: &str = "Infracost dynamodb_table_test, 2026-08-21";
    const QUEUE: &str = "Infracost sqs_queue_test";
    const FUNCTION: &str = "Infracost lambda_function_test";
    const BLOB: &str = "Infracost s3_bucket_test";
    const SECRET: &str = "Infracost secretsmanager_secret_test";
    const LOGS: &str = "Infracost cloudwatch_log_group_test";
    match line {
        Line::TableWrites => of("DynamoDB writes", "million units", M, 0.625, TABLE),
        // two halves are a unit
        Line::TableHalfReads => of("DynamoDB reads", "million units", 2.0 * M, 0.125, TABLE),
        Line::TableByteHours => of("DynamoDB storage", "GB-month", GB_MONTH, 0.25, TABLE),
        Line::BackupByteHours => of("DynamoDB backups", "GB-month", GB_MONTH, 0.20, TABLE),
        Line::FifoRequests => of("SQS FIFO requests", "million requests", M, 0.50, QUEUE),
        Line::QueueRequests => of("SQS requests", "million requests", M, 0.40, QUEUE),
        Line::Events => of(
            "EventBridge events",
            "million chunks",
            M,
            1.00,
            "Infracost cloudwatch_event_bus_test",
        ),
        Line::ScheduleInvocations => of(
            "Scheduler invocations",
            "million invocations",
            M,
            1.00,
            "notes of third parties that agree with aws.amazon.com/eventbridge/pricing; 14 million a month are free, not taken off",
        ),
        Line::BlobPuts => of("S3 puts", "million requests", M, 5.00, BLOB),
        Line::BlobGets => of("S3 gets", "million requests", M, 0.40, BLOB),
        Line::BlobByteHours => of("S3 storage", "GB-month", GB_MONTH, 0.023, BLOB),
        Line::SecretReads => of("Secrets Manager reads", "million requests", M, 5.00, SECRET),
        Line::SecretHours => of(
            "Secrets Manager secrets",
            "secret-month",
            MONTH,
            0.40,
            SECRET,
        ),
        Line::FunctionRequests => of("Lambda requests", "million requests", M, 0.20, FUNCTION),
        Line::FunctionMegabyteMilliseconds => {
            // 1024 MB for 1000 ms
            let dollars = match processor {
                Processor::Arm64 => 0.000_013_333_4,
                Processor::X86 => 0.000_016_666_7,
            };
            of("Lambda time", "GB-second", 1_024_000.0, dollars, FUNCTION)
        }
        Line::Transitions => of(
            "Step Functions transitions",
            "thousand transitions",
            1000.0,
            0.025,
            "Infracost sfn_state_machine_test",
        ),
        Line::LogBytes => of("CloudWatch Logs", "GB taken in", GB, 0.50, LOGS),
        Line::ApiRequests => of(
            "HTTP API requests",
            "million requests",
            M,
            1.00,
            "Infracost apigatewayv2_api_test",
        ),
        Line::Notices => of(
            "SNS requests",
            "million requests",
            M,
            0.50,
            "Infracost sns_topic_test",
        ),
        Line::AlarmHours => of(
            "CloudWatch alarms",
            "alarm-month",
            MONTH,
            0.10,
            "Infracost cloudwatch_metric_alarm_test, of standard resolution",
        ),
        Line::MetricHours => of(
            "CloudWatch metrics",
            "metric-month",
            MONTH,
            0.30,
            "aws.amazon.com/cloudwatch/pricing, the first 10,000",
        ),
    }
}
