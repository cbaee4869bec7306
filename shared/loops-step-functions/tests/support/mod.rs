//! What the tests of this crate share.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{BehaviorVersion, Builder, Config, Credentials, Region};

/// A loop that only waits, so that a test sees it go on.
const WAITS: &str =
    r#"{"StartAt": "Pause", "States": {"Pause": {"Type": "Wait", "Seconds": 600, "End": true}}}"#;

/// A client of whatever listens at `endpoint`.
pub fn config(endpoint: &str) -> Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(endpoint)
}

/// A client of the emulator.
pub fn client() -> Client {
    let ministack = porpoise_region::ministack().unwrap();
    Client::from_conf(config(ministack.endpoint()).build())
}

/// The ARN of a state machine of the emulator that nobody else knows.
pub async fn machine() -> String {
    let call = client()
        .create_state_machine()
        .name(porpoise_region::unique("loop"));
    let call = call
        .definition(WAITS)
        .role_arn("arn:aws:iam::000000000000:role/loop");
    call.send().await.unwrap().state_machine_arn
}
