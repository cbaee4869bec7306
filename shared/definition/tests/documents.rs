//! The schema, the page for users and the examples say what the reader does.

#![expect(clippy::cast_precision_loss, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use porpoise_definition::{read, schema, write};
use porpoise_model::workflow::Kind;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The examples: file names with their texts.
fn examples() -> Vec<(String, String)> {
    let mut examples: Vec<_> = fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    examples.sort();
    examples
}

/// The yaml blocks of the page for users, with the lines where they begin.
fn blocks() -> Vec<(String, String)> {
    let page = fs::read_to_string(root().join("docs/definitions.md")).unwrap();
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for (number, line) in page.lines().enumerate() {
        match (inside, line) {
            (false, "```yaml") => {
                inside = true;
                blocks.push((
                    format!("docs/definitions.md, line {}", number + 1),
                    String::new(),
                ));
            }
            (true, "```") => inside = false,
            (true, _) => {
                let (_, block) = blocks.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            (false, _) => {}
        }
    }
    blocks
}

#[test]
fn the_checked_in_schema_is_that_of_the_reader() {
    let path = root().join("docs/schema/workflow.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, schema()).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == schema(),
        "docs/schema/workflow.schema.json is not what the tables of fields say; regenerate it with:\n    \
         UPDATE_SCHEMA=1 cargo test -p porpoise-definition --test all"
    );
}

#[test]
fn every_block_of_the_page_and_every_example_is_sound() {
    assert!(examples().len() >= 4);
    assert!(blocks().len() >= 10);
    for (place, text) in examples().into_iter().chain(blocks()) {
        let checked = read(&place, text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(checked.len(), 1, "{place}");
        assert_eq!(checked[0].notes, [], "{place}");
    }
}

#[test]
fn the_page_names_every_field() {
    let page = fs::read_to_string(root().join("docs/definitions.md")).unwrap();
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let objects = schema["$defs"]
        .as_object()
        .unwrap()
        .values()
        .chain([&schema]);
    for field in objects
        .filter_map(|object| object["properties"].as_object())
        .flat_map(|fields| fields.keys())
    {
        let named = [
            format!("`{field}`"),
            format!("{field}:"),
            format!(" {field},"),
            format!(", {field} "),
        ];
        assert!(
            named.iter().any(|form| page.contains(form)),
            "docs/definitions.md does not name `{field}`"
        );
    }
}

#[test]
fn the_first_block_of_the_page_is_the_first_example() {
    let (_, block) = blocks().swap_remove(0);
    let (_, example) = examples()
        .into_iter()
        .find(|(name, _)| name == "daily-sales.yaml")
        .unwrap();
    assert_eq!(block, example);
}

#[test]
fn the_schema_accepts_the_examples_and_refuses_what_the_reader_refuses() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    // The same documents as JSON: the schema knows no YAML.
    for (place, text) in examples().into_iter().chain(blocks()) {
        let workflow = read(&place, text.as_bytes()).unwrap().remove(0).workflow;
        let document = as_json(&write(&workflow));
        assert_eq!(problem(&schema, &schema, &document, ""), None, "{place}");
    }
    for (wrong, path) in [
        ("workflow: w", ""),
        ("workflow: w\ntasks: {}", "/tasks"),
        ("workflow: w\ntasks: { a: {} }", "/tasks/a"),
        (
            "workflow: w\ntasks: { a: { noop: {}, sleep: 1s } }",
            "/tasks/a",
        ),
        ("workflow: w\ntasks: { a: { shel: x } }", "/tasks/a"),
        ("workflow: w\ntasks: { a: { sleep: 1x } }", "/tasks/a/sleep"),
        ("workflow: w\ntasks: { a: { sleep: 5 } }", "/tasks/a/sleep"),
        (
            "workflow: w\ntasks: { a: { noop: {}, retries: 1001 } }",
            "/tasks/a/retries",
        ),
        (
            "workflow: w\ntasks: { a: { noop: {}, trigger: never } }",
            "/tasks/a/trigger",
        ),
        (
            "workflow: w\ntasks: { a: { command: ls } }",
            "/tasks/a/command",
        ),
    ] {
        assert!(read("w.yaml", wrong.as_bytes()).is_err(), "{wrong}");
        let found = problem(&schema, &schema, &as_json(wrong), "");
        assert!(
            found
                .as_deref()
                .is_some_and(|found| found.starts_with(path)),
            "{wrong}: {found:?}"
        );
    }
}

/// A YAML document as JSON, by way of an external task that keeps it whole.
fn as_json(yaml: &str) -> Value {
    let lines: Vec<_> = yaml.lines().map(|line| format!("        {line}")).collect();
    let indented = lines.join("\n");
    let carrier = format!(
        "workflow: w\ntasks:\n  t:\n    external:\n      system: s\n      name: n\n      parameters:\n{indented}"
    );
    let workflow = read("carrier.yaml", carrier.as_bytes())
        .unwrap_or_else(|faults| panic!("{faults}\n{carrier}"))
        .remove(0)
        .workflow;
    match workflow.tasks[0].kind.clone() {
        Kind::External { parameters, .. } => parameters,
        other @ (Kind::Noop
        | Kind::Sleep { .. }
        | Kind::Shell { .. }
        | Kind::Python { .. }
        | Kind::Command { .. }
        | Kind::Spark { .. }
        | Kind::Hive { .. }
        | Kind::Sql { .. }
        | Kind::Function { .. }
        | Kind::Http(_)
        | Kind::StateMachine { .. }
        | Kind::Switch { .. }
        | Kind::Conditions { .. }
        | Kind::Workflow { .. }
        | Kind::Approval { .. }
        | Kind::Dependent { .. }) => panic!("{other:?}"),
    }
}

/// Where a value is not what a schema says: the keywords that our schema uses, and no others.
fn problem(root: &Value, schema: &Value, value: &Value, path: &str) -> Option<String> {
    let number = |count: usize| count as f64;
    schema
        .as_object()
        .unwrap()
        .iter()
        .find_map(|(keyword, rule)| {
            let valid = |rule: &Value| problem(root, rule, value, path).is_none();
            let choices = || rule.as_array().unwrap().iter();
            let at_most = |count: f64| count <= rule.as_f64().unwrap();
            let at_least = |count: f64| count >= rule.as_f64().unwrap();
            let chars = || value.as_str().map(|text| number(text.chars().count()));
            let entries = || value.as_object().map(|map| number(map.len()));
            let holds = match keyword.as_str() {
                "$schema" | "title" | "description" | "$defs" | "examples" => true,
                "$ref" => {
                    let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                    return problem(root, &root["$defs"][name], value, path);
                }
                "type" if rule.is_array() => choices().any(|word| is_type(word, value)),
                "type" => is_type(rule, value),
                "const" => rule == value,
                "anyOf" => choices().any(valid),
                "oneOf" => choices().filter(|rule| valid(rule)).count() == 1,
                "required" => value.as_object().is_none_or(|map| {
                    choices().all(|name| map.contains_key(name.as_str().unwrap()))
                }),
                "minLength" => chars().is_none_or(at_least),
                "maxLength" => chars().is_none_or(at_most),
                "minProperties" => entries().is_none_or(at_least),
                "maxProperties" => entries().is_none_or(at_most),
                "minimum" => value.as_f64().is_none_or(at_least),
                "maximum" => value.as_f64().is_none_or(at_most),
                "pattern" => value
                    .as_str()
                    .is_none_or(|text| duration_pattern(rule.as_str().unwrap(), text)),
                "propertyNames" => {
                    let keys = value.as_object().into_iter().flat_map(|map| map.keys());
                    return keys
                        .into_iter()
                        .find_map(|key| problem(root, rule, &Value::from(key.as_str()), path));
                }
                "properties" => {
                    let fields = rule.as_object().unwrap().iter();
                    return fields.into_iter().find_map(|(name, rule)| {
                        problem(root, rule, value.get(name)?, &format!("{path}/{name}"))
                    });
                }
                "additionalProperties" => {
                    let known = |key: &str| {
                        schema
                            .get("properties")
                            .is_some_and(|fields| fields.get(key).is_some())
                    };
                    let mut others = value
                        .as_object()
                        .into_iter()
                        .flatten()
                        .filter(|(key, _)| !known(key));
                    if *rule == false {
                        others.next().is_none()
                    } else {
                        return others.find_map(|(key, value)| {
                            problem(root, rule, value, &format!("{path}/{key}"))
                        });
                    }
                }
                "items" => {
                    let items = value.as_array().into_iter().flatten();
                    return items.enumerate().find_map(|(index, item)| {
                        problem(root, rule, item, &format!("{path}/{index}"))
                    });
                }
                other => panic!("the schema uses `{other}`, which this test does not know"),
            };
            (!holds).then(|| format!("{path}: {keyword} {rule}"))
        })
}

fn is_type(word: &Value, value: &Value) -> bool {
    match word.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

/// The one pattern of the schema, by hand: numbers with units, the largest first.
fn duration_pattern(pattern: &str, text: &str) -> bool {
    assert_eq!(
        pattern,
        r"^(0|(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$"
    );
    let mut rest = text;
    for unit in ["d", "h", "m", "s", "ms"] {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let shorter = after
            .strip_prefix(unit)
            .filter(|next| next.is_empty() || next.starts_with(|c: char| c.is_ascii_digit()));
        rest = shorter.filter(|_| after.len() < rest.len()).unwrap_or(rest);
    }
    text == "0" || (rest.is_empty() && !text.is_empty())
}
