//! Conditions of a switch: `${rows} > 100 && ${env} == 'prod'`.
//!
//! The language is the part of JavaScript that DolphinScheduler's users write, with JavaScript's rules of comparison
//! (ECMA-262, 7.2.13 to 7.2.15): literals, names, `||`, `&&`, `!`, `==` `!=` `===` `!==` `<` `<=` `>` `>=`,
//! `+ - * / %` and parentheses. There are no calls, no assignments and no loops, so a condition ends, and it can reach
//! nothing. DolphinScheduler runs the text as a script, which let strangers run what they liked (CVE-2023-49299).
//!
//! A name, `${rows}`, stands for its value: a number or a truth value if it is declared as one, else a text. DolphinScheduler
//! puts the value into the text, in quotes; so `'${env}' == 'prod'` is understood as well, though it fails there.
//!
//! Start reading at [`Condition`]. `lex.rs` cuts the text into tokens, `parse.rs` makes a tree of them, `evaluate.rs`
//! gives it a value, and `value.rs` has the rules of comparison.

mod evaluate;
mod lex;
mod parse;
mod value;

use std::ops::Range;

pub use evaluate::{ConditionError, Operand};
use parse::Node;

/// How deep parentheses and signs may be nested.
pub const CONDITION_NESTING_MAX: usize = 64;

/// The longest condition, in bytes: a hundred times what people write.
pub const CONDITION_BYTES_MAX: usize = 64 * 1024;

/// The longest text that comes up while a condition is evaluated, in bytes.
pub const CONDITION_TEXT_BYTES_MAX: usize = 256 * 1024;

/// A condition that has been understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Node);

/// A text that is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionFault {
    /// What is wrong, and what would be right.
    pub message: String,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
}

impl Condition {
    /// Reads a text, in time proportional to its length.
    ///
    /// # Errors
    /// The first thing in it that is not understood, with its place.
    pub fn parse(text: &str) -> Result<Self, ConditionFault> {
        parse::parse(text).map(Self)
    }

    /// Whether it holds. `value_of` gives the value of a name; `None`: there is none.
    ///
    /// # Errors
    /// A name has no value, a value is not of its type, a text becomes too long, or the outcome is neither true nor
    /// false.
    pub fn holds(
        &self,
        value_of: impl Fn(&str) -> Option<Operand>,
    ) -> Result<bool, ConditionError> {
        evaluate::holds(&self.0, &value_of)
    }
}

#[cfg(test)]
mod tests;
