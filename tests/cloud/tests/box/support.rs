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

/// Requests that the server cannot answer just now are made so often.
const TRIES: usize = 5;

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

    /// What answers, as it came.
    pub(crate) fn bytes(&self, path: &str) -> (u16, Vec<u8>) {
        let answer = self.agent.get(format!("{}{path}", self.url)).call();
        let (parts, mut body) = answer.unwrap().into_parts();
        (parts.status.as_u16(), body.read_to_vec().unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.url));
        read(request.send(body).unwrap())
    }

    pub(crate) fn put(&self, path: &str, body: &str) -> (u16, Value) {
        let request = self.agent.put(format!("{}{path}", self.url));
        read(request.send(body).unwrap())
    }

    /// Applies a definition.
    pub(crate) fn apply(&self, project: &str, definition: &str) {
        let path = format!("/projects/{project}/workflows");
        let (status, applied) = insist(|| self.post(&path, definition));
        assert_eq!(status, 200, "{applied}");
    }

    /// Applies a definition and starts its workflow; the path of the run.
    pub(crate) fn start(&self, project: &str, workflow: &str, definition: &str) -> String {
        self.apply(project, definition);
        self.start_again(project, workflow)
    }

    /// Starts a workflow that is there; the path of the run.
    pub(crate) fn start_again(&self, project: &str, workflow: &str) -> String {
        let path = format!("/projects/{project}/workflows/{workflow}/runs");
        let (status, started) = insist(|| self.post(&path, ""));
        assert_eq!(status, 202, "{started}");
        let run = started["run_id"].as_str().unwrap();
        format!("/projects/{project}/runs/{run}")
    }

    /// Waits until a resource is as it should be.
    pub(crate) async fn until(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.until_within(path, LOOKS_MAX, is).await
    }

    /// The same, with so many looks.
    pub(crate) async fn until_within(
        &self,
        path: &str,
        looks: u32,
        is: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        for _ in 0..looks {
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

/// Asks again while the server says that it cannot just now, and that nothing is lost by repeating: on a machine that
/// does much else, calls take too long.
pub(crate) fn insist(ask: impl Fn() -> (u16, Value)) -> (u16, Value) {
    let answers = std::iter::repeat_with(ask).take(TRIES);
    let mut last = None;
    for (status, value) in answers {
        let again = status == 503 && value["code"] == "PP0019";
        last = Some((status, value));
        if !again {
            break;
        }
    }
    last.unwrap()
}

fn read(answer: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let (parts, mut body) = answer.into_parts();
    let text = body.read_to_string().unwrap();
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (parts.status.as_u16(), value)
}

pub(crate) async fn pause() {
    pause_for(BETWEEN_LOOKS).await;
}

#[expect(clippy::disallowed_methods, reason = "functions take real time")]
pub(crate) async fn pause_for(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Four tasks that do nothing.
pub(crate) const DAILY: &str = "workflow: daily\nproject: shop\ntasks:\n  \
    extract: { noop: }\n  \
    left: { after: [extract], noop: }\n  \
    right: { after: [extract], noop: }\n  \
    load: { after: [left, right], noop: }\n";
