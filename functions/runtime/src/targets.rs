//! Executors of the targets that a place can reach, and the rights with which they are spoken to.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::config::timeout::TimeoutConfig;
use porpoise_app::Executors;
use porpoise_executor_athena::AthenaExecutor;
use porpoise_executor_emr_serverless::EmrServerlessExecutor;
use porpoise_executor_step_functions::{KIND, LAMBDA_KIND, StepFunctionsExecutor};
use porpoise_model::Place;
use porpoise_model::target::AssumedRole;
use porpoise_ports::Executor;

use crate::aws::{self, Aws, CONNECT};

/// What the sessions of assumed roles are called in the books of their account.
const SESSION: &str = "porpoise";
/// For one try of a call of a target: to start something takes longer than to send something.
const ATTEMPT: Duration = Duration::from_secs(5);
/// For a call with all its tries.
const CALL: Duration = Duration::from_secs(15);

/// With the executors of all sorts of targets on AWS. A client is made when the first job of its target comes.
pub fn with_targets(executors: Executors, aws: &Aws) -> Executors {
    let clients = aws.clone();
    let emr = EmrServerlessExecutor::new(Arc::new(
        move |place: &Place, role: Option<&AssumedRole>| {
            let config = aws::emr_serverless(&clients, region(&clients, place));
            let config = config.credentials_provider(rights(&clients, role));
            let config = config.timeout_config(patient());
            aws_sdk_emrserverless::Client::from_conf(config.build())
        },
    ));
    let clients = aws.clone();
    let emr = emr.with_logs(Arc::new(
        move |place: &Place, role: Option<&AssumedRole>| {
            let config = aws::s3(&clients, region(&clients, place));
            let config = config.credentials_provider(rights(&clients, role));
            // an emulator has no names for buckets
            let config = config.force_path_style(clients.endpoint("S3").is_some());
            aws_sdk_s3::Client::from_conf(config.timeout_config(patient()).build())
        },
    ));
    let clients = aws.clone();
    let athena = AthenaExecutor::new(Arc::new(
        move |place: &Place, role: Option<&AssumedRole>| {
            let config = aws::athena(&clients, region(&clients, place));
            let config = config.credentials_provider(rights(&clients, role));
            let config = config.timeout_config(patient());
            aws_sdk_athena::Client::from_conf(config.build())
        },
    ));
    let clients = aws.clone();
    let machines = StepFunctionsExecutor::new(Arc::new(
        move |place: &Place, role: Option<&AssumedRole>| {
            let config = aws::sfn(&clients, region(&clients, place));
            let config = config.credentials_provider(rights(&clients, role));
            let config = config.timeout_config(patient());
            aws_sdk_sfn::Client::from_conf(config.build())
        },
    ));
    let emr: Arc<dyn Executor> = Arc::new(emr);
    let athena: Arc<dyn Executor> = Arc::new(athena);
    let machines: Arc<dyn Executor> = Arc::new(machines);
    executors
        .with(["emr-serverless"], &emr)
        .with(["athena"], &athena)
        .with([KIND, LAMBDA_KIND], &machines)
}

/// A target lies at a region, or else its executor refuses it before anything is called.
fn region<'a>(aws: &'a Aws, place: &'a Place) -> &'a str {
    place.aws().map_or(aws.region(), |place| place.region())
}

fn patient() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(CALL)
        .build()
}

/// The function's own, or those of a role of somebody else.
fn rights(aws: &Aws, role: Option<&AssumedRole>) -> SharedCredentialsProvider {
    let Some(role) = role else {
        return SharedCredentialsProvider::new(aws.credentials().clone());
    };
    SharedCredentialsProvider::new(Assumed {
        client: aws_sdk_sts::Client::from_conf(aws::sts(aws, aws.region()).build()),
        role: role.clone(),
    })
}

/// Sessions of a role. The client that asks for them keeps one until it is about to end.
#[derive(Debug)]
struct Assumed {
    client: aws_sdk_sts::Client,
    role: AssumedRole,
}

/// What an answer lacked.
#[derive(Debug, thiserror::Error)]
#[error("AWS gave no session of role `{0}`")]
struct NoSession(String);

impl Assumed {
    async fn assume(&self) -> Result<Credentials, CredentialsError> {
        let AssumedRole { arn, external_id } = &self.role;
        let call = self.client.assume_role().role_arn(arn);
        let call = call
            .role_session_name(SESSION)
            .set_external_id(external_id.clone());
        let answer = call
            .send()
            .await
            .map_err(CredentialsError::provider_error)?;
        let session = answer.credentials;
        let session =
            session.ok_or_else(|| CredentialsError::provider_error(NoSession(arn.clone())))?;
        let until = SystemTime::try_from(session.expiration).ok();
        Ok(Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            until,
            "assumed",
        ))
    }
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}
