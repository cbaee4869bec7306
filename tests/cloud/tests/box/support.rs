//! A box for a test, and a client of its API.

use std::path::PathBuf;
use std::time::Duration;

use porpoise_cloud::{Cloud, Options};
use serde_json::Value;

/// The folder with the zips of the functions, and the one with the templates: `cargo xtask test` makes both.
pub(crate) const FUNCTIONS: &str = "PORPOISE_FUNCTIONS";
pub(crate) const TEMPLATES: &str = "PORPOISE_TEMPLATES";

/// Looks at something that takes its time, and how long is waited in between: a minute.
const LOOKS_MAX: u32 = 300;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// A box of its own for a test.
pub(crate) async fn cloud() -> Cloud {
    cloud_with(|options| options).await
}

/// A box that is to be like this.
pub(crate) async fn cloud_with(change: impl FnOnce(Options) -> Options) -> Cloud {
    let options = Options::new(folder(FUNCTIONS), folder(TEMPLATES));
    Cloud::start(change(options)).await.unwrap()
}

/// The folder that a variable names.
pub(crate) fn folder(variable: &str) -> PathBuf {
    let folder = std::env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: `cargo xtask test` builds what the box is made of")
    });
    PathBuf::from(folder)
}

/// A client of the API.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    url: String,
}

impl Client {
    pub(crate) fn of(cloud: &Cloud) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        Self {
            agent: ureq::Agent::new_with_config(config.build()),
            url: format!("{}/v1", cloud.url()),
        }
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.agent.get(format!("{}{path}", self.url)).call();
        read(answer.unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.url));
        read(request.send(body).unwrap())
    }

    /// Applies a definition and starts its workflow; the path of the run.
    pub(crate) fn start(&self, project: &str, workflow: &str, definition: &str) -> String {
        let path = format!("/projects/{project}/workflows");
        let (status, applied) = self.post(&path, definition);
        assert_eq!(status, 200, "{applied}");
        self.start_again(project, workflow)
    }

    /// Starts a workflow that is there; the path of the run.
    pub(crate) fn start_again(&self, project: &str, workflow: &str) -> String {
        let path = format!("/projects/{project}/workflows/{workflow}/runs");
        let (status, started) = self.post(&path, "");
        assert_eq!(status, 202, "{started}");
        let run = started["run_id"].as_str().unwrap();
        format!("/projects/{project}/runs/{run}")
    }

    /// Waits until a resource is as it should be.
    pub(crate) async fn until(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..LOOKS_MAX {
            let (status, value) = self.get(path);
            if status == 200 && is(&value) {
                return value;
            }
            last = value;
            pause().await;
        }
        panic!("{path} does not get there in time: {last}")
    }
}

fn read(answer: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let (parts, mut body) = answer.into_parts();
    let text = body.read_to_string().unwrap();
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (parts.status.as_u16(), value)
}

#[expect(clippy::disallowed_methods, reason = "functions take real time")]
pub(crate) async fn pause() {
    tokio::time::sleep(BETWEEN_LOOKS).await;
}

/// Four tasks that do nothing.
pub(crate) const DAILY: &str = "workflow: daily\nproject: shop\ntasks:\n  \
    extract: { noop: }\n  \
    left: { after: [extract], noop: }\n  \
    right: { after: [extract], noop: }\n  \
    load: { after: [left, right], noop: }\n";
