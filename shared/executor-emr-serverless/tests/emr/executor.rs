//! What becomes of jobs, and what is said of them.

use std::time::Duration;

use crate::support::{
    self, account, application, client, executor, hive, job, reference, still, target, unthrottled,
};
use porpoise_fake_aws::{FakeAws, Trouble};
use porpoise_model::Cause;
use porpoise_model::job::Work;
use porpoise_ports::conformance::executor::Works;
use porpoise_ports::executor::{JobRef, JobState, SubmitError};
use porpoise_ports::{Executor as _, executor_conformance};
use serde_json::json;

executor_conformance!(spark, async || {
    let fake = FakeAws::start(unthrottled()).unwrap();
    let app = application(&fake, "SPARK").await;
    let work = |script: &str| support::spark(script);
    let works = Works {
        short: work("running=20ms"),
        long: work("running=10m"),
        target: Some(target(&json!({"application_id": app}))),
    };
    (executor(&fake), works, fake)
});

executor_conformance!(hive_by_name, async || {
    let fake = FakeAws::start(unthrottled()).unwrap();
    application(&fake, "HIVE").await;
    let works = Works {
        short: hive("select 1 -- fake:running=20ms"),
        long: hive("select 1 -- fake:running=10m"),
        target: Some(target(&json!({"application_name": "etl"}))),
    };
    (executor(&fake), works, fake)
});

async fn state(executor: &impl porpoise_ports::Executor, job: &JobRef) -> Option<JobState> {
    let reports = executor.list(std::slice::from_ref(job)).await.unwrap();
    reports.into_iter().next().map(|report| report.state)
}

#[tokio::test]
async fn an_application_that_is_stopped_is_started() {
    let fake = still(unthrottled());
    let create = client(&fake)
        .create_application()
        .release_label("emr-7.11.0")
        .r#type("SPARK");
    let by_hand = aws_sdk_emrserverless::types::AutoStartConfig::builder().enabled(false);
    let create = create
        .auto_start_configuration(by_hand.build())
        .send()
        .await
        .unwrap();
    let app = create.application_id;
    let mut job = job(1, support::spark(""));
    job.target = Some(target(&json!({"application_id": app})));
    let executor = executor(&fake);
    // it is created, then it starts, then it takes jobs
    for _ in 0..2 {
        let busy = executor.submit(&job).await;
        assert!(matches!(busy, Err(SubmitError::Busy)), "{busy:?}");
        fake.advance(Duration::from_millis(10));
    }
    executor.submit(&job).await.unwrap();
    assert_eq!(fake.calls()["StartApplication"], 1);
    // one that is not to be started is not
    let create = client(&fake)
        .create_application()
        .release_label("emr-7.11.0")
        .r#type("SPARK");
    let by_hand = aws_sdk_emrserverless::types::AutoStartConfig::builder().enabled(false);
    let create = create
        .auto_start_configuration(by_hand.build())
        .send()
        .await
        .unwrap();
    fake.advance(Duration::from_millis(10));
    let settings = json!({"application_id": create.application_id, "start_application": false});
    let mut other = support::job(2, support::spark(""));
    other.target = Some(target(&settings));
    let error = executor.submit(&other).await.unwrap_err().to_string();
    assert!(error.contains("does not start by itself"), "{error}");
}

