//! Files that mean harm, or are only large, are read or refused in bounded time and memory.
//!
//! Times are printed, not asserted tightly: `cargo test --release -p porpoise-definition --test all hostile -- --nocapture`.
#![expect(clippy::disallowed_methods, reason = "tests measure time and print it")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use porpoise_definition::{FaultKind, Faults, read};
use porpoise_model::limits::{DEFINITION_BYTES_MAX, FINDINGS_MAX};

/// An unoptimised build tries a part of it all.
const PART: usize = if cfg!(debug_assertions) { 20 } else { 1 };
const BYTES: usize = DEFINITION_BYTES_MAX / PART;
const TASKS: u32 = if cfg!(debug_assertions) {
    10_000
} else {
    100_000
};

/// Far beyond what is measured, also in a debug build on a busy machine; what grows with a square takes longer.
const PATIENCE: Duration = Duration::from_secs(100);

fn timed(what: &str, file: &str, text: &str) -> Result<usize, Faults> {
    let start = Instant::now();
    let checked = read(file, text.as_bytes());
    let took = start.elapsed();
    let outcome = match &checked {
        Ok(checked) => format!("{} workflows", checked.len()),
        Err(faults) => {
            let first: String = faults.faults[0].to_string().chars().take(150).collect();
            format!("{} faults: {first}", faults.faults.len() + faults.more)
        }
    };
    println!(
        "{what}: {} bytes, {} ms, {outcome}",
        text.len(),
        took.as_millis()
    );
    assert!(took < PATIENCE, "{what} took {took:?}");
    checked.map(|checked| {
        checked
            .iter()
            .map(|checked| checked.workflow.tasks.len())
            .sum()
    })
}

fn size(tasks: u32) -> usize {
    usize::try_from(tasks).unwrap()
}

fn refused(what: &str, text: &str) -> FaultKind {
    let yaml = timed(what, "f.yaml", text).unwrap_err();
    assert!(yaml.faults.len() <= FINDINGS_MAX);
    yaml.faults[0].kind
}

/// A short name: base 36.
fn name(mut number: u32) -> String {
    let mut name = String::from("t");
    while number > 0 {
        name.push(char::from_digit(number % 36, 36).unwrap());
        number /= 36;
    }
    name
}

/// `count` tasks, each after the `edges` before it.
fn graph(count: u32, edges: u32) -> String {
    let mut text = String::from("workflow: large\ntasks:\n");
    for task in 0..count {
        let after: Vec<_> = (task.saturating_sub(edges)..task).map(name).collect();
        writeln!(
            text,
            " {}: {{noop: , after: [{}]}}",
            name(task),
            after.join(",")
        )
        .unwrap();
    }
    text
}

#[test]
fn a_hundred_thousand_tasks_with_a_million_edges_are_read() {
    let text = graph(TASKS, 10);
    assert_eq!(
        timed("100,000 tasks, 1,000,000 edges", "f.yaml", &text).unwrap(),
        size(TASKS)
    );
    // In JSON, with quotes around every name, fewer edges fit.
    let mut json = String::from("{\"workflow\":\"large\",\"tasks\":{\n");
    for task in 0..TASKS {
        let after: Vec<_> = (task.saturating_sub(4)..task)
            .map(|above| format!("\"{}\"", name(above)))
            .collect();
        let comma = if task == 0 { "" } else { "," };
        writeln!(
            json,
            "{comma}\"{}\":{{\"noop\":{{}},\"after\":[{}]}}",
            name(task),
            after.join(",")
        )
        .unwrap();
    }
    json.push_str("}}");
    assert_eq!(
        timed("100,000 tasks, 400,000 edges, JSON", "f.json", &json).unwrap(),
        size(TASKS)
    );
}

#[test]
fn a_cycle_through_a_hundred_thousand_tasks_is_found() {
    let text = graph(TASKS, 1).replacen(
        "t: {noop: , after: []}",
        &format!("t: {{noop: , after: [{}]}}", name(TASKS - 1)),
        1,
    );
    let faults = timed("a cycle of 100,000", "f.yaml", &text).unwrap_err();
    assert_eq!(faults.faults[0].kind, FaultKind::Cycle);
    assert!(faults.to_string().len() < 500);
}

