//! The way in: a local port that signs requests and passes them on to the HTTP API.
//!
//! So the command line needs no signatures of its own, and any token will do: who asks is the root of the account.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Response, StatusCode, header};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::aws::{Scope, sign_for};
use crate::http::{Passed, Passer};
use crate::tap::{spawn, whole};

/// A local port of the HTTP API.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    server: JoinHandle<()>,
}

#[derive(Debug)]
pub(crate) struct Gateway {
    /// Where ministack answers, without a slash at the end.
    pub(crate) ministack: String,
    /// The host of the API.
    pub(crate) host: String,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) passer: Passer,
}

impl Door {
    /// Opens it at a port; 0 is any that is free.
    pub(crate) async fn open(port: u16, gateway: Gateway) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("port {port} is taken"))?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .fallback(take)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::new(gateway));
        let server = spawn(listener, router);
        Ok(Self { address, server })
    }

    /// The address of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    match signed(&gateway, request).await {
        Ok(passed) => gateway.passer.pass(&gateway.ministack, passed).await,
        Err(error) => {
            let mut response = Response::new(Body::from(format!("{error:#}")));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

async fn signed(gateway: &Gateway, request: Request) -> anyhow::Result<Passed> {
    let (method, uri, mut headers, body) = whole(request).await?;
    headers.remove(header::AUTHORIZATION);
    headers.remove(header::CONNECTION);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let scope = Scope {
        account: &gateway.account,
        region: &gateway.region,
        service: "execute-api",
    };
    sign_for(scope, &method, &gateway.host, path, &mut headers, &body)?;
    Ok(Passed {
        path: path.to_owned(),
        method,
        headers,
        body: body.into(),
    })
}
