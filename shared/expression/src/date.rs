//! The inside of `$[...]`: a pattern, an amount of time, some functions of the calendar.
//!
//! ```text
//! expression := 'timestamp(' inner ')' | 'year_week(' pattern [ ',' days ] ')' | inner
//! inner      := function '(' pattern [ ',' count ] ')' | pattern [ ('+' | '-') amount ]
//! amount     := count [ '/' ... ]                          in days: 1/24 an hour, 15/24/60 fifteen minutes
//! count      := whole numbers with + - * / ( ) and signs
//! ```
//!
//! The expression is split at its last `+` if it has one, else at its last `-`, and only if a digit follows:
//! `yyyy-MM-dd-1` is yesterday, `yyyy-MM-dd` has no amount. Everything is reckoned on the wall clock, so that a
//! day always has 24 hours here and a clock change never moves a date.

mod arithmetic;
mod fault;
mod function;
mod pattern;
mod week;

use jiff::Span;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use self::arithmetic::{Signs, calculate};
use self::function::Function;
use self::pattern::Style;
use self::week::Weeks;
use crate::dialect::Dialect;
use crate::instant::Instant;

pub use self::fault::{DateError, DateFault};

/// The longest expression in bytes. Those in use have below a hundred.
pub const DATE_EXPRESSION_BYTES_MAX: usize = 1024;

/// Evaluates what stands between `$[` and `]`.
///
/// Patterns are those of `java.time.format.DateTimeFormatter` in English; the letters are listed in `pattern.rs`.
/// Functions, which each keep the time of day:
///
/// | function | result |
/// | --- | --- |
/// | `add_months(p,n)` | n months on, the day clamped to the month: 31 March + 1 is 30 April |
/// | `month_begin(p,n)`, `month_end(p,n)` | first, last day of the month, n days on |
/// | `week_begin(p,n)`, `week_end(p,n)` | Monday, Sunday of the week, n days on |
/// | `month_first_day(p[,n])`, `month_last_day(p[,n])` | first, last day of the month n months on |
/// | `week_first_day(p[,n])`, `week_last_day(p[,n])` | Monday, Sunday of the week n weeks on |
/// | `this_day(p)`, `last_day(p)` | the day, the day before |
/// | `year_week(p[,d])` | year and week, with `-` if `p` has one; the week starts at day d, 1 is Monday |
/// | `timestamp(...)` | the result, read as `yyyyMMddHHmmss` in the zone, in seconds since 1970 |
///
/// What differs between the dialects:
///
/// | | `porpoise/1` | DolphinScheduler |
/// | --- | --- | --- |
/// | the last six rows before `timestamp`, of single days and of `year_week` | known | not in 3.1 |
/// | `-3+1` | -2 | -4: a sign holds for all that follows it |
/// | other characters in a count | a fault, spaces ignored | the value to their left becomes 0 |
/// | `Y`, `w`, `W`, `e`, `c` | weeks of ISO 8601 | weeks as in the USA |
/// | year of `year_week` | the one that the week belongs to | the one that the day belongs to |
/// | offsets and zones `X`, `x`, `Z`, `VV` | known | no letters |
/// | `(`, `)`, `*` outside of quotes in a pattern, a pattern without letters | a fault | literal |
///
/// # Errors
/// What cannot be evaluated, and where. In the DolphinScheduler dialects [`crate::render`] leaves it as written then.
/// Numbers that DolphinScheduler lets overflow are faults here.
pub fn evaluate(
    expression: &str,
    instant: &Instant,
    dialect: Dialect,
) -> Result<String, DateError> {
    if expression.len() > DATE_EXPRESSION_BYTES_MAX {
        return Err(DateFault::TooLong.at(DATE_EXPRESSION_BYTES_MAX));
    }
    let clock = Clock { instant, dialect };
    if let Some(inner) = call(expression, "timestamp") {
        let (date, pattern) = clock.inner(inner).map_err(|e| e.moved(TIMESTAMP_OPENING))?;
        let shown = clock.format(date, pattern, TIMESTAMP_OPENING)?;
        return clock.seconds(&shown);
    }
    if let Some(arguments) = call(expression, "year_week").filter(|_| clock.knows_single_days()) {
        return clock.year_week(arguments);
    }
    let (date, pattern) = clock.inner(expression)?;
    clock.format(date, pattern, 0)
}