#[test]
fn a_hundred_thousand_references_to_distant_tasks_are_checked() {
    let mut text = String::from("workflow: w\ntasks:\n");
    for task in 0..TASKS / 10 * 9 {
        let above = task.checked_sub(1).map(name).unwrap_or_default();
        let far = name((task / 2).min(task.saturating_sub(2)));
        let env = if task > 2 {
            format!(", env: {{e: '${{{far}.o}}'}}")
        } else {
            String::new()
        };
        writeln!(
            text,
            " {}: {{noop: , outputs: [o], after: [{above}]{env}}}",
            name(task)
        )
        .unwrap();
    }
    assert_eq!(
        timed("90,000 distant references", "f.yaml", &text).unwrap(),
        size(TASKS) / 10 * 9
    );
}

#[test]
fn a_hundred_thousand_misspelt_dependencies_end_soon() {
    let mut text = String::from("workflow: w\ntasks:\n");
    for task in 0..TASKS {
        writeln!(
            text,
            " {}_some_name: {{noop: , after: [{}_sone_name]}}",
            name(task),
            name(task)
        )
        .unwrap();
    }
    assert_eq!(
        refused("100,000 misspelt names", &text),
        FaultKind::UnknownTask
    );
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        writeln!(
            bomb,
            "a{level}: &a{level} [{}]",
            vec![format!("*a{}", level - 1); 10].join(", ")
        )
        .unwrap();
    }
    assert_eq!(
        refused("ten aliases of ten, 40 times", &bomb),
        FaultKind::TooLarge
    );
    let script = "x".repeat(200_000);
    let bytes = format!(
        "workflow: w\na: &a {script}\ntasks: [{}]\n",
        vec!["*a"; 100_000].join(", ")
    );
    assert_eq!(
        refused("a large text 100,000 times", &bytes),
        FaultKind::TooLarge
    );
    let deep = (1..100).fold(String::from("a0: &a0 [x]\n"), |text, level| {
        format!("{text}a{level}: &a{level} [*a{}]\n", level - 1)
    });
    assert_eq!(refused("nesting by aliases", &deep), FaultKind::TooLarge);
}

#[test]
fn defaults_that_would_be_copied_too_often_are_refused() {
    let env: String = (0..900).fold(String::new(), |env, number| {
        format!("{env}    v{number}: {}\n", "x".repeat(1_000))
    });
    let text = format!(
        "workflow: w\ndefaults:\n  env:\n{env}{}",
        graph(TASKS, 0).replace("workflow: large\n", "")
    );
    assert_eq!(
        refused("0.9 MB of defaults for 100,000 tasks", &text),
        FaultKind::TooLarge
    );
}

#[test]
fn deep_nesting_is_refused() {
    for (what, text) in [
        ("brackets", "[".repeat(BYTES)),
        ("dashes", "- ".repeat(BYTES / 2)),
        ("keys", "? ".repeat(BYTES / 2)),
        ("braces", "{a: ".repeat(1_000_000)),
    ] {
        let kind = refused(what, &text);
        assert!(
            matches!(kind, FaultKind::TooLarge | FaultKind::Syntax),
            "{what}: {kind:?}"
        );
    }
    assert!(timed("JSON brackets", "f.json", &"[".repeat(BYTES)).is_err());
}

#[test]
fn ten_megabytes_of_anything_end_in_a_fault() {
    let large = |piece: &str| piece.repeat(BYTES / piece.len());
    for piece in [
        "a,", "- a\n", "a: b\n", "---\n", "\n", " ", "#\n", ":", "&a ", "*a ", "!a ", "'", "\"",
        "|\n", "%a ", "a ", "\u{feff}", "- &a x\n", "{}", "${a", "$[",
    ] {
        let text = large(piece);
        refused(&format!("{piece:?}"), &text);
        refused(
            &format!("in a list: {piece:?}"),
            &format!("x: [{}", &text[..text.floor_char_boundary(text.len() - 8)]),
        );
        refused(
            &format!("in a script: {piece:?}"),
            &format!(
                "workflow: w\ntasks: {{a: {{shell: '{}'}}}}",
                text[..text.floor_char_boundary(text.len() - 60)].replace('\'', "x")
            ),
        );
    }
    assert_eq!(
        refused("one byte too many", &"a".repeat(DEFINITION_BYTES_MAX + 1)),
        FaultKind::TooLarge
    );
}
