//! A call over HTTP, as it is stored.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::job::HttpCall;
use crate::kind::{Render, gather, json};
use crate::workflow::millis_option;

/// A call over HTTP, and what its answer has to be. All texts may hold expressions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Http {
    /// Whither: `https://…`.
    pub url: String,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "Method::is_get")]
    pub method: Method,
    /// Added to the query of the URL, percent-encoded.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub query: IndexMap<String, String>,
    /// Headers.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, String>,
    /// What is sent, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What is sent, as JSON, if there is no `body`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub json: Value,
    /// Statuses that are right: `200`, `2xx`, `any`. Empty: `2xx`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<String>,
    /// What the answer has to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// What the answer must not hold; it has to hold something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    /// How long a connection may take.
    #[serde(
        default,
        with = "millis_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub connect_timeout: Option<Duration>,
    /// How long the server may say nothing.
    #[serde(
        default,
        with = "millis_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Duration>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// To read.
    #[default]
    Get,
    /// To add, or to set something going.
    Post,
    /// To set.
    Put,
    /// To change a part.
    Patch,
    /// To remove.
    Delete,
    /// The headers of what would be read.
    Head,
}

impl Method {
    /// As HTTP writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    const fn is_get(&self) -> bool {
        matches!(self, Self::Get)
    }
}

impl Http {
    /// Its texts that may hold expressions.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let mut texts = vec![self.url.as_str()];
        let pairs = self.query.values().chain(self.headers.values());
        texts.extend(pairs.chain(&self.status).map(String::as_str));
        let optional = [&self.body, &self.contains, &self.lacks];
        texts.extend(optional.into_iter().filter_map(|text| text.as_deref()));
        gather(&self.json, &mut texts);
        texts
    }

    /// The call with every expression resolved.
    pub(crate) fn call(&self, value: Render<'_>) -> Result<HttpCall, String> {
        let optional = |text: &Option<String>| text.as_deref().map(value).transpose();
        let pairs = |map: &IndexMap<String, String>| -> Result<Vec<(String, String)>, String> {
            let pair = |(name, text): (&String, &String)| Ok((name.clone(), value(text)?));
            map.iter().map(pair).collect()
        };
        let status: Result<_, String> = self.status.iter().map(|text| value(text)).collect();
        let millis = |duration: Option<Duration>| {
            duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
        };
        let as_json = !self.json.is_null() && self.body.is_none();
        Ok(HttpCall {
            method: self.method.as_str().to_owned(),
            url: value(&self.url)?,
            query: pairs(&self.query)?,
            headers: pairs(&self.headers)?,
            body: if as_json {
                Some(json(&self.json, value)?.to_string())
            } else {
                optional(&self.body)?
            },
            json: as_json,
            status: status?,
            contains: optional(&self.contains)?,
            lacks: optional(&self.lacks)?,
            connect_timeout_ms: millis(self.connect_timeout),
            timeout_ms: millis(self.timeout),
        })
    }
}

/// Whether this is a status, or stands for several: `200`, `2xx`, `any`.
pub fn is_status(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes {
        b"any" => true,
        [b'1'..=b'5', b'x', b'x'] => true,
        [first, _, _] => (b'1'..=b'5').contains(first) && bytes.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
