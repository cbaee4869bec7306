//! Signatures of AWS (version 4), checked step by step as AWS describes them, and by none of the code that makes them.
//! Source: IAM user guide, "Create a signed AWS API request".

use std::collections::BTreeMap;
use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::gateway::Asked;

/// Somebody whom a gateway knows.
#[derive(Debug, Clone)]
pub struct Known {
    pub id: &'static str,
    pub secret: &'static str,
    pub session: Option<&'static str>,
}

/// Whether a request is signed by one of `known` for a service in a region; the time that it says.
pub fn check(asked: &Asked, known: &[Known], scope: (&str, &str)) -> Result<String, String> {
    let header = |name: &str| asked.headers.get(name).map_or("", String::as_str);
    let authorization = header("authorization");
    let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ");
    let parts = parts.ok_or("IncompleteSignature")?.split(", ");
    let parts: BTreeMap<_, _> = parts.filter_map(|part| part.split_once('=')).collect();
    let [id, date, region, service, "aws4_request"] =
        parts["Credential"].split('/').collect::<Vec<_>>()[..]
    else {
        return Err("IncompleteSignature".to_owned());
    };
    let known = known.iter().find(|known| known.id == id);
    let known = known.ok_or("InvalidClientTokenId")?;
    let session = asked.headers.get("x-amz-security-token");
    if (region, service) != (scope.1, scope.0) {
        return Err(format!(
            "SignatureDoesNotMatch: signed for {service} in {region}"
        ));
    }
    if session.map(String::as_str) != known.session {
        return Err("InvalidClientTokenId".to_owned());
    }
    let at = header("x-amz-date");
    let names: Vec<_> = parts["SignedHeaders"].split(';').collect();
    for needed in ["host", "x-amz-date"]
        .into_iter()
        .chain(session.map(|_| "x-amz-security-token"))
    {
        if !names.contains(&needed) {
            return Err(format!("SignatureDoesNotMatch: `{needed}` is not signed"));
        }
    }
    let mut headers = String::new();
    for name in &names {
        let _ = writeln!(headers, "{name}:{}", header(name).trim());
    }
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let mut query: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    let query: Vec<_> = query
        .iter()
        .map(|pair| {
            if pair.contains('=') {
                (*pair).to_owned()
            } else {
                format!("{pair}=")
            }
        })
        .collect();
    let canonical = [
        asked.method.as_str(),
        &again(path),
        &query.join("&"),
        &headers,
        parts["SignedHeaders"],
        &hex(&Sha256::digest(&asked.body)),
    ]
    .join("\n");
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let signed = hex(&Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{signed}");
    let mut key = format!("AWS4{}", known.secret).into_bytes();
    for part in [date, region, service, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let signature = hex(&hmac(&key, text.as_bytes()));
    if signature == parts["Signature"] && at.starts_with(date) {
        Ok(at.to_owned())
    } else {
        Err("SignatureDoesNotMatch".to_owned())
    }
}

/// A path that is percent-encoded already, once more: all services but S3 want that.
fn again(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// RFC 2104.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len().min(64)].copy_from_slice(&key[..key.len().min(64)]);
    if key.len() > 64 {
        block = [0; 64];
        block[..32].copy_from_slice(&Sha256::digest(key));
    }
    let inner = Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
