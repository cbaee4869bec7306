//! The value of a condition.

use std::cmp::Ordering;

use super::CONDITION_TEXT_BYTES_MAX;
use super::lex::Part;
use super::parse::{Node, Operator};
use super::value::Value;
use crate::fault::shortened;

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
    /// A text that is put together grows without end.
    #[error("a text in the condition is longer than {CONDITION_TEXT_BYTES_MAX} bytes")]
    TooLong,
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
        Value::Text(text) => Err(ConditionError::NoTruth(format!(
            "the text `{}`",
            shortened(&text)
        ))),
        Value::Null => Err(ConditionError::NoTruth("nothing".to_owned())),
    }
}

/// As deep as the tree, which is no deeper than the parser lets it be.
fn evaluate(node: &Node, value_of: ValueOf<'_>) -> Result<Value, ConditionError> {
    Ok(match node {
        Node::Number(number) => Value::Number(*number),
        Node::Bool(value) => Value::Bool(*value),
        Node::Null => Value::Null,
        Node::Text(parts) => Value::Text(text(parts, value_of)?),
        Node::Name(name) => typed(name, known(name, value_of)?)?,
        Node::Not(inner) => Value::Bool(!evaluate(inner, value_of)?.is_true()),
        Node::Minus(inner) => Value::Number(-evaluate(inner, value_of)?.number()),
        Node::Plus(inner) => Value::Number(evaluate(inner, value_of)?.number()),
        Node::Chain(first, rest) => {
            let mut left = evaluate(first, value_of)?;
            for (operator, right) in rest {
                if !decided(*operator, &left) {
                    left = two(*operator, left, evaluate(right, value_of)?)?;
                }
            }
            left
        }
    })
}

/// Whether what stands behind an operator is not looked at.
fn decided(operator: Operator, left: &Value) -> bool {
    match operator {
        Operator::Or => left.is_true(),
        Operator::And => !left.is_true(),
        Operator::Same
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
        | Operator::Remainder => false,
    }
}

fn text(parts: &[Part], value_of: ValueOf<'_>) -> Result<String, ConditionError> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Plain(plain) => append(&mut text, plain)?,
            Part::Name(name) => append(&mut text, known(name, value_of)?.text())?,
        }
    }
    Ok(text)
}

fn append(text: &mut String, more: &str) -> Result<(), ConditionError> {
    if text.len() + more.len() > CONDITION_TEXT_BYTES_MAX {
        return Err(ConditionError::TooLong);
    }
    text.push_str(more);
    Ok(())
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
            text: shortened(operand.text()),
        }),
    }
}

fn two(operator: Operator, left: Value, right: Value) -> Result<Value, ConditionError> {
    let order = |accepted: &[Ordering]| {
        let order = left.order(&right);
        Value::Bool(order.is_some_and(|order| accepted.contains(&order)))
    };
    Ok(match operator {
        Operator::Or | Operator::And => right,
        Operator::Same => Value::Bool(left.is_same(&right)),
        Operator::NotSame => Value::Bool(!left.is_same(&right)),
        Operator::Equal => Value::Bool(left.equals(&right)),
        Operator::NotEqual => Value::Bool(!left.equals(&right)),
        Operator::Less => order(&[Ordering::Less]),
        Operator::LessOrEqual => order(&[Ordering::Less, Ordering::Equal]),
        Operator::Greater => order(&[Ordering::Greater]),
        Operator::GreaterOrEqual => order(&[Ordering::Greater, Ordering::Equal]),
        Operator::Add => return sum(left, &right),
        Operator::Subtract => Value::Number(left.number() - right.number()),
        Operator::Multiply => Value::Number(left.number() * right.number()),
        Operator::Divide => Value::Number(left.number() / right.number()),
        Operator::Remainder => Value::Number(left.number() % right.number()),
    })
}

/// `+` of two texts, one behind the other, or of two numbers. ECMA-262, 13.15.3.
fn sum(left: Value, right: &Value) -> Result<Value, ConditionError> {
    let mut text = match (left, right) {
        (Value::Text(text), _) => text,
        (left, Value::Text(_)) => left.text(),
        (left, Value::Number(_) | Value::Bool(_) | Value::Null) => {
            return Ok(Value::Number(left.number() + right.number()));
        }
    };
    append(&mut text, &right.text())?;
    Ok(Value::Text(text))
}
