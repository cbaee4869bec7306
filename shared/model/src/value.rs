//! Values: what parameters hold and outputs carry.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared type of a value: DolphinScheduler's list, so that imports keep what they declare.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum ValueType {
    /// Text.
    #[default]
    #[n(0)]
    Varchar,
    /// 32 bits, signed.
    #[n(1)]
    Integer,
    /// 64 bits, signed.
    #[n(2)]
    Long,
    /// 32 bits.
    #[n(3)]
    Float,
    /// 64 bits.
    #[n(4)]
    Double,
    /// A day.
    #[n(5)]
    Date,
    /// A time of day.
    #[n(6)]
    Time,
    /// A day and a time.
    #[n(7)]
    Timestamp,
    /// `true` or `false`.
    #[n(8)]
    Boolean,
    /// A JSON list.
    #[n(9)]
    List,
    /// The name of a file.
    #[n(10)]
    File,
}

/// A value: its type, and its text. Numbers are text as well: no digit is lost on the way.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, JsonSchema,
)]
pub struct Value {
    /// What the text is to be read as.
    #[n(0)]
    #[serde(rename = "type", default)]
    pub kind: ValueType,
    /// The text; may hold `${…}` and `$[…]` where expressions are allowed.
    #[n(1)]
    pub text: String,
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            kind: ValueType::Varchar,
            text: text.into(),
        }
    }
}

/// What a task instance hands on, by name.
pub type Outputs = BTreeMap<String, Value>;
