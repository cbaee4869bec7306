//! Each fault as a client of the SDK meets it, and what arrives at the service meanwhile.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_sqs::config::retry::RetryConfig;
use porpoise_canned::{Answer, Canned};
use porpoise_faults::{Fault, Faults, Plan};

/// The configuration of a client of any service that asks `canned` through `faults`.
macro_rules! config {
    ($sdk:ident, $canned:expr, $faults:expr, $tries:expr) => {
        $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region($sdk::config::Region::from_static("us-east-1"))
            .credentials_provider($sdk::config::Credentials::new(
                "test", "test", None, None, "tests",
            ))
            .retry_partition($sdk::config::retry::RetryPartition::new(format!(
                "{:p}",
                &$faults
            )))
            .endpoint_url($canned.endpoint())
            .http_client($faults.client())
            .retry_config(
                RetryConfig::standard()
                    .with_initial_backoff(Duration::from_millis(1))
                    .with_max_attempts($tries),
            )
    };
}

const SENT: &str = r#"{"MD5OfMessageBody": "", "MessageId": "m"}"#;

fn taking() -> Canned {
    Canned::start(|_| Answer::json(200, SENT)).unwrap()
}

fn queue(canned: &Canned, faults: &Faults, tries: u32) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::from_conf(config!(aws_sdk_sqs, canned, *faults, tries).build())
}

fn always(fault: Fault) -> Faults {
    Faults::new(1, Plan::calm().with(fault, 1000))
}

