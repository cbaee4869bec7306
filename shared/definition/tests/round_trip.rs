//! What is written reads back as the same workflow, and no bytes can make the reader panic.

mod kind;
use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use porpoise_definition::{read, write};
use porpoise_model::workflow::{
    Backoff, Case, Concurrency, Ending, ExcludedDay, FailureStrategy, Kind, MissedFires, Occasion,
    PoolUse, Priority, Retry, STORED_FORM, Schedule, Task, Test, Timeout, TimeoutAction,
    TriggerRule, Workflow,
};
use porpoise_model::{Name, Value, ValueType};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{depend, each};
use kind::kind;

/// Texts made of what YAML could trip over. No `$`: what is unknown would be a fault.
fn text() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "a",
        "b c",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\t",
        ": ",
        ":",
        " #",
        "#",
        "- ",
        "-",
        "? ",
        "'",
        "\"",
        "\\",
        "|",
        ">",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&",
        "*",
        "!",
        "%",
        "@",
        "`",
        "<<",
        "---",
        "...",
        "~",
        "null",
        "no",
        "0x1F",
        "1e3",
        "-.inf",
        "\u{1}",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{ffff}",
        "\u{202e}",
        "😀",
        "依赖",
        "e\u{301}",
        "\u{1b}[31m",
        "é",
    ]);
    prop_oneof![
        4 => vec(pieces, 0..8).prop_map(|pieces| pieces.concat()),
        1 => "[^$\u{0}]{0,12}",
        1 => Just("#!/bin/sh\n\n  set -e\necho 'x: y' # z\n".to_owned()),
    ]
}

