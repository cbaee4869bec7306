//! Clients of AWS: made once per cold start, from what Lambda says in the environment.
//!
//! Lambda gives a function its credentials in variables that stay as they are for the life of its environment, and its
//! region likewise: so nothing is looked up, and no client is made that a function does not use.

use std::time::Duration;

use aws_sdk_sqs::config::{AppName, Credentials, Region};

use crate::config::Reader;

/// For a connection.
pub const CONNECT: Duration = Duration::from_millis(500);
/// For one try of a call that sends something.
pub const ATTEMPT: Duration = Duration::from_secs(2);
/// For a call that sends something, with all its tries: leaves a function that has 30 seconds time for the rest.
pub const CALL: Duration = Duration::from_secs(8);
/// Tries of a call that sends something.
pub const TRIES: u32 = 3;

/// Who the function is, where, and where AWS answers.
#[derive(Clone)]
pub struct Aws {
    region: String,
    credentials: Credentials,
    endpoint: Option<String>,
    endpoints: Vec<(&'static str, String)>,
    /// The function: calls carry its name, so that whoever reads them knows whose they are.
    function: Option<AppName>,
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The services that an endpoint can be named for, as the SDKs spell them in `AWS_ENDPOINT_URL_…`.
const SERVICES: [&str; 11] = [
    "ATHENA",
    "DYNAMODB",
    "EMR_SERVERLESS",
    "EVENTBRIDGE",
    "LAMBDA",
    "S3",
    "SCHEDULER",
    "SFN",
    "SNS",
    "SQS",
    "STS",
];

impl Aws {
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; for emulators
    /// `AWS_ENDPOINT_URL`, and for single services `AWS_ENDPOINT_URL_DYNAMODB` and so on.
    pub fn read(env: &mut Reader<'_>) -> Self {
        let key = env.text("AWS_ACCESS_KEY_ID");
        let secret = env.text("AWS_SECRET_ACCESS_KEY");
        let token = env.optional("AWS_SESSION_TOKEN");
        let named = SERVICES.into_iter().filter_map(|service| {
            let url = env.optional(&format!("AWS_ENDPOINT_URL_{service}"));
            url.map(|url| (service, url))
        });
        let endpoints = named.collect();
        Self {
            region: env.text("AWS_REGION"),
            credentials: Credentials::new(key, secret, token, None, "lambda"),
            endpoint: env.optional("AWS_ENDPOINT_URL"),
            endpoints,
            function: env
                .optional("AWS_LAMBDA_FUNCTION_NAME")
                .and_then(|name| AppName::new(name).ok()),
        }
    }

    /// The region of the function.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What the function itself may do.
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Where a service answers, if not where AWS has it.
    pub fn endpoint(&self, service: &str) -> Option<&str> {
        let mut named = self.endpoints.iter();
        let named = named.find(|(name, _)| *name == service);
        let named = named.map(|(_, url)| url.as_str());
        named.or(self.endpoint.as_deref())
    }
}

/// A configuration of a service's client: the builder of its crate, filled in.
macro_rules! config {
    ($(#[$doc:meta])* $name:ident, $service:ident, $word:literal) => {
        $(#[$doc])*
        pub fn $name(aws: &Aws, region: &str) -> $service::config::Builder {
            let retries = $service::config::retry::RetryConfig::standard().with_max_attempts(TRIES);
            let timeouts = $service::config::timeout::TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .operation_timeout(CALL);
            let mut config = $service::Config::builder()
                .behavior_version($service::config::BehaviorVersion::latest())
                .region(Region::new(region.to_owned()))
                .credentials_provider(aws.credentials.clone())
                .retry_config(retries)
                .timeout_config(timeouts.build());
            config.set_app_name(aws.function.clone());
            config.set_endpoint_url(aws.endpoint($word).map(str::to_owned));
            config
        }
    };
}

config!(
    /// For DynamoDB; its table sets how patient it is.
    dynamodb, aws_sdk_dynamodb, "DYNAMODB"
);
config!(
    /// For EMR Serverless, in the region of a target.
    emr_serverless, aws_sdk_emrserverless, "EMR_SERVERLESS"
);
config!(
    /// For Athena, in the region of a target.
    athena, aws_sdk_athena, "ATHENA"
);
config!(
    /// For sessions of roles.
    sts, aws_sdk_sts, "STS"
);
config!(
    /// For EventBridge, in the region of a bus.
    eventbridge, aws_sdk_eventbridge, "EVENTBRIDGE"
);
config!(
    /// For Lambda, in the region of a dispatcher.
    lambda, aws_sdk_lambda, "LAMBDA"
);
config!(
    /// For S3.
    s3, aws_sdk_s3, "S3"
);
config!(
    /// For EventBridge Scheduler.
    scheduler, aws_sdk_scheduler, "SCHEDULER"
);
config!(
    /// For Step Functions.
    sfn, aws_sdk_sfn, "SFN"
);
config!(
    /// For SNS.
    sns, aws_sdk_sns, "SNS"
);
config!(
    /// For SQS.
    sqs, aws_sdk_sqs, "SQS"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_of_a_service_comes_before_the_one_of_all() {
        let variables = |name: &str| {
            let value = match name {
                "AWS_REGION" => "eu-west-1",
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "hush",
                "AWS_ENDPOINT_URL" => "http://127.0.0.1:1",
                "AWS_ENDPOINT_URL_DYNAMODB" => "http://127.0.0.1:2",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let mut env = Reader::new(variables);
        let aws = Aws::read(&mut env);
        let aws = env.finish(aws).unwrap();
        assert_eq!(aws.endpoint("DYNAMODB"), Some("http://127.0.0.1:2"));
        assert_eq!(aws.endpoint("SQS"), Some("http://127.0.0.1:1"));
        assert_eq!(aws.region(), "eu-west-1");
        assert!(!format!("{aws:?}").contains("hush"));
    }

    #[test]
    fn without_credentials_and_region_nothing_starts() {
        let mut env = Reader::new(|_| None);
        let aws = Aws::read(&mut env);
        let error = env.finish(aws).unwrap_err();
        assert_eq!(error.0.len(), 3, "{error}");
    }
}
