//! From an HTTP request to what it asks.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use serde_json::Value;

use crate::answer::{Fault, Protocol};
use crate::caller::Caller;
use crate::model::{ATHENA, EMR_SERVERLESS, Model};
use crate::rest;

/// A service of the fake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    EmrServerless,
    Athena,
}

impl Service {
    fn of_name(name: &str) -> Option<Self> {
        match name {
            "emr-serverless" => Some(Self::EmrServerless),
            "athena" => Some(Self::Athena),
            _ => None,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EmrServerless => "emr-serverless",
            Self::Athena => "athena",
        }
    }

    pub(crate) const fn protocol(self) -> Protocol {
        match self {
            Self::EmrServerless => Protocol::RestJson,
            Self::Athena => Protocol::Json11,
        }
    }

    pub(crate) fn model(self) -> &'static Model {
        match self {
            Self::EmrServerless => &EMR_SERVERLESS,
            Self::Athena => &ATHENA,
        }
    }

    /// The error of a request that its model refuses.
    fn refusal(self, message: &str) -> Fault {
        match self {
            Self::EmrServerless => Fault::validation(message),
            Self::Athena => Fault::invalid("INVALID_INPUT", message),
        }
    }
}

/// What somebody asks.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) service: Service,
    pub(crate) caller: Caller,
    pub(crate) operation: String,
    pub(crate) input: Value,
}

impl Request {
    /// Reads and checks a request. The protocol in which to answer is known as soon as the service is.
    pub(crate) fn read(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Self, (Protocol, Fault)> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let scope = Caller::of_header(header("authorization"));
        let (caller, service) = scope.map_err(|fault| (Protocol::RestJson, fault))?;
        let service = Service::of_name(&service).ok_or_else(|| {
            let fault = Fault::of(404, "UnknownServiceException").saying(&service);
            (Protocol::RestJson, fault)
        })?;
        let asked = match service.protocol() {
            Protocol::RestJson => {
                let query = uri.query().unwrap_or_default();
                rest::read(service.model(), method.as_str(), uri.path(), query, body)
            }
            Protocol::Json11 => target(service, header("x-amz-target"), body),
        };
        let of_protocol = |fault| (service.protocol(), fault);
        let (operation, input) = asked.map_err(of_protocol)?;
        let request = Self {
            service,
            caller,
            operation,
            input,
        };
        request.check().map_err(of_protocol)?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Fault> {
        let model = self.service.model();
        let Some(operation) = model.operations.get(&self.operation) else {
            return Err(Fault::of(400, "UnknownOperationException").saying(&self.operation));
        };
        let faults = crate::check::faults(model, &operation.input, &self.input);
        if faults.is_empty() {
            return Ok(());
        }
        let (many, faults) = (faults.len(), faults.join("; "));
        let noun = if many == 1 { "error" } else { "errors" };
        let message = format!("{many} validation {noun} detected: {faults}");
        Err(self.service.refusal(&message))
    }
}

fn target(service: Service, target: Option<&str>, body: &[u8]) -> Result<(String, Value), Fault> {
    let target = target.unwrap_or_default();
    let unknown = || Fault::of(400, "UnknownOperationException").saying(target);
    let (_, operation) = target.split_once('.').ok_or_else(unknown)?;
    if !service.model().operations.contains_key(operation) {
        return Err(unknown());
    }
    let input = serde_json::from_slice(body)
        .map_err(|error| Fault::of(400, "SerializationException").saying(&error.to_string()))?;
    Ok((operation.to_owned(), input))
}
