//! Athena.

use std::time::Duration;

use aws_sdk_athena as athena;
use aws_sdk_athena::config::retry::RetryConfig;
use aws_sdk_athena::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_athena::error::ProvideErrorMetadata as _;
use aws_sdk_athena::operation::start_query_execution::builders::StartQueryExecutionFluentBuilder;
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionState as State, ResultConfiguration, WorkGroupConfiguration,
};
use porpoise_fake_aws::FakeAws;

use crate::support::still;

fn client(fake: &FakeAws) -> athena::Client {
    let config = athena::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new(
            "111122223333",
            "secret",
            None,
            None,
            "test",
        ))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(fake.endpoint());
    athena::Client::from_conf(config.build())
}

async fn workgroup(client: &athena::Client) {
    let results = ResultConfiguration::builder().output_location("s3://results/team/");
    let configuration = WorkGroupConfiguration::builder()
        .result_configuration(results.build())
        .bytes_scanned_cutoff_per_query(1_000_000_000);
    let create = client
        .create_work_group()
        .name("team")
        .configuration(configuration.build());
    create.send().await.unwrap();
}

/// A token has 32 characters at least.
fn start(client: &athena::Client, token: u32, query: &str) -> StartQueryExecutionFluentBuilder {
    let start = client
        .start_query_execution()
        .work_group("team")
        .query_string(query);
    start.client_request_token(format!("{token:032}"))
}

async fn get(client: &athena::Client, id: &str) -> QueryExecution {
    let get = client.get_query_execution().query_execution_id(id);
    get.send().await.unwrap().query_execution.unwrap()
}

#[tokio::test]
async fn a_query_runs_and_gives_rows_page_by_page() {
    let fake = still();
    let client = client(&fake);
    workgroup(&client).await;
    let sql = "select n, s from t /* fake:waiting=1s;running=2s;scanned=123;columns=n:bigint,s:varchar;rows=1,a/2,b/3,NULL */";
    let id = start(&client, 1, sql)
        .send()
        .await
        .unwrap()
        .query_execution_id
        .unwrap();
    let state = async || get(&client, &id).await.status.unwrap().state.unwrap();
    assert_eq!(state().await, State::Queued);
    fake.advance(Duration::from_secs(1));
    assert_eq!(state().await, State::Running);
    client
        .get_query_results()
        .query_execution_id(&id)
        .send()
        .await
        .unwrap_err();
    fake.advance(Duration::from_secs(2));
    let query = get(&client, &id).await;
    assert_eq!(query.status.unwrap().state, Some(State::Succeeded));
    let statistics = query.statistics.unwrap();
    assert_eq!(statistics.data_scanned_in_bytes, Some(123));
    assert_eq!(statistics.query_queue_time_in_millis, Some(1_000));
    let output = query.result_configuration.unwrap().output_location.unwrap();
    assert_eq!(output, format!("s3://results/team/{id}.csv"));
    let pages = client
        .get_query_results()
        .query_execution_id(&id)
        .max_results(2)
        .into_paginator();
    let pages = pages.send().collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(pages.len(), 2);
    let rows = pages
        .iter()
        .flat_map(|page| page.result_set().unwrap().rows());
    let rows: Vec<Vec<Option<&str>>> = rows
        .map(|row| {
            row.data()
                .iter()
                .map(|cell| cell.var_char_value())
                .collect()
        })
        .collect();
    let wanted = [["n", "s"], ["1", "a"], ["2", "b"]].map(|row| row.map(Some).to_vec());
    assert_eq!(rows[..3], wanted);
    assert_eq!(rows[3], [Some("3"), None]);
}

#[tokio::test]
async fn a_token_used_again_is_the_same_query_or_refused() {
    let fake = still();
    let client = client(&fake);
    workgroup(&client).await;
    let first = start(&client, 1, "select 1").send().await.unwrap();
    let again = start(&client, 1, "select 1").send().await.unwrap();
    assert_eq!(first.query_execution_id, again.query_execution_id);
    let refused = start(&client, 1, "select 2").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidRequestException"));
    let short = start(&client, 1, "select 1").client_request_token("short");
    let refused = short.send().await.unwrap_err();
    assert!(refused.message().unwrap().contains("ClientRequestToken"));
    let nowhere = start(&client, 2, "select 1")
        .work_group("primary")
        .send()
        .await
        .unwrap_err();
    assert!(nowhere.message().unwrap().contains("No output location"));
    start(&client, 2, "select 1")
        .work_group("nothing")
        .send()
        .await
        .unwrap_err();
    let list = client
        .list_query_executions()
        .work_group("team")
        .send()
        .await
        .unwrap();
    assert_eq!(list.query_execution_ids().len(), 1);
}

#[tokio::test]
async fn queries_fail_stop_and_scan_too_much() {
    let fake = still();
    let client = client(&fake);
    workgroup(&client).await;
    let run = async |token: u32, script: &str| {
        let sql = format!("select 1 -- fake:{script}");
        start(&client, token, &sql)
            .send()
            .await
            .unwrap()
            .query_execution_id
            .unwrap()
    };
    let fails = run(1, "fails=SYNTAX_ERROR: line 1;category=2").await;
    let greedy = run(2, "scanned=2000000000").await;
    let long = run(3, "running=1h").await;
    fake.advance(Duration::from_secs(1));
    let stop = async || {
        client
            .stop_query_execution()
            .query_execution_id(&long)
            .send()
            .await
            .unwrap()
    };
    stop().await;
    stop().await;
    let ids = [&fails, &greedy, &long, &"unknown".to_owned()]
        .map(Clone::clone)
        .to_vec();
    let batch = client
        .batch_get_query_execution()
        .set_query_execution_ids(Some(ids));
    let batch = batch.send().await.unwrap();
    let seen: Vec<_> = batch
        .query_executions()
        .iter()
        .map(|query| query.status().unwrap())
        .collect();
    assert_eq!(seen[0].state, Some(State::Failed));
    let error = seen[0].athena_error().unwrap();
    assert_eq!((error.error_category, error.retryable), (Some(2), false));
    assert_eq!(seen[1].state, Some(State::Cancelled));
    assert!(seen[1].state_change_reason().unwrap().contains("limit"));
    assert_eq!(seen[2].state, Some(State::Cancelled));
    assert_eq!(batch.unprocessed_query_execution_ids().len(), 1);
    let events = fake.take_events();
    let mine = events
        .iter()
        .filter(|event| event["detail"]["queryExecutionId"] == fails.as_str());
    let states: Vec<&str> = mine
        .clone()
        .map(|event| event["detail"]["currentState"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["QUEUED", "RUNNING", "FAILED"]);
    let last = mine.collect::<Vec<_>>()[2];
    assert_eq!(last["source"], "aws.athena");
    assert_eq!(last["detail"]["sequenceNumber"], "3");
    assert_eq!(last["detail"]["athenaError"]["errorCategory"], 2);
}
