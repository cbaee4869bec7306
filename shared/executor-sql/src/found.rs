//! What a statement came to: rows as texts, so that no digit is lost.

use std::io::{self, Write};

use porpoise_model::{Outputs, Value, ValueType};
use serde_json::Map;
use unicode_width::UnicodeWidthStr as _;

/// Characters of a cell that are printed.
const CELL_CHARS_SHOWN: usize = 60;

/// Rows, or how many were changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Names, if there can be rows.
    pub(crate) columns: Vec<String>,
    /// `None`: NULL.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// There are more rows than were read.
    pub(crate) more: bool,
    /// Rows that were changed, where there are no rows.
    pub(crate) affected: u64,
}

impl Found {
    pub(crate) const fn has_rows(&self) -> bool {
        !self.columns.is_empty()
    }

    /// A table of the first rows.
    pub(crate) fn print(&self, shown: usize, out: &mut dyn Write) -> io::Result<()> {
        if !self.has_rows() {
            let rows = if self.affected == 1 { "row" } else { "rows" };
            return writeln!(out, "{} {rows} affected", self.affected);
        }
        let cell = |cell: &Option<String>| cell.as_deref().map_or_else(|| "NULL".to_owned(), plain);
        let head: Vec<String> = self.columns.iter().map(|name| plain(name)).collect();
        let rows = self.rows.iter().take(shown);
        let rows: Vec<Vec<String>> = rows.map(|row| row.iter().map(cell).collect()).collect();
        let width = |index: usize| {
            let cells = std::iter::once(&head).chain(&rows);
            let widths = cells.map(|row| row.get(index).map_or(0, |cell| cell.width()));
            widths.max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let rules = widths.iter().map(|width| "-".repeat(*width)).collect();
        for row in [head, rules].iter().chain(&rows) {
            let cells = row.iter().zip(&widths);
            let padded = cells.map(|(cell, width)| {
                let blanks = width.saturating_sub(cell.width());
                format!("{cell}{}", " ".repeat(blanks))
            });
            let line = padded.collect::<Vec<_>>().join("  ");
            writeln!(out, "{}", line.trim_end())?;
        }
        let (count, more) = (self.rows.len(), if self.more { " or more" } else { "" });
        let noun = if count == 1 && !self.more {
            "row"
        } else {
            "rows"
        };
        let cut = if count > shown {
            format!(", of which {shown} are shown")
        } else {
            String::new()
        };
        writeln!(out, "{count}{more} {noun}{cut}")
    }

    /// What is handed on: each column of the first row by its name, or all of it where that is declared as a list; and
    /// the first rows as JSON.
    pub(crate) fn outputs(&self, declared: &Outputs, shown: usize) -> Outputs {
        let mut outputs = Outputs::new();
        if !self.has_rows() {
            let value = Value {
                kind: ValueType::Long,
                text: self.affected.to_string(),
            };
            outputs.insert("affected_rows".to_owned(), value);
            return outputs;
        }
        let json = |cell: &Option<String>| serde_json::json!(cell);
        let object = |row: &Vec<Option<String>>| -> Map<String, serde_json::Value> {
            let cells = self.columns.iter().zip(row);
            cells
                .map(|(name, cell)| (name.clone(), json(cell)))
                .collect()
        };
        let rows: Vec<_> = self.rows.iter().take(shown).map(object).collect();
        outputs.insert("rows".to_owned(), list(&serde_json::json!(rows)));
        for (index, name) in self.columns.iter().enumerate() {
            let is_list = of(declared, name).is_some_and(|value| value.kind == ValueType::List);
            let mut cells = self.rows.iter().filter_map(|row| row.get(index));
            let value = if is_list {
                let cells: Vec<_> = cells.map(json).collect();
                list(&cells.into())
            } else {
                let Some(first) = cells.next() else {
                    continue;
                };
                Value::text(first.clone().unwrap_or_default())
            };
            let name = declared_name(declared, name).unwrap_or_else(|| name.clone());
            outputs.insert(name, value);
        }
        outputs
    }
}

fn list(json: &serde_json::Value) -> Value {
    Value {
        kind: ValueType::List,
        text: json.to_string(),
    }
}

fn of<'o>(declared: &'o Outputs, column: &str) -> Option<&'o Value> {
    declared.get(&declared_name(declared, column)?)
}

/// Columns and outputs have the same name in whatever case: databases differ in what they make of it.
fn declared_name(declared: &Outputs, column: &str) -> Option<String> {
    if declared.contains_key(column) {
        return Some(column.to_owned());
    }
    let mut names = declared.keys();
    names
        .find(|name| name.eq_ignore_ascii_case(column))
        .cloned()
}

/// On one line, and no longer than fits.
fn plain(text: &str) -> String {
    let flat = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = flat.take(CELL_CHARS_SHOWN).collect();
    if text.chars().nth(CELL_CHARS_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> Found {
        let cell = |text: &str| Some(text.to_owned());
        Found {
            columns: vec!["id".to_owned(), "Name".to_owned()],
            rows: vec![
                vec![cell("9007199254740993"), cell("a\nb")],
                vec![cell("2"), None],
                vec![cell("3"), cell("京都")],
            ],
            ..Found::default()
        }
    }

    #[test]
    fn rows_are_a_table_of_which_the_first_are_shown() {
        let mut out = Vec::new();
        result().print(2, &mut out).unwrap();
        let wanted = "id                Name\n----------------  ----\n9007199254740993  a b\n2                 NULL\n3 rows, of which 2 are shown\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn outputs_are_the_first_row_and_lists_and_rows_in_texts() {
        let declared = |kind| Value {
            kind,
            text: String::new(),
        };
        let declared = Outputs::from([
            ("id".to_owned(), declared(ValueType::Long)),
            ("name".to_owned(), declared(ValueType::List)),
        ]);
        let outputs = result().outputs(&declared, 2);
        assert_eq!(outputs["id"].text, "9007199254740993");
        assert_eq!(outputs["name"].text, r#"["a\nb",null,"京都"]"#);
        assert_eq!(
            outputs["rows"].text,
            r#"[{"id":"9007199254740993","Name":"a\nb"},{"id":"2","Name":null}]"#
        );
        let none = Found {
            affected: 3,
            ..Found::default()
        };
        assert_eq!(none.outputs(&declared, 2)["affected_rows"].text, "3");
    }
}
