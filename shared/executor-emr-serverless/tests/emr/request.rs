//! How jobs become requests, and which do not.

use porpoise_fake_aws::{FakeAws, Options};
use porpoise_model::job::Work;
use porpoise_ports::Executor as _;
use porpoise_ports::executor::{SubmitError, Submitted};
use serde_json::{Value, json};

use crate::support::{
    application, client, executor, hive, job, still, target, target_with, unthrottled,
};

/// The request that a job becomes, as the service shows it.
async fn shown(fake: &FakeAws, submitted: &Submitted) -> aws_sdk_emrserverless::types::JobRun {
    let (app, run) = submitted.external_id.split_once('/').unwrap();
    let get = client(fake)
        .get_job_run()
        .application_id(app)
        .job_run_id(run);
    get.send().await.unwrap().job_run.unwrap()
}

#[tokio::test]
async fn every_member_of_a_request_arrives() {
    let fake = still(Options::default());
    let app = application(&fake, "SPARK").await;
    let request = json!({
        "executionRoleArn": "arn:aws:iam::111122223333:role/own",
        "executionIamPolicy": {"policyArns": ["arn:aws:iam::111122223333:policy/less"]},
        "configurationOverrides": {
            "applicationConfiguration": [{"classification": "spark-defaults", "properties": {"spark.a": "1"}}],
            "monitoringConfiguration": {
                "cloudWatchLoggingConfiguration": {"enabled": true, "logTypes": {"SPARK_DRIVER": ["STDOUT"]}},
                "managedPersistenceMonitoringConfiguration": {"enabled": false},
            },
            "diskEncryptionConfiguration": {"encryptionContext": {"Key": "v"}},
        },
        "tags": {"team": "own"},
        "executionTimeoutMinutes": 30,
        "retryPolicy": {"maxAttempts": 2},
    });
    let settings = json!({
        "application_id": app,
        "request": {
            "tags": {"team": "of the target", "stage": "test"},
            "configurationOverrides": {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://logs/"}}},
        },
    });
    let mut job = job(
        1,
        Work::Spark {
            entry_point: "s3://code/job.py".to_owned(),
            arguments: vec!["--day".to_owned(), "2026-11-21".to_owned()],
            submit: Some("--conf spark.executor.instances=3".to_owned()),
            request: Some(request.to_string()),
        },
    );
    job.target = Some(target(&settings));
    job.env.insert("DAY".to_owned(), "2026-11-21".to_owned());
    job.env.insert("EMPTY".to_owned(), String::new());
    job.env
        .insert("DSN".to_owned(), "x ${secret:DSN}".to_owned());
    job.secrets.insert("DSN".to_owned());
    job.labels.insert("project".to_owned(), "retail".to_owned());
    job.labels
        .insert("cost_centre".to_owned(), "4711".to_owned());
    let submitted = executor(&fake).submit(&job).await.unwrap();
    let run = shown(&fake, &submitted).await;
    assert_eq!(run.name.as_deref(), Some(job.key.to_string().as_str()));
    assert_eq!(run.execution_role, "arn:aws:iam::111122223333:role/own");
    assert_eq!(run.execution_iam_policy.unwrap().policy_arns().len(), 1);
    assert_eq!(run.execution_timeout_minutes, Some(30));
    assert_eq!(run.retry_policy.unwrap().max_attempts, Some(2));
    let tags = run.tags.unwrap();
    let tag = |name: &str| tags.get(name).map(String::as_str);
    assert_eq!(tag("team"), Some("own"));
    assert_eq!(tag("stage"), Some("test"));
    assert_eq!(tag("porpoise:project"), Some("retail"));
    assert_eq!(tag("cost_centre"), Some("4711"));
    let overrides = run.configuration_overrides.unwrap();
    let class = &overrides.application_configuration()[0];
    let properties = class.properties().unwrap();
    assert_eq!(properties["spark.a"], "1");
    assert_eq!(
        properties["spark.emr-serverless.driverEnv.DAY"],
        "2026-11-21"
    );
    assert_eq!(properties["spark.executorEnv.DAY"], "2026-11-21");
    assert!(!properties.contains_key("spark.executorEnv.EMPTY"));
    assert!(!properties.contains_key("spark.executorEnv.DSN"));
    let monitoring = overrides.monitoring_configuration().unwrap();
    assert_eq!(
        monitoring.s3_monitoring_configuration().unwrap().log_uri(),
        Some("s3://logs/")
    );
    assert!(
        monitoring
            .cloud_watch_logging_configuration()
            .unwrap()
            .enabled()
    );
    let disk = overrides.disk_encryption_configuration().unwrap();
    assert_eq!(disk.encryption_context().unwrap()["Key"], "v");
    let submit = run.job_driver.unwrap();
    let submit = submit.as_spark_submit().unwrap();
    assert_eq!(submit.entry_point_arguments(), ["--day", "2026-11-21"]);
    assert_eq!(
        submit.spark_submit_parameters(),
        Some("--conf spark.executor.instances=3")
    );
}

#[tokio::test]
async fn a_job_that_asks_for_nothing_more_is_tried_once_and_for_a_week() {
    let fake = still(Options::default());
    let app = application(&fake, "HIVE").await;
    let mut job = job(1, hive("select 1"));
    job.target = Some(target(&json!({"application_id": app})));
    job.env.insert("DAY".to_owned(), "x".to_owned());
    let run = shown(&fake, &executor(&fake).submit(&job).await.unwrap()).await;
    assert_eq!(run.execution_timeout_minutes, Some(10_080));
    assert_eq!(run.retry_policy, None);
    let overrides = run.configuration_overrides.unwrap();
    let class = &overrides.application_configuration()[0];
    assert_eq!(class.classification(), "hive-site");
    assert_eq!(
        class.properties().unwrap()["hive.emr-serverless.launch.env.DAY"],
        "x"
    );
}

#[tokio::test]
async fn what_can_not_be_run_is_rejected_with_a_reason() {
    let fake = still(unthrottled());
    let app = application(&fake, "SPARK").await;
    let with = |request: Value| Work::Spark {
        entry_point: "s3://code/job.py".to_owned(),
        arguments: Vec::new(),
        submit: None,
        request: Some(request.to_string()),
    };
    let by_id = json!({"application_id": app});
    let no_role = json!({"application_id": app, "execution_role": null});
    let cases = [
        (Work::Noop, by_id.clone(), "not `noop`"),
        (
            with(json!({"clientToken": "x"})),
            by_id.clone(),
            "unknown field `clientToken`",
        ),
        (
            with(json!({"jobDriver": {}})),
            by_id.clone(),
            "may not have `jobDriver`",
        ),
        (with(json!({"tags": {"a": 1}})), by_id.clone(), "`tags.a`"),
        (with(json!([])), by_id.clone(), "no JSON object"),
        (
            with(json!({"tags": {"a": 1}, "mood": 1})),
            by_id.clone(),
            "`mood`: unknown field",
        ),
        (
            with(json!({"tags": {"a": 1}, "mood": 1})),
            by_id.clone(),
            "`tags.a`: invalid type",
        ),
        (
            with(json!({"executionTimeoutMinutes": 0})),
            by_id.clone(),
            "executionTimeoutMinutes",
        ),
        (with(json!({})), no_role, "execution_role"),
        (
            with(json!({})),
            json!({"application_name": "other"}),
            "no application at",
        ),
        (
            with(json!({})),
            json!({"application_id": "00nothing"}),
            "does not exist",
        ),
        (
            with(json!({})),
            json!({"application_id": app, "applicaton_name": "x"}),
            "applicaton_name",
        ),
        (
            with(json!({})),
            json!({}),
            "exactly one of `application_id` and `application_name`",
        ),
        (
            with(json!({})),
            json!({"application_id": app, "request": {"mood": 1}}),
            "unknown field `mood`",
        ),
        (hive("select 1"), by_id.clone(), "takes no job of type Hive"),
        (hive(&"x".repeat(10_281)), by_id.clone(), "put it on S3"),
    ];
    for (number, (work, settings, wanted)) in cases.into_iter().enumerate() {
        let mut job = job(u32::try_from(number).unwrap(), work);
        let mut settings = settings;
        let roleless = settings.get("execution_role").is_some();
        if roleless {
            settings
                .as_object_mut()
                .unwrap()
                .shift_remove("execution_role");
        }
        job.target = Some(if roleless {
            target_with(&settings)
        } else {
            target(&settings)
        });
        let error = executor(&fake).submit(&job).await.unwrap_err();
        let SubmitError::Rejected { message, .. } = error else {
            panic!("{wanted}: {error:?}");
        };
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    let mut nowhere = job(99, with(json!({})));
    nowhere.target = None;
    let error = executor(&fake).submit(&nowhere).await.unwrap_err();
    assert!(error.to_string().contains("needs a target"), "{error}");
}
