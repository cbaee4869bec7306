//! Items and conditions as DynamoDB has them.
#![expect(
    clippy::disallowed_types,
    reason = "the SDK gives items as hashed maps; nothing here asks for their order"
)]

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use porpoise_ports::table::{Condition, Item, Key};

/// The partition key: a string.
pub(crate) const PARTITION: &str = "p";
/// The sort key: a string.
pub(crate) const SORT: &str = "s";
/// A number without sign or fraction. DynamoDB keeps 38 digits; 64 bits have 20 at most.
pub(crate) const REVISION: &str = "revision";
/// Binary, perhaps empty.
pub(crate) const BODY: &str = "body";

/// An item as the SDK has it.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// Something stands in the table that this adapter did not write.
#[derive(Debug, thiserror::Error)]
#[error("an item has no attribute `{0}` of the right type")]
pub(crate) struct Foreign(&'static str);

pub(crate) fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn revision(revision: u64) -> AttributeValue {
    AttributeValue::N(revision.to_string())
}

pub(crate) fn body(item: &Item) -> AttributeValue {
    AttributeValue::B(Blob::new(item.body.to_vec()))
}

/// Reads an item.
pub(crate) fn item(mut attributes: Attributes) -> Result<Item, Foreign> {
    let mut take = |name| attributes.remove(name).ok_or(Foreign(name));
    let key = Key {
        partition: text(take(PARTITION)?).ok_or(Foreign(PARTITION))?,
        sort: text(take(SORT)?).ok_or(Foreign(SORT))?,
    };
    let revision = take(REVISION)?;
    let revision = revision.as_n().ok().and_then(|number| number.parse().ok());
    let revision = revision.ok_or(Foreign(REVISION))?;
    let AttributeValue::B(body) = take(BODY)? else {
        return Err(Foreign(BODY));
    };
    Ok(Item {
        key,
        revision,
        body: body.into_inner().into(),
    })
}

/// What DynamoDB counts of an item beside what the port does: names of attributes, and digits of the revision, less the
/// eight bytes that the port counts for it. As it reports; a revision of many digits is a few bytes more.
pub(crate) const BYTES_BESIDE: usize = 8;

/// How large DynamoDB finds an item that stands.
pub(crate) fn bytes(attributes: &Attributes) -> usize {
    let bytes = |value: &AttributeValue| {
        let text = value.as_s().map(String::len);
        let bytes = value.as_b().map(|bytes| bytes.as_ref().len());
        // a byte for two digits, and one more. Source: DynamoDB developer guide, "Item sizes and formats"
        let number = value.as_n().map(|digits| digits.len().div_ceil(2) + 1);
        text.or(bytes).or(number).unwrap_or(0)
    };
    let all = attributes.iter();
    all.map(|(name, value)| name.len() + bytes(value)).sum()
}

/// The sort key of what may be only a key.
pub(crate) fn sort(mut attributes: Attributes) -> Option<String> {
    text(attributes.remove(SORT)?)
}

fn text(value: AttributeValue) -> Option<String> {
    if let AttributeValue::S(text) = value {
        Some(text)
    } else {
        None
    }
}

/// The name of the one value in a condition.
pub(crate) const LIMIT: &str = ":revision";

/// A condition as an expression, and the value of [`LIMIT`] in it.
pub(crate) fn expression(condition: Condition) -> (Option<&'static str>, Option<AttributeValue>) {
    match condition {
        Condition::None => (None, None),
        Condition::Absent => (Some("attribute_not_exists(p)"), None),
        Condition::Revision(wanted) => (Some("revision = :revision"), Some(revision(wanted))),
        Condition::OlderThan(limit) => (
            Some("attribute_not_exists(p) OR revision < :revision"),
            Some(revision(limit)),
        ),
    }
}