#[tokio::test]
async fn throttles_and_outages_are_told_apart() {
    let fake = still(unthrottled());
    let app = application(&fake, "SPARK").await;
    let executor = executor(&fake);
    let mut job = job(1, support::spark("running=1h"));
    job.target = Some(target(&json!({"application_id": app})));
    fake.trouble("StartJobRun", Trouble::Throttles);
    let error = executor.submit(&job).await;
    assert!(matches!(error, Err(SubmitError::Throttled)), "{error:?}");
    fake.trouble("StartJobRun", Trouble::Loses);
    let error = executor.submit(&job).await;
    assert!(
        matches!(error, Err(SubmitError::Unavailable(_))),
        "{error:?}"
    );
    // the lost answer had its effect: the run is found by its name, and by its token
    let unknown = reference(&job, None);
    assert!(state(&executor, &unknown).await.is_some());
    let submitted = executor.submit(&job).await.unwrap();
    let runs = client(&fake)
        .list_job_runs()
        .application_id(&app)
        .send()
        .await
        .unwrap();
    assert_eq!(runs.job_runs.len(), 1);
    let known = reference(&job, Some(&submitted));
    for (operation, asked) in [("ListJobRuns", unknown), ("GetJobRun", known)] {
        fake.advance(Duration::from_hours(2));
        fake.trouble(operation, Trouble::Fails);
        executor.list(&[asked]).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_request_in_other_words_finds_the_run_of_its_attempt() {
    let fake = still(unthrottled());
    let app = application(&fake, "SPARK").await;
    let executor = executor(&fake);
    let mut first = job(1, support::spark("running=1m"));
    first.target = Some(target(&json!({"application_id": app})));
    let submitted = executor.submit(&first).await.unwrap();
    let mut again = first.clone();
    again.labels.insert("added".to_owned(), "later".to_owned());
    assert_eq!(executor.submit(&again).await.unwrap(), submitted);
    fake.advance(Duration::from_mins(2));
    assert_eq!(executor.submit(&again).await.unwrap(), submitted);
}

#[tokio::test]
async fn all_nine_states_are_told_in_our_words() {
    let fake = still(unthrottled());
    let app = application(&fake, "SPARK").await;
    let executor = executor(&fake);
    let script = "waiting=1s;pending=1s;scheduled=1s;running=1m;stops=1s";
    let mut job = job(1, support::spark(script));
    job.target = Some(target(&json!({"application_id": app})));
    let submitted = executor.submit(&job).await.unwrap();
    let known = reference(&job, Some(&submitted));
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(state(&executor, &known).await.unwrap());
        fake.advance(Duration::from_millis(1_010));
    }
    let waiting = |word: &str| JobState::Waiting {
        why: Some(word.to_owned()),
    };
    assert_eq!(seen, ["SUBMITTED", "PENDING", "SCHEDULED"].map(waiting));
    let JobState::Running { started } = state(&executor, &known).await.unwrap() else {
        panic!("it does not run");
    };
    executor.cancel(&known).await.unwrap();
    let canceling = state(&executor, &known).await.unwrap();
    assert_eq!(canceling, waiting("CANCELLING: Cancelled by user"));
    fake.advance(Duration::from_secs(2));
    let JobState::Canceled { ended } = state(&executor, &known).await.unwrap() else {
        panic!("it is not canceled");
    };
    assert!(ended > started);
}

#[tokio::test]
async fn ends_say_when_and_why() {
    let fake = still(unthrottled());
    let app = application(&fake, "SPARK").await;
    let executor = executor(&fake);
    let mut jobs = Vec::new();
    let short = json!({"executionTimeoutMinutes": 1});
    let cases = [
        ("running=30s", None),
        ("running=30s;fails=no such table", None),
        ("running=5m", Some(short)),
    ];
    for (number, (script, request)) in cases.into_iter().enumerate() {
        let Work::Spark {
            entry_point,
            arguments,
            submit,
            ..
        } = support::spark(script)
        else {
            panic!("no Spark job");
        };
        let request = request.map(|request| request.to_string());
        let work = Work::Spark {
            entry_point,
            arguments,
            submit,
            request,
        };
        let mut job = job(u32::try_from(number).unwrap(), work);
        job.target = Some(target(&json!({"application_id": app})));
        let submitted = executor.submit(&job).await.unwrap();
        jobs.push(reference(&job, Some(&submitted)));
    }
    fake.advance(Duration::from_mins(3));
    let reports = executor.list(&jobs).await.unwrap();
    assert_eq!(reports.len(), 3);
    let of = |index: usize| {
        let report = reports.iter().find(|report| report.key == jobs[index].key);
        report.unwrap().state.clone()
    };
    let JobState::Succeeded { started, ended, .. } = of(0) else {
        panic!("{:?}", of(0));
    };
    assert_eq!(ended.duration_since(started).as_secs(), 30);
    let JobState::Failed {
        cause: Cause::Failed { message },
        ..
    } = of(1)
    else {
        panic!("{:?}", of(1));
    };
    assert_eq!(message, "no such table");
    assert!(
        matches!(
            of(2),
            JobState::Failed {
                cause: Cause::Timeout,
                ..
            }
        ),
        "{:?}",
        of(2)
    );
    // few that are known are asked for one by one
    assert!(!fake.calls().contains_key("ListJobRuns"));
    assert_eq!(fake.calls()["GetJobRun"], 3);
}

#[tokio::test]
async fn a_list_of_many_jobs_costs_a_call_for_each_fifty() {
    let fake = still(unthrottled());
    let app = application(&fake, "SPARK").await;
    let executor = executor(&fake);
    let mut jobs = Vec::new();
    for number in 0..120 {
        let mut job = job(number, support::spark("running=1h"));
        job.target = Some(target(&json!({"application_id": app})));
        let submitted = executor.submit(&job).await.unwrap();
        jobs.push(reference(&job, Some(&submitted)));
    }
    fake.advance(Duration::from_mins(1));
    let reports = executor.list(&jobs).await.unwrap();
    assert_eq!(reports.len(), 120);
    assert!(
        reports
            .iter()
            .all(|report| matches!(report.state, JobState::Running { .. }))
    );
    assert_eq!(fake.calls()["ListJobRuns"], 3);
    assert!(!fake.calls().contains_key("GetJobRun"));
}

#[tokio::test]
async fn a_canceled_job_is_given_its_grace() {
    let fake = still(unthrottled());
    let app = application(&fake, "SPARK").await;
    let executor = executor(&fake);
    let mut job = job(1, support::spark("running=1h;stops=10m"));
    let settings = json!({"application_id": app, "cancel_grace_seconds": 30});
    job.target = Some(target(&settings));
    executor.submit(&job).await.unwrap();
    fake.advance(Duration::from_secs(10));
    let unknown = reference(&job, None);
    executor.cancel(&unknown).await.unwrap();
    fake.advance(Duration::from_secs(29));
    let state_now = state(&executor, &unknown).await.unwrap();
    assert!(!state_now.is_terminal(), "{state_now:?}");
    fake.advance(Duration::from_secs(1));
    let state_now = state(&executor, &unknown).await.unwrap();
    assert!(
        matches!(state_now, JobState::Canceled { .. }),
        "{state_now:?}"
    );
}

#[tokio::test]
async fn usage_is_told_when_it_is_known_and_by_the_event() {
    let fake = still(unthrottled());
    let app = application(&fake, "SPARK").await;
    let executor = executor(&fake);
    let mut job = job(
        1,
        support::spark("running=1h;vcpu=4;memory=16;storage=20;billed=5m"),
    );
    let prices = json!({"vcpu_hour": 0.05, "memory_gb_hour": 0.005, "storage_gb_hour": 0.0001});
    job.target = Some(target(&json!({"application_id": app, "prices": prices})));
    let submitted = executor.submit(&job).await.unwrap();
    let known = reference(&job, Some(&submitted));
    fake.advance(Duration::from_mins(61));
    assert_eq!(executor.usage(&known).await.unwrap(), None);
    fake.advance(Duration::from_mins(5));
    let usage = executor.usage(&known).await.unwrap().unwrap();
    let seen: Vec<_> = usage
        .lines
        .iter()
        .map(|line| (line.measure.as_str(), line.millionths, line.nanodollars))
        .collect();
    let wanted = [
        ("vcpu_hours", 4_000_000, Some(200_000_000)),
        ("memory_gb_hours", 16_000_000, Some(80_000_000)),
        ("storage_gb_hours", 0, Some(0)),
    ];
    assert_eq!(seen, wanted);
    let events = fake.take_events();
    let news: Vec<_> = events
        .iter()
        .filter_map(|event| executor.read_event(&event.to_string()))
        .collect();
    assert!(
        news.iter()
            .all(|news| news.external_id == submitted.external_id)
    );
    let states: Vec<_> = news.iter().map(|news| news.state.clone()).collect();
    assert!(
        states
            .iter()
            .any(|state| matches!(state, Some(JobState::Running { .. }))),
        "{states:?}"
    );
    let billed: Vec<_> = news.iter().filter_map(|news| news.usage.clone()).collect();
    let measured = |usage: &porpoise_ports::executor::JobUsage| {
        usage
            .lines
            .iter()
            .map(|line| line.millionths)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        billed.iter().map(measured).collect::<Vec<_>>(),
        [measured(&usage)]
    );
    assert_eq!(executor.read_event("{}"), None);
    assert_eq!(
        executor.read_event(r#"{"source":"aws.athena","detail-type":"x","detail":{}}"#),
        None
    );
}

#[tokio::test]
async fn people_find_the_user_interface_of_a_job_once_it_runs() {
    let fake = still(unthrottled());
    let app = application(&fake, "SPARK").await;
    let executor = executor(&fake);
    let mut job = job(1, support::spark("running=1h"));
    job.target = Some(target(&json!({"application_id": app})));
    let submitted = executor.submit(&job).await.unwrap();
    let known = reference(&job, Some(&submitted));
    assert_eq!(executor.link(&known).await.unwrap(), None);
    fake.advance(Duration::from_mins(1));
    let link = executor.link(&known).await.unwrap().unwrap();
    assert!(link.starts_with("https://"), "{link}");
}

#[tokio::test]
async fn a_target_in_another_account_is_reached_with_its_role() {
    let fake = still(unthrottled());
    let other = account(&fake, "444455556666");
    let create = other
        .create_application()
        .name("etl")
        .release_label("emr-7.11.0")
        .r#type("SPARK");
    create.send().await.unwrap();
    fake.advance(Duration::from_millis(10));
    let executor = executor(&fake);
    let mut job = job(1, support::spark("running=1m"));
    let mut target = target(&json!({"application_name": "etl"}));
    target.place = "aws.eu-central-1.444455556666".parse().unwrap();
    job.target = Some(target.clone());
    // without the role, the dispatcher's own account is asked
    executor.submit(&job).await.unwrap_err();
    target.role = Some(porpoise_model::target::AssumedRole {
        arn: "arn:aws:iam::444455556666:role/porpoise".to_owned(),
        external_id: Some("ours".to_owned()),
    });
    job.target = Some(target);
    let submitted = executor.submit(&job).await.unwrap();
    assert!(
        state(&executor, &reference(&job, Some(&submitted)))
            .await
            .is_some()
    );
    let rate = executor.rate(job.target.as_ref()).unwrap();
    assert!(rate.name.contains("444455556666"), "{rate:?}");
}