/// Sends one message once. The error, if there is one, with its causes.
async fn send(client: &aws_sdk_sqs::Client) -> Result<(), String> {
    let call = client.send_message().queue_url("http://127.0.0.1/1/q");
    let sent = call.message_body("body").send().await;
    sent.map(|_| ()).map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn each_fault_is_done_or_not_and_told_as_it_says() {
    for (fault, done, told) in [
        (Fault::Throttled, 0, Some("RequestThrottled")),
        (Fault::Failed, 0, Some("InternalFailure")),
        (Fault::FailedAfter, 1, Some("InternalFailure")),
        (Fault::ResetBefore, 0, Some("ConnectionReset")),
        (Fault::ResetAfter, 1, Some("ConnectionReset")),
        (Fault::TimeoutBefore, 0, Some("TimedOut")),
        (Fault::TimeoutAfter, 1, Some("TimedOut")),
        (Fault::Twice, 2, None),
        (Fault::Slow, 1, None),
        (Fault::Torn, 1, Some("UnexpectedEof")),
        (Fault::Skewed, 0, Some("InvalidSignatureException")),
    ] {
        // the seed says which refusal it is
        let canned = taking();
        let faults = always(fault);
        let sent = send(&queue(&canned, &faults, 1)).await;
        match (told, &sent) {
            (None, Ok(())) => {}
            (Some(told), Err(error)) => {
                let other = told.replace("InternalFailure", "ServiceUnavailable");
                assert!(
                    error.contains(told) || error.contains(&other),
                    "{fault}: {error}"
                );
            }
            _ => panic!("{fault}: {sent:?}"),
        }
        assert_eq!(canned.requests().len(), done, "{fault}");
        assert_eq!(faults.tally().hits("sqs", "SendMessage", fault), 1);
    }
}

#[tokio::test]
async fn a_straggler_arrives_when_the_client_has_given_up() {
    let canned = taking();
    let faults = always(Fault::Straggler);
    let error = send(&queue(&canned, &faults, 1)).await.unwrap_err();
    assert!(error.contains("TimedOut"), "{error}");
    assert_eq!(canned.requests().len(), 0);
    for _ in 0..100 {
        sleep(20).await;
        if !canned.requests().is_empty() {
            return;
        }
    }
    panic!("it never arrives");
}

#[expect(clippy::disallowed_methods, reason = "stragglers take real time")]
async fn sleep(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// All but those that the client cannot see.
#[tokio::test]
async fn the_client_tries_again_after_each_fault_that_it_sees() {
    for fault in Fault::ALL {
        if matches!(fault, Fault::Twice | Fault::Slow | Fault::Straggler) {
            continue;
        }
        // a seed whose first call is hit and whose second is not
        let (canned, faults) = (0..1000)
            .find_map(|seed| {
                let faults = Faults::new(seed, Plan::calm().with(fault, 500));
                let probe = faults.clone();
                let hit = probe.foresee("sqs", "SendMessage", 2);
                (hit == [Some(fault), None]).then(|| (taking(), faults))
            })
            .unwrap();
        send(&queue(&canned, &faults, 2)).await.unwrap();
        let hits: Vec<_> = faults.hits().into_iter().map(|hit| hit.fault).collect();
        assert_eq!(hits, [Some(fault), None]);
    }
}

#[tokio::test]
async fn a_client_whose_clock_is_wrong_learns_the_right_time() {
    let plan = Plan::calm().with(Fault::Skewed, 500);
    let seed = (0..1000).find(|seed| {
        let foreseen = Faults::new(*seed, plan.clone()).foresee("sqs", "SendMessage", 3);
        foreseen == [None, Some(Fault::Skewed), None]
    });
    let (canned, faults) = (taking(), Faults::new(seed.unwrap(), plan));
    let client = queue(&canned, &faults, 2);
    send(&client).await.unwrap();
    send(&client).await.unwrap();
    let dates: Vec<i64> = canned
        .requests()
        .iter()
        .map(|request| minutes(&request.headers["x-amz-date"]))
        .collect();
    assert_eq!(dates.len(), 2);
    let apart = (dates[1] - dates[0]).rem_euclid(24 * 60);
    assert!(
        [9, 10, 11, 24 * 60 - 10, 24 * 60 - 9, 24 * 60 - 11].contains(&apart),
        "{apart}"
    );
}

/// Of the day: `20261121T120000Z`.
fn minutes(date: &str) -> i64 {
    let number = |from: usize| date[from..from + 2].parse::<i64>().unwrap();
    number(9) * 60 + number(11)
}

#[tokio::test]
async fn the_same_seed_does_the_same_and_calm_is_calm() {
    let mut all = Vec::new();
    for seed in [4, 4, 5] {
        let canned = taking();
        let faults = Faults::new(seed, Plan::each(40));
        let client = queue(&canned, &faults, 1);
        for _ in 0..60 {
            _ = send(&client).await;
        }
        faults.calm();
        for _ in 0..60 {
            send(&client).await.unwrap();
        }
        faults.rage();
        for _ in 0..60 {
            _ = send(&client).await;
        }
        let hits = faults.hits();
        let hit = |hits: &[porpoise_faults::Hit]| {
            let hits = hits.iter();
            hits.filter(|hit| hit.fault.is_some()).count()
        };
        assert!(hit(&hits[..60]) > 10 && hit(&hits[120..]) > 10);
        assert_eq!(hit(&hits[60..120]), 0);
        all.push(hits);
    }
    assert_eq!(all[0], all[1]);
    assert_ne!(all[0], all[2]);
}

/// What a client makes of throttles and outages: the code, and that it tries again.
macro_rules! refusals {
    ($sdk:ident, $service:literal, $operation:literal, $throttles:expr, $call:expr) => {{
        let canned = Canned::start(|_| Answer::Cut).unwrap();
        for fault in [Fault::Throttled, Fault::Failed, Fault::Skewed] {
            for seed in 0..6 {
                let faults = Faults::new(seed, Plan::calm().with(fault, 1000));
                let config = config!($sdk, canned, faults, 2);
                let error = $call($sdk::Client::from_conf(config.build())).await;
                let code = error.code().unwrap_or_default().to_owned();
                let known: &[&str] = match fault {
                    Fault::Throttled => $throttles,
                    Fault::Skewed => &["InvalidSignatureException", "RequestTimeTooSkewed"],
                    _ => &[
                        "InternalServerError",
                        "InternalFailure",
                        "InternalException",
                        "InternalServerException",
                        "InternalServiceError",
                        "InternalError",
                        "ServiceException",
                        "ServiceUnavailable",
                    ],
                };
                assert!(
                    known.contains(&code.as_str()),
                    "{fault}: `{code}` of {}",
                    $service
                );
                let tries = faults.tally().hits($service, $operation, fault);
                assert_eq!(tries, 2, "{fault}, `{code}`: {}", faults.tally());
            }
        }
        assert_eq!(canned.requests().len(), 0);
    }};
}

#[tokio::test]
async fn refusals_are_understood_in_the_protocol_of_each_service() {
    refusals!(
        aws_sdk_dynamodb,
        "dynamodb",
        "GetItem",
        &[
            "ProvisionedThroughputExceededException",
            "ThrottlingException"
        ],
        async |client: aws_sdk_dynamodb::Client| {
            let key = aws_sdk_dynamodb::types::AttributeValue::S("p".to_owned());
            let call = client.get_item().table_name("table").key("p", key);
            call.send().await.unwrap_err()
        }
    );
    refusals!(
        aws_sdk_sqs,
        "sqs",
        "SendMessage",
        &["RequestThrottled"],
        async |client: aws_sdk_sqs::Client| {
            let call = client.send_message().queue_url("http://127.0.0.1/1/q");
            call.message_body("body").send().await.unwrap_err()
        }
    );
    refusals!(
        aws_sdk_eventbridge,
        "events",
        "PutEvents",
        &["ThrottlingException"],
        async |client: aws_sdk_eventbridge::Client| {
            let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder();
            client
                .put_events()
                .entries(entry.build())
                .send()
                .await
                .unwrap_err()
        }
    );
    refusals!(
        aws_sdk_scheduler,
        "scheduler",
        "GetSchedule",
        &["ThrottlingException"],
        async |client: aws_sdk_scheduler::Client| {
            client.get_schedule().name("wake").send().await.unwrap_err()
        }
    );
    refusals!(
        aws_sdk_secretsmanager,
        "secretsmanager",
        "GetSecretValue",
        &["ThrottlingException"],
        async |client: aws_sdk_secretsmanager::Client| {
            client
                .get_secret_value()
                .secret_id("token")
                .send()
                .await
                .unwrap_err()
        }
    );
}

/// S3 is asked by path, and bodies of objects are sent again too.
#[tokio::test]
async fn objects_are_refused_in_xml_and_put_twice() {
    let answer = Answer::Response {
        status: 200,
        headers: Vec::new(),
        body: Vec::new(),
    };
    for (fault, done, told) in [
        (Fault::Throttled, 0, Some("SlowDown")),
        (Fault::Skewed, 0, Some("RequestTimeTooSkewed")),
        (Fault::Twice, 2, None),
    ] {
        let answer = answer.clone();
        let canned = Canned::start(move |_| answer.clone()).unwrap();
        let faults = always(fault);
        let config = config!(aws_sdk_s3, canned, faults, 1).force_path_style(true);
        let client = aws_sdk_s3::Client::from_conf(config.build());
        let put = client.put_object().bucket("bucket").key("a/b");
        let put = put.body(bytes::Bytes::from_static(b"bytes").into());
        let put = put.send().await;
        let code = put
            .as_ref()
            .err()
            .and_then(|error| error.code().map(str::to_owned));
        assert_eq!(code.as_deref(), told, "{put:?}");
        let requests = canned.requests();
        assert_eq!(requests.len(), done);
        assert!(
            requests
                .iter()
                .all(|request| request.body == requests[0].body)
        );
        assert_eq!(faults.tally().calls("s3", "PutObject"), 1);
    }
}
