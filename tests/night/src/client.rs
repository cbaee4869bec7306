//! Somebody who uses the API, in process; nothing befalls them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use futures_util::FutureExt as _;
use porpoise_api::{Access, Api, Changes, Principal, Token, Waited, router};
use porpoise_app::App;
use porpoise_model::Address;
use serde_json::Value;
use tower::ServiceExt as _;

#[derive(Debug, Clone)]
pub(crate) struct Client(Router);

/// Nobody waits here.
#[derive(Debug)]
struct Never;

#[async_trait]
impl Changes for Never {
    async fn moved(&self, _: Address, _: u64, _: Duration) -> Waited {
        Waited::TimeUp
    }
}

impl Client {
    pub(crate) fn of(app: Arc<App>) -> Self {
        let access = Access {
            principal: "night".to_owned(),
            token: Token::none(),
            hosts: Vec::new(),
            origins: Vec::new(),
        };
        let changes = Arc::new(Never);
        Self(router(Api {
            app,
            changes,
            access,
        }))
    }
}

impl crate::api::Api for Client {
    fn send(&self, method: Method, path: &str, body: &str) -> anyhow::Result<Value> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/v1{path}"))
            .body(Body::from(body.to_owned()))?;
        let who = Principal("night".to_owned());
        request.extensions_mut().insert(who);
        let answered = async {
            let response = self.0.clone().oneshot(request).await;
            let (parts, body) = response.unwrap_or_else(|never| match never {}).into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await;
            (parts.status, body)
        };
        let (status, body) = answered.now_or_never().expect("a store in memory");
        let body = body?;
        let text = String::from_utf8_lossy(&body);
        anyhow::ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}
