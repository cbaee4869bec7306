//! The grammar of tables of fields: what the reader checks names against and what the JSON Schema is made from.

/// A map with fixed fields.
#[derive(Debug)]
pub(crate) struct Object {
    /// Its name in the schema: `Task`.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) about: &'static str,
    pub(crate) fields: &'static [Field],
    /// Fields that have to be there.
    pub(crate) required: &'static [&'static str],
    /// Fields of which exactly one has to be there.
    pub(crate) one_of: &'static [&'static str],
}

/// A field of an [`Object`].
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// What it is, in a sentence.
    pub(crate) about: &'static str,
}

/// What may stand as a value.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A name of [`porpoise_model::Name`].
    Name,
    /// Any text; numbers and booleans count as the text that they are written as.
    Text,
    Bool,
    /// From, to.
    Integer(i64, i64),
    Duration,
    /// A day, a local time or an instant.
    Instant,
    /// One of these words, each with its meaning.
    Word(&'static [(&'static str, &'static str)]),
    /// Nothing: `~`.
    Null,
    /// At least one of these.
    List(&'static Shape),
    /// Names to these.
    Map(&'static Shape),
    /// Names to these, at least one.
    Named(&'static Shape),
    Object(&'static Object),
    OneOf(&'static [Shape]),
    Anything,
}

impl Object {
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|field| field.name)
    }

    /// The table's own copy of `name`.
    pub(crate) fn known(&self, name: &str) -> Option<&'static str> {
        self.names().find(|known| *known == name)
    }
}
