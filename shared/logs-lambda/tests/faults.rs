//! What no emulator makes: throttles, refusals, silence, and answers of somebody else.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use porpoise_canned::{Answer, Canned, chain};
use porpoise_logs_lambda::{LambdaLogs, Settings};
use porpoise_model::{ProjectId, RunId};
use porpoise_ports::Logs as _;
use porpoise_ports::logs::{LogAsk, LogCall, LogChunk, LogError, LogPart, LogReply, NoLog};

use crate::support::config::config;

const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:porpoise-poller";
const PATIENCE: Duration = Duration::from_secs(10);

fn logs(canned: &Canned, patience: Duration) -> LambdaLogs {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config(canned.endpoint()).retry_config(retries);
    let settings = Settings {
        readers: vec![ARN.to_owned()],
        patience,
    };
    let client = Client::from_conf(config.build());
    LambdaLogs::new(settings, |region| {
        assert_eq!(region, "eu-west-1");
        client.clone()
    })
    .unwrap()
}

fn ask() -> LogAsk {
    LogAsk {
        place: "aws.eu-west-1.111122223333".to_owned(),
        project: ProjectId::of_name("retail"),
        run: RunId::from_bytes([7; 16]),
        task: 3,
        map: 0,
        attempt: 2,
        external_id: None,
        ended: None,
        part: Some(LogPart {
            from: 5,
            limit: 1024,
        }),
    }
}

fn chunk() -> LogChunk {
    LogChunk {
        bytes: vec![0, 255, b'a'].into(),
        next: 8,
        end: true,
    }
}

fn answered(answer: &Result<Option<LogChunk>, NoLog>) -> Answer {
    Answer::json(200, serde_json::to_string(&LogReply::of(answer)).unwrap())
}

#[tokio::test]
async fn the_function_of_the_place_is_asked_and_its_answer_waited_for() {
    let canned = Canned::start(|_| answered(&Ok(Some(chunk())))).unwrap();
    let read = logs(&canned, PATIENCE).read(&ask()).await.unwrap();
    assert_eq!(read, Some(chunk()));
    let [request] = canned.requests().try_into().unwrap();
    assert_eq!(request.headers["x-amz-invocation-type"], "RequestResponse");
    let path = request.path.replace("%3A", ":");
    assert_eq!(path, format!("/2015-03-31/functions/{ARN}/invocations"));
    let call: LogCall = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(call.read().unwrap(), ask());
}

#[tokio::test]
async fn nothing_and_reasons_arrive_as_they_were_given() {
    let canned = Canned::start(|_| answered(&Ok(None))).unwrap();
    let read = logs(&canned, PATIENCE).read(&ask()).await.unwrap();
    assert_eq!(read, None);
    let reason = NoLog {
        address: Some("s3://logs/".to_owned()),
        ..NoLog::never("the role may not read it").hint("grant it")
    };
    let wanted = reason.clone();
    let canned = Canned::start(move |_| answered(&Err(reason.clone()))).unwrap();
    let Err(LogError::None(none)) = logs(&canned, PATIENCE).read(&ask()).await else {
        panic!("no reason");
    };
    assert_eq!(*none, wanted);
}

#[tokio::test]
async fn what_passes_is_asked_again() {
    let mut seen = 0;
    let canned = Canned::start(move |_| {
        seen += 1;
        match seen {
            1 => Answer::error(429, "TooManyRequestsException"),
            2 => Answer::Cut,
            _ => answered(&Ok(Some(chunk()))),
        }
    })
    .unwrap();
    let read = logs(&canned, PATIENCE).read(&ask()).await.unwrap();
    assert_eq!(read, Some(chunk()));
    assert_eq!(canned.requests().len(), 3);
}

#[tokio::test]
async fn what_lambda_refuses_is_an_error_that_names_the_function() {
    for (status, code, calls) in [
        (403, "AccessDeniedException", 1),
        (404, "ResourceNotFoundException", 1),
        (429, "TooManyRequestsException", 3),
    ] {
        let canned = Canned::start(move |_| Answer::error(status, code)).unwrap();
        let refused = logs(&canned, PATIENCE).read(&ask()).await.unwrap_err();
        let said = chain(&refused);
        let wanted = format!("the log is unavailable: function `{ARN}` was not invoked");
        assert!(said.starts_with(&wanted) && said.contains(code), "{said}");
        assert_eq!(canned.requests().len(), calls, "{code}");
    }
}

#[tokio::test]
async fn silence_unknown_places_and_other_answers_are_errors_that_say_so() {
    let silent = Canned::start(|_| Answer::Silence).unwrap();
    let quick = logs(&silent, Duration::from_millis(200));
    let said = chain(&quick.read(&ask()).await.unwrap_err());
    assert!(said.ends_with("did not answer in time"), "{said}");
    let moon = LogAsk {
        place: "moon".to_owned(),
        ..ask()
    };
    let said = chain(&quick.read(&moon).await.unwrap_err());
    assert!(said.contains("reads logs at place `moon`"), "{said}");
    for other in ["null", "{}", "", r#"{"form":2,"body":""}"#] {
        let canned = Canned::start(move |_| Answer::json(200, other)).unwrap();
        let said = chain(&logs(&canned, PATIENCE).read(&ask()).await.unwrap_err());
        assert!(said.contains("answered what is no log"), "{other}: {said}");
    }
}
