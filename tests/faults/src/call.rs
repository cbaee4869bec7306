//! Which service and which operation a request is for.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// A service, by the name it is signed for, and an operation of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `dynamodb`, `sqs`, `events` …
    pub service: String,
    /// `PutItem`, `SendMessageBatch` …
    pub operation: String,
}

/// The operations of services that name them by method and path. `*` is one part, `**` one or more.
const PATHS: [(&str, &str, &str, &str); 22] = [
    ("s3", "PUT", "*/**", "PutObject"),
    ("s3", "GET", "*/**", "GetObject"),
    ("s3", "HEAD", "*/**", "HeadObject"),
    ("s3", "DELETE", "*/**", "DeleteObject"),
    ("s3", "PUT", "*", "CreateBucket"),
    ("s3", "GET", "*", "ListObjects"),
    ("scheduler", "POST", "schedules/*", "CreateSchedule"),
    ("scheduler", "GET", "schedules/*", "GetSchedule"),
    ("scheduler", "PUT", "schedules/*", "UpdateSchedule"),
    ("scheduler", "DELETE", "schedules/*", "DeleteSchedule"),
    ("scheduler", "GET", "schedules", "ListSchedules"),
    (
        "scheduler",
        "POST",
        "schedule-groups/*",
        "CreateScheduleGroup",
    ),
    ("lambda", "POST", "*/functions/*/invocations", "Invoke"),
    (
        "emr-serverless",
        "POST",
        "applications/*/jobruns",
        "StartJobRun",
    ),
    (
        "emr-serverless",
        "GET",
        "applications/*/jobruns",
        "ListJobRuns",
    ),
    (
        "emr-serverless",
        "GET",
        "applications/*/jobruns/*",
        "GetJobRun",
    ),
    (
        "emr-serverless",
        "DELETE",
        "applications/*/jobruns/*",
        "CancelJobRun",
    ),
    (
        "emr-serverless",
        "GET",
        "applications/*/jobruns/*/dashboard",
        "GetDashboardForJobRun",
    ),
    (
        "emr-serverless",
        "POST",
        "applications/*/start",
        "StartApplication",
    ),
    (
        "emr-serverless",
        "POST",
        "applications",
        "CreateApplication",
    ),
    ("emr-serverless", "GET", "applications/*", "GetApplication"),
    ("emr-serverless", "GET", "applications", "ListApplications"),
];

impl Call {
    /// By name.
    pub fn new(service: &str, operation: &str) -> Self {
        Self {
            service: service.to_owned(),
            operation: operation.to_owned(),
        }
    }

    /// What a signed request asks for. Where the operation cannot be told, it is the method and the first part of the
    /// path.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let service = service(request).unwrap_or("unknown");
        let operation = target(request).or_else(|| action(request));
        let operation = operation.unwrap_or_else(|| by_path(service, request));
        Self::new(service, &operation)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service, self.operation)
    }
}

/// `… Credential=KEY/20261121/us-east-1/sqs/aws4_request, …`. Source: IAM user guide, "Elements of a signed request".
fn service(request: &HttpRequest) -> Option<&str> {
    let signature = request.headers().get("authorization")?;
    let (_, scope) = signature.split_once("Credential=")?;
    scope.split(',').next()?.split('/').nth(3)
}

/// Services that speak JSON 1.0 or 1.1: `DynamoDB_20120810.PutItem`.
fn target(request: &HttpRequest) -> Option<String> {
    let target = request.headers().get("x-amz-target")?;
    target.rsplit('.').next().map(str::to_owned)
}

/// Services that speak Query: `Action=Publish&Version=…`.
fn action(request: &HttpRequest) -> Option<String> {
    let kind = request.headers().get("content-type")?;
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let form = std::str::from_utf8(request.body().bytes()?).ok()?;
    let mut fields = form.split('&');
    fields.find_map(|field| field.strip_prefix("Action=").map(str::to_owned))
}

fn by_path(service: &str, request: &HttpRequest) -> String {
    let path = path(request.uri());
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let row = PATHS.iter().find(|(of, method, pattern, _)| {
        *of == service && *method == request.method() && matches(pattern, &parts)
    });
    match row {
        Some((_, _, _, operation)) => (*operation).to_owned(),
        None => format!("{} {}", request.method(), parts.first().unwrap_or(&"")),
    }
}

/// Of a whole address, without what is asked for in it.
fn path(uri: &str) -> &str {
    let after_scheme = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = after_scheme
        .find('/')
        .map_or("", |start| after_scheme.split_at(start).1);
    path.split('?').next().unwrap_or_default()
}

fn matches(pattern: &str, parts: &[&str]) -> bool {
    let mut parts = parts.iter();
    for wanted in pattern.split('/') {
        match (wanted, parts.next()) {
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(part)) if wanted == *part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=00";

    fn request(
        service: &str,
        method: &str,
        uri: &str,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).unwrap();
        request.set_uri(uri).unwrap();
        let signed = SIGNED.replace("{}", service);
        request.headers_mut().insert("authorization", signed);
        for (name, value) in headers {
            request.headers_mut().insert(*name, *value);
        }
        request
    }

    #[test]
    fn operations_are_told_in_every_protocol() {
        let local = "http://127.0.0.1:4566";
        let json = [("x-amz-target", "AmazonSQS.SendMessageBatch")];
        let form = [("content-type", "application/x-www-form-urlencoded")];
        for (request, wanted) in [
            (
                request("sqs", "POST", local, &json, "{}"),
                "sqs SendMessageBatch",
            ),
            (
                request("sns", "POST", local, &form, "Version=1&Action=Publish"),
                "sns Publish",
            ),
            (
                request(
                    "s3",
                    "PUT",
                    "http://127.0.0.1/bucket/a/b?x-id=PutObject",
                    &[],
                    "",
                ),
                "s3 PutObject",
            ),
            (
                request("s3", "PUT", "http://127.0.0.1/bucket", &[], ""),
                "s3 CreateBucket",
            ),
            (
                request(
                    "scheduler",
                    "POST",
                    "http://127.0.0.1/schedules/wake-1",
                    &[],
                    "",
                ),
                "scheduler CreateSchedule",
            ),
            (
                request(
                    "lambda",
                    "POST",
                    "http://127.0.0.1/2015-03-31/functions/f/invocations",
                    &[],
                    "",
                ),
                "lambda Invoke",
            ),
            (
                request(
                    "emr-serverless",
                    "GET",
                    "http://127.0.0.1/applications/1/jobruns?mode=x",
                    &[],
                    "",
                ),
                "emr-serverless ListJobRuns",
            ),
            (
                request(
                    "emr-serverless",
                    "DELETE",
                    "http://127.0.0.1/applications/1/jobruns/2",
                    &[],
                    "",
                ),
                "emr-serverless CancelJobRun",
            ),
            (
                request("batch", "PUT", "http://127.0.0.1/v1/jobs", &[], ""),
                "batch PUT v1",
            ),
        ] {
            assert_eq!(Call::of(&request).to_string(), wanted);
        }
    }
}
