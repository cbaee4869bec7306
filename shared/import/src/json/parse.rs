//! Bytes to a tree, within budgets.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{Content, DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX, NodeId, Step, Tree};
use crate::fault::{Problem, Problems, Spot};

/// The text of a file, without its byte order mark.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Problems> {
    let refused = |message: String, hint: &'static str| {
        Err(Problems::from(Problem {
            spot: Spot::Start,
            message,
            hint: Some(hint.into()),
        }))
    };
    if bytes.len() > FILE_BYTES_MAX {
        let message = format!(
            "the file has {} bytes, at most {FILE_BYTES_MAX} are read",
            bytes.len()
        );
        return refused(message, "export fewer workflows at a time");
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return refused(
            "the file is an archive (zip), not JSON".into(),
            "give its file a name that ends with `.zip`",
        );
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return refused("the file is in UTF-16".into(), "save it in UTF-8");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let message = format!(
            "the file is no UTF-8: byte {} cannot be read",
            error.valid_up_to() + 1
        );
        Problems::from(Problem {
            spot: Spot::Start,
            message,
            hint: Some("save it in UTF-8".into()),
        })
    })
}

/// The tree of a file.
pub(crate) fn parse(text: &str) -> Result<Tree, Problems> {
    let mut tree = Tree::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Seed {
        tree: &mut tree,
        parent: None,
        step: Step::Root,
        depth: 0,
    };
    let parsed = seed
        .deserialize(&mut deserializer)
        .and_then(|_| deserializer.end());
    tree.of_file = tree.len();
    match parsed {
        Ok(()) => Ok(tree),
        Err(error) => Err(syntax(&error)),
    }
}

/// Says what is wrong in our own words where a cut-off or foreign file is the likely reason.
fn syntax(error: &serde_json::Error) -> Problems {
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = whole.strip_suffix(&place).unwrap_or(&whole);
    let (message, hint) = if error.is_eof() {
        (
            "the file ends in the middle of a value".to_owned(),
            Some("it was cut off: export it again".to_owned()),
        )
    } else if error.is_data() {
        (what.to_owned(), None)
    } else {
        (format!("the file is no JSON: {what}"), None)
    };
    let spot = Spot::At {
        line: error.line().max(1),
        column: error.column().max(1),
    };
    Problems::from(Problem {
        spot,
        message,
        hint,
    })
}

impl Tree {
    /// Reads the JSON that a text holds. Gives whether further text follows it.
    pub(crate) fn expand(&mut self, id: NodeId) -> Result<bool, String> {
        let Some(text) = self.at(id).text().map(str::to_owned) else {
            return Ok(false);
        };
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        let depth = self.depth(id);
        let seed = Seed {
            tree: self,
            parent: Some(id),
            step: Step::Inside,
            depth,
        };
        let inner = seed
            .deserialize(&mut deserializer)
            .map_err(|error| error.to_string())?;
        self.set(id, Content::Embedded(inner));
        Ok(deserializer.end().is_err())
    }

    fn depth(&self, id: NodeId) -> usize {
        let mut at = self.at(id);
        let mut depth = 0;
        while let Some(parent) = at.parent() {
            depth += 1;
            at = parent;
        }
        depth
    }
}

struct Seed<'t> {
    tree: &'t mut Tree,
    parent: Option<NodeId>,
    step: Step,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = NodeId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeId, D::Error> {
        if self.tree.len() >= NODES_MAX {
            return Err(D::Error::custom(format!(
                "the file holds more than {NODES_MAX} values"
            )));
        }
        if self.depth > DEPTH_MAX {
            return Err(D::Error::custom(format!(
                "the file is nested deeper than {DEPTH_MAX} levels"
            )));
        }
        let id = self.tree.push(self.parent, self.step);
        deserializer.deserialize_any(Fill {
            tree: self.tree,
            id,
            depth: self.depth,
        })
    }
}

struct Fill<'t> {
    tree: &'t mut Tree,
    id: NodeId,
    depth: usize,
}

impl Fill<'_> {
    fn leaf(self, content: Content) -> NodeId {
        self.tree.set(self.id, content);
        self.id
    }

    fn child(&mut self, step: Step) -> Seed<'_> {
        Seed {
            tree: self.tree,
            parent: Some(self.id),
            step,
            depth: self.depth + 1,
        }
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = NodeId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<NodeId, E> {
        Ok(self.leaf(Content::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeId, E> {
        Ok(self.leaf(Content::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeId, E> {
        Ok(self.leaf(Content::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeId, E> {
        Ok(self.leaf(Content::Number(value.into())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<NodeId, E> {
        // A whole number this large has lost digits on its way here: no silent change.
        if value.fract() == 0.0 && value.abs() >= 18_446_744_073_709_551_616.0 {
            return Err(E::custom("a number has more digits than 64 bits hold"));
        }
        let number =
            Number::from_f64(value).ok_or_else(|| E::custom("a number is out of range"))?;
        Ok(self.leaf(Content::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeId, E> {
        Ok(self.leaf(Content::Text(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut access: A) -> Result<NodeId, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self.child(Step::Index(items.len())))? {
            items.push(item);
        }
        Ok(self.leaf(Content::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<NodeId, A::Error> {
        let mut entries: IndexMap<Box<str>, NodeId> = IndexMap::new();
        while let Some(key) = access.next_key::<String>()? {
            let key: Box<str> = key.into();
            let value = access.next_value_seed(self.child(Step::Key(key.clone())))?;
            if entries.insert(key, value).is_some() {
                self.tree.repeated.push(value);
            }
        }
        Ok(self.leaf(Content::Object(entries)))
    }
}
