//! Mapped tasks: tasks that have one run made for each element of their lists.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::limits::{MAPPED_ELEMENTS_MAX, MAPPED_PARALLEL_MAX};

/// For what a mapped task has runs made: one for each combination of a value of every list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Each {
    /// Lists, by the name of the parameter that their values become. The values of the last one change fastest.
    pub lists: IndexMap<String, Items>,
    /// Combinations that hold one of these are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// So many combinations at most, the first ones: 1 to [`MAPPED_ELEMENTS_MAX`].
    pub at_most: u32,
    /// So many runs at the same time at most: 1 to [`MAPPED_PARALLEL_MAX`].
    pub parallel: u32,
}

impl Each {
    /// Of lists, and nothing more said.
    pub const fn of(lists: IndexMap<String, Items>) -> Self {
        Self {
            lists,
            without: Vec::new(),
            at_most: MAPPED_ELEMENTS_MAX,
            parallel: MAPPED_PARALLEL_MAX,
        }
    }

    /// Its texts that may hold expressions.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.lists.values().flat_map(Items::texts)
    }
}

/// A list of values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Items {
    /// One by one; each may hold expressions.
    Values(Vec<String>),
    /// All in one text, which may hold expressions.
    Text {
        /// It is a list in JSON, unless there is a separator.
        text: String,
        /// What stands between two values. In a dialect of `DolphinScheduler` each of its characters separates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        separator: Option<String>,
    },
}

impl Items {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let (values, text) = match self {
            Self::Values(values) => (values.as_slice(), None),
            Self::Text { text, .. } => (&[][..], Some(text)),
        };
        values.iter().chain(text).map(String::as_str)
    }
}
