//! EMR Serverless.

use std::time::Duration;

use aws_sdk_emrserverless::error::ProvideErrorMetadata as _;
use aws_sdk_emrserverless::operation::start_job_run::StartJobRunError;
use aws_sdk_emrserverless::types::{
    ApplicationState, JobRunMode, JobRunState as State, RetryPolicy, SchedulerConfiguration,
};
use porpoise_fake_aws::{Behaviour, Options, Script, Trouble};

use crate::support::{
    ROLE, application, emr, emr_of, fake, hive, job, millis, spark, state, still, wait,
};

#[tokio::test]
async fn a_job_goes_through_its_states_and_starts_its_application() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let script = "waiting=1s;pending=2s;scheduled=3s;running=4s";
    let start = spark(&client, &app, "t1", script)
        .name("load")
        .tags("team", "a b");
    let started = start.send().await.unwrap();
    let arn =
        format!("arn:aws:emr-serverless:eu-central-1:111122223333:/applications/{app}/jobruns/");
    assert_eq!(started.arn, arn + &started.job_run_id);
    let id = started.job_run_id;
    assert_eq!(state(&client, &app, &id).await, State::Submitted);
    fake.advance(millis(999));
    assert_eq!(state(&client, &app, &id).await, State::Submitted);
    // the application is created, and has to start: 10 ms each
    fake.advance(millis(1));
    let get = client.get_application().application_id(&app);
    let seen = get.send().await.unwrap().application.unwrap();
    assert_eq!(seen.state, ApplicationState::Starting);
    assert_eq!(state(&client, &app, &id).await, State::Submitted);
    fake.advance(millis(10));
    assert_eq!(state(&client, &app, &id).await, State::Pending);
    fake.advance(Duration::from_secs(2));
    assert_eq!(state(&client, &app, &id).await, State::Scheduled);
    fake.advance(Duration::from_secs(3));
    assert_eq!(state(&client, &app, &id).await, State::Running);
    fake.advance(Duration::from_secs(4));
    let run = job(&client, &app, &id).await;
    assert_eq!(run.state, State::Success);
    assert_eq!(run.total_execution_duration_seconds, Some(4));
    assert_eq!(
        run.ended_at.unwrap().secs() - run.started_at.unwrap().secs(),
        4
    );
    assert_eq!(run.name.as_deref(), Some("load"));
    assert_eq!(run.tags.unwrap()["team"], "a b");
    assert_eq!(run.execution_role, ROLE);
}

#[tokio::test]
async fn a_token_used_again_is_the_same_job_or_a_conflict() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let first = spark(&client, &app, "key", "running=1s")
        .send()
        .await
        .unwrap();
    fake.advance(Duration::from_hours(24));
    let again = spark(&client, &app, "key", "running=1s")
        .send()
        .await
        .unwrap();
    assert_eq!(first.job_run_id, again.job_run_id);
    let other = spark(&client, &app, "key", "running=2s")
        .send()
        .await
        .unwrap_err();
    let error = other.into_service_error();
    assert!(
        matches!(error, StartJobRunError::ConflictException(_)),
        "{error:?}"
    );
    let listed = client
        .list_job_runs()
        .application_id(&app)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.job_runs.len(), 1);
}

#[tokio::test]
async fn a_token_may_be_forgotten() {
    let fake = fake(Options {
        tokens_live: Some(Duration::from_mins(10)),
        ..Options::default()
    });
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let first = spark(&client, &app, "key", "").send().await.unwrap();
    fake.advance(Duration::from_mins(10));
    let again = spark(&client, &app, "key", "").send().await.unwrap();
    assert_ne!(first.job_run_id, again.job_run_id);
}

#[tokio::test]
async fn a_request_that_the_model_refuses_says_why() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "HIVE").await;
    let start = || {
        let start = client
            .start_job_run()
            .application_id(&app)
            .execution_role_arn(ROLE);
        start.client_token("t").job_driver(hive("select 1"))
    };
    let refused = [
        (start().client_token("not allowed"), "clientToken"),
        (start().execution_role_arn("role"), "executionRoleArn"),
        (start().tags("a?", "b"), "tags.a?"),
        (start().mode(JobRunMode::from("NEVER")), "mode"),
        (
            start().execution_timeout_minutes(0),
            "executionTimeoutMinutes",
        ),
        (start().job_driver(hive("")), "jobDriver.hive.query"),
        (
            spark(&client, &app, "t", ""),
            "an application of type Hive takes no job of type Spark",
        ),
    ];
    for (start, wanted) in refused {
        let error = start.send().await.unwrap_err().into_service_error();
        assert!(
            matches!(error, StartJobRunError::ValidationException(_)),
            "{error:?}"
        );
        let message = error.message().unwrap_or_default();
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    start().send().await.unwrap();
    let missing = start().application_id("00nothing").client_token("other");
    let missing = missing.send().await.unwrap_err();
    let missing = missing.into_service_error();
    assert!(
        matches!(missing, StartJobRunError::ResourceNotFoundException(_)),
        "{missing:?}"
    );
}

