//! What can be wrong with an expression, and where.

use std::fmt;
use std::ops::Range;

/// Every fault of an expression, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", joined(.faults))]
pub struct CronError {
    /// At least one.
    pub faults: Vec<CronFault>,
}

/// One fault of an expression. Displays as ``minute: `61` is out of range 0..=59``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronFault {
    /// The field that is at fault.
    pub field: Field,
    /// The bytes at fault, within the text that was parsed.
    pub span: Range<usize>,
    /// What is wrong and what is allowed; does not repeat the field.
    pub message: String,
}

/// A field of an expression, or the expression as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The whole text, where no single field is at fault.
    Expression,
    /// Quartz only.
    Second,
    /// Minute of the hour.
    Minute,
    /// Hour of the day.
    Hour,
    /// Day of the month.
    DayOfMonth,
    /// Month of the year.
    Month,
    /// Day of the week.
    DayOfWeek,
    /// Quartz only.
    Year,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expression => "expression",
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
            Self::Year => "year",
        })
    }
}

impl fmt::Display for CronFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

fn joined(faults: &[CronFault]) -> String {
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    lines.join("; ")
}
