//! A component that runs, seen from the test that uses it.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::{Component, Process};

/// What this process has started and shares, until its end.
static DYNAMODB: Mutex<Option<Server>> = Mutex::new(None);
static MINISTACK: Mutex<Option<Server>> = Mutex::new(None);

/// A DynamoDB Local that answers. Each clone keeps it alive.
#[derive(Debug, Clone)]
pub struct DynamoDbLocal(Server);

/// A ministack that answers. Each clone keeps it alive.
#[derive(Debug, Clone)]
pub struct Ministack(Server);

impl DynamoDbLocal {
    /// Starts one that nobody else uses, and that stops when the last clone is dropped. Takes three seconds and 400 MB.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Server::start(Component::DynamoDb, &[]).map(Self)
    }

    pub(crate) fn shared() -> anyhow::Result<Self> {
        Server::shared(Component::DynamoDb, &DYNAMODB).map(Self)
    }

    /// Where it answers, without a slash at the end. It takes any region and any credentials.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }
}

impl Ministack {
    /// Starts one that nobody else uses, and that stops when the last clone is dropped.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_as(Manner::default())
    }

    /// Starts one that behaves in this manner.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start_as(manner: Manner) -> anyhow::Result<Self> {
        let mut options: Vec<String> = Vec::new();
        if manner.auth {
            options.push("--auth".to_owned());
        }
        if let Some(url) = manner.functions_ask {
            options.push(format!("--functions-ask={url}"));
        }
        Server::start(Component::Ministack, &options).map(Self)
    }

    pub(crate) fn shared() -> anyhow::Result<Self> {
        Server::shared(Component::Ministack, &MINISTACK).map(Self)
    }

    /// Where it answers, without a slash at the end. It takes any region and any credentials.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }
}

/// How a ministack behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manner {
    /// It checks signatures and policies, and refuses what no policy allows.
    pub auth: bool,
    /// Where functions that it runs find AWS; `None`: at itself.
    pub functions_ask: Option<String>,
}

#[derive(Debug, Clone)]
struct Server {
    endpoint: String,
    /// `None`: somebody else's.
    _process: Option<Arc<Process>>,
}

impl Server {
    fn shared(component: Component, ours: &Mutex<Option<Self>>) -> anyhow::Result<Self> {
        if let Some(url) = std::env::var_os(component.variable()).filter(|url| !url.is_empty()) {
            let url = url.to_str().context(component.variable())?;
            let endpoint = url.trim_end_matches('/').to_owned();
            return Ok(Self {
                endpoint,
                _process: None,
            });
        }
        let mut ours = ours.lock().unwrap_or_else(PoisonError::into_inner);
        let server = match ours.take() {
            Some(server) => server,
            None => Self::start(component, &[])?,
        };
        Ok(ours.insert(server).clone())
    }

    fn start(component: Component, options: &[String]) -> anyhow::Result<Self> {
        component.installed()?; // says so before anything is compiled
        let mut serve = vec!["serve", component.name()];
        serve.extend(options.iter().map(String::as_str));
        let (process, endpoint) = Process::start("porpoise-region", "region", &serve)
            .with_context(|| format!("{} does not start", component.package()))?;
        Ok(Self {
            endpoint,
            _process: Some(Arc::new(process)),
        })
    }
}
