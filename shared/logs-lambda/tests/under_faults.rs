//! Logs while network and service misbehave, by many seeds, from functions that the emulator really invokes.

use std::io::{Cursor, Write as _};
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use porpoise_faults::{Faults, Plan, Tally};
use porpoise_logs_lambda::{LambdaLogs, Settings};
use porpoise_model::{ProjectId, RunId};
use porpoise_ports::Logs as _;
use porpoise_ports::logs::{LogAsk, LogChunk, LogError, LogPart, LogReply};
use porpoise_region::unique;

use crate::support::config::config;

/// Answers what it is told to, if it is asked as readers are; fails if not.
const CODE: &str = "
import json, os

def handler(event, context):
    if event['log']['body'] == os.environ['ODD']:
        raise RuntimeError('odd')
    return json.loads(os.environ['ANSWER'])
";

fn chunk() -> LogChunk {
    LogChunk {
        bytes: vec![0, 255, b'a'].into(),
        next: 8,
        end: true,
    }
}

fn ask(attempt: u32) -> LogAsk {
    LogAsk {
        place: "aws.us-east-1.000000000000".to_owned(),
        project: ProjectId::of_name("retail"),
        run: RunId::from_bytes([7; 16]),
        task: 3,
        map: 0,
        attempt,
        external_id: None,
        ended: None,
        part: Some(LogPart { from: 5, limit: 8 }),
    }
}

async fn function() -> String {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("main.py", options).unwrap();
    zip.write_all(CODE.as_bytes()).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    let answer = serde_json::to_string(&LogReply::of(&Ok(Some(chunk())))).unwrap();
    let odd = serde_json::to_value(porpoise_ports::logs::LogCall::of(&ask(2))).unwrap();
    let odd = odd
        .pointer("/log/body")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    let environment = Environment::builder().variables("ANSWER", answer);
    let environment = environment.variables("ODD", odd);
    let ministack = porpoise_region::ministack().unwrap();
    let client = Client::from_conf(config(ministack.endpoint()).build());
    let call = client.create_function().function_name(unique("reader"));
    let call = call.runtime(Runtime::Python312).handler("main.handler");
    let call = call.role("arn:aws:iam::000000000000:role/reader");
    let call = call.environment(environment.build());
    let code = FunctionCode::builder().zip_file(Blob::new(zip)).build();
    let made = call.code(code).send().await.unwrap();
    made.function_arn.unwrap()
}

fn reader(arn: &str, faults: &Faults) -> LambdaLogs {
    let settings = Settings {
        readers: vec![arn.to_owned()],
        patience: Duration::from_mins(1),
    };
    LambdaLogs::new(settings, |_| {
        let ministack = porpoise_region::ministack().unwrap();
        let retries = RetryConfig::standard()
            .with_initial_backoff(Duration::from_millis(1))
            .with_max_attempts(3);
        let config = config(ministack.endpoint())
            .http_client(faults.client())
            .retry_partition(RetryPartition::new(unique("tokens")))
            .retry_config(retries);
        Client::from_conf(config.build())
    })
    .unwrap()
}

#[tokio::test]
async fn whatever_goes_wrong_a_log_is_read_as_it_is_or_not_at_all() {
    let arn = Box::pin(function()).await;
    let mut tally = Tally::default();
    let (mut read, mut failed) = (0, 0);
    for seed in 0..24 {
        let faults = Faults::new(seed, Plan::each(25));
        let logs = reader(&arn, &faults);
        for _ in 0..10 {
            match logs.read(&ask(1)).await {
                Ok(answer) => {
                    assert_eq!(answer, Some(chunk()), "seed {seed}");
                    read += 1;
                }
                Err(LogError::Unavailable(_)) => failed += 1,
                Err(LogError::None(none)) => panic!("seed {seed}: {none:?}"),
            }
        }
        tally.add(&faults.tally());
    }
    assert!(read > 120 && read > failed, "{read} read, {failed} failed");
    let missing = tally.missing("lambda", "Invoke");
    assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
}

#[tokio::test]
async fn a_function_that_fails_says_why() {
    let arn = Box::pin(function()).await;
    let calm = Faults::new(0, Plan::each(0));
    let error = reader(&arn, &calm).read(&ask(2)).await.unwrap_err();
    let LogError::Unavailable(error) = error else {
        panic!("{error:?}");
    };
    let said = error.source.to_string();
    assert!(said.contains("could not read the log: odd"), "{said}");
}
