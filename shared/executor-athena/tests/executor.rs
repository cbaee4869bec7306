//! The executor against the fake, through the real client.

use std::time::Duration;

use aws_sdk_athena::types::{ResultConfiguration, WorkGroupConfiguration};
use jiff::Timestamp;
use porpoise_fake_aws::{FakeAws, Trouble};
use porpoise_model::Cause;
use porpoise_model::job::{Job, Work};
use porpoise_ports::conformance::executor::Works;
use porpoise_ports::executor::{JobRef, JobState, SubmitError, Submitted};
use porpoise_ports::{Executor, executor_conformance};
use serde_json::json;

use crate::support::{client, executor, job, sql, still, target, unthrottled};

executor_conformance!(athena, async || {
    let fake = FakeAws::start(unthrottled()).unwrap();
    let works = Works {
        short: sql("select 1 -- fake:running=20ms"),
        long: sql("select 1 -- fake:running=10m"),
        target: Some(target(&json!({"output_location": "s3://results/"}))),
    };
    (executor(&fake), works, fake)
});

fn reference(job: &Job, submitted: &Submitted) -> JobRef {
    JobRef {
        key: job.key,
        external_id: Some(submitted.external_id.clone()),
        target: job.target.clone(),
        since: Timestamp::UNIX_EPOCH,
        until: None,
    }
}

async fn state(executor: &impl Executor, job: &JobRef) -> JobState {
    let reports = executor.list(std::slice::from_ref(job)).await.unwrap();
    reports.into_iter().next().unwrap().state
}

#[tokio::test]
async fn a_query_hands_on_its_rows_and_where_they_are() {
    let fake = still();
    let executor = executor(&fake);
    let text = "select n, s from t where d = ? and n > ? /* fake:waiting=2s;running=3s;scanned=5000000000;columns=n:bigint,s:varchar;rows=1,a/2,NULL */";
    let work = Work::Sql {
more: None,
        statement: text.to_owned(),
        arguments: vec!["2026-11-21".to_owned(), "7".to_owned()],
        database: Some("sales".to_owned()),
        request: Some(
            json!({"ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": true, "MaxAgeInMinutes": 60}}})
                .to_string(),
        ),
    };
    let settings =
        json!({"output_location": "s3://results/x", "catalog": "lake", "price_per_tb": 5.0});
    let job = job(1, work, target(&settings));
    let submitted = executor.submit(&job).await.unwrap();
    let known = reference(&job, &submitted);
    assert!(matches!(
        state(&executor, &known).await,
        JobState::Waiting { .. }
    ));
    assert_eq!(executor.usage(&known).await.unwrap(), None);
    fake.advance(Duration::from_secs(2));
    assert!(matches!(
        state(&executor, &known).await,
        JobState::Running { .. }
    ));
    fake.advance(Duration::from_secs(3));
    let JobState::Succeeded {
        started,
        ended,
        outputs,
    } = state(&executor, &known).await
    else {
        panic!("it did not succeed");
    };
    assert_eq!(ended.duration_since(started).as_secs(), 3);
    let id = &submitted.external_id;
    let text = |name: &str| outputs[name].text.as_str();
    assert_eq!(
        text("result_location"),
        format!("s3://results/x/{}/{id}.csv", job.key)
    );
    assert_eq!(text("query_execution_id"), id);
    assert_eq!(text("scanned_bytes"), "5000000000");
    assert_eq!((text("n"), text("s")), ("1", "a"));
    assert_eq!(text("rows"), r#"[{"n":"1","s":"a"},{"n":"2","s":null}]"#);
    let usage = executor.usage(&known).await.unwrap().unwrap();
    assert_eq!(usage.lines[0].measure, "scanned_bytes");
    assert_eq!(usage.lines[0].nanodollars, Some(25_000_000));
    let get = client(&fake)
        .get_query_execution()
        .query_execution_id(id)
        .send()
        .await
        .unwrap();
    let query = get.query_execution.unwrap();
    assert_eq!(query.execution_parameters(), ["'2026-11-21'", "7"]);
    let context = query.query_execution_context().unwrap();
    assert_eq!(
        (context.database(), context.catalog()),
        (Some("sales"), Some("lake"))
    );
    let reuse = query
        .result_reuse_configuration()
        .unwrap()
        .result_reuse_by_age_configuration()
        .unwrap();
    assert_eq!(reuse.max_age_in_minutes(), Some(60));
    let link = executor.link(&known).await.unwrap().unwrap();
    assert!(link.ends_with(id), "{link}");
}

#[tokio::test]
async fn large_results_stay_where_they_are() {
    let fake = still();
    let executor = executor(&fake);
    let large = "x".repeat(9_000);
    let statement = format!("select 1 -- fake:rows={large}");
    let job = job(
        1,
        sql(&statement),
        target(&json!({"output_location": "s3://results/"})),
    );
    let submitted = executor.submit(&job).await.unwrap();
    fake.advance(Duration::from_secs(1));
    let JobState::Succeeded { outputs, .. } = state(&executor, &reference(&job, &submitted)).await
    else {
        panic!("it did not succeed");
    };
    let names: Vec<&str> = outputs.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["query_execution_id", "result_location", "scanned_bytes"]
    );
}

