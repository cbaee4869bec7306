//! REST JSON: which operation a path means, and its input from path, query and body.

use serde_json::{Map, Number, Value};

use crate::answer::Fault;
use crate::model::{Kind, Member, Model};

/// What an HTTP request asks of a REST service: the operation and its input.
pub(crate) fn read(
    model: &Model,
    method: &str,
    path: &str,
    query: &str,
    body: &[u8],
) -> Result<(String, Value), Fault> {
    let unknown =
        || Fault::of(404, "UnknownOperationException").saying(&format!("{method} {path}"));
    let found = model.operations.iter().find_map(|(name, operation)| {
        let labels = labels(&operation.uri, path)?;
        (operation.method == method).then_some((name, operation, labels))
    });
    let (name, operation, labels) = found.ok_or_else(unknown)?;
    let mut input: Map<String, Value> = match body {
        [] => Map::new(),
        body => serde_json::from_slice(body)
            .map_err(|error| Fault::of(400, "SerializationException").saying(&error.to_string()))?,
    };
    let shape = model.shape(&operation.input);
    let query = pairs(query);
    for (name, member) in &shape.members {
        let called = member.location_name.as_ref().unwrap_or(name);
        let of = |list: &[(String, String)]| -> Vec<String> {
            let named = list.iter().filter(|(name, _)| name == called);
            named.map(|(_, value)| value.clone()).collect()
        };
        let texts = match member.location.as_deref() {
            Some("uri") => of(&labels),
            Some("querystring") => of(&query),
            _ => continue,
        };
        if input.contains_key(name) {
            let message = format!("`{name}` does not belong into the body");
            return Err(Fault::of(400, "SerializationException").saying(&message));
        }
        if let Some(value) = value(model, member, &texts)? {
            input.insert(name.clone(), value);
        }
    }
    if let Some((name, _)) = query.iter().find(|(name, _)| {
        let mut members = shape.members.iter();
        !members.any(|(member, shape)| shape.location_name.as_ref().unwrap_or(member) == name)
    }) {
        return Err(Fault::validation(&format!(
            "unknown query parameter `{name}`"
        )));
    }
    Ok((name.clone(), Value::Object(input)))
}

/// The labels of a template that a path fits.
fn labels(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (template, path) = (template.split('/'), path.split('/'));
    let (template, path): (Vec<&str>, Vec<&str>) = (template.collect(), path.collect());
    if template.len() != path.len() {
        return None;
    }
    let mut labels = Vec::new();
    for (wanted, part) in template.into_iter().zip(path) {
        let label = wanted
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match label {
            Some(name) => labels.push((name.to_owned(), decoded(part))),
            None if wanted == part => {}
            None => return None,
        }
    }
    Some(labels)
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pair = |part: &str| match part.split_once('=') {
        Some((name, value)) => (decoded(name), decoded(value)),
        None => (decoded(part), String::new()),
    };
    parts.map(pair).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Texts of a path or a query as the value of a member.
fn value(model: &Model, member: &Member, texts: &[String]) -> Result<Option<Value>, Fault> {
    let shape = model.shape(&member.shape);
    if let (Kind::List, Some(item)) = (shape.kind, &shape.member) {
        let mut items = Vec::new();
        for text in texts {
            items.push(single(model.shape(&item.shape).kind, text)?);
        }
        return Ok((!items.is_empty()).then_some(Value::Array(items)));
    }
    texts
        .first()
        .map(|text| single(shape.kind, text))
        .transpose()
}

fn single(kind: Kind, text: &str) -> Result<Value, Fault> {
    let bad = || Fault::of(400, "SerializationException").saying(&format!("cannot read `{text}`"));
    Ok(match kind {
        Kind::Integer | Kind::Long => {
            Value::Number(text.parse::<i64>().map(Number::from).map_err(|_| bad())?)
        }
        Kind::Boolean => Value::Bool(text.parse().map_err(|_| bad())?),
        Kind::Timestamp => {
            let at: jiff::Timestamp = text.parse().map_err(|_| bad())?;
            crate::clock::seconds(at)
        }
        Kind::String | Kind::Double | Kind::Structure | Kind::List | Kind::Map => {
            Value::String(text.to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;
    use crate::model::EMR_SERVERLESS;

    #[test]
    fn a_list_is_read_from_its_path_and_query() {
        let query =
            "states=RUNNING&states=PENDING&maxResults=7&createdAtAfter=2026-11-21T10%3A00%3A00.5Z";
        let path = "/applications/00a1/jobruns";
        let (operation, input) = read(&EMR_SERVERLESS, "GET", path, query, b"").unwrap();
        assert_eq!(operation, "ListJobRuns");
        let wanted = json!({
            "applicationId": "00a1", "maxResults": 7, "createdAtAfter": 1_795_255_200.5,
            "states": ["RUNNING", "PENDING"],
        });
        assert_eq!(input, wanted);
        assert!(read(&EMR_SERVERLESS, "GET", path, "state=RUNNING", b"").is_err());
        assert!(read(&EMR_SERVERLESS, "GET", path, "maxResults=x", b"").is_err());
        assert!(read(&EMR_SERVERLESS, "PUT", path, "", b"").is_err());
        assert!(read(&EMR_SERVERLESS, "POST", path, "", b"{").is_err());
        assert!(
            read(
                &EMR_SERVERLESS,
                "POST",
                path,
                "",
                br#"{"applicationId": "b"}"#
            )
            .is_err()
        );
    }
}
