//! What a task does, as a document.

use porpoise_model::dependence::{Need, Part};
use porpoise_model::http::{Http, Method};
use porpoise_model::limits::{MAPPED_ELEMENTS_MAX, MAPPED_PARALLEL_MAX};
use porpoise_model::workflow::{Case, Each, Items, Kind, Test};

use super::document::{Entries, bare_duration};
use super::emit::Document;
use crate::word;

/// The names of the tasks at indices.
type Names<'a> = &'a dyn Fn(&[u32]) -> Document;

pub(super) fn write(entries: &mut Entries, kind: &Kind, names: Names<'_>) {
    match kind {
        Kind::Noop => entries.put("noop", Document::Map(Vec::new())),
        Kind::Sleep { duration } => entries.put("sleep", bare_duration(*duration)),
        Kind::Shell { script } => entries.put("shell", Document::Text(script.clone())),
        Kind::Python { script } => entries.put("python", Document::Text(script.clone())),
        Kind::Command { argv } => entries.put("command", Document::Texts(argv.clone())),
        Kind::Spark {
            entry_point,
            arguments,
            submit,
            request,
        } => {
            let mut spark = Entries::default();
            spark.put("entry_point", Document::Text(entry_point.clone()));
            texts(&mut spark, "arguments", arguments);
            spark.some("submit", submit.clone().map(Document::Text));
            members(&mut spark, "request", request);
            entries.put("spark", spark.done());
        }
        Kind::Hive {
            query,
            init,
            options,
            request,
        } => {
            let mut hive = Entries::default();
            hive.some("init", init.clone().map(Document::Text));
            hive.some("options", options.clone().map(Document::Text));
            members(&mut hive, "request", request);
            with_text(entries, "hive", ("query", query), hive);
        }
        Kind::Sql {
            statement,
            arguments,
            database,
            request,
            before,
            after,
            rows,
            limit,
        } => {
            let mut sql = Entries::default();
            texts(&mut sql, "arguments", arguments);
            texts(&mut sql, "before", before);
            texts(&mut sql, "after", after);
            for (name, number) in [("rows", rows), ("limit", limit)] {
                sql.some(
                    name,
                    number.map(|number| Document::Bare(number.to_string())),
                );
            }
            sql.some("database", database.clone().map(Document::Text));
            members(&mut sql, "request", request);
            with_text(entries, "sql", ("statement", statement), sql);
        }
        Kind::Http(call) => http(entries, call),
        Kind::Function { name, input } => call(entries, "function", name, input),
        Kind::StateMachine { name, input } => call(entries, "state_machine", name, input),
        Kind::Workflow { workflow, each } => {
            let each = each.as_deref().map(each_of).unwrap_or_default();
            with_text(entries, "workflow", ("name", workflow.as_str()), each);
        }
        Kind::Approval { question } => {
            entries.put("approval", Document::Text(question.clone()));
        }
        Kind::Dependent {
            needs,
            timezone,
            failure_wait,
        } => {
            let mut dependent = Entries::default();
            dependent.put("needs", need(needs));
            dependent.some("timezone", timezone.clone().map(Document::Text));
            let wait = (!failure_wait.is_zero()).then(|| bare_duration(*failure_wait));
            dependent.some("failure_wait", wait);
            entries.put("dependent", dependent.done());
        }
        Kind::Switch { cases, otherwise } => {
            let case = |case: &Case| {
                let mut entries = Entries::default();
                entries.put("when", Document::Text(case.when.clone()));
                entries.put("then", names(&case.then));
                entries.done()
            };
            let mut switch = Entries::default();
            switch.put("cases", Document::List(cases.iter().map(case).collect()));
            switch.some("otherwise", otherwise.as_deref().map(names));
            entries.put("switch", switch.done());
        }
        Kind::Conditions {
            when,
            then,
            otherwise,
        } => {
            let mut conditions = Entries::default();
            conditions.put("when", test(when, names));
            for (name, below) in [("then", then), ("otherwise", otherwise)] {
                conditions.some(name, (!below.is_empty()).then(|| names(below)));
            }
            entries.put("conditions", conditions.done());
        }
        Kind::External {
            system,
            name,
            parameters,
        } => {
            let mut external = Entries::default();
            external.put("system", Document::Text(system.clone()));
            external.put("name", Document::Text(name.clone()));
            if !parameters.is_null() {
                external.put("parameters", json(parameters));
            }
            entries.put("external", external.done());
        }
    }
}

fn each_of(each: &Each) -> Entries {
    let list = |(name, items): (&String, &Items)| {
        let items = match items {
            Items::Values(values) => Document::Texts(values.clone()),
            Items::Text {
                text,
                separator: None,
            } => Document::Text(text.clone()),
            Items::Text {
                text,
                separator: Some(separator),
            } => {
                let mut separated = Entries::default();
                separated.put("text", Document::Text(text.clone()));
                separated.put("separator", Document::Text(separator.clone()));
                separated.done()
            }
        };
        (name.clone(), items)
    };
    let mut entries = Entries::default();
    let lists = each.lists.iter().map(list).collect();
    entries.put("for_each", Document::Map(lists));
    texts(&mut entries, "without", &each.without);
    for (name, number, usual) in [
        ("at_most", each.at_most, MAPPED_ELEMENTS_MAX),
        ("parallel", each.parallel, MAPPED_PARALLEL_MAX),
    ] {
        let unusual = (number != usual).then(|| Document::Bare(number.to_string()));
        entries.some(name, unusual);
    }
    entries
}

