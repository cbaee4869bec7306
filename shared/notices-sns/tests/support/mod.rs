//! What the tests of this crate share.

use aws_sdk_sns::config::{BehaviorVersion, Builder, Config, Credentials, Region};

/// A client of whatever listens at `endpoint`.
pub fn config(endpoint: &str) -> Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(endpoint)
}
