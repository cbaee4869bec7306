//! The API, as somebody uses it: in process, or over HTTP.

use axum::http::Method;
use serde_json::Value;

pub(crate) trait Api {
    /// What is answered.
    ///
    /// # Errors
    /// Also an answer that says that it failed.
    fn send(&self, method: Method, path: &str, body: &str) -> anyhow::Result<Value>;

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, "")
    }
}
