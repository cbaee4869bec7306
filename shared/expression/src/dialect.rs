//! The languages that a stored version may be written in.

use std::fmt;
use std::str::FromStr;

/// Which rules a text follows. A workflow version stores its dialect, so that it keeps its meaning for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// `porpoise/1`: what cannot be evaluated is a fault.
    Porpoise1,
    /// `dolphinscheduler/1.3`: all of 1.x.
    DolphinScheduler13,
    /// `dolphinscheduler/2.0`.
    DolphinScheduler20,
    /// `dolphinscheduler/3.0`.
    DolphinScheduler30,
    /// `dolphinscheduler/3.1`: the quirks of DolphinScheduler 3.1. Expressions of those before mean the same.
    DolphinScheduler31,
    /// `dolphinscheduler/3.2`: the quirks of DolphinScheduler 3.2, with more date functions.
    DolphinScheduler32,
    /// `dolphinscheduler/3.3`: 3.3 and later. Expressions mean what they mean in 3.2.
    DolphinScheduler33,
}

impl Dialect {
    /// Every dialect, the native one first.
    pub const ALL: [Self; 7] = [
        Self::Porpoise1,
        Self::DolphinScheduler13,
        Self::DolphinScheduler20,
        Self::DolphinScheduler30,
        Self::DolphinScheduler31,
        Self::DolphinScheduler32,
        Self::DolphinScheduler33,
    ];

    /// The stored form, as in `porpoise/1`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Porpoise1 => "porpoise/1",
            Self::DolphinScheduler13 => "dolphinscheduler/1.3",
            Self::DolphinScheduler20 => "dolphinscheduler/2.0",
            Self::DolphinScheduler30 => "dolphinscheduler/3.0",
            Self::DolphinScheduler31 => "dolphinscheduler/3.1",
            Self::DolphinScheduler32 => "dolphinscheduler/3.2",
            Self::DolphinScheduler33 => "dolphinscheduler/3.3",
        }
    }

    /// Whether this is Porpoise's own dialect, without the quirks of another system.
    pub const fn is_native(self) -> bool {
        match self {
            Self::Porpoise1 => true,
            Self::DolphinScheduler13
            | Self::DolphinScheduler20
            | Self::DolphinScheduler30
            | Self::DolphinScheduler31
            | Self::DolphinScheduler32
            | Self::DolphinScheduler33 => false,
        }
    }

    /// Whether expressions follow the rules of DolphinScheduler up to 3.1: fewer date functions, and only parameters
    /// that begin with `$` are resolved when a run starts.
    pub const fn is_before_3_2(self) -> bool {
        match self {
            Self::DolphinScheduler13
            | Self::DolphinScheduler20
            | Self::DolphinScheduler30
            | Self::DolphinScheduler31 => true,
            Self::Porpoise1 | Self::DolphinScheduler32 | Self::DolphinScheduler33 => false,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no dialect of this release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no expression dialect; known are `porpoise/1` and `dolphinscheduler/1.3`, `2.0`, `3.0`, `3.1`, `3.2` and `3.3`"
)]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == text)
            .ok_or_else(|| UnknownDialect(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_is_read_back_from_its_text() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
    }

    #[test]
    fn what_changed_with_3_2_holds_from_there_on() {
        let before = Dialect::ALL
            .iter()
            .filter(|dialect| dialect.is_before_3_2());
        let before: Vec<_> = before.map(|dialect| dialect.as_str()).collect();
        let names = ["1.3", "2.0", "3.0", "3.1"].map(|name| format!("dolphinscheduler/{name}"));
        assert_eq!(before, names);
    }

    #[test]
    fn another_text_is_refused_by_name() {
        let error = "porpoise/2".parse::<Dialect>().unwrap_err();
        assert_eq!(error, UnknownDialect("porpoise/2".to_owned()));
    }
}
