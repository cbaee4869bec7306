//! Invoking the functions that read logs.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use porpoise_model::{AwsPlace, Place};
use porpoise_ports::Unavailable;
use porpoise_ports::logs::{LogAsk, LogCall, LogChunk, LogError, LogReply, Logs, NoLog};
use serde::Deserialize;

use crate::error::{NotAFunction, ReadError};

/// Which functions, and how long whoever asks waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ARN of the function that reads logs at each place. Its region and account say which place that is.
    pub readers: Vec<String>,
    /// After this long, the client's retries included, a log has not been read.
    pub patience: Duration,
}

/// Logs by synchronous invocations.
#[derive(Debug, Clone)]
pub struct LambdaLogs {
    /// By place.
    routes: BTreeMap<String, Route>,
    patience: Duration,
}

/// The way to a function.
#[derive(Debug, Clone)]
struct Route {
    /// Of the function's own region: no other one knows it.
    client: Client,
    function: String,
}

impl LambdaLogs {
    /// Invokes the functions of `settings`. `client_of` makes a client of a region, once for each region that has one.
    ///
    /// # Errors
    /// One of them is no ARN of a function.
    pub fn new(
        settings: Settings,
        mut client_of: impl FnMut(&str) -> Client,
    ) -> Result<Self, NotAFunction> {
        let mut clients: BTreeMap<String, Client> = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for function in settings.readers {
            let Some(place) = place(&function) else {
                return Err(NotAFunction(function));
            };
            let region = place.region().to_owned();
            let known = clients.entry(region.clone());
            let client = known.or_insert_with(|| client_of(&region)).clone();
            routes.insert(Place::Aws(place).to_string(), Route { client, function });
        }
        Ok(Self {
            routes,
            patience: settings.patience,
        })
    }

    async fn read_within(&self, ask: &LogAsk) -> Result<Answer, ReadError> {
        let route = self.routes.get(&ask.place);
        let route = route.ok_or_else(|| ReadError::Place(ask.place.clone()))?;
        let read = tokio::time::timeout(self.patience, route.read(ask)).await;
        read.unwrap_or_else(|_| Err(ReadError::Late(route.function.clone())))
    }
}

/// A part of a log, or why there is none.
type Answer = Result<Option<LogChunk>, NoLog>;

/// The place in `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME`. Source: Lambda API reference, `Invoke`.
fn place(arn: &str) -> Option<AwsPlace> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    match parts[..] {
        [
            "arn",
            partition,
            "lambda",
            region,
            account,
            "function",
            name,
        ] if !name.is_empty() => AwsPlace::new(partition, region, account).ok(),
        _ => None,
    }
}

/// What Lambda says of a function that failed. Source: "Errors" in the Lambda developer guide, custom runtimes.
#[derive(Debug, Deserialize)]
struct Complaint {
    #[serde(rename = "errorMessage")]
    message: String,
}

impl Route {
    async fn read(&self, ask: &LogAsk) -> Result<Answer, ReadError> {
        let function = || self.function.clone();
        let no_answer = |error: serde_json::Error| ReadError::NoAnswer {
            function: function(),
            said: error.to_string(),
        };
        let payload = serde_json::to_vec(&LogCall::of(ask)).map_err(no_answer)?;
        let call = self.client.invoke().function_name(&self.function);
        let call = call.invocation_type(InvocationType::RequestResponse);
        let answer = call.payload(Blob::new(payload)).send().await;
        let answer = answer.map_err(|error| ReadError::NotInvoked {
            function: function(),
            source: error.into(),
        })?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if let Some(kind) = answer.function_error {
            let said = serde_json::from_slice::<Complaint>(&payload);
            return Err(ReadError::Failed {
                function: function(),
                said: said.map_or(kind, |said| said.message),
            });
        }
        let reply: LogReply = serde_json::from_slice(&payload).map_err(no_answer)?;
        reply.read().map_err(|source| ReadError::Letter {
            function: function(),
            source,
        })
    }
}

#[async_trait]
impl Logs for LambdaLogs {
    async fn read(&self, ask: &LogAsk) -> Result<Option<LogChunk>, LogError> {
        let read = self.read_within(ask).await;
        let read = read.map_err(|error| Unavailable::new("the log", error))?;
        Ok(read?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_says_of_which_place_it_is() {
        let ours = place("arn:aws-cn:lambda:cn-north-1:111122223333:function:porpoise-poller");
        let ours = ours.map(|place| Place::Aws(place).to_string());
        assert_eq!(ours.as_deref(), Some("aws-cn.cn-north-1.111122223333"));
        for function in [
            "porpoise-poller",
            "",
            "arn:aws:lambda::111122223333:function:porpoise-poller",
            "arn:aws:lambda:eu-west-1:111122223333:function:",
            "arn:aws:lambda:eu-west-1:1111:function:porpoise-poller",
            "arn:aws:events:eu-west-1:111122223333:event-bus/porpoise",
        ] {
            assert_eq!(place(function), None, "{function}");
        }
    }
}
