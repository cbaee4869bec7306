//! What executors of targets on AWS have in common: clients of places, and forms that people fill in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use porpoise_model::target::AssumedRole;
use porpoise_model::{Place, Target};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

/// Makes the client of a place; with a role, one that assumes it. It is called once for each of both.
pub type ClientOf<C> = Arc<dyn Fn(&Place, Option<&AssumedRole>) -> C + Send + Sync>;

/// Whose client it is: a place, and the role with its external id.
type Owner = (Place, Option<(String, Option<String>)>);

/// One client for each place and role: it holds connections and credentials.
#[derive(Clone)]
pub struct Clients<C> {
    make: ClientOf<C>,
    made: Arc<Mutex<BTreeMap<Owner, C>>>,
}

impl<C> fmt::Debug for Clients<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl<C: Clone> Clients<C> {
    /// Those that `make` makes.
    pub fn new(make: ClientOf<C>) -> Self {
        Self {
            make,
            made: Arc::default(),
        }
    }

    /// The client that speaks to a target.
    pub fn of(&self, target: &Target) -> C {
        let role = target.role.as_ref();
        let rights = role.map(|role| (role.arn.clone(), role.external_id.clone()));
        let owner = (target.place.clone(), rights);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let client = made.entry(owner);
        client
            .or_insert_with(|| (self.make)(&target.place, role))
            .clone()
    }
}

/// A fault of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where in it: `request.tags.team`; empty: the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl Fault {
    /// One at this place.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// The same, seen from outside of `outer`.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        let path = match self.path.as_str() {
            "" => outer.to_owned(),
            path if path.starts_with('[') => format!("{outer}{path}"),
            path => format!("{outer}.{path}"),
        };
        Self { path, ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, message } = self;
        if path.is_empty() {
            f.write_str(message)
        } else {
            write!(f, "`{path}`: {message}")
        }
    }
}

/// All faults in one line.
pub fn told(faults: &[Fault]) -> String {
    let texts: Vec<String> = faults.iter().map(Fault::to_string).collect();
    texts.join("; ")
}

/// A target that its executor cannot use, and everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the target `{target}` cannot be used: {}", told(.faults))]
pub struct TargetError {
    /// The target's name.
    pub target: String,
    /// What is wrong, with its place in the settings.
    pub faults: Vec<Fault>,
}

/// Reads the settings of a target that lies at a region of AWS.
///
/// # Errors
/// Everything that is wrong with the target; `check` adds what the form itself does not tell.
pub fn settings<T: DeserializeOwned>(
    target: &Target,
    check: impl FnOnce(&T, &mut Vec<Fault>),
) -> Result<T, TargetError> {
    let mut faults = Vec::new();
    if target.place.aws().is_none() {
        let message = format!(
            "`{}` is no region of AWS: set it to `partition.region.account`",
            target.place
        );
        faults.push(Fault::new("place", message));
    }
    let (read, wrong) = match object(&target.settings) {
        Ok(form) => read::<T>(Value::Object(form)),
        Err(fault) => (None, vec![fault]),
    };
    let mut wrong = wrong;
    if let Some(read) = &read {
        check(read, &mut wrong);
    }
    faults.extend(wrong.into_iter().map(|fault| fault.within("settings")));
    match read {
        Some(read) if faults.is_empty() => Ok(read),
        _ => Err(TargetError {
            target: target.name.to_string(),
            faults,
        }),
    }
}

/// A form that is written as a JSON object.
///
/// # Errors
/// It is none.
pub fn object(text: &str) -> Result<Map<String, Value>, Fault> {
    serde_json::from_str(text)
        .map_err(|error| Fault::new("", format!("this is no JSON object: {error}")))
}

/// Forms laid over each other, the later over the earlier: objects member by member, all else whole. What is `null`
/// changes nothing.
pub fn layered(layers: impl IntoIterator<Item = Map<String, Value>>) -> Value {
    let mut whole = Value::Object(Map::new());
    for layer in layers {
        lay(&mut whole, Value::Object(layer));
    }
    whole
}

fn lay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                match under.get_mut(&name) {
                    Some(under) => lay(under, value),
                    None => _ = under.insert(name, value),
                }
            }
        }
        (_, Value::Null) => {}
        (under, over) => *under = over,
    }
}

