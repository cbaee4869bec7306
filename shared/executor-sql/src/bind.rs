//! Statements with their values, one by one. Values are bound, never written into a text.

use porpoise_model::ValueType;
use porpoise_model::job::Statement;

use crate::split::{Tongue, places, statements};

/// Values of one statement: as many as PostgreSQL's protocol counts.
const VALUES_MAX: usize = 65_535;

/// A statement that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) text: String,
    pub(crate) values: Vec<Bound>,
}

/// A value, as text, and what it is declared to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    /// `None`: NULL.
    pub(crate) text: Option<String>,
    pub(crate) kind: ValueType,
}

/// The statements of a text, each with its values.
pub(crate) fn ready(statement: &Statement, tongue: Tongue) -> Result<Vec<Ready>, String> {
    let texts = statements(&statement.text, tongue);
    let mut values = values(statement)?.into_iter();
    let count = values.len();
    if count == 0 {
        let plain = |text: &&str| Ready {
            text: (*text).to_owned(),
            values: Vec::new(),
        };
        return Ok(texts.iter().map(plain).collect());
    }
    let wanted: usize = texts.iter().map(|text| places(text, tongue).len()).sum();
    if let ([text], 0, Tongue::Postgresql) = (texts.as_slice(), wanted, tongue) {
        // It says `$1` itself.
        let values = values.flatten().collect();
        return Ok(vec![Ready {
            text: (*text).to_owned(),
            values,
        }]);
    }
    if wanted != count {
        let noun = if count == 1 { "value" } else { "values" };
        return Err(format!(
            "there are {wanted} `?` in the statement, and {count} {noun} for them"
        ));
    }
    let ready = texts.iter().map(|text| one(text, &mut values, tongue));
    ready.collect()
}

fn one(
    text: &str,
    values: &mut impl Iterator<Item = Vec<Bound>>,
    tongue: Tongue,
) -> Result<Ready, String> {
    let mut ready = Ready {
        text: String::new(),
        values: Vec::new(),
    };
    let mut done = 0;
    for at in places(text, tongue) {
        ready.text.push_str(text.get(done..at).unwrap_or_default());
        done = at + 1;
        let spread = values.next().unwrap_or_default();
        for (index, value) in spread.into_iter().enumerate() {
            if index > 0 {
                ready.text.push_str(", ");
            }
            ready.values.push(value);
            match tongue {
                Tongue::Postgresql => {
                    ready.text.push('$');
                    ready.text.push_str(&ready.values.len().to_string());
                }
                Tongue::Mysql | Tongue::Sqlite => ready.text.push('?'),
            }
        }
    }
    ready.text.push_str(text.get(done..).unwrap_or_default());
    if ready.values.len() > VALUES_MAX {
        let count = ready.values.len();
        return Err(format!(
            "{count} values for one statement, at most {VALUES_MAX} can be bound"
        ));
    }
    Ok(ready)
}

/// The values of each argument: those of a list are many, of an empty one there is one that is NULL.
fn values(statement: &Statement) -> Result<Vec<Vec<Bound>>, String> {
    let types = statement.types.iter().copied();
    let types = types.chain(std::iter::repeat(ValueType::Varchar));
    let arguments = statement.arguments.iter().zip(types).enumerate();
    let values = arguments.map(|(index, (text, kind))| match kind {
        ValueType::List => list(text).ok_or_else(|| {
            let number = index + 1;
            format!(
                "value {number} is declared as a list, and is no JSON list of texts and numbers"
            )
        }),
        ValueType::Varchar
        | ValueType::Integer
        | ValueType::Long
        | ValueType::Float
        | ValueType::Double
        | ValueType::Date
        | ValueType::Time
        | ValueType::Timestamp
        | ValueType::Boolean
        | ValueType::File => Ok(vec![Bound {
            text: Some(text.clone()),
            kind,
        }]),
    });
    values.collect()
}

fn list(text: &str) -> Option<Vec<Bound>> {
    let items: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    if items.is_empty() {
        return Some(vec![Bound {
            text: None,
            kind: ValueType::Varchar,
        }]);
    }
    let bound = |item: serde_json::Value| {
        let (text, kind) = match item {
            serde_json::Value::Null => (None, ValueType::Varchar),
            serde_json::Value::String(text) => (Some(text), ValueType::Varchar),
            serde_json::Value::Bool(value) => (Some(value.to_string()), ValueType::Boolean),
            serde_json::Value::Number(number) => {
                let whole = number.is_i64() || number.is_u64();
                let kind = if whole {
                    ValueType::Long
                } else {
                    ValueType::Double
                };
                (Some(number.to_string()), kind)
            }
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => return None,
        };
        Some(Bound { text, kind })
    };
    items.into_iter().map(bound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str, arguments: &[(&str, ValueType)]) -> Statement {
        Statement {
            text: text.to_owned(),
            arguments: arguments
                .iter()
                .map(|(text, _)| (*text).to_owned())
                .collect(),
            types: arguments.iter().map(|(_, kind)| *kind).collect(),
        }
    }

    fn shown(ready: &[Ready]) -> Vec<String> {
        let value = |bound: &Bound| bound.text.clone().unwrap_or_else(|| "NULL".to_owned());
        let one = |ready: &Ready| {
            let values: Vec<String> = ready.values.iter().map(value).collect();
            format!("{} <- {}", ready.text, values.join("|"))
        };
        ready.iter().map(one).collect()
    }

    #[test]
    fn values_go_to_the_statements_in_their_order_and_lists_are_spread() {
        let text =
            "delete from t where a = '?' and b = ?; insert into t select * from u where c in (?)";
        let given = [
            ("it's; drop", ValueType::Varchar),
            (r#"["x", 2, null]"#, ValueType::List),
        ];
        let statement = statement(text, &given);
        assert_eq!(
            shown(&ready(&statement, Tongue::Postgresql).unwrap()),
            [
                "delete from t where a = '?' and b = $1 <- it's; drop",
                "insert into t select * from u where c in ($1, $2, $3) <- x|2|NULL"
            ]
        );
        assert_eq!(
            shown(&ready(&statement, Tongue::Sqlite).unwrap())[1],
            "insert into t select * from u where c in (?, ?, ?) <- x|2|NULL"
        );
    }

    #[test]
    fn as_many_values_as_places_or_none_is_sent() {
        let error = ready(
            &statement("select ?, ?", &[("1", ValueType::Long)]),
            Tongue::Mysql,
        );
        assert_eq!(
            error.unwrap_err(),
            "there are 2 `?` in the statement, and 1 value for them"
        );
        let own = statement("select $1::int", &[("1", ValueType::Long)]);
        assert_eq!(
            shown(&ready(&own, Tongue::Postgresql).unwrap()),
            ["select $1::int <- 1"]
        );
        // An operator of PostgreSQL, where nothing is bound.
        let plain = statement("select '{}'::jsonb ? 'a'", &[]);
        assert_eq!(
            ready(&plain, Tongue::Postgresql).unwrap()[0].text,
            plain.text
        );
        let list = statement("select ?", &[("7", ValueType::List)]);
        assert!(
            ready(&list, Tongue::Sqlite)
                .unwrap_err()
                .contains("value 1 is declared as a list")
        );
        let empty = statement("select 1 in (?)", &[("[]", ValueType::List)]);
        assert_eq!(
            shown(&ready(&empty, Tongue::Sqlite).unwrap()),
            ["select 1 in (?) <- NULL"]
        );
    }
}