#[tokio::test]
async fn a_canceled_job_stops_when_it_can_or_must() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let start = async |token: &str| {
        let start = spark(&client, &app, token, "running=1h;stops=30s");
        start.send().await.unwrap().job_run_id
    };
    let (patient, hurried) = (start("1").await, start("2").await);
    fake.advance(Duration::from_secs(1));
    assert_eq!(state(&client, &app, &patient).await, State::Running);
    let cancel = |id: &str| client.cancel_job_run().application_id(&app).job_run_id(id);
    cancel(&patient).send().await.unwrap();
    cancel(&hurried)
        .shutdown_grace_period_in_seconds(5)
        .send()
        .await
        .unwrap();
    fake.advance(Duration::from_secs(5));
    assert_eq!(state(&client, &app, &patient).await, State::Cancelling);
    assert_eq!(state(&client, &app, &hurried).await, State::Cancelled);
    cancel(&patient).send().await.unwrap();
    fake.advance(Duration::from_secs(25));
    assert_eq!(state(&client, &app, &patient).await, State::Cancelled);
    cancel(&patient).send().await.unwrap_err();
}

#[tokio::test]
async fn a_job_that_exceeds_its_timeout_is_canceled_and_one_that_fails_says_why() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let long = spark(&client, &app, "1", "running=2m").execution_timeout_minutes(1);
    let long = long.send().await.unwrap().job_run_id;
    let bad = spark(&client, &app, "2", "fails=no such table: orders");
    let bad = bad.send().await.unwrap().job_run_id;
    fake.advance(Duration::from_secs(62));
    let (long, bad) = (
        job(&client, &app, &long).await,
        job(&client, &app, &bad).await,
    );
    assert_eq!(long.state, State::Cancelled);
    assert!(
        long.state_details.contains("timeout"),
        "{}",
        long.state_details
    );
    assert_eq!(
        (bad.state, bad.state_details.as_str()),
        (State::Failed, "no such table: orders")
    );
}

#[tokio::test]
async fn the_service_tries_again_when_it_is_asked_to() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let policy = RetryPolicy::builder().max_attempts(3).build();
    let start = spark(
        &client,
        &app,
        "1",
        "running=1m;fails=lost a node;failures=1",
    );
    let id = start.retry_policy(policy).send().await.unwrap().job_run_id;
    fake.advance(Duration::from_mins(3));
    let run = job(&client, &app, &id).await;
    assert_eq!((run.state, run.attempt), (State::Success, Some(2)));
    let list = client
        .list_job_run_attempts()
        .application_id(&app)
        .job_run_id(&id);
    let attempts = list.send().await.unwrap().job_run_attempts;
    let seen: Vec<_> = attempts
        .iter()
        .map(|row| (row.attempt.unwrap(), row.state.clone()))
        .collect();
    assert_eq!(seen, [(2, State::Success), (1, State::Failed)]);
}

#[tokio::test]
async fn a_scheduler_queues_jobs_and_lets_none_wait_for_ever() {
    let fake = still();
    let client = emr(&fake);
    let scheduler = SchedulerConfiguration::builder()
        .max_concurrent_runs(1)
        .queue_timeout_minutes(15);
    let create = client
        .create_application()
        .release_label("emr-7.11.0")
        .r#type("Spark");
    let create = create
        .scheduler_configuration(scheduler.build())
        .send()
        .await
        .unwrap();
    let app = create.application_id;
    fake.advance(millis(10));
    let start = async |token: &str, script: &str| {
        spark(&client, &app, token, script)
            .send()
            .await
            .unwrap()
            .job_run_id
    };
    let first = start("1", "running=10m").await;
    let second = start("2", "running=1h").await;
    let third = start("3", "running=1h").await;
    fake.advance(Duration::from_mins(1));
    assert_eq!(state(&client, &app, &first).await, State::Running);
    assert_eq!(state(&client, &app, &second).await, State::Queued);
    fake.advance(Duration::from_mins(10));
    let second = job(&client, &app, &second).await;
    assert_eq!(second.state, State::Running);
    assert_eq!(second.queued_duration_milliseconds.unwrap() / 60_000, 10);
    fake.advance(Duration::from_mins(10));
    assert_eq!(state(&client, &app, &third).await, State::Failed);
}

