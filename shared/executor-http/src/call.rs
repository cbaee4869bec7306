//! One call.

use std::io::{self, Read as _, Write};
use std::time::Duration;

use porpoise_model::job::HttpCall;
use porpoise_tls::{Tls, TlsError};
use ureq::http::{HeaderName, HeaderValue, Request, Response, Uri};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, TcpConnector};
use ureq::{Agent, Body};

use crate::answer::{check, fault, short};

/// How long a connection may take, and a server may say nothing, unless the call says otherwise. As in DolphinScheduler.
const PATIENCE: Duration = Duration::from_mins(1);
/// Bytes of an answer that are read. One that is larger is a failure: what it holds could not be told.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of an answer that are printed.
const SHOWN_BYTES_MAX: usize = 16 * 1024;
/// Addresses that are followed.
const REDIRECTS_MAX: u32 = 10;

/// What came back, and is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The status.
    pub status: u16,
    /// The answer, as text.
    pub response: String,
}

/// There is no answer that is right.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It cannot be made: nothing was sent.
    #[error("{0}")]
    Impossible(String),
    /// It was made, and may have taken effect.
    #[error("{0}")]
    Failed(String),
    /// What is printed cannot be written.
    #[error("the log cannot be written")]
    Log(#[from] io::Error),
}

/// Makes a call, and prints what came of it. Blocks until then.
///
/// # Errors
/// There is no answer, or it is not what it should be.
pub fn call(call: &HttpCall, out: &mut dyn Write) -> Result<Called, CallError> {
    check(call).map_err(CallError::Impossible)?;
    let agent = agent(call)?;
    let request = request(call).map_err(CallError::Impossible)?;
    let shown = format!("{} {}", call.method, address(request.uri()));
    writeln!(out, "{shown}")?;
    let failed = |error: ureq::Error| CallError::Failed(format!("{shown}: {}", why(&error, call)));
    let answer = send(&agent, request, out)?.map_err(failed)?;
    let status = answer.status().as_u16();
    writeln!(out, "status {status}")?;
    let response =
        body(answer).map_err(|problem| CallError::Failed(format!("{shown}: {problem}")))?;
    print(&response, out)?;
    match fault(call, status, &response) {
        Some(fault) => Err(CallError::Failed(format!("{shown}: {fault}"))),
        None => Ok(Called { status, response }),
    }
}

fn agent(call: &HttpCall) -> Result<Agent, CallError> {
    let millis = |given: Option<u64>| Some(given.map_or(PATIENCE, Duration::from_millis));
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0) // followed here, with care for what proves who asks
        .user_agent(concat!("porpoise/", env!("CARGO_PKG_VERSION")))
        .proxy(None)
        .timeout_connect(millis(call.connect_timeout_ms))
        .timeout_per_read(millis(call.timeout_ms))
        .timeout_per_write(millis(call.timeout_ms))
        .build();
    // An address over TLS may follow one without.
    let tls = match porpoise_tls::client_config() {
        Ok(tls) => tls,
        Err(TlsError::NoRoots(_)) if !over_tls(call) => return Ok(config.into()),
        Err(error) => return Err(CallError::Impossible(error.to_string())),
    };
    let connector = ().chain(TcpConnector::default()).chain(Tls::new(tls));
    Ok(Agent::with_parts(
        config,
        connector,
        DefaultResolver::default(),
    ))
}

/// Sends, and follows where a read is sent to. Another host than the first sees none of the call's own headers.
fn send(
    agent: &Agent,
    mut request: Request<Option<String>>,
    out: &mut dyn Write,
) -> io::Result<Result<Response<Body>, ureq::Error>> {
    let follows = matches!(request.method().as_str(), "GET" | "HEAD");
    for _ in 0..REDIRECTS_MAX {
        let sent = match request.body() {
            Some(body) => agent.run(with_body(&request, body.as_str())),
            None => agent.run(with_body(&request, ())),
        };
        let next = match &sent {
            Ok(answer) if follows => followed(request.uri(), answer),
            Ok(_) | Err(_) => None,
        };
        let Some(next) = next else {
            return Ok(sent);
        };
        writeln!(out, "sent on to {}", address(&next))?;
        if origin(&next) != origin(request.uri()) {
            request.headers_mut().clear();
        }
        *request.uri_mut() = next;
    }
    let error = format!("it sends from one address to another, more than {REDIRECTS_MAX} times");
    Ok(Err(ureq::Error::Other(error.into())))
}

fn with_body<B>(request: &Request<Option<String>>, body: B) -> Request<B> {
    let mut sent = Request::new(body);
    sent.method_mut().clone_from(request.method());
    sent.uri_mut().clone_from(request.uri());
    sent.headers_mut().clone_from(request.headers());
    sent
}

/// Where an answer sends who asks. Source: RFC 9110, section 15.4.
fn followed(from: &Uri, answer: &Response<Body>) -> Option<Uri> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = answer.headers().get("location")?.to_str().ok()?;
    let to = to.split('#').next().unwrap_or_default();
    let (scheme, authority) = origin(from);
    let whole = if to.contains("://") {
        to.to_owned()
    } else if let Some(rest) = to.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if to.starts_with('/') {
        format!("{scheme}://{authority}{to}")
    } else {
        let folder = from
            .path()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{to}")
    };
    let next: Uri = whole.parse().ok()?;
    matches!(next.scheme_str(), Some("http" | "https")).then_some(next)
}

