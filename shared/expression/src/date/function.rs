//! The functions that move a date through the calendar. All keep the time of day.

use jiff::civil::{DateTime, Weekday};
use jiff::{Error, Span};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    AddMonths,
    MonthBegin,
    MonthEnd,
    WeekBegin,
    WeekEnd,
    MonthFirstDay,
    MonthLastDay,
    WeekFirstDay,
    WeekLastDay,
    ThisDay,
    LastDay,
}

impl Function {
    pub(super) const ALL: [Self; 11] = [
        Self::AddMonths,
        Self::MonthBegin,
        Self::MonthEnd,
        Self::WeekBegin,
        Self::WeekEnd,
        Self::MonthFirstDay,
        Self::MonthLastDay,
        Self::WeekFirstDay,
        Self::WeekLastDay,
        Self::ThisDay,
        Self::LastDay,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AddMonths => "add_months",
            Self::MonthBegin => "month_begin",
            Self::MonthEnd => "month_end",
            Self::WeekBegin => "week_begin",
            Self::WeekEnd => "week_end",
            Self::MonthFirstDay => "month_first_day",
            Self::MonthLastDay => "month_last_day",
            Self::WeekFirstDay => "week_first_day",
            Self::WeekLastDay => "week_last_day",
            Self::ThisDay => "this_day",
            Self::LastDay => "last_day",
        }
    }

    /// Whether DolphinScheduler 3.1 has it. These are also the functions that cannot do without a count.
    pub(super) const fn is_old(self) -> bool {
        match self {
            Self::AddMonths
            | Self::MonthBegin
            | Self::MonthEnd
            | Self::WeekBegin
            | Self::WeekEnd => true,
            Self::MonthFirstDay
            | Self::MonthLastDay
            | Self::WeekFirstDay
            | Self::WeekLastDay
            | Self::ThisDay
            | Self::LastDay => false,
        }
    }

    pub(super) const fn needs_count(self) -> bool {
        self.is_old()
    }

    /// Whether a comma separates a count from the pattern. Otherwise it belongs to the pattern.
    pub(super) fn takes_count(self) -> bool {
        !matches!(self, Self::ThisDay | Self::LastDay)
    }

    /// `count` are months, days, weeks: see [`super::evaluate`].
    pub(super) fn apply(self, base: DateTime, count: i64) -> Result<DateTime, Error> {
        let days = || Span::new().try_days(count);
        let weeks = || Span::new().try_weeks(count);
        let months = || Span::new().try_months(count);
        match self {
            Self::AddMonths => base.checked_add(months()?),
            Self::MonthBegin => base.first_of_month().checked_add(days()?),
            Self::MonthEnd => base.last_of_month().checked_add(days()?),
            Self::WeekBegin => monday(base)?.checked_add(days()?),
            Self::WeekEnd => sunday(base)?.checked_add(days()?),
            Self::MonthFirstDay => base.first_of_month().checked_add(months()?),
            Self::MonthLastDay => Ok(base.checked_add(months()?)?.last_of_month()),
            Self::WeekFirstDay => monday(base)?.checked_add(weeks()?),
            Self::WeekLastDay => sunday(base)?.checked_add(weeks()?),
            Self::ThisDay => Ok(base),
            Self::LastDay => base.yesterday(),
        }
    }
}

fn monday(base: DateTime) -> Result<DateTime, Error> {
    let days = base.weekday().since(Weekday::Monday);
    base.checked_sub(Span::new().try_days(days)?)
}

fn sunday(base: DateTime) -> Result<DateTime, Error> {
    let days = base.weekday().until(Weekday::Sunday);
    base.checked_add(Span::new().try_days(days)?)
}