/// Reads a form with all of its faults. What it says beside them is read nevertheless, unless something is missing
/// without which there is no form.
///
/// Of a list, the first fault is told only.
pub fn read<T: DeserializeOwned>(mut form: Value) -> (Option<T>, Vec<Fault>) {
    let mut faults = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(&form) {
            Ok(read) => return (Some(read), faults),
            Err(error) => error,
        };
        let message = error.inner().to_string();
        let mut steps = steps(error.path());
        if let Some(name) = unknown(&message)
            && at(&mut form, &steps).is_some_and(|node| node.get(name).is_some())
        {
            steps.push(Step::Key(name.to_owned()));
        }
        faults.push(Fault::new(path(&steps), message));
        if !remove(&mut form, steps) {
            return (None, faults);
        }
    }
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

fn steps(path: &Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().map_while(step).collect()
}

fn path(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) if path.is_empty() => path.push_str(key),
            Step::Key(key) => path.extend([".", key]),
            Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
        }
    }
    path
}

/// The name in `unknown field `name`, expected …`.
fn unknown(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("unknown field `")?;
    rest.split_once('`').map(|(name, _)| name)
}

fn at<'a>(form: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(form, |node, step| match step {
        Step::Key(key) => node.get_mut(key),
        Step::Index(index) => node.get_mut(index),
    })
}

/// Takes the innermost member out that can be taken out: whether there was one.
fn remove(form: &mut Value, mut steps: Vec<Step>) -> bool {
    while let Some(last) = steps.pop() {
        let Step::Key(key) = last else { continue };
        let members = at(form, &steps).and_then(Value::as_object_mut);
        if members.is_some_and(|members| members.remove(&key).is_some()) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        size: Option<u8>,
        inner: Option<Inner>,
        list: Option<Vec<Inner>>,
        #[serde(default)]
        word: String,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        name: String,
    }

    fn target(settings: &Value, place: &str) -> Target {
        Target {
            name: "etl".parse().unwrap(),
            revision: 1,
            kind: "x".to_owned(),
            place: place.parse().unwrap(),
            role: None,
            settings: settings.to_string(),
        }
    }

    #[test]
    fn every_fault_is_told_with_its_place_and_the_rest_is_read() {
        let form = json!({
            "size": "7", "sise": 7, "inner": {"name": 1, "nam": "x"}, "list": [{"name": "a"}, {}], "word": "kept",
        });
        let (read, faults) = read::<Form>(form);
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        let mut sorted = paths.clone();
        sorted.sort_unstable();
        // the first fault of `inner` takes what is left of it along, for it has nothing without its name
        assert_eq!(
            sorted,
            [
                "inner",
                "inner.nam",
                "inner.name",
                "list[1]",
                "sise",
                "size"
            ],
            "{faults:?}"
        );
        assert_eq!(read.unwrap().word, "kept");
    }

    #[test]
    fn targets_say_all_that_is_wrong_with_them() {
        let target = target(&json!({"size": 300, "word": 1}), "local");
        let error = settings::<Form>(&target, |_, faults| {
            faults.push(Fault::new("size", "added"));
        });
        let text = error.unwrap_err().to_string();
        for wanted in [
            "the target `etl`",
            "`place`: `local`",
            "`settings.size`: invalid value",
            "`settings.word`: invalid type",
            "`settings.size`: added",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        let no_object = super::Target {
            settings: "[]".to_owned(),
            ..target
        };
        let text = settings::<Form>(&no_object, |_, _| {})
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("`settings`: this is no JSON object"),
            "{text}"
        );
    }

    #[test]
    fn later_layers_win_member_by_member() {
        let layer = |value: Value| value.as_object().unwrap().clone();
        let under = layer(json!({"a": {"b": 1, "c": 2}, "d": [1, 2]}));
        let over = layer(json!({"a": {"b": 3, "c": null}, "d": [4]}));
        assert_eq!(
            layered([under, over]),
            json!({"a": {"b": 3, "c": 2}, "d": [4]})
        );
    }

    #[test]
    fn a_client_is_made_once_for_a_place_and_a_role() {
        let made = Arc::new(Mutex::new(0));
        let count = Arc::clone(&made);
        let clients = Clients::new(Arc::new(move |_: &Place, _: Option<&AssumedRole>| {
            let mut made = count.lock().unwrap();
            *made += 1;
            *made
        }));
        let plain = target(&json!({}), "aws.eu-central-1.111122223333");
        let mut role = plain.clone();
        role.role = Some(AssumedRole {
            arn: "arn:aws:iam::111122223333:role/x".to_owned(),
            external_id: None,
        });
        assert_eq!(
            [&plain, &plain, &role].map(|target| clients.of(target)),
            [1, 1, 2]
        );
    }
}