fn http(entries: &mut Entries, call: &Http) {
    let mut http = Entries::default();
    if call.method != Method::Get {
        http.put("method", Document::Bare(word::write(&call.method)));
    }
    for (name, pairs) in [("query", &call.query), ("headers", &call.headers)] {
        let pairs = pairs.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, text)| (name.clone(), Document::Text(text.clone())))
            .collect();
        http.some(name, (!pairs.is_empty()).then_some(Document::Map(pairs)));
    }
    http.some("body", call.body.clone().map(Document::Text));
    http.some("json", (!call.json.is_null()).then(|| json(&call.json)));
    let mut expect = Entries::default();
    texts(&mut expect, "status", &call.status);
    expect.some("contains", call.contains.clone().map(Document::Text));
    expect.some("lacks", call.lacks.clone().map(Document::Text));
    if !expect.is_empty() {
        http.put("expect", expect.done());
    }
    http.some("connect_timeout", call.connect_timeout.map(bare_duration));
    http.some("timeout", call.timeout.map(bare_duration));
    with_text(entries, "http", ("url", &call.url), http);
}

/// Recursive: no deeper than a definition may be.
fn test(tested: &Test, names: Names<'_>) -> Document {
    let several =
        |tests: &[Test]| Document::List(tests.iter().map(|each| test(each, names)).collect());
    let mut entries = Entries::default();
    match tested {
        Test::Task { task, is } => {
            if let Document::Texts(name) = names(&[*task])
                && let Some(name) = name.into_iter().next()
            {
                entries.put("task", Document::Text(name));
            }
            entries.put("is", Document::Bare(word::write(is)));
        }
        Test::All(tests) => entries.put("all", several(tests)),
        Test::Any(tests) => entries.put("any", several(tests)),
    }
    entries.done()
}

/// Recursive: no deeper than a definition may be.
fn need(needed: &Need) -> Document {
    let several = |needs: &[Need]| Document::List(needs.iter().map(need).collect());
    let flag = || Document::Bare("true".into());
    let mut entries = Entries::default();
    match needed {
        Need::All(needs) => entries.put("all", several(needs)),
        Need::Any(needs) => entries.put("any", several(needs)),
        Need::Runs(runs) => {
            let project = runs.project.as_ref();
            entries.some("project", project.map(|it| Document::Text(it.to_string())));
            entries.put("workflow", Document::Text(runs.workflow.to_string()));
            match &runs.part {
                Part::Whole => {}
                Part::Task(task) => entries.put("task", Document::Text(task.to_string())),
                Part::AllTasks => entries.put("all_tasks", flag()),
            }
            entries.put("period", Document::Bare(word::write(&runs.period)));
            entries.some("only_scheduled", runs.only_scheduled.then(flag));
        }
    }
    entries.done()
}

fn texts(entries: &mut Entries, name: &str, texts: &[String]) {
    if !texts.is_empty() {
        entries.put(name, Document::Texts(texts.to_vec()));
    }
}

fn members(
    entries: &mut Entries,
    name: &str,
    members: &serde_json::Map<String, serde_json::Value>,
) {
    if !members.is_empty() {
        entries.put(name, json(&serde_json::Value::Object(members.clone())));
    }
}

fn call(entries: &mut Entries, word: &str, name: &str, input: &serde_json::Value) {
    let mut call = Entries::default();
    if !input.is_null() {
        call.put("input", json(input));
    }
    with_text(entries, word, ("name", name), call);
}

/// A kind whose short form is one text: in short if there is nothing more to say.
fn with_text(entries: &mut Entries, word: &str, (name, text): (&str, &str), more: Entries) {
    let text = Document::Text(text.to_owned());
    if more.is_empty() {
        entries.put(word, text);
        return;
    }
    let mut whole = Entries::default();
    whole.put(name, text);
    whole.extend(more);
    entries.put(word, whole.done());
}

fn json(value: &serde_json::Value) -> Document {
    match value {
        serde_json::Value::Null => Document::Bare("null".into()),
        serde_json::Value::Bool(value) => Document::Bare(value.to_string()),
        serde_json::Value::Number(number) => Document::Bare(number.to_string()),
        serde_json::Value::String(text) => Document::Text(text.clone()),
        serde_json::Value::Array(items) => Document::List(items.iter().map(json).collect()),
        serde_json::Value::Object(map) => Document::Map(
            map.iter()
                .map(|(key, value)| (key.clone(), json(value)))
                .collect(),
        ),
    }
}