#[tokio::test]
async fn calls_are_throttled_as_documented() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let burst = async || {
        let mut taken = 0;
        for number in 0..40 {
            match spark(&client, &app, &format!("t{number}"), "").send().await {
                Ok(_) => taken += 1,
                Err(error) => {
                    let error = error.into_service_error();
                    assert_eq!(error.code(), Some("ThrottlingException"));
                }
            }
        }
        taken
    };
    assert_eq!(burst().await, 25);
    fake.advance(Duration::from_secs(3));
    assert_eq!(burst().await, 3);
    assert_eq!(fake.calls()["StartJobRun"], 80);
}

#[tokio::test]
async fn lists_come_in_pages_and_filtered() {
    let fake = fake(Options {
        throttled: false,
        ..Options::default()
    });
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    for number in 0..60 {
        let script = if number % 2 == 0 { "" } else { "fails=odd" };
        let start =
            spark(&client, &app, &format!("t{number}"), script).name(format!("job-{number}"));
        start.send().await.unwrap();
        fake.advance(Duration::from_secs(1));
    }
    let list = || client.list_job_runs().application_id(&app);
    let page = list().send().await.unwrap();
    assert_eq!(page.job_runs.len(), 50);
    assert_eq!(page.job_runs[0].name.as_deref(), Some("job-59"));
    // what comes in between does not move the pages
    spark(&client, &app, "new", "").send().await.unwrap();
    let rest = list()
        .next_token(page.next_token.unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(rest.job_runs.len(), 10);
    assert_eq!(rest.job_runs[9].name.as_deref(), Some("job-0"));
    assert_eq!(rest.next_token, None);
    let failed = list()
        .states(State::Failed)
        .max_results(7)
        .into_paginator()
        .items()
        .send();
    let failed = failed.collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(failed.len(), 30);
    assert!(failed.iter().all(|run| run.state == State::Failed));
    let grouped = list()
        .states(State::Success)
        .states(State::Failed)
        .send()
        .await
        .unwrap();
    let first_failed = grouped
        .job_runs
        .iter()
        .position(|run| run.state == State::Failed);
    assert_eq!(first_failed, Some(30));
    let from = grouped.job_runs[5].created_at;
    let later = list()
        .states(State::Success)
        .created_at_after(from)
        .send()
        .await
        .unwrap();
    assert_eq!(later.job_runs.len(), 6);
}

#[tokio::test]
async fn regions_and_accounts_see_only_their_own() {
    let fake = still();
    let home = emr(&fake);
    let app = application(&fake, &home, "SPARK").await;
    for (account, region) in [
        ("111122223333", "us-east-1"),
        ("444455556666", "eu-central-1"),
    ] {
        let other = emr_of(&fake, account, region);
        other
            .get_application()
            .application_id(&app)
            .send()
            .await
            .unwrap_err();
        assert_eq!(
            other
                .list_applications()
                .send()
                .await
                .unwrap()
                .applications
                .len(),
            0
        );
        let start = spark(&other, &application(&fake, &other, "SPARK").await, "t", "");
        start.send().await.unwrap();
    }
    assert_eq!(
        home.list_applications()
            .send()
            .await
            .unwrap()
            .applications
            .len(),
        1
    );
    let china = emr_of(&fake, "111122223333", "cn-north-1");
    let made = china
        .create_application()
        .release_label("emr-7.11.0")
        .r#type("Spark");
    assert!(made.send().await.unwrap().arn.starts_with("arn:aws-cn:"));
}

#[tokio::test]
async fn applications_stop_by_themselves_and_only_start_by_themselves_if_they_may() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let app_state = async |id: &str| {
        let get = client
            .get_application()
            .application_id(id)
            .send()
            .await
            .unwrap();
        get.application.unwrap().state
    };
    spark(&client, &app, "1", "running=20m")
        .send()
        .await
        .unwrap();
    fake.advance(Duration::from_mins(19));
    assert_eq!(app_state(&app).await, ApplicationState::Started);
    client
        .stop_application()
        .application_id(&app)
        .send()
        .await
        .unwrap_err();
    fake.advance(Duration::from_mins(17));
    assert_eq!(app_state(&app).await, ApplicationState::Stopped);
    let by_hand = aws_sdk_emrserverless::types::AutoStartConfig::builder().enabled(false);
    let create = client
        .create_application()
        .release_label("emr-7.11.0")
        .r#type("Spark");
    let create = create
        .auto_start_configuration(by_hand.build())
        .send()
        .await
        .unwrap();
    let manual = create.application_id;
    fake.advance(millis(100));
    spark(&client, &manual, "2", "").send().await.unwrap_err();
    client
        .start_application()
        .application_id(&manual)
        .send()
        .await
        .unwrap();
    fake.advance(millis(100));
    assert_eq!(app_state(&manual).await, ApplicationState::Started);
    spark(&client, &manual, "2", "").send().await.unwrap();
}

