//! What can be wrong with a date expression, and where.

/// Why a date expression cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}, at byte {position}")]
pub struct DateError {
    /// Where, in bytes from the beginning of the expression.
    pub position: usize,
    /// What is wrong.
    pub fault: DateFault,
}

/// What is wrong with a date expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateFault {
    /// More than [`super::DATE_EXPRESSION_BYTES_MAX`] bytes.
    #[error("the expression is too long")]
    TooLong,
    /// A letter with no meaning in a pattern; ordinary text belongs into single quotes.
    #[error("`{0}` is no date letter; put text into single quotes")]
    Letter(char),
    /// A letter more often in a row than it may be.
    #[error("`{letter}` does not stand {count} times in a row")]
    LetterCount {
        /// The letter.
        letter: char,
        /// How many there are.
        count: usize,
    },
    /// A character that only text in quotes may have.
    #[error("`{0}` is reserved; put it into single quotes")]
    Reserved(char),
    /// A `]` without its `[`.
    #[error("`]` without `[`")]
    UnopenedOptional,
    /// A quote without its second one.
    #[error("the text in single quotes does not end")]
    UnclosedQuote,
    /// A pattern without any date letter.
    #[error("the pattern has no date letter")]
    NoField,
    /// A function without its second argument.
    #[error("`{0}` needs a pattern and a number")]
    CountMissing(&'static str),
    /// A `+` or `-` at the very end.
    #[error("nothing follows the sign")]
    NothingAfterSign,
    /// A character that a calculation does not have at this place.
    #[error("`{0}` does not belong into a calculation here")]
    Unexpected(char),
    /// A calculation that ends too early.
    #[error("the calculation is incomplete")]
    Incomplete,
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A number that is too large to calculate with.
    #[error("the number is too large")]
    TooLarge,
    /// Brackets and signs within each other beyond what anyone writes.
    #[error("the calculation is nested too deeply")]
    TooDeep,
    /// A date before the year -9999 or after 9999.
    #[error("the date is out of range")]
    OutOfRange,
    /// What `timestamp` got is no date and time.
    #[error("`{0}` cannot be read as `yyyyMMddHHmmss`")]
    NotATimestamp(String),
}

impl DateFault {
    pub(super) const fn at(self, position: usize) -> DateError {
        DateError {
            position,
            fault: self,
        }
    }
}

impl DateError {
    /// The same fault in a text that begins `by` bytes earlier.
    pub(super) fn moved(self, by: usize) -> Self {
        self.fault.at(self.position.saturating_add(by))
    }
}
