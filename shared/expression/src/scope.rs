//! Names and their values, as the caller knows them.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The value of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Written by the author of a definition or the starter of a run: placeholders in it are expanded too.
    Text(Cow<'a, str>),
    /// Made while the run runs, such as a task's output: put in as it is. A `${secret:...}` in it is only text.
    Data(Cow<'a, str>),
}

/// Looks up the value of a name. The built-ins of [`crate::builtin`] need not be in it: they are known below it.
pub trait Scope {
    /// The value of `name`, or `None` if this scope does not know it.
    fn lookup(&self, name: &str) -> Option<Value<'_>>;
}

/// Values that are [`Value::Text`].
impl Scope for BTreeMap<String, String> {
    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        self.get(name).map(|text| Value::Text(text.into()))
    }
}

impl<S: Scope + ?Sized> Scope for &S {
    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        (**self).lookup(name)
    }
}

/// Layers, of which the first that knows a name wins.
impl Scope for [&dyn Scope] {
    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        self.iter().find_map(|layer| layer.lookup(name))
    }
}

impl<const N: usize> Scope for [&dyn Scope; N] {
    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        self.iter().find_map(|layer| layer.lookup(name))
    }
}

/// A function as a scope; its values are [`Value::Text`].
#[derive(Debug, Clone, Copy)]
pub struct Lookup<F>(pub F);

impl<F: Fn(&str) -> Option<String>> Scope for Lookup<F> {
    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        (self.0)(name).map(|text| Value::Text(text.into()))
    }
}

/// The same names as in the scope inside, every value of them [`Value::Data`].
#[derive(Debug, Clone, Copy)]
pub struct Data<S>(pub S);

impl<S: Scope> Scope for Data<S> {
    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        self.0.lookup(name).map(|value| match value {
            Value::Text(text) | Value::Data(text) => Value::Data(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_layer_that_knows_a_name_wins() {
        let outputs = BTreeMap::from([("a".to_owned(), "output".to_owned())]);
        let outputs = Data(outputs);
        let rest = Lookup(|name: &str| (name != "c").then(|| format!("rest of {name}")));
        let layers: [&dyn Scope; 2] = [&outputs, &rest];
        assert_eq!(layers.lookup("a"), Some(Value::Data("output".into())));
        assert_eq!(layers.lookup("b"), Some(Value::Text("rest of b".into())));
        assert_eq!(layers.lookup("c"), None);
        assert_eq!(layers.as_slice().lookup("c"), None);
    }
}
