//! What a request to AWS is, in the words of IAM.

use axum::http::{HeaderMap, Method, Uri};

/// A call of AWS that a function made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The function, by the name that its clients carry.
    pub function: String,
    /// What it needed to be allowed: `sqs:SendMessage`.
    pub action: String,
    /// The region that it was made in.
    pub region: String,
    /// What was answered.
    pub status: u16,
    /// Whether it was refused for want of a permission.
    pub denied: bool,
    /// It was made with the rights of a role that the function had assumed, and not with its own.
    pub assumed: bool,
}

/// Who calls what, as a request's headers and address say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The function, or `unknown`.
    pub function: String,
    /// The service, as signatures spell it.
    pub service: String,
    /// The region of the signature.
    pub region: String,
    /// The action in the words of IAM.
    pub action: String,
}

/// The access key of a request's signature.
pub(crate) fn access_key(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    let (_, rest) = authorization.split_once("Credential=")?;
    rest.split('/').next()
}

/// Reads a request.
pub fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Asked {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    let (region, service) = scope(text("authorization")).unwrap_or_default();
    let operation = match text("x-amz-target").rsplit_once('.') {
        Some((_, operation)) => operation.to_owned(),
        None => operation(&service, method, uri, body),
    };
    Asked {
        function: function(text("user-agent")),
        action: format!("{}:{}", prefix(&service), granted_as(&service, &operation)),
        service,
        region,
    }
}

/// Region and service of a signature: `Credential=AKID/20261121/eu-west-1/sqs/aws4_request`.
fn scope(authorization: &str) -> Option<(String, String)> {
    let (_, rest) = authorization.split_once("Credential=")?;
    let mut parts = rest.split('/').skip(2);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

/// What clients of a function say in their `user-agent`: `app/porpoise-stepper`.
fn function(agent: &str) -> String {
    let app = agent.split(' ').find_map(|part| part.strip_prefix("app/"));
    app.unwrap_or("unknown").to_owned()
}

/// IAM's prefix of a service.
fn prefix(service: &str) -> &str {
    service // the same for all that are called here
}

/// The operation of protocols that say it with method and path.
fn operation(service: &str, method: &Method, uri: &Uri, body: &[u8]) -> String {
    let path = uri.path();
    let known = match service {
        "s3" => {
            let object = path.trim_matches('/').contains('/');
            match (method.as_str(), object) {
                ("GET" | "HEAD", true) => "GetObject",
                ("PUT", true) => "PutObject",
                ("GET" | "HEAD", false) => "ListBucket",
                _ => "",
            }
        }
        "scheduler" if method == Method::POST && path.starts_with("/schedules/") => {
            "CreateSchedule"
        }
        "lambda" if path.ends_with("/invocations") => "InvokeFunction",
        "emr-serverless" => of_emr_serverless(method, path),
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    // the query protocol
    let body = std::str::from_utf8(body).unwrap_or_default();
    let action = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action="));
    action.map_or_else(|| format!("{method} {path}"), str::to_owned)
}

/// Source: EMR Serverless API reference, the request syntax of each operation that a function may call.
fn of_emr_serverless(method: &Method, path: &str) -> &'static str {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["applications"]) => "ListApplications",
        ("GET", ["applications", _]) => "GetApplication",
        ("POST", ["applications", _, "start"]) => "StartApplication",
        ("POST", ["applications", _, "jobruns"]) => "StartJobRun",
        ("GET", ["applications", _, "jobruns"]) => "ListJobRuns",
        ("GET", ["applications", _, "jobruns", _]) => "GetJobRun",
        ("DELETE", ["applications", _, "jobruns", _]) => "CancelJobRun",
        ("GET", ["applications", _, "jobruns", _, "dashboard"]) => "GetDashboardForJobRun",
        _ => "",
    }
}

/// Some operations are granted by the name of another.
///
/// Source: service authorization reference, "Actions defined by Amazon SQS".
fn granted_as<'o>(service: &str, operation: &'o str) -> &'o str {
    match (service, operation) {
        ("sqs", "SendMessageBatch") => "SendMessage",
        (_, operation) => operation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(method: &str, path: &str, service: &str, target: &str, body: &str) -> String {
        let mut headers = HeaderMap::new();
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=ASIA/20261121/eu-west-1/{service}/aws4_request, SignedHeaders=host"
        );
        headers.insert("authorization", scope.parse().unwrap());
        let agent = "aws-sdk-rust/1.5.0 ua/2.1 api/sqs#1.119.0 os/linux lang/rust#1.95.0 app/porpoise-stepper";
        headers.insert("user-agent", agent.parse().unwrap());
        if !target.is_empty() {
            headers.insert("x-amz-target", target.parse().unwrap());
        }
        let method = method.parse().unwrap();
        let asked = read(&method, &path.parse().unwrap(), &headers, body.as_bytes());
        assert_eq!(
            (&*asked.function, &*asked.region),
            ("porpoise-stepper", "eu-west-1")
        );
        asked.action
    }

    #[test]
    fn requests_are_named_as_policies_name_them() {
        for (method, path, service, target, body, wanted) in [
            (
                "POST",
                "/",
                "sqs",
                "AmazonSQS.SendMessageBatch",
                "{}",
                "sqs:SendMessage",
            ),
            (
                "POST",
                "/",
                "dynamodb",
                "DynamoDB_20120810.PutItem",
                "{}",
                "dynamodb:PutItem",
            ),
            (
                "POST",
                "/",
                "events",
                "AWSEvents.PutEvents",
                "{}",
                "events:PutEvents",
            ),
            (
                "POST",
                "/",
                "states",
                "AWSStepFunctions.StartExecution",
                "{}",
                "states:StartExecution",
            ),
            ("PUT", "/bucket/blobs/p/h", "s3", "", "x", "s3:PutObject"),
            (
                "GET",
                "/bucket/blobs/p/h?x-id=GetObject",
                "s3",
                "",
                "",
                "s3:GetObject",
            ),
            (
                "POST",
                "/schedules/wake-1",
                "scheduler",
                "",
                "{}",
                "scheduler:CreateSchedule",
            ),
            (
                "POST",
                "/",
                "sns",
                "",
                "Action=Publish&Version=2010",
                "sns:Publish",
            ),
            (
                "POST",
                "/2015-03-31/functions/n/invocations",
                "lambda",
                "",
                "{}",
                "lambda:InvokeFunction",
            ),
            (
                "POST",
                "/applications/00f/jobruns",
                "emr-serverless",
                "",
                "{}",
                "emr-serverless:StartJobRun",
            ),
            (
                "POST",
                "/",
                "athena",
                "AmazonAthena.StartQueryExecution",
                "{}",
                "athena:StartQueryExecution",
            ),
        ] {
            assert_eq!(action(method, path, service, target, body), wanted);
        }
    }
}
