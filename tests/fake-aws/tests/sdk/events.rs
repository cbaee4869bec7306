//! Events of EventBridge.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use porpoise_fake_aws::{Delivery, Event, FakeAws, Options, Sink};

use crate::support::{application, emr, fake, spark};

const STATE: &str = "EMR Serverless Job Run State Change";
const USAGE: &str = "EMR Serverless Job Resource Utilization Update";

fn of_kind<'a>(events: &'a [Event], kind: &str) -> Vec<&'a Event> {
    events
        .iter()
        .filter(|event| event["detail-type"] == kind)
        .collect()
}

fn states(events: &[Event]) -> Vec<&str> {
    let events = of_kind(events, STATE).into_iter();
    events
        .map(|event| event["detail"]["state"].as_str().unwrap())
        .collect()
}

async fn run_one(fake: &FakeAws, script: &str) -> String {
    let client = emr(fake);
    let app = application(fake, &client, "SPARK").await;
    spark(&client, &app, "1", script)
        .send()
        .await
        .unwrap()
        .job_run_id
}

#[tokio::test]
async fn a_job_tells_its_states_and_what_it_used() {
    let fake = fake(Options::default());
    let id = run_one(&fake, "running=75m;billed=4m").await;
    fake.advance(Duration::from_mins(76));
    let events = fake.take_events();
    let wanted = ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "SUCCESS"];
    assert_eq!(states(&events), wanted);
    let last = *of_kind(&events, STATE).last().unwrap();
    assert_eq!(last["source"], "aws.emr-serverless");
    assert_eq!(last["account"], "111122223333");
    assert_eq!(last["region"], "eu-central-1");
    assert_eq!(last["detail"]["jobRunId"], id.as_str());
    assert_eq!(last["detail"]["previousState"], "RUNNING");
    assert_eq!(of_kind(&events, USAGE).len(), 2);
    fake.advance(Duration::from_mins(4));
    let events = fake.take_events();
    let [usage] = of_kind(&events, USAGE)[..] else {
        panic!("{events:?}");
    };
    assert_eq!(usage["detail"]["resourceUtilizationFinal"], true);
    let billed = &usage["detail"]["totalBilledResourceUtilization"];
    assert!(
        (billed["vCPUHour"].as_f64().unwrap() - 5.0).abs() < 0.01,
        "{billed}"
    );
}

#[tokio::test]
async fn events_are_lost_doubled_and_late_as_asked() {
    let run = async |delivery: Delivery| {
        let fake = fake(Options {
            delivery,
            throttled: false,
            ..Options::default()
        });
        let client = emr(&fake);
        let app = application(&fake, &client, "SPARK").await;
        for number in 0..40 {
            let start = spark(&client, &app, &format!("t{number}"), "running=1m");
            start.send().await.unwrap();
        }
        fake.advance(Duration::from_mins(10));
        fake.take_events()
    };
    let all = run(Delivery::default()).await;
    let count = |events: &[Event]| of_kind(events, STATE).len();
    assert_eq!(count(&all), 200);
    let lost = run(Delivery {
        lost: 30,
        ..Delivery::default()
    })
    .await;
    assert!((100..180).contains(&count(&lost)), "{}", count(&lost));
    let doubled = run(Delivery {
        doubled: 50,
        ..Delivery::default()
    })
    .await;
    let mut ids = BTreeMap::<&str, u64>::new();
    for event in of_kind(&doubled, STATE) {
        *ids.entry(event["id"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(ids.len(), 200);
    assert!(ids.values().any(|times| *times == 2) && ids.values().any(|times| *times == 1));
    let late = run(Delivery {
        late: Duration::from_mins(3),
        ..Delivery::default()
    })
    .await;
    assert_eq!(count(&late), 200);
    let times: Vec<&str> = late
        .iter()
        .map(|event| event["time"].as_str().unwrap())
        .collect();
    assert!(!times.is_sorted());
}

/// Answers one request at a time with 200 and gives what it was sent.
fn receiver(requests: usize) -> (String, std::thread::JoinHandle<Vec<(String, String)>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while seen.len() < requests {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut text, mut buffer) = (String::new(), vec![0; 65_536]);
            let (head, length) = loop {
                let read = stream.read(&mut buffer).unwrap();
                text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let lower = head.to_ascii_lowercase();
                    let length = lower
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "));
                    let length = length
                        .and_then(|text| text.parse::<usize>().ok())
                        .unwrap_or(0);
                    if body.len() >= length {
                        break (lower, length);
                    }
                }
            };
            let body = text.split_once("\r\n\r\n").unwrap().1[..length].to_owned();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
                .unwrap();
            seen.push((head, body));
        }
        seen
    });
    (url, thread)
}

#[tokio::test]
async fn events_are_put_on_the_bus_of_their_region_and_account() {
    let (url, received) = receiver(1);
    let fake = FakeAws::start(Options {
        sink: Sink::PutEvents(url),
        ..Options::default()
    });
    let fake = fake.unwrap();
    let client = emr(&fake);
    application(&fake, &client, "SPARK").await;
    let seen = tokio::task::spawn_blocking(|| received.join().unwrap())
        .await
        .unwrap();
    let (head, body) = &seen[0];
    assert!(head.contains("x-amz-target: awsevents.putevents"), "{head}");
    assert!(
        head.contains("credential=111122223333/20260101/eu-central-1/events/"),
        "{head}"
    );
    let body: Event = serde_json::from_str(body).unwrap();
    let entry = &body["Entries"][0];
    assert_eq!(entry["Source"], "aws.emr-serverless");
    assert_eq!(
        entry["DetailType"],
        "EMR Serverless Application State Change"
    );
    let detail: Event = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail["state"], "CREATING");
}
