//! The few calls of AWS that a deployment takes, signed and sent as they are: three clients would compile for minutes.

use std::fmt::Write as _;
use std::time::SystemTime;

use anyhow::Context as _;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use axum::http::{self, HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};

/// Who calls which service where. The access key of an account's root is its number, as ministack has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) account: &'s str,
    pub(crate) region: &'s str,
    pub(crate) service: &'s str,
}

/// Puts the headers of a signature into a request for `host`.
pub(crate) fn sign_for(
    scope: Scope<'_>,
    method: &Method,
    host: &str,
    path: &str,
    headers: &mut HeaderMap,
    body: &[u8],
) -> anyhow::Result<()> {
    let url = format!("http://{host}{path}");
    headers.insert(header::HOST, host.parse()?);
    let identity = Credentials::new(scope.account, "test", None, None, "box").into();
    let mut settings = SigningSettings::default();
    if scope.service == "s3" {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(now())
        .settings(settings)
        .build()?;
    let signed = [("host", host)].into_iter();
    let signable = SignableRequest::new(method.as_str(), &url, signed, SignableBody::Bytes(body))?;
    let (instructions, _) = sign(signable, &parameters.into())?.into_parts();
    let mut request = http::Request::builder().uri(&url).body(())?;
    instructions.apply_to_request_http1x(&mut request);
    for (name, value) in request.headers() {
        headers.insert(name, value.clone());
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a signature has the real time")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Calls one address.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Without a slash at the end.
    pub(crate) endpoint: String,
    pub(crate) agent: ureq::Agent,
}

impl Caller {
    pub(crate) fn new(endpoint: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0);
        Self {
            endpoint: endpoint.to_owned(),
            agent: ureq::Agent::new_with_config(config.build()),
        }
    }

    /// The text that comes back.
    ///
    /// # Errors
    /// Also an answer that says that it failed.
    pub(crate) fn call(
        &self,
        scope: Scope<'_>,
        (method, path): (Method, &str),
        more: &[(&'static str, &str)],
        body: &[u8],
    ) -> anyhow::Result<String> {
        let (_, host) = self.endpoint.split_once("://").context("no address")?;
        let mut headers = HeaderMap::new();
        sign_for(scope, &method, host, path, &mut headers, body)?;
        for (name, value) in more {
            headers.insert(*name, HeaderValue::from_str(value)?);
        }
        let url = format!("{}{path}", self.endpoint);
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let mut answer = self.agent.run(request.body(body)?)?;
        let text = answer.body_mut().read_to_string()?;
        anyhow::ensure!(answer.status().is_success(), "{}: {text}", answer.status());
        Ok(text)
    }

    /// A call of the query protocol: action and parameters as a form, XML comes back.
    pub(crate) fn query(
        &self,
        scope: Scope<'_>,
        action: &str,
        version: &str,
        parameters: &[(String, String)],
    ) -> anyhow::Result<String> {
        let mut form = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            _ = write!(form, "&{}={}", escaped(name), escaped(value)); // a text takes everything
        }
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.call(scope, (Method::POST, "/"), &kind, form.as_bytes())
    }

    /// Makes a table with the keys of ours, billed by use.
    pub(crate) fn create_table(
        &self,
        account: &str,
        region: &str,
        table: &str,
    ) -> anyhow::Result<()> {
        let body = json!({
            "TableName": table,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [
                {"AttributeName": "p", "KeyType": "HASH"},
                {"AttributeName": "s", "KeyType": "RANGE"}
            ],
            "AttributeDefinitions": [
                {"AttributeName": "p", "AttributeType": "S"},
                {"AttributeName": "s", "AttributeType": "S"}
            ]
        });
        let scope = Scope {
            account,
            region,
            service: "dynamodb",
        };
        let more = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", "DynamoDB_20120810.CreateTable"),
        ];
        let body = body.to_string();
        let made = self.call(scope, (Method::POST, "/"), &more, body.as_bytes());
        let made = made.with_context(|| format!("cannot make table `{table}`"))?;
        let _: Value = serde_json::from_str(&made)?;
        Ok(())
    }
}

/// Percent-encoded, all but what never has to be.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            _ = write!(escaped, "%{byte:02X}"); // a text takes everything
        }
    }
    escaped
}

/// The texts of all elements of a name, in their order. For answers whose texts hold no markup of their own.
pub(crate) fn elements<'x>(xml: &'x str, name: &str) -> Vec<&'x str> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let pieces = xml.split(&start).skip(1);
    pieces
        .filter_map(|piece| piece.split_once(&end).map(|(text, _)| text))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_and_texts_escaped() {
        let xml = "<a><k>one</k><v>1</v><k>two</k><v/></a>";
        assert_eq!(elements(xml, "k"), ["one", "two"]);
        assert_eq!(elements(xml, "v"), ["1"]);
        assert_eq!(escaped("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