fn origin(uri: &Uri) -> (&str, &str) {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    (uri.scheme_str().unwrap_or_default(), authority)
}

fn over_tls(call: &HttpCall) -> bool {
    let scheme = call.url.get(..8).unwrap_or_default();
    scheme.eq_ignore_ascii_case("https://")
}

fn request(call: &HttpCall) -> Result<Request<Option<String>>, String> {
    let url = with_query(call);
    let uri: Uri = url
        .parse()
        .map_err(|error| format!("the address cannot be used: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err(
            "the address begins with neither `https://` nor `http://`, or names no host".to_owned(),
        );
    }
    let mut request = Request::builder().method(call.method.as_str()).uri(uri);
    let mut typed = false;
    for (name, value) in &call.headers {
        let header = HeaderName::try_from(name.as_str())
            .map_err(|_| format!("`{}` is no name of a header", short(name)))?;
        let value = HeaderValue::try_from(value.as_str()).map_err(|_| {
            format!(
                "the value of header `{}` holds what no header can",
                short(name)
            )
        })?;
        typed |= header == "content-type";
        request = request.header(header, value);
    }
    if call.json && !typed {
        request = request.header("content-type", "application/json");
    }
    request
        .body(call.body.clone())
        .map_err(|error| format!("the call cannot be made: {error}"))
}

/// The address with what is added to its query. Blanks and what no address may hold are encoded; what is encoded
/// already stays.
fn with_query(call: &HttpCall) -> String {
    let (rest, fragment) = match call.url.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (call.url.as_str(), None),
    };
    // What is behind `#` is the reader's, and never sent.
    let _ = fragment;
    let mut url = encoded(rest, |byte| {
        byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte)
    });
    for (index, (name, value)) in call.query.iter().enumerate() {
        let first = index == 0 && !rest.contains('?');
        let joint = if first { '?' } else { '&' };
        if first || !url.ends_with(['?', '&']) {
            url.push(joint);
        }
        url.push_str(&encoded(name, is_unreserved));
        url.push('=');
        url.push_str(&encoded(value, is_unreserved));
    }
    url
}

/// Source: RFC 3986, section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn encoded(text: &str, stays: impl Fn(u8) -> bool) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if stays(byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Without its query, which often holds what is secret.
fn address(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", uri.path())
}

fn body(mut answer: Response<Body>) -> Result<String, String> {
    let mut bytes = Vec::new();
    let reader = answer.body_mut().as_reader();
    let read = reader.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("the answer broke off after {} bytes: {error}", bytes.len()))?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > ANSWER_BYTES_MAX) {
        return Err(format!(
            "the answer is larger than {ANSWER_BYTES_MAX} bytes: fetch it with a script, into a file"
        ));
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn print(response: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut end = SHOWN_BYTES_MAX.min(response.len());
    while !response.is_char_boundary(end) {
        end -= 1;
    }
    let (shown, rest) = response.split_at_checked(end).unwrap_or((response, ""));
    if !shown.is_empty() {
        writeln!(out, "{}", shown.trim_end_matches('\n'))?;
    }
    if !rest.is_empty() {
        writeln!(out, "… and {} bytes more", rest.len())?;
    }
    out.flush()
}

fn why(error: &ureq::Error, call: &HttpCall) -> String {
    use ureq::Timeout::{Connect, Resolve};
    let within = |given: Option<u64>| given.map_or(PATIENCE, Duration::from_millis);
    if let ureq::Error::Timeout(Connect | Resolve) = error {
        let within = within(call.connect_timeout_ms);
        return format!("there was no connection within {within:?}");
    }
    if let ureq::Error::Timeout(_) = error {
        return format!("there was no answer within {:?}", within(call.timeout_ms));
    }
    if let ureq::Error::HostNotFound = error {
        return "there is no such host".to_owned();
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(url: &str, query: &[(&str, &str)]) -> HttpCall {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        HttpCall {
            method: "GET".to_owned(),
            url: url.to_owned(),
            query: query.iter().map(pair).collect(),
            ..HttpCall::default()
        }
    }

    #[test]
    fn what_no_address_may_hold_is_encoded_and_what_is_encoded_stays() {
        for (url, query, wanted) in [
            ("http://a/b c?d=%20#e", &[][..], "http://a/b%20c?d=%20"),
            ("http://a", &[("x y", "1&2")][..], "http://a?x%20y=1%262"),
            ("http://a/?", &[("x", "ü")][..], "http://a/?x=%C3%BC"),
            (
                "http://a/?k=v",
                &[("x", ""), ("z", "/")][..],
                "http://a/?k=v&x=&z=%2F",
            ),
        ] {
            assert_eq!(with_query(&to(url, query)), wanted);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_before_anything_is() {
        for (url, wanted) in [
            ("ftp://a/", "neither `https://` nor `http://`"),
            ("/only/a/path", "neither `https://` nor `http://`"),
        ] {
            let error = request(&to(url, &[])).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        let mut call = to("http://a/", &[]);
        call.headers = vec![("x".to_owned(), "a\nb".to_owned())];
        assert!(request(&call).unwrap_err().contains("header `x`"));
    }

    #[test]
    fn addresses_are_shown_without_passwords_and_queries() {
        let uri: Uri = "https://me:pw@h:8/p?token=s".parse().unwrap();
        assert_eq!(address(&uri), "https://h:8/p");
    }
}