#[tokio::test]
async fn ends_say_why() {
    let fake = still();
    let configuration = WorkGroupConfiguration::builder()
        .result_configuration(
            ResultConfiguration::builder()
                .output_location("s3://team/")
                .build(),
        )
        .bytes_scanned_cutoff_per_query(1_000_000_000)
        .build();
    let create = client(&fake)
        .create_work_group()
        .name("team")
        .configuration(configuration);
    create.send().await.unwrap();
    let executor = executor(&fake);
    let target = target(&json!({"workgroup": "team"}));
    let run = async |number, script: &str| {
        let job = job(
            number,
            sql(&format!("select 1 -- fake:{script}")),
            target.clone(),
        );
        let submitted = executor.submit(&job).await.unwrap();
        reference(&job, &submitted)
    };
    let fails = run(1, "fails=TABLE_NOT_FOUND: orders").await;
    let greedy = run(2, "scanned=2000000000").await;
    let long = run(3, "running=1h").await;
    fake.advance(Duration::from_secs(1));
    executor.cancel(&long).await.unwrap();
    executor.cancel(&long).await.unwrap();
    let failed = |state: JobState| {
        let JobState::Failed {
            cause: Cause::Failed { message },
            ..
        } = state
        else {
            panic!("{state:?}");
        };
        message
    };
    assert_eq!(
        failed(state(&executor, &fails).await),
        "TABLE_NOT_FOUND: orders"
    );
    assert!(failed(state(&executor, &greedy).await).contains("limit"));
    assert!(matches!(
        state(&executor, &long).await,
        JobState::Canceled { .. }
    ));
    // three queries of one place are one call
    let before = fake.calls()["BatchGetQueryExecution"];
    executor.list(&[fails.clone(), greedy, long]).await.unwrap();
    assert_eq!(fake.calls()["BatchGetQueryExecution"], before + 1);
    let events = fake.take_events();
    let news = events
        .iter()
        .filter_map(|event| executor.read_event(&event.to_string()));
    let mine: Vec<_> = news
        .filter(|news| Some(&news.external_id) == fails.external_id.as_ref())
        .collect();
    let states: Vec<_> = mine.iter().map(|news| &news.state).collect();
    assert!(
        matches!(
            states[..],
            [
                Some(JobState::Waiting { .. }),
                Some(JobState::Running { .. }),
                None
            ]
        ),
        "{states:?}"
    );
}

#[tokio::test]
async fn what_can_not_be_run_is_rejected_and_what_may_be_later_is_not() {
    let fake = still();
    let executor = executor(&fake);
    let results = json!({"output_location": "s3://results/"});
    let with = |request: &str| Work::Sql {
        more: None,
        statement: "select 1".to_owned(),
        arguments: Vec::new(),
        database: None,
        request: Some(request.to_owned()),
    };
    let cases = [
        (Work::Noop, results.clone(), "not `noop`"),
        (
            with(r#"{"QueryString": "x"}"#),
            results.clone(),
            "unknown field `QueryString`",
        ),
        (with("7"), results.clone(), "no JSON object"),
        (sql(""), results.clone(), "QueryString"),
        (sql("select 1"), json!({"workgroup": "other"}), "other"),
        (sql("select 1"), json!({}), "No output location"),
        (
            sql("select 1"),
            json!({"output_location": "results"}),
            "s3://",
        ),
        (sql("select 1"), json!({"rows_max": 1000}), "rows_max"),
        (sql("select 1"), json!({"workgrop": "x"}), "workgrop"),
    ];
    for (number, (work, settings, wanted)) in cases.into_iter().enumerate() {
        let job = job(u32::try_from(number).unwrap(), work, target(&settings));
        let error = executor.submit(&job).await.unwrap_err();
        let SubmitError::Rejected { message, .. } = error else {
            panic!("{wanted}: {error:?}");
        };
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    let job = job(50, sql("select 1"), target(&results));
    fake.trouble("StartQueryExecution", Trouble::Throttles);
    assert!(matches!(
        executor.submit(&job).await,
        Err(SubmitError::Throttled)
    ));
    fake.trouble("StartQueryExecution", Trouble::Loses);
    assert!(matches!(
        executor.submit(&job).await,
        Err(SubmitError::Unavailable(_))
    ));
    // the lost answer had its effect, and the key finds it
    let unknown = JobRef {
        external_id: None,
        ..reference(
            &job,
            &Submitted {
                external_id: String::new(),
            },
        )
    };
    let found = executor.list(&[unknown]).await.unwrap();
    let submitted = executor.submit(&job).await.unwrap();
    assert_eq!(found[0].external_id, submitted.external_id);
}
