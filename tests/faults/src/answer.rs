//! Refusals in the shapes that services give them.

use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;

use crate::Call;

/// How errors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// The code in the body, as a type.
    Json,
    /// The code in a header.
    RestJson,
    /// S3's own XML.
    S3,
    /// XML, with whose fault it was.
    Query,
}

/// What a service says.
#[derive(Debug, Clone, Copy)]
struct Words {
    status: u16,
    code: &'static str,
    message: &'static str,
}

const fn words(status: u16, code: &'static str, message: &'static str) -> Words {
    Words {
        status,
        code,
        message,
    }
}

fn protocol(service: &str) -> Protocol {
    match service {
        "s3" => Protocol::S3,
        "sns" | "sts" | "iam" => Protocol::Query,
        "scheduler" | "lambda" | "emr-serverless" | "apigateway" => Protocol::RestJson,
        _ => Protocol::Json,
    }
}

/// Too many calls. Source: the common errors and the errors of the operations in each service's API reference; the
/// members of the services' published models.
pub(crate) fn throttled(call: &Call, extra: u8) -> HttpResponse {
    let many = "Rate exceeded";
    let words = match call.service.as_str() {
        "dynamodb" if extra.is_multiple_of(2) => words(
            400,
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        "dynamodb" => words(
            400,
            "com.amazon.coral.availability#ThrottlingException",
            many,
        ),
        "sqs" => words(400, "com.amazonaws.sqs#RequestThrottled", many),
        "s3" => words(503, "SlowDown", "Please reduce your request rate."),
        "lambda" => words(429, "TooManyRequestsException", "Rate Exceeded."),
        "scheduler" | "emr-serverless" => words(429, "ThrottlingException", many),
        "athena" => words(400, "TooManyRequestsException", many),
        "sns" => words(429, "Throttled", many),
        "sts" | "iam" => words(400, "Throttling", many),
        _ => words(400, "ThrottlingException", many),
    };
    refusal(call, words)
}

/// Something is wrong with the service.
pub(crate) fn failed(call: &Call, extra: u8) -> HttpResponse {
    let sorry = "We encountered an internal error. Please try again.";
    let words = match (call.service.as_str(), extra % 3) {
        ("s3", 0) => words(
            503,
            "ServiceUnavailable",
            "Service is unable to handle request.",
        ),
        ("s3", _) => words(500, "InternalError", sorry),
        (_, 0) => words(503, "ServiceUnavailable", "Service is unavailable."),
        ("dynamodb", _) => words(
            500,
            "com.amazonaws.dynamodb.v20120810#InternalServerError",
            sorry,
        ),
        ("events", _) => words(500, "InternalException", sorry),
        ("scheduler" | "emr-serverless" | "athena", _) => {
            words(500, "InternalServerException", sorry)
        }
        ("lambda", _) => words(500, "ServiceException", sorry),
        ("secretsmanager", _) => words(500, "InternalServiceError", sorry),
        _ => words(500, "InternalFailure", sorry),
    };
    refusal(call, words)
}

/// Ten minutes: more than the five that signatures are good for. Source: IAM user guide, "Troubleshoot signature
/// errors".
pub(crate) const SKEW: Duration = Duration::from_mins(10);

/// The service's clock and the client's differ. The answer bears the service's time, by which the client can mend its
/// own.
pub(crate) fn skewed(call: &Call, now: SystemTime, extra: u8) -> HttpResponse {
    let words = match call.service.as_str() {
        "s3" => words(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        "sns" | "sts" | "iam" => words(403, "SignatureDoesNotMatch", "Signature expired"),
        "lambda" | "scheduler" | "emr-serverless" => {
            words(403, "InvalidSignatureException", "Signature expired")
        }
        _ => words(
            400,
            "com.amazon.coral.service#InvalidSignatureException",
            "Signature expired",
        ),
    };
    let theirs = if extra.is_multiple_of(2) {
        now + SKEW
    } else {
        now - SKEW
    };
    let mut refusal = refusal(call, words);
    if let Ok(date) = DateTime::from(theirs).fmt(Format::HttpDate) {
        refusal.headers_mut().insert("date", date);
    }
    refusal
}

fn refusal(call: &Call, words: Words) -> HttpResponse {
    let Words {
        status,
        code,
        message,
    } = words;
    let (kind, body) = match protocol(&call.service) {
        Protocol::Json => (
            "application/x-amz-json-1.0",
            format!(r#"{{"__type":"{code}","message":"{message}"}}"#),
        ),
        Protocol::RestJson => ("application/json", format!(r#"{{"Message":"{message}"}}"#)),
        Protocol::S3 => (
            "application/xml",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>made</RequestId></Error>"
            ),
        ),
        Protocol::Query => {
            let whose = if status < 500 { "Sender" } else { "Receiver" };
            let body = format!(
                "<ErrorResponse><Error><Type>{whose}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>made</RequestId></ErrorResponse>"
            );
            ("text/xml", body)
        }
    };
    let status = code_of(status);
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    let headers = response.headers_mut();
    headers.insert("content-type", kind);
    let short = code.rsplit('#').next().unwrap_or(code);
    match protocol(&call.service) {
        Protocol::RestJson => _ = headers.insert("x-amzn-errortype", short),
        // queues still say what they said in the protocol before
        Protocol::Json if call.service == "sqs" => {
            let whose = if status.is_client_error() {
                "Sender"
            } else {
                "Receiver"
            };
            _ = headers.insert("x-amzn-query-error", format!("{short};{whose}"));
        }
        Protocol::Json | Protocol::S3 | Protocol::Query => {}
    }
    response
}

#[expect(
    clippy::expect_used,
    reason = "the words above have three digits, and a test refuses with all of them"
)]
fn code_of(status: u16) -> StatusCode {
    StatusCode::try_from(status).expect("a status")
}
