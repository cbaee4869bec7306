//! The HTTP client that makes faults.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::torn::torn;
use crate::{Call, Fault, Hit, Plan, Tally, answer};

/// What happens to requests, by a seed. Clones share everything.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    seed: u64,
    plan: Plan,
    calm: AtomicBool,
    hits: Mutex<Hits>,
}

#[derive(Debug, Default)]
struct Hits {
    calls: BTreeMap<Call, u64>,
    all: Vec<Hit>,
}

impl Faults {
    /// Faults of a plan, drawn from `seed`.
    pub fn new(seed: u64, plan: Plan) -> Self {
        Self(Arc::new(Shared {
            seed,
            plan,
            calm: AtomicBool::new(false),
            hits: Mutex::default(),
        }))
    }

    /// The HTTP client for the configuration of an SDK client, without TLS: what tests speak to is on loopback.
    pub fn client(&self) -> SharedHttpClient {
        self.before(Builder::new().build_http())
    }

    /// Faults before any other HTTP client.
    pub fn before(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Client {
            faults: self.clone(),
            inner,
        })
    }

    /// From now on, everything goes through. What is under way stays as it is, stragglers too.
    pub fn calm(&self) {
        self.0.calm.store(true, Ordering::Release);
    }

    /// Faults again.
    pub fn rage(&self) {
        self.0.calm.store(false, Ordering::Release);
    }

    /// What was called so far, in that order, and what became of it.
    pub fn hits(&self) -> Vec<Hit> {
        self.lock().all.clone()
    }

    /// How often what was hit by what so far.
    pub fn tally(&self) -> Tally {
        Tally::of(&self.lock().all)
    }

    /// What would become of the first calls of an operation: for tests that want a seed with a certain beginning.
    pub fn foresee(&self, service: &str, operation: &str, calls: u64) -> Vec<Option<Fault>> {
        let call = Call::new(service, operation);
        let Shared { seed, plan, .. } = &*self.0;
        (0..calls)
            .map(|number| plan.draw(*seed, &call, number).0)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Hits> {
        let hits = self.0.hits.lock();
        hits.unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides on one more call, and notes it. While it is calm, calls are counted all the same: how long that lasted
    /// does not change what comes after.
    fn next(&self, call: &Call) -> (Option<Fault>, u8) {
        let mut hits = self.lock();
        let calls = hits.calls.entry(call.clone()).or_default();
        let (mut fault, extra) = self.0.plan.draw(self.0.seed, call, *calls);
        *calls += 1;
        if self.0.calm.load(Ordering::Acquire) {
            fault = None;
        }
        hits.all.push(Hit {
            call: call.clone(),
            fault,
        });
        (fault, extra)
    }
}

struct Client {
    faults: Faults,
    inner: SharedHttpClient,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client with faults")
    }
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let time = components.time_source();
        SharedHttpConnector::new(Connector {
            faults: self.faults.clone(),
            inner: self.inner.http_connector(settings, components),
            now: Arc::new(move || match &time {
                Some(time) => time.now(),
                None => SystemTime::UNIX_EPOCH,
            }),
        })
    }
}

#[derive(Clone)]
struct Connector {
    faults: Faults,
    inner: SharedHttpConnector,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector with faults")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = Call::of(&request);
        let (fault, extra) = self.faults.next(&call);
        let Some(fault) = fault else {
            return self.inner.call(request);
        };
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.hit(fault, extra, &call, request).await })
    }
}

impl Connector {
    async fn hit(
        &self,
        fault: Fault,
        extra: u8,
        call: &Call,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        match fault {
            Fault::Throttled => Ok(answer::throttled(call, extra)),
            Fault::Failed => Ok(answer::failed(call, extra)),
            Fault::Skewed => Ok(answer::skewed(call, (self.now)(), extra)),
            Fault::ResetBefore => Err(reset()),
            Fault::TimeoutBefore => Err(silence()),
            Fault::FailedAfter => self
                .done(request)
                .await
                .map(|_| answer::failed(call, extra)),
            Fault::ResetAfter => self.done(request).await.and_then(|_| Err(reset())),
            Fault::TimeoutAfter => self.done(request).await.and_then(|_| Err(silence())),
            Fault::Straggler => {
                self.later(request);
                Err(silence())
            }
            Fault::Twice => {
                let again = request.try_clone();
                let answer = self.done(request).await?;
                if let Some(again) = again {
                    self.done(again).await?;
                }
                Ok(answer)
            }
            Fault::Slow => {
                let answer = self.done(request).await?;
                wait(self.faults.0.plan.slow).await;
                Ok(answer)
            }
            Fault::Torn => {
                let mut answer = self.done(request).await?;
                let bytes = answer.body().bytes().unwrap_or_default().to_vec();
                *answer.body_mut() = torn(&bytes);
                Ok(answer)
            }
        }
    }

    /// Has the request carried out, and waits for the whole answer: what is thrown away halfway might not be done.
    async fn done(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let mut answer = self.inner.call(request).await?;
        let body = ByteStream::new(answer.take_body()).collect().await;
        let body = body.map_err(|error| ConnectorError::io(error.into()))?;
        *answer.body_mut() = SdkBody::from(body.into_bytes());
        Ok(answer)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a request that is still on its way belongs to nobody"
    )]
    fn later(&self, request: HttpRequest) {
        let connector = self.clone();
        tokio::spawn(async move {
            wait(connector.faults.0.plan.straggle).await;
            // nobody waits for what becomes of it
            _ = connector.done(request).await;
        });
    }
}

fn reset() -> ConnectorError {
    let error = io::Error::new(
        io::ErrorKind::ConnectionReset,
        "connection reset by a fault",
    );
    ConnectorError::io(error.into())
}

/// As the client sees it when its patience with one try is over. The wait itself is left out.
fn silence() -> ConnectorError {
    let error = io::Error::new(io::ErrorKind::TimedOut, "no answer in time, by a fault");
    ConnectorError::timeout(error.into())
}

#[expect(clippy::disallowed_methods, reason = "a real server takes real time")]
async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}
