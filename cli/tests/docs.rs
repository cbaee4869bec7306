//! Executes every example of docs/cli.md, top to bottom, against one server.

use crate::support::{Place, masked};

const PAGE: &str = include_str!("../../docs/cli.md");
const EXAMPLES: [(&str, &str); 8] = [
    (
        "daily-sales.yaml",
        include_str!("../../examples/daily-sales.yaml"),
    ),
    (
        "nightly-rules.yaml",
        include_str!("../../examples/nightly-rules.yaml"),
    ),
    (
        "wrong.yaml",
        "workflow: wrong\ntasks:\n  load: { shell: echo, after: [extrakt] }\n  extract: { shell: echo }\n",
    ),
    (
        "release.yaml",
        "workflow: release\nproject: ops\ntasks:\n  ask: { approval: Release the figures? }\n  publish: { after: [ask], shell: echo out }\n",
    ),
    (
        "reviews.yaml",
        "workflow: sales-report
project: retail
tasks:
  sales: { dependent: { needs: { all: [{ workflow: daily-sales, period: today }] } } }
---
workflow: weekly-review
project: retail
tasks:
  sales: { dependent: { needs: { all: [{ workflow: daily-sales, period: last_week }] } } }
",
    ),
    (
        "night.yaml",
        "workflow: night\nproject: ops\ntasks:\n  extract: { shell: echo rows }\n  load: { after: [extract], shell: exit 3 }\n",
    ),
    (
        "mended.yaml",
        "workflow: night\nproject: ops\ntasks:\n  extract: { shell: echo rows }\n  load: { after: [extract], shell: exit 0 }\n",
    ),
    (
        "nightly-eu.json",
        r#"{"name": "nightly-eu", "kind": "emr-serverless", "place": "aws.eu-central-1.111122223333",
            "settings": {"application_name": "nightly"}, "default_for": ["spark", "hive"]}"#,
    ),
];

/// A command of the page, and what it says that the command prints.
struct Example {
    command: String,
    prints: String,
}

fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        match (inside, line.strip_prefix("$ ")) {
            (false, _) => inside = line == "```console",
            (true, _) if line == "```" => inside = false,
            (true, Some(command)) => examples.push(Example {
                command: command.to_owned(),
                prints: String::new(),
            }),
            (true, None) => {
                let example = examples.last_mut().unwrap();
                example.prints.push_str(line);
                example.prints.push('\n');
            }
        }
    }
    examples
}

/// Words of a command; `"…"` keeps spaces together.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in command.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words
}

/// A line `…` stands for any lines.
fn is_like(prints: &str, expected: &str) -> bool {
    match expected.split_once('…') {
        None => prints == expected,
        Some((before, after)) => {
            prints.starts_with(before.trim_end()) && prints.ends_with(after.trim_start())
        }
    }
}

#[test]
fn every_command_is_in_the_page() {
    let place = Place::new();
    let help = place.ok(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<_> = commands.take_while(|line| !line.is_empty()).collect();
    assert!(commands.len() > 15, "{help}");
    for command in commands {
        let name = command.split_whitespace().next().unwrap();
        let shown = examples()
            .iter()
            .any(|example| words(&example.command)[1] == name);
        assert!(
            shown || name == "help",
            "no example of `{name}` in docs/cli.md"
        );
    }
}

#[test]
fn the_examples_of_the_page_print_what_it_says() {
    let mut place = Place::new();
    for (name, text) in EXAMPLES {
        place.file(name, text);
    }
    place.file("export.json", include_str!("fixtures/export.json"));
    place.file(
        "slow.yaml",
        "workflow: slow\nproject: ops\ntasks:\n  first: { sleep: 1h }\n  after: { after: [first], noop: }\n",
    );
    let told = place.start();
    place.ok(&["apply", "slow.yaml"]);
    for example in examples() {
        let words = words(&example.command);
        let expected = example
            .prints
            .replace("/var/lib/porpoise", &place.data().display().to_string());
        let expected = masked(&expected, &place.data());
        let begun = std::time::Instant::now();
        loop {
            let prints = masked(&prints(&place, &words, &told), &place.data());
            if is_like(&prints, &expected) {
                break;
            }
            // A slot that was freed, or a line of a list, may be a moment behind the run that it tells of.
            let lags = ["pool", "pools", "runs"].contains(&words[1].as_str());
            assert!(
                lags && begun.elapsed() < std::time::Duration::from_secs(5),
                "$ {}\n{prints}\n--- the page says\n{expected}",
                example.command
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

/// What an example prints: its result, or else what it says.
fn prints(place: &Place, words: &[String], told: &str) -> String {
    if words[1] == "up" {
        return told.to_owned();
    }
    let arguments: Vec<_> = words[1..].iter().map(String::as_str).collect();
    let output = place.run(&arguments);
    let said = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    String::from_utf8(said).unwrap()
}
