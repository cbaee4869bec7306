//! `show --parameters`: what a task can read by name, and where each value comes from.

use crate::args::RunRef;
use crate::client::encode;
use crate::failure::Failure;
use crate::output::{Session, table};
use crate::view::{self, Given, Parameter, Parameters};

use super::find;

/// How many characters of a value are shown; `--json` has all.
const SHOWN_MAX: usize = 60;

/// Shows them, a line for each name.
pub(crate) fn show(session: &Session, run: &RunRef, task: &str) -> Result<u8, Failure> {
    let client = session.client()?;
    let at = find::run(session, &client, &run.run)?;
    let answer = client.get(&at.path(&format!("/tasks/{}/parameters", encode(task))))?;
    let parameters: Parameters = view::read(&answer);
    session.result(&answer, || {
        if parameters.items.is_empty() {
            return format!("task `{task}` can read nothing by name\n");
        }
        let rows: Vec<Vec<String>> = parameters.items.iter().map(row).collect();
        table(&["NAME", "VALUE", "FROM", "HIDES"], &rows)
    });
    Ok(0)
}

fn row(parameter: &Parameter) -> Vec<String> {
    let hidden = parameter.hidden.iter();
    let hidden: Vec<String> = hidden
        .map(|given| format!("{} {}", given.source, value(given)))
        .collect();
    let given = &parameter.given;
    let written = given
        .written
        .as_deref()
        .map(|text| format!(": {}", short(text)));
    vec![
        short(&parameter.name),
        value(given),
        format!("{}{}", given.source, written.unwrap_or_default()),
        hidden.join(", "),
    ]
}

fn value(given: &Given) -> String {
    match (&given.value, &given.problem) {
        (Some(value), _) if value.is_empty() => "\"\"".to_owned(),
        (Some(value), _) => short(value),
        (None, Some(problem)) => format!("({problem})"),
        (None, None) => String::new(),
    }
}

/// On one line and without what a terminal would obey.
fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).flat_map(visible).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn visible(character: char) -> Vec<char> {
    if character.is_control() {
        character.escape_default().collect()
    } else {
        vec![character]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_on_its_line_and_within_its_column() {
        assert_eq!(short("a\n\u{1b}[2Jb"), "a\\n\\u{1b}[2Jb");
        assert_eq!(short(&"x".repeat(60)), "x".repeat(60));
        assert_eq!(short(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
    }
}
