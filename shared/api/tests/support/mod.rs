//! The API over a store in memory, with a clock and targets that the test moves.

pub mod ports;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use porpoise_api::{Access, Api, Token, router};
use porpoise_app::{App, Delivery};
use serde_json::Value;
use tower::ServiceExt;

pub use ports::{PLACE, World};

pub const TOKEN: &str = "sesame";
pub const HOST: &str = "127.0.0.1:7010";
pub const ORIGIN: &str = "http://127.0.0.1:7010";
/// Steps of a server that has nothing to do, each a second of its clock, before the test is given up.
const IDLE_MAX: u32 = 10_000;

/// A server.
#[derive(Debug, Clone)]
pub struct Server {
    pub world: Arc<World>,
    pub app: Arc<App>,
    router: Router,
    /// Everything goes on while a request waits, as behind a real server.
    live: bool,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// Fails unless it is a problem with this status and code, rendered as RFC 9457 wants it.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let told = format!("{} {}", self.status, String::from_utf8_lossy(&self.body));
        assert_eq!(self.status.as_u16(), status, "{told}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status, "{told}");
        assert_eq!(body["code"], code, "{told}");
        assert_eq!(body["type"], format!("/errors/{code}"), "{told}");
        assert!(
            body["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        body
    }

    /// The JSON of an answer with this status.
    pub fn expect(&self, status: u16) -> Value {
        let told = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{told}");
        self.json()
    }
}

impl Server {
    /// One whose queues move only when the test says so.
    pub fn still() -> Self {
        Self::new(false)
    }

    /// One that goes on by itself while a request waits.
    pub fn live() -> Self {
        Self::new(true)
    }

    fn new(live: bool) -> Self {
        Self::over(World::new(), live)
    }

    /// A new process over the same store.
    pub fn restarted(&self) -> Self {
        Self::over(Arc::clone(&self.world), self.live)
    }

    fn over(world: Arc<World>, live: bool) -> Self {
        let app = Arc::new(world.app());
        let access = Access {
            principal: "ada".to_owned(),
            token: Token::new(TOKEN),
            hosts: vec![HOST.to_owned()],
            origins: vec![ORIGIN.to_owned()],
        };
        let api = Api {
            app: Arc::clone(&app),
            changes: world.changes(),
            access,
        };
        Self {
            world,
            app,
            router: router(api),
            live,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(asked(Method::GET, path, Body::empty())).await
    }

    /// Posts a text: JSON, or a definition.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(asked(Method::POST, path, body.into())).await
    }

    /// Asks while everything goes on, also where the server is still.
    pub async fn meanwhile_live(&self, path: &str) -> Answer {
        let live = Self {
            live: true,
            ..self.clone()
        };
        live.get(path).await
    }

    pub async fn put(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(asked(Method::PUT, path, body.into())).await
    }

    pub async fn patch(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(asked(Method::PATCH, path, body.into())).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(asked(Method::DELETE, path, Body::empty())).await
    }

    /// Posts with an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: impl Into<Body>) -> Answer {
        let mut request = asked(Method::POST, path, body.into());
        let key = key.parse().expect("a key");
        request.headers_mut().insert("idempotency-key", key);
        self.send(request).await
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX);
        Answer {
            status,
            headers,
            body: body.await.expect("a body"),
        }
    }

    /// The answer before its body was read.
    pub async fn open(&self, request: Request<Body>) -> Response<Body> {
        let answer = self.router.clone().oneshot(request);
        let answer = self.meanwhile(answer).await;
        answer.unwrap_or_else(|never| match never {})
    }

    /// Waits for something; a live server goes on meanwhile.
    pub async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> T {
        if !self.live {
            return work.await;
        }
        match select(pin!(work), pin!(self.go_on())).await {
            Either::Left((done, _)) => done,
            Either::Right(((), _)) => panic!("nothing comes any more"),
        }
    }

    async fn go_on(&self) {
        let mut idle = 0;
        while idle < IDLE_MAX {
            if !self.step().await {
                idle += 1;
                self.world.advance(1_000);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Delivers whatever is under way until nothing is. The clock stands.
    pub async fn drive(&self) {
        while self.step().await {}
    }

    /// Ends what runs, and delivers what follows, until nothing runs.
    pub async fn finish(&self) {
        self.drive().await;
        while self.world.end_jobs() > 0 {
            self.world.advance(1_000);
            self.drive().await;
        }
    }

    /// One delivery; `false`: nothing was under way.
    async fn step(&self) -> bool {
        if let Some((address, bodies)) = self.world.next_messages() {
            let returned = self
                .app
                .on_messages(vec![(address, Delivery::Again, bodies)])
                .await;
            assert!(returned.is_empty(), "{returned:?}");
            return true;
        }
        if let Some((place, intents)) = self.world.next_intents() {
            self.app.on_intents(&place, intents).await.expect("jobs");
            return true;
        }
        self.app.tick(PLACE).await.expect("jobs");
        if self.world.is_busy() {
            return true;
        }
        let Some(address) = self.world.next_wake() else {
            return false;
        };
        self.app.wake(address).await.expect("a step");
        true
    }

    /// Applies a definition of one workflow.
    pub async fn apply(&self, project: &str, definition: &str) {
        let path = format!("/v1/projects/{project}/workflows");
        let applied = self.post(&path, definition.to_owned()).await.expect(200);
        assert_eq!(applied["workflows"][0]["outcome"], "created", "{applied}");
        self.drive().await;
    }

    /// Starts a run; gives its address.
    pub async fn start(&self, project: &str, workflow: &str) -> String {
        let path = format!("/v1/projects/{project}/workflows/{workflow}/runs");
        let started = self.post(&path, "").await.expect(202);
        let run = started["run_id"].as_str().expect("an id");
        format!("/v1/projects/{project}/runs/{run}")
    }

    /// Starts a run and drives it as far as it goes by itself.
    pub async fn begin(&self, project: &str, workflow: &str) -> String {
        let run = self.start(project, workflow).await;
        self.drive().await;
        run
    }

    /// From now on the store does not answer.
    pub fn cut_the_store(&self) {
        self.world.down.store(true, Ordering::SeqCst);
    }
}

/// A request of somebody who has the token.
pub fn asked(method: Method, path: &str, body: Body) -> Request<Body> {
    let request = bare(method, path).header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    request.body(body).expect("a request")
}

/// A request of somebody who has none.
pub fn bare(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, HOST)
}

/// The pieces of a body, as they come.
pub fn pieces(response: Response<Body>) -> impl futures_util::Stream<Item = String> {
    let data = response.into_body().into_data_stream();
    data.map(|piece| String::from_utf8(piece.expect("a piece").to_vec()).expect("UTF-8"))
}
