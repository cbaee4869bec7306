//! How a job becomes a request.

use std::collections::BTreeMap;

use aws_sdk_emrserverless::error::BuildError;
use aws_sdk_emrserverless::operation::start_job_run::StartJobRunInput;
use porpoise_model::job::{Job, Work};
use porpoise_ports::target::{object, told as told_all};
use serde_json::{Map, Value, json};

use crate::build;
use crate::dolphin;
use crate::request::{Classification, Mode, StartRequest};
use crate::settings::Settings;
use crate::tags::tags;

/// The longest time-out of a batch job, in minutes: seven days. The service's default is twelve hours, after which it
/// would cancel jobs that nobody here wants canceled. Source: `StartJobRun` in the EMR Serverless API reference.
const TIMEOUT_MINUTES_MAX: i64 = 10_080;

/// Limits of a hive query and of properties. Source: the service model.
const QUERY_CHARS_MAX: usize = 10_280;
const PROPERTIES_MAX: usize = 100;
const PROPERTY_CHARS_MAX: usize = 1_024;

/// The request that starts a job on an application.
///
/// # Errors
/// Why the job can't be said in a request, and what to do.
pub(crate) fn input(
    job: &Job,
    settings: &Settings,
    application: &str,
) -> Result<StartJobRunInput, String> {
    let own = own(&job.work, settings)?;
    let request = StartRequest::of([&settings.request, &own]);
    let mut request =
        request.map_err(|faults| format!("the request cannot be read: {}", told_all(&faults)))?;
    let role = request
        .execution_role_arn
        .take()
        .or_else(|| settings.execution_role.clone());
    let role = role.ok_or(
        "no role is named that the job runs with: set `execution_role` in the settings of the target, or \
         `executionRoleArn` in the task's request",
    )?;
    give_environment(job, &mut request)?;
    let driver = request.job_driver.take().unwrap_or_default();
    let driver = build::driver(driver).map_err(|error| told(&error))?;
    let driver = driver.ok_or(
        "the request must have exactly one of `jobDriver.sparkSubmit` and `jobDriver.hive`",
    )?;
    let overrides = request.configuration_overrides.take();
    let overrides = overrides
        .map(build::overrides)
        .transpose()
        .map_err(|error| told(&error))?;
    let streaming = request.mode == Some(Mode::Streaming);
    let longest = (!streaming).then_some(TIMEOUT_MINUTES_MAX);
    StartJobRunInput::builder()
        .application_id(application)
        .client_token(job.key.to_string())
        .name(job.key.to_string())
        .execution_role_arn(role)
        .set_execution_iam_policy(request.execution_iam_policy.map(Into::into))
        .job_driver(driver)
        .set_configuration_overrides(overrides)
        .set_tags(Some(tags(&job.labels, request.tags).into_iter().collect()))
        .set_execution_timeout_minutes(request.execution_timeout_minutes.or(longest))
        .set_mode(request.mode.map(Into::into))
        .set_retry_policy(request.retry_policy.map(Into::into))
        .build()
        .map_err(|error| told(&error))
}

fn told(error: &BuildError) -> String {
    error.to_string()
}

/// What the work itself asks for.
fn own(work: &Work, settings: &Settings) -> Result<Map<String, Value>, String> {
    let (driver, request) = match work {
        Work::Spark {
            entry_point,
            arguments,
            submit,
            request,
        } => {
            let submit = json!({
                "entryPoint": entry_point,
                "entryPointArguments": arguments,
                "sparkSubmitParameters": submit,
            });
            (json!({"sparkSubmit": submit}), request)
        }
        Work::Hive {
            query,
            init,
            options,
            request,
        } => {
            if query.chars().count() > QUERY_CHARS_MAX {
                return Err(format!(
                    "the query has more than {QUERY_CHARS_MAX} characters, which EMR Serverless does not take: put it \
                     on S3 and give its address"
                ));
            }
            let hive = json!({"query": query, "initQueryFile": init, "parameters": options});
            (json!({"hive": hive}), request)
        }
        Work::External {
            system,
            name,
            parameters,
        } if system == "dolphinscheduler" => return dolphin::request(name, parameters, settings),
        Work::Noop
        | Work::Sleep { .. }
        | Work::Shell { .. }
        | Work::Python { .. }
        | Work::Command { .. }
        | Work::External { .. }
        | Work::Sql { .. }
        | Work::Function { .. }
        | Work::Http { .. }
        | Work::StateMachine { .. } => {
            let word = work.word();
            return Err(format!(
                "EMR Serverless runs `spark` and `hive` tasks, not `{word}`"
            ));
        }
    };
    let text = request.as_deref().unwrap_or("{}");
    let mut request =
        object(text).map_err(|fault| format!("the task's request cannot be read: {fault}"))?;
    if request.contains_key("jobDriver") || request.contains_key("JobDriver") {
        return Err(
            "the task's request may not have `jobDriver`: the task itself says it".to_owned(),
        );
    }
    request.insert("jobDriver".to_owned(), driver);
    Ok(request)
}

/// Has the job see its environment variables: in its driver and its workers.
///
/// Source: "Spark job properties" and "Hive job properties" in the EMR Serverless user guide.
fn give_environment(job: &Job, request: &mut StartRequest) -> Result<(), String> {
    // nobody resolves a secret there: a reference to one would only be taken for its value
    let references: Vec<String> = job
        .secrets
        .iter()
        .map(|name| format!("${{secret:{name}}}"))
        .collect();
    let is_secret = |value: &str| references.iter().any(|secret| value.contains(secret));
    // a property can't be empty: such a variable is not set
    let set = job.env.iter();
    let set = set.filter(|(_, value)| !value.trim().is_empty() && !is_secret(value));
    let set: Vec<(&String, &String)> = set.collect();
    if set.is_empty() {
        return Ok(());
    }
    if let Some((name, _)) = set
        .iter()
        .find(|(_, value)| value.chars().count() > PROPERTY_CHARS_MAX)
    {
        return Err(format!(
            "the environment variable `{name}` has more than {PROPERTY_CHARS_MAX} characters, which EMR Serverless \
             does not take"
        ));
    }
    let hive = request
        .job_driver
        .as_ref()
        .is_some_and(|driver| driver.hive.is_some());
    let (class, prefixes): (&str, &[&str]) = if hive {
        ("hive-site", &["hive.emr-serverless.launch.env."])
    } else {
        (
            "spark-defaults",
            &["spark.emr-serverless.driverEnv.", "spark.executorEnv."],
        )
    };
    let overrides = request.configuration_overrides.get_or_insert_default();
    let classes = overrides.application_configuration.get_or_insert_default();
    let known = classes
        .iter()
        .position(|known| known.classification == class);
    let index = known.unwrap_or_else(|| {
        classes.push(Classification {
            classification: class.to_owned(),
            properties: None,
            configurations: None,
        });
        classes.len() - 1
    });
    let Some(class) = classes.get_mut(index) else {
        return Ok(());
    };
    let properties: &mut BTreeMap<String, String> = class.properties.get_or_insert_default();
    for (name, value) in set {
        for prefix in prefixes {
            let property = properties.entry(format!("{prefix}{name}"));
            property.or_insert_with(|| value.clone());
        }
    }
    if properties.len() > PROPERTIES_MAX {
        return Err(format!(
            "the job has more environment variables than EMR Serverless takes: {PROPERTIES_MAX} properties in all, of \
             which each variable is {}",
            prefixes.len()
        ));
    }
    Ok(())
}