/// `yyyyMMdd`; `None` never happens, as the pattern is right.
pub(crate) fn compact_date(at: DateTime) -> Option<String> {
    pattern::format(at, "yyyyMMdd", &Style::quirky()).ok()
}

/// `yyyyMMddHHmmss`.
pub(crate) fn compact_date_time(at: DateTime) -> Option<String> {
    pattern::format(at, "yyyyMMddHHmmss", &Style::quirky()).ok()
}

/// The bytes of `timestamp(`.
const TIMESTAMP_OPENING: usize = 10;

/// What stands in the brackets if `text` is a call of `name`.
fn call<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.strip_prefix(name)?
        .strip_prefix('(')?
        .strip_suffix(')')
}

/// A pattern and the byte of the expression at which it starts.
type Placed<'a> = (usize, &'a str);

#[derive(Clone, Copy)]
struct Clock<'a> {
    instant: &'a Instant,
    dialect: Dialect,
}

impl Clock<'_> {
    fn knows_single_days(self) -> bool {
        !self.dialect.is_before_3_2()
    }

    fn inner(self, text: &str) -> Result<(DateTime, Placed<'_>), DateError> {
        for function in Function::ALL {
            if let Some(arguments) = call(text, function.name())
                && (self.knows_single_days() || function.is_old())
            {
                return self.called(function, arguments);
            }
        }
        self.shifted(text)
    }

    fn called(
        self,
        function: Function,
        arguments: &str,
    ) -> Result<(DateTime, Placed<'_>), DateError> {
        let opening = function.name().len().saturating_add(1);
        let (pattern, count) = match arguments.split_once(',') {
            Some((pattern, count)) if function.takes_count() => (pattern, Some(count)),
            Some(_) | None => (arguments, None),
        };
        let count = match count {
            Some(count) => {
                let at = opening.saturating_add(pattern.len()).saturating_add(1);
                self.count(count, at)?
            }
            None if function.needs_count() => {
                return Err(DateFault::CountMissing(function.name()).at(opening));
            }
            None => 0,
        };
        let date = function
            .apply(self.instant.base(), count)
            .map_err(|_| DateFault::OutOfRange.at(opening))?;
        Ok((date, (opening, pattern)))
    }

    /// A pattern with an amount of time, as in `yyyyMMdd-1/24`.
    fn shifted(self, text: &str) -> Result<(DateTime, Placed<'_>), DateError> {
        let base = self.instant.base();
        let Some(at) = text.rfind('+').or_else(|| text.rfind('-')) else {
            return Ok((base, (0, text)));
        };
        let (pattern, signed) = text.split_at_checked(at).unwrap_or((text, ""));
        let amount = signed.get(1..).unwrap_or_default();
        match amount.chars().next() {
            None => return Err(DateFault::NothingAfterSign.at(at)),
            Some(first) if !first.is_ascii_digit() => return Ok((base, (0, text))),
            Some(_) => {}
        }
        let minutes = self.minutes(amount, at.saturating_add(1))?;
        let minutes = if signed.starts_with('-') {
            minutes.saturating_neg()
        } else {
            minutes
        };
        let date = Span::new()
            .try_minutes(minutes)
            .and_then(|span| base.checked_add(span))
            .map_err(|_| DateFault::OutOfRange.at(at))?;
        Ok((date, (0, pattern)))
    }

    /// An amount of days in minutes. What stands before the first `/` is multiplied first, so `1/24` is 60.
    fn minutes(self, amount: &str, at: usize) -> Result<i64, DateError> {
        const OPENING: &str = "60*24*(";
        let days = amount.find('/').unwrap_or(amount.len());
        let (days, rest) = amount.split_at_checked(days).unwrap_or((amount, ""));
        let product = format!("{OPENING}{days}){rest}");
        let signs = self.signs();
        calculate(&product, signs).map_err(|error| {
            let within = error.position.saturating_sub(OPENING.len());
            let within = within.saturating_sub(usize::from(within > days.len()));
            error.fault.at(at.saturating_add(within.min(amount.len())))
        })
    }

    fn count(self, text: &str, at: usize) -> Result<i64, DateError> {
        let leading = text.len().saturating_sub(text.trim_start().len());
        calculate(text.trim(), self.signs())
            .map_err(|error| error.moved(at.saturating_add(leading)))
    }

    fn signs(self) -> Signs {
        if self.dialect.is_native() {
            Signs::HoldForOne
        } else {
            Signs::HoldForAll
        }
    }

    fn format(
        self,
        date: DateTime,
        (start, pattern): Placed<'_>,
        moved: usize,
    ) -> Result<String, DateError> {
        let style = if self.dialect.is_native() {
            Style::native(self.instant.zone())
        } else {
            Style::quirky()
        };
        pattern::format(date, pattern, &style)
            .map_err(|error| error.moved(moved.saturating_add(start)))
    }

    /// Calendar year and week; weeks have at least four days in their year.
    fn year_week(self, arguments: &str) -> Result<String, DateError> {
        const OPENING: usize = 10;
        let (pattern, first) = match arguments.split_once(',') {
            Some((pattern, first)) => {
                let at = pattern.len().saturating_add(OPENING).saturating_add(1);
                (pattern, self.count(first, at)?)
            }
            None => (arguments, 1),
        };
        let date = self.instant.base().date();
        let (week_year, week) = Weeks::of_four_days(first).of_year(date);
        let year = if self.dialect.is_native() {
            week_year
        } else {
            i64::from(date.year())
        };
        let between = if pattern.contains('-') { "-" } else { "" };
        Ok(format!("{year}{between}{week:02}"))
    }

    /// Seconds since 1970 of a `yyyyMMddHHmmss`, read as leniently as `java.time` reads it: a day up to 31 is
    /// clamped to its month, `240000` is the next midnight.
    fn seconds(self, shown: &str) -> Result<String, DateError> {
        let zone = self.instant.zone();
        let seconds = compact(shown).and_then(|at| seconds_in(at, zone));
        seconds
            .map(|seconds| seconds.to_string())
            .ok_or_else(|| DateFault::NotATimestamp(shown.to_owned()).at(TIMESTAMP_OPENING))
    }
}

fn seconds_in(at: DateTime, zone: &TimeZone) -> Option<i64> {
    let instant = zone.to_ambiguous_timestamp(at).compatible().ok()?;
    Some(instant.as_second())
}

/// Reads 14 digits.
fn compact(text: &str) -> Option<DateTime> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year: i16 = text.get(..4)?.parse().ok().filter(|year| *year > 0)?;
    let field = |start: usize| -> Option<i8> {
        let end = start.checked_add(2)?;
        text.get(start..end)?.parse().ok()
    };
    let (month, day) = (field(4)?, field(6)?);
    let last = Date::new(year, month, 1).ok()?.days_in_month();
    let day = if day <= 31 { day.min(last) } else { day };
    let date = Date::new(year, month, day).ok()?;
    let time = (field(8)?, field(10)?, field(12)?);
    if time == (24, 0, 0) {
        return Some(date.tomorrow().ok()?.to_datetime(Time::midnight()));
    }
    let time = Time::new(time.0, time.1, time.2, 0).ok()?;
    Some(date.to_datetime(time))
}

#[cfg(test)]
mod tests;