#[tokio::test]
async fn billed_utilisation_is_known_a_while_after_the_end() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let script = "running=30s;vcpu=6;memory=24;storage=60;billed=5m";
    let id = spark(&client, &app, "1", script)
        .send()
        .await
        .unwrap()
        .job_run_id;
    fake.advance(Duration::from_mins(5));
    let run = job(&client, &app, &id).await;
    assert_eq!(run.state, State::Success);
    assert!(run.billed_resource_utilization.is_none());
    fake.advance(Duration::from_mins(1));
    let run = job(&client, &app, &id).await;
    let total = run.total_resource_utilization.unwrap();
    let billed = run.billed_resource_utilization.unwrap();
    // half a minute used, a whole one billed; 20 GB of disk are free
    let near =
        |is: Option<f64>, wanted: f64| assert!((is.unwrap() - wanted).abs() < 1e-9, "{is:?}");
    near(total.v_cpu_hour, 6.0 * 30.0 / 3600.0);
    near(billed.v_cpu_hour, 6.0 / 60.0);
    near(billed.memory_gb_hour, 24.0 / 60.0);
    near(billed.storage_gb_hour, 40.0 / 60.0);
}

#[tokio::test]
async fn troubles_happen_once_and_a_lost_answer_has_its_effect() {
    let fake = still();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    fake.trouble("StartJobRun", Trouble::Fails);
    fake.trouble("StartJobRun", Trouble::Loses);
    let jobs = async || {
        let list = client
            .list_job_runs()
            .application_id(&app)
            .send()
            .await
            .unwrap();
        list.job_runs.len()
    };
    spark(&client, &app, "1", "").send().await.unwrap_err();
    assert_eq!(jobs().await, 0);
    spark(&client, &app, "1", "").send().await.unwrap_err();
    assert_eq!(jobs().await, 1);
    spark(&client, &app, "1", "").send().await.unwrap();
    assert_eq!(jobs().await, 1);
}

#[tokio::test]
async fn jobs_of_a_seed_do_the_same_again() {
    let run = async || {
        let behaviour = Behaviour::Seeded {
            seed: 7,
            longest: Duration::from_secs(100),
            failing: 30,
        };
        let fake = fake(Options {
            behaviour,
            throttled: false,
            ..Options::default()
        });
        let client = emr(&fake);
        let app = application(&fake, &client, "SPARK").await;
        for number in 0..20 {
            let start = client
                .start_job_run()
                .application_id(&app)
                .execution_role_arn(ROLE);
            let driver =
                aws_sdk_emrserverless::types::SparkSubmit::builder().entry_point("s3://a/b");
            let driver =
                aws_sdk_emrserverless::types::JobDriver::SparkSubmit(driver.build().unwrap());
            start
                .client_token(format!("t{number}"))
                .job_driver(driver)
                .send()
                .await
                .unwrap();
        }
        fake.advance(Duration::from_secs(150));
        let list = client
            .list_job_runs()
            .application_id(&app)
            .send()
            .await
            .unwrap();
        list.job_runs
            .into_iter()
            .map(|run| (run.id, run.state))
            .collect::<Vec<_>>()
    };
    let first = run().await;
    assert_eq!(first, run().await);
    let of = |wanted: State| first.iter().filter(|(_, state)| *state == wanted).count();
    assert!(of(State::Success) > 0 && of(State::Failed) > 0, "{first:?}");
}

#[tokio::test]
async fn real_time_passes_by_itself() {
    let fake = porpoise_fake_aws::FakeAws::start(Options {
        behaviour: Behaviour::Same(Script::default()),
        ..Options::default()
    });
    let fake = fake.unwrap();
    let client = emr(&fake);
    let app = application(&fake, &client, "SPARK").await;
    let id = spark(&client, &app, "1", "")
        .send()
        .await
        .unwrap()
        .job_run_id;
    for _ in 0..400 {
        if state(&client, &app, &id).await == State::Success {
            return;
        }
        wait().await;
    }
    panic!("the job is not over in time");
}
