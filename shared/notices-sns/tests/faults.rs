//! What no emulator makes: throttles, outages, silence, a topic that is gone.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use porpoise_canned::{Answer, Canned, chain};
use porpoise_model::RunState;
use porpoise_notices_sns::{Settings, SnsNotices};
use porpoise_ports::Notices as _;
use porpoise_ports::conformance::notices::notice;
use porpoise_ports::usage::{Ledger, Line};

use crate::support::config;

const ARN: &str = "arn:aws:sns:eu-west-1:111122223333:porpoise-runs";

fn notices(canned: &Canned, patience: Duration) -> SnsNotices {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config(canned.endpoint()).retry_config(retries);
    let settings = Settings {
        topic_arn: ARN.to_owned(),
        patience,
    };
    SnsNotices::new(Client::from_conf(config.build()), settings)
}

fn xml(status: u16, body: &str) -> Answer {
    Answer::Response {
        status,
        headers: vec![("content-type".to_owned(), "text/xml".to_owned())],
        body: body.as_bytes().to_vec(),
    }
}

fn taken() -> Answer {
    xml(
        200,
        "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>",
    )
}

fn refused(status: u16, code: &str) -> Answer {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>as the script says</Message></Error></ErrorResponse>"
    );
    xml(status, &body)
}

const SECONDS: Duration = Duration::from_mins(1);

#[tokio::test]
async fn throttles_and_outages_of_a_moment_are_nothing_to_tell() {
    let mut seen = 0;
    let canned = Canned::start(move |_| {
        seen += 1;
        match seen {
            1 => refused(429, "Throttled"),
            2 => refused(500, "InternalError"),
            3 => refused(400, "KMSThrottling"),
            _ => taken(),
        }
    })
    .unwrap();
    let ledger = Ledger::default();
    let notices = notices(&canned, SECONDS).with_ledger(ledger.clone());
    let sent = notices.send(&notice(0, RunState::Failed)).await;
    sent.unwrap();
    assert_eq!(canned.requests().len(), 4);
    let lines: Vec<(Line, u64)> = ledger.usage().lines().collect();
    assert_eq!(lines, [(Line::Notices, 1)]);
}

#[tokio::test]
async fn what_cannot_be_published_is_an_error_that_names_the_topic() {
    let moment = Duration::from_secs(3);
    for (status, code, said_first) in [
        (404, "NotFound", "may not or cannot be published to"),
        (
            403,
            "AuthorizationError",
            "may not or cannot be published to",
        ),
        (500, "InternalError", "did not take a notice"),
        (429, "Throttled", "did not take a notice"),
    ] {
        let canned = Canned::start(move |_| refused(status, code)).unwrap();
        let (notices, notice) = (notices(&canned, moment), notice(0, RunState::Failed));
        let said = chain(&notices.send(&notice).await.unwrap_err());
        let wanted = format!("the channel of notices is unavailable: topic `{ARN}` {said_first}: ");
        assert!(said.starts_with(&wanted) && said.contains(code), "{said}");
        let again = canned.requests().len() > 1;
        assert_eq!(again, said_first.starts_with("did not"), "{code}");
    }
    let silent = Canned::start(|_| Answer::Silence).unwrap();
    let notices = notices(&silent, Duration::from_millis(200));
    let late = notices.send(&notice(0, RunState::Failed)).await;
    let said = chain(&late.unwrap_err());
    let wanted = format!("topic `{ARN}` did not answer in time");
    assert!(said.ends_with(&wanted), "{said}");
}

#[tokio::test]
async fn a_publication_carries_what_subscriptions_filter_by() {
    let canned = Canned::start(|_| taken()).unwrap();
    let (notices, notice) = (notices(&canned, SECONDS), notice(0, RunState::Canceled));
    notices.send(&notice).await.unwrap();
    let form = canned.requests()[0].text();
    for part in [
        "Action=Publish",
        "=project",
        "=retail",
        "=event",
        "=canceled",
    ] {
        assert!(form.contains(part), "{part}: {form}");
    }
}
