//! Reading secrets.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use porpoise_model::ProjectId;
use porpoise_ports::secrets::Secret;
use porpoise_ports::usage::{Ledger, Line};
use porpoise_ports::{Clock, Secrets, Unavailable};

use crate::cache::Cache;
use crate::error::SecretError;

/// The stage of the version that is in force.
const CURRENT: &str = "AWSCURRENT";
/// Characters of a secret's name. Source: Secrets Manager API reference, `CreateSecret`.
const NAME_CHARS_MAX: usize = 512;

/// Where secrets are, and for how long they are remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What the names of all secrets begin with, for example `porpoise`.
    pub prefix: String,
    /// How old a remembered value may be; zero remembers none.
    pub age_max: Duration,
    /// After this long, the client's retries included, a read has failed.
    pub patience: Duration,
}

/// Secrets of the place of its client.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    client: Client,
    settings: Settings,
    clock: Arc<dyn Clock>,
    cache: Arc<Cache>,
    ledger: Ledger,
}

impl SecretsManager {
    /// Reads secrets below the prefix of `settings`.
    pub fn new(client: Client, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let cache = Arc::new(Cache::new(settings.age_max));
        Self {
            client,
            settings,
            clock,
            cache,
            ledger: Ledger::default(),
        }
    }

    /// Counts what it uses in `ledger`, and no longer in one that nobody reads.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// What Secrets Manager calls the secret `name` of a project; `None` if it can have no such.
    pub fn id(&self, project: ProjectId, name: &str) -> Option<String> {
        let possible = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
        let id = format!("{}/{project}/{name}", self.settings.prefix);
        let fits = !name.is_empty() && name.chars().all(possible) && id.len() <= NAME_CHARS_MAX;
        fits.then_some(id)
    }

    /// Forgets a secret, because it was rotated.
    pub fn forget(&self, project: ProjectId, name: &str) {
        if let Some(id) = self.id(project, name) {
            self.cache.forget(&id);
        }
    }

    async fn read(&self, id: &str) -> Result<Option<Secret>, SecretError> {
        let get = self.client.get_secret_value();
        let got = get.secret_id(id).version_stage(CURRENT).send().await;
        let answered = match &got {
            Ok(_) => true,
            Err(error) => error.raw_response().is_some(),
        };
        self.ledger.count(Line::SecretReads, u64::from(answered));
        let read = match got {
            Ok(read) => read,
            Err(error) => {
                let absent = error
                    .as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception);
                return if absent {
                    Ok(None)
                } else {
                    Err(SecretError::read(id, &error))
                };
            }
        };
        let value = read.secret_string;
        let value = value.ok_or_else(|| SecretError::NoText(id.to_owned()))?;
        let version = read.version_id;
        let version = version.ok_or_else(|| SecretError::NoVersion(id.to_owned()))?;
        Ok(Some(Secret { value, version }))
    }

    async fn recall_or_read(&self, id: String) -> Result<Option<Secret>, SecretError> {
        // When it was asked for: it may have been rotated while the answer was on its way.
        let now = self.clock.now();
        if let Some(known) = self.cache.get(&id, now) {
            return Ok(Some(known));
        }
        let read = tokio::time::timeout(self.settings.patience, self.read(&id)).await;
        let read = read.unwrap_or_else(|_| Err(SecretError::Late(id.clone())))?;
        if let Some(secret) = &read {
            self.cache.put(id, secret.clone(), now);
        }
        Ok(read)
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn resolve(&self, project: ProjectId, name: &str) -> Result<Option<Secret>, Unavailable> {
        let Some(id) = self.id(project, name) else {
            return Ok(None);
        };
        let read = self.recall_or_read(id).await;
        read.map_err(|error| Unavailable::new("the secret", error))
    }
}
