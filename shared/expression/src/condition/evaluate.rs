//! The value of a condition.

use std::cmp::Ordering;

use super::lex::Part;
use super::parse::{Node, Operator};
use super::value::Value;

/// The value of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A text.
    Text(String),
    /// Declared as a number; the text of one.
    Number(String),
    /// Declared as a truth value: `true` or `false`.
    Truth(String),
}

impl Operand {
    /// As it is.
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Truth(text) => text,
        }
    }
}

/// Why a condition neither holds nor fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// A name without a value.
    #[error("`{0}` has no value")]
    Unknown(String),
    /// A value that is not what it is declared as.
    #[error("`{name}` is declared as {kind} and is `{text}`")]
    NotOfItsType {
        /// Whose value.
        name: String,
        /// `a number` …
        kind: &'static str,
        /// The value.
        text: String,
    },
    /// The outcome is no truth value.
    #[error("the condition gives {0}, not true or false")]
    NoTruth(String),
}

type ValueOf<'a> = &'a dyn Fn(&str) -> Option<Operand>;

pub(super) fn holds(node: &Node, value_of: ValueOf<'_>) -> Result<bool, ConditionError> {
    match evaluate(node, value_of)? {
        Value::Bool(holds) => Ok(holds),
        Value::Number(number) => Err(ConditionError::NoTruth(format!(
            "the number {}",
            Value::Number(number).text()
        ))),
        Value::Text(text) => Err(ConditionError::NoTruth(format!("the text `{text}`"))),
        Value::Null => Err(ConditionError::NoTruth("nothing".to_owned())),
    }
}

/// As deep as the tree, which is no deeper than the parser lets it be.
fn evaluate(node: &Node, value_of: ValueOf<'_>) -> Result<Value, ConditionError> {
    Ok(match node {
        Node::Number(number) => Value::Number(*number),
        Node::Bool(value) => Value::Bool(*value),
        Node::Null => Value::Null,
        Node::Text(parts) => {
            let mut text = String::new();
            for part in parts {
                match part {
                    Part::Plain(plain) => text.push_str(plain),
                    Part::Name(name) => text.push_str(known(name, value_of)?.text()),
                }
            }
            Value::Text(text)
        }
        Node::Name(name) => typed(name, known(name, value_of)?)?,
        Node::Not(inner) => Value::Bool(!evaluate(inner, value_of)?.is_true()),
        Node::Minus(inner) => Value::Number(-evaluate(inner, value_of)?.number()),
        Node::Plus(inner) => Value::Number(evaluate(inner, value_of)?.number()),
        Node::Two(operator, left, right) => {
            let left = evaluate(left, value_of)?;
            match operator {
                Operator::Or if left.is_true() => left,
                Operator::And if !left.is_true() => left,
                Operator::Or
                | Operator::And
                | Operator::Same
                | Operator::NotSame
                | Operator::Equal
                | Operator::NotEqual
                | Operator::Less
                | Operator::LessOrEqual
                | Operator::Greater
                | Operator::GreaterOrEqual
                | Operator::Add
                | Operator::Subtract
                | Operator::Multiply
                | Operator::Divide
                | Operator::Remainder => two(*operator, &left, evaluate(right, value_of)?),
            }
        }
    })
}

fn known(name: &str, value_of: ValueOf<'_>) -> Result<Operand, ConditionError> {
    value_of(name).ok_or_else(|| ConditionError::Unknown(name.to_owned()))
}

fn typed(name: &str, operand: Operand) -> Result<Value, ConditionError> {
    let value = match &operand {
        Operand::Text(_) => None,
        Operand::Number(text) => {
            let number = Value::Text(text.clone()).number();
            let is_number = !number.is_nan() && !text.trim().is_empty();
            Some(is_number.then_some(Value::Number(number)).ok_or("a number"))
        }
        Operand::Truth(text) => Some(match text.trim() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("true or false"),
        }),
    };
    match (value, operand) {
        (None, operand) => Ok(Value::Text(operand.text().to_owned())),
        (Some(Ok(value)), _) => Ok(value),
        (Some(Err(kind)), operand) => Err(ConditionError::NotOfItsType {
            name: name.to_owned(),
            kind,
            text: operand.text().to_owned(),
        }),
    }
}

fn two(operator: Operator, left: &Value, right: Value) -> Value {
    let order = |accepted: &[Ordering]| {
        let order = left.order(&right);
        Value::Bool(order.is_some_and(|order| accepted.contains(&order)))
    };
    match operator {
        Operator::Or | Operator::And => right,
        Operator::Same => Value::Bool(left.is_same(&right)),
        Operator::NotSame => Value::Bool(!left.is_same(&right)),
        Operator::Equal => Value::Bool(left.equals(&right)),
        Operator::NotEqual => Value::Bool(!left.equals(&right)),
        Operator::Less => order(&[Ordering::Less]),
        Operator::LessOrEqual => order(&[Ordering::Less, Ordering::Equal]),
        Operator::Greater => order(&[Ordering::Greater]),
        Operator::GreaterOrEqual => order(&[Ordering::Greater, Ordering::Equal]),
        Operator::Add => match (left, &right) {
            (Value::Text(_), _) | (_, Value::Text(_)) => {
                Value::Text(format!("{}{}", left.text(), right.text()))
            }
            (Value::Number(_) | Value::Bool(_) | Value::Null, _) => {
                Value::Number(left.number() + right.number())
            }
        },
        Operator::Subtract => Value::Number(left.number() - right.number()),
        Operator::Multiply => Value::Number(left.number() * right.number()),
        Operator::Divide => Value::Number(left.number() / right.number()),
        Operator::Remainder => Value::Number(left.number() % right.number()),
    }
}