/// What is left of a text as a name.
fn name() -> impl Strategy<Value = Name> {
    text().prop_map(|text| {
        let hidden = |c: &char| {
            c.is_control()
                || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        let kept: String = text.chars().filter(|c| !hidden(c)).collect();
        kept.trim().parse().unwrap_or_else(|_| "x".parse().unwrap())
    })
}

fn key() -> impl Strategy<Value = String> {
    name().prop_map(|name| name.to_string())
}

fn variable() -> impl Strategy<Value = String> {
    key().prop_map(|name| name.replace('=', "_"))
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0_u64..100_000).prop_map(Duration::from_secs),
        (1_u64..31_000_000_000).prop_map(Duration::from_millis)
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let plain = text().prop_map(Value::text);
    let typed = select(vec![
        (ValueType::Integer, "7"),
        (ValueType::Integer, "007"),
        (ValueType::Integer, ""),
        (ValueType::Long, "7"),
        (ValueType::Long, "-9223372036854775808"),
        (ValueType::Double, "1e3"),
        (ValueType::Double, "7"),
        (ValueType::Float, "0.1"),
        (ValueType::Boolean, "true"),
        (ValueType::Date, "2026-01-01"),
        (ValueType::List, "[1, \"a\"]"),
        (ValueType::File, "a b"),
        (ValueType::Varchar, "12345678901234567890123"),
        (ValueType::Varchar, "true"),
    ]);
    prop_oneof![
        plain,
        typed.prop_map(|(kind, text)| Value {
            kind,
            text: text.to_owned()
        })
    ]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(|number| serde_json::json!(number)),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let long = "k".repeat(1_500);
        let key = prop_oneof![9 => text(), 1 => Just(long)];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            btree_map(key, inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn filled() -> impl Strategy<Value = String> {
    text().prop_filter("it says something", |text| !text.trim().is_empty())
}

fn option() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(filled())
}

fn members() -> impl Strategy<Value = serde_json::Map<String, serde_json::Value>> {
    let member = "[a-z]{1,8}".prop_map(|name| format!("x{name}"));
    btree_map(member, json(), 0..4).prop_map(|members| members.into_iter().collect())
}

fn retry() -> impl Strategy<Value = Retry> {
    let backoff = select(vec![Backoff::Fixed, Backoff::Exponential]);
    (
        0_u32..=1_000,
        duration(),
        backoff,
        proptest::option::of(duration()),
        0_u8..=100,
    )
        .prop_map(|(limit, delay, backoff, more, jitter_percent)| Retry {
            limit,
            delay,
            backoff,
            delay_max: more.map(|more| (delay + more).min(Duration::from_hours(24 * 366))),
            jitter_percent,
        })
}

fn timeout() -> impl Strategy<Value = Option<Timeout>> {
    let action = select(vec![TimeoutAction::Fail, TimeoutAction::Warn]);
    let after = duration().prop_filter("some time", |after| !after.is_zero());
    proptest::option::of((after, action).prop_map(|(after, action)| Timeout { after, action }))
}

fn pool() -> impl Strategy<Value = PoolUse> {
    (name(), 1_u32..=100_000, any::<i32>()).prop_map(|(name, slots, weight)| PoolUse {
        name,
        slots,
        weight,
    })
}

fn priority() -> impl Strategy<Value = Priority> {
    select(vec![
        Priority::Highest,
        Priority::High,
        Priority::Medium,
        Priority::Low,
        Priority::Lowest,
    ])
}

fn indexed<V: std::fmt::Debug>(
    key: impl Strategy<Value = String>,
    value: impl Strategy<Value = V>,
) -> impl Strategy<Value = IndexMap<String, V>> {
    vec((key, value), 0..3).prop_map(|entries| entries.into_iter().collect())
}

/// Relative names, and absolute paths.
fn files() -> impl Strategy<Value = IndexMap<String, String>> {
    let source = key().prop_map(|name| format!("/srv/{}", name.replace('$', "")));
    indexed(
        "[a-z]{1,5}(/[a-z 水.]{0,3}[a-z]){0,2}".prop_map(String::from),
        source,
    )
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(key(), text(), 0..3)
}

fn task() -> impl Strategy<Value = Task> {
    let trigger = select(vec![
        TriggerRule::AllSucceeded,
        TriggerRule::AllDone,
        TriggerRule::NoneFailed,
        TriggerRule::NoneFailedMinOneSucceeded,
        TriggerRule::AllDoneMinOneRan,
        TriggerRule::Always,
    ]);
    let what = (
        kind(),
        text(),
        trigger,
        retry(),
        timeout(),
        duration(),
        priority(),
    );
    let lists = (
        indexed(key(), value()),
        (indexed(variable(), text()), files()),
        indexed(key(), value()),
        labels(),
    );
    let rest = (
        proptest::option::of(pool()),
        proptest::option::of(key()),
        any::<bool>(),
    );
    (what, lists, rest).prop_map(
        |(what, (parameters, (env, files), outputs, labels), (pool, target, disabled))| {
            let (kind, description, trigger, retry, timeout, delay, priority) = what;
            let files = if kind.has_folder() {
                files
            } else {
                IndexMap::new()
            };
            Task {
                name: "task".parse().unwrap(),
                description,
                kind,
                after: Vec::new(),
                trigger,
                parameters,
                env,
                files,
                outputs,
                retry,
                timeout,
                delay,
                priority,
                pool,
                target,
                disabled,
                labels,
            }
        },
    )
}

/// Up to 12 tasks; edges go from lower to higher.
fn tasks() -> impl Strategy<Value = Vec<Task>> {
    let edges = vec((0_u32..12, 0_u32..12), 0..20);
    let picks = vec((0_usize..12, any::<bool>(), any::<u32>()), 0..4);
    (btree_map(name(), task(), 1..12), edges, picks).prop_map(|(named, edges, picks)| {
        let mut tasks: Vec<_> = named
            .into_iter()
            .map(|(name, task)| Task { name, ..task })
            .collect();
        for (above, below) in edges {
            if above < below
                && let Some(task) = tasks.get_mut(usize::try_from(below).unwrap())
            {
                task.after.push(above);
                task.after.sort_unstable();
                task.after.dedup();
            }
        }
        for (at, by_values, bits) in picks {
            if at < tasks.len() && bits % 7 == 0 {
                depend::depend(tasks.get_mut(at).unwrap(), bits);
            } else if at < tasks.len() && bits % 4 == 0 {
                ask(tasks.get_mut(at).unwrap());
            } else if at < tasks.len() && bits % 4 == 1 {
                call(tasks.get_mut(at).unwrap(), bits);
            } else if at < tasks.len() {
                pick(&mut tasks, at, by_values, bits);
            }
        }
        tasks
    })
}

/// Makes a task one that asks a person its description.
fn ask(task: &mut Task) {
    let question = task.description.clone();
    let mut asking = Task::new(task.name.clone(), Kind::Approval { question });
    asking.after.clone_from(&task.after);
    (asking.trigger, asking.timeout) = (task.trigger, task.timeout);
    *task = asking;
}

/// Makes a task another workflow.
fn call(task: &mut Task, bits: u32) {
    let workflow = format!("below {}", task.name).parse();
    task.kind = Kind::Workflow {
        workflow: workflow.unwrap_or_else(|_| task.name.clone()),
        each: each::each(bits).map(Box::new),
    };
    (task.env, task.files, task.target) = (IndexMap::new(), IndexMap::new(), None);
}

/// Makes a task one that picks among those below it, as `bits` say.
fn pick(tasks: &mut [Task], at: usize, by_values: bool, bits: u32) {
    let index = u32::try_from(at).unwrap();
    let below = (0_u32..).zip(tasks.iter());
    let below = below.filter(|(_, task)| task.after.contains(&index));
    let below: Vec<u32> = below.map(|(below, _)| below).collect();
    let some = |shift: u32| -> Vec<u32> {
        let mine = |task: &&u32| bits >> (**task + shift) & 1 == 1;
        below.iter().filter(mine).copied().collect()
    };
    let case = |when: &str, then| Case {
        when: when.to_owned(),
        then,
    };
    let task = tasks.get_mut(at).unwrap();
    task.files.clear();
    let kind = if by_values {
        Kind::Switch {
            cases: vec![case("1 > 2", some(0)), case("'a' == \"b\"", some(3))],
            otherwise: (bits & 1 == 1).then(|| some(7)),
        }
    } else {
        let is = [Ending::Succeeded, Ending::Failed, Ending::Skipped];
        let tests = task.after.iter().zip(is.into_iter().cycle());
        let tests = tests.map(|(task, is)| Test::Task { task: *task, is });
        Kind::Conditions {
            when: Test::All(vec![Test::Any(tests.collect()), Test::Any(Vec::new())]),
            then: some(0),
            otherwise: some(5),
        }
    };
    let mut branch = Task::new(task.name.clone(), kind);
    branch.after.clone_from(&task.after);
    branch.description.clone_from(&task.description);
    branch.parameters.clone_from(&task.parameters);
    (branch.trigger, branch.delay, branch.disabled) = (task.trigger, task.delay, task.disabled);
    if branch.trigger == TriggerRule::Always {
        branch.trigger = TriggerRule::AllDone;
    }
    branch.labels.clone_from(&task.labels);
    *task = branch;
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let cron = select(vec!["30 2 * * *", "0 0 3 * * ? *", "@daily"]);
    let zone = select(vec!["UTC", "Europe/Berlin", "Asia/Calcutta"]);
    let start = proptest::option::of(
        (-1_000_000_i64..1_000_000_000)
            .prop_map(|second| jiff::Timestamp::from_second(second).unwrap()),
    );
    let end = proptest::option::of(
        (1_000_000_001_i64..9_000_000_000_000)
            .prop_map(|ms| jiff::Timestamp::from_millisecond(ms + 1_000_000_000_000).unwrap()),
    );
    let missed = select(vec![MissedFires::Latest, MissedFires::Skip]);
    let calendar = prop_oneof![
        Just((None, ExcludedDay::Skip)),
        Just((Some("bank holidays".parse().unwrap()), ExcludedDay::Skip)),
        Just((Some("~".parse().unwrap()), ExcludedDay::Next)),
        Just((Some("2026".parse().unwrap()), ExcludedDay::Previous)),
    ];
    (cron, zone, start, end, missed, any::<bool>(), calendar).prop_map(
        |(cron, timezone, start, end, missed, offline, (calendar, excluded))| Schedule {
            cron: cron.to_owned(),
            timezone: timezone.to_owned(),
            start,
            end,
            missed,
            offline,
            calendar,
            excluded,
        },
    )
}

fn occasion() -> impl Strategy<Value = Occasion> {
    select(vec![
        Occasion::Succeeded,
        Occasion::Failed,
        Occasion::Canceled,
        Occasion::TaskFailed,
        Occasion::Late,
    ])
}

fn workflow() -> impl Strategy<Value = Workflow> {
    let on_failure = select(vec![FailureStrategy::Continue, FailureStrategy::End]);
    let concurrency = select(vec![
        Concurrency::Parallel,
        Concurrency::SerialWait,
        Concurrency::SerialDiscard,
        Concurrency::SerialPriority,
    ]);
    let dialect = select(vec!["porpoise/1", "dolphinscheduler/3.1"]);
    let head = (
        name(),
        name(),
        text(),
        dialect,
        proptest::option::of(schedule()),
    );
    let rest = (
        indexed(key(), value()),
        indexed(key(), value()),
        timeout(),
        on_failure,
        concurrency,
        priority(),
        proptest::collection::btree_set(occasion(), 0..6),
        labels(),
    );
    (head, rest, tasks()).prop_map(
        |((project, name, description, dialect, schedule), rest, tasks)| {
            let (parameters, outputs, timeout, on_failure, concurrency, priority, notify, labels) =
                rest;
            Workflow {
                form: STORED_FORM,
                project,
                name,
                description,
                dialect: dialect.to_owned(),
                schedule,
                parameters,
                outputs,
                timeout,
                on_failure,
                concurrency,
                priority,
                notify,
                labels,
                tasks,
            }
        },
    )
}

proptest! {

    #[test]
    fn what_is_written_reads_back(workflow in workflow()) {
        let text = write(&workflow);
        let checked = read("w.yaml", text.as_bytes());
        let checked = checked.map_err(|faults| TestCaseError::fail(format!("{faults}\n{text}")))?;
        prop_assert_eq!(checked.len(), 1);
        prop_assert_eq!(&checked[0].workflow, &workflow, "\n{}", text);
        prop_assert_eq!(write(&checked[0].workflow), text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = read("w.yaml", &bytes);
        let _ = read("w.json", &bytes);
    }

    #[test]
    fn any_text_of_yaml_is_read_or_refused(text in "([ \n:\\-?&*!|>{}\\[\\],#'\"%@a]|tasks: |workflow: a\n|shell: |after: |\\$\\{a\\}|\\$\\[|noop: ){0,40}") {
        let _ = read("w.yaml", text.as_bytes());
    }

    #[test]
    fn a_damaged_definition_is_read_or_refused(at in 0_usize..1_000, cut in 0_usize..40, put in text()) {
        let example = include_str!("../../../examples/daily-sales.yaml");
        let chars: Vec<char> = example.chars().collect();
        let at = at.min(chars.len());
        let end = (at + cut).min(chars.len());
        let damaged: String = chars[..at].iter().chain(put.chars().collect::<Vec<_>>().iter()).chain(&chars[end..]).collect();
        if let Err(faults) = read("w.yaml", damaged.as_bytes()) {
            prop_assert!(!faults.faults.is_empty());
            let lines = damaged.split(['\n', '\r']).count();
            prop_assert!(faults.faults.iter().all(|fault| fault.place.line <= lines + 1 && fault.place.column >= 1));
        }
    }
}

#[test]
fn a_definition_in_json_is_the_same_workflow() {
    let yaml = include_str!("../../../examples/daily-sales.yaml");
    let json = r#"{
	"workflow": "daily-sales", "project": "retail",
	"schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
	"parameters": {"day": "$[yyyy-MM-dd-1]"},
	"defaults": {"retries": 2, "retry_delay": "1m", "timeout": "1h"},
	"tasks": {
		"extract": {"shell": "echo \"orders of $day\"\necho \"rows=42\" >> \"$PORPOISE_OUTPUT\"\n", "outputs": ["rows"]},
		"check": {"after": ["extract"], "env": {"rows": "${extract.rows}"}, "python": "import os; assert int(os.environ['rows']) > 0"},
		"load": {"after": ["check"], "shell": "echo \"loading $day\"", "pool": "warehouse", "priority": "high"}
	}
}"#;
    let from_yaml = read("a.yaml", yaml.as_bytes()).unwrap();
    assert_eq!(read("a.json", json.as_bytes()).unwrap(), from_yaml);
    assert_eq!(read("a.yaml", json.as_bytes()).unwrap(), from_yaml);
}

#[test]
fn a_written_definition_is_readable() {
    let yaml = include_str!("../../../examples/daily-sales.yaml");
    let workflow = read("a.yaml", yaml.as_bytes())
        .expect("the example is sound")
        .remove(0)
        .workflow;
    insta::assert_snapshot!(write(&workflow), @r#"
    workflow: daily-sales
    project: retail
    schedule:
      cron: "30 2 * * *"
      timezone: Europe/Berlin
    parameters:
      day: "$[yyyy-MM-dd-1]"
    tasks:
      extract:
        shell: |
          echo "orders of $day"
          echo "rows=42" >> "$PORPOISE_OUTPUT"
        outputs: [rows]
        retries: 2
        retry_delay: 1m
        timeout: 1h
      check:
        after: [extract]
        env:
          rows: "${extract.rows}"
        python: "import os; assert int(os.environ['rows']) > 0"
        retries: 2
        retry_delay: 1m
        timeout: 1h
      load:
        after: [check]
        shell: 'echo "loading $day"'
        retries: 2
        retry_delay: 1m
        timeout: 1h
        priority: high
        pool: warehouse
    "#);
}

#[test]
fn a_window_is_of_the_zone_of_its_schedule_unless_it_names_one() {
    for (start, wanted) in [
        ("2026-03-01", "2026-02-28T23:00:00Z"),
        ("2026-03-01 06:00:00", "2026-03-01T05:00:00Z"),
        ("2026-03-01T06:00:00Z", "2026-03-01T06:00:00Z"),
        ("2026-03-01T06:00[Asia/Tokyo]", "2026-02-28T21:00:00Z"),
    ] {
        let text = format!(
            "workflow: x\nschedule: {{ cron: '0 5 * * *', timezone: Europe/Berlin, start: '{start}' }}\ntasks: {{ a: {{ noop: }} }}\n"
        );
        let read = porpoise_definition::read("x.yaml", text.as_bytes()).unwrap();
        let schedule = read[0].workflow.schedule.as_ref().unwrap();
        assert_eq!(schedule.start, Some(wanted.parse().unwrap()), "{start}");
    }
}
