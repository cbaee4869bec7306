//! The days that a business calendar excludes, and what becomes of instants on them.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::{Date, Weekday, date};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

use crate::limits::CALENDAR_DATES_MAX;

/// The first day that a calendar can name: cron expressions fire from its year on.
pub const FIRST_DAY: Date = date(1970, 1, 1);
/// The last day that a calendar can name: cron expressions fire up to its year.
pub const LAST_DAY: Date = date(2099, 12, 31);
/// The days of a week, the first one first.
pub const WEEKDAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "monday"),
    (Weekday::Tuesday, "tuesday"),
    (Weekday::Wednesday, "wednesday"),
    (Weekday::Thursday, "thursday"),
    (Weekday::Friday, "friday"),
    (Weekday::Saturday, "saturday"),
    (Weekday::Sunday, "sunday"),
];
const EVERY_WEEKDAY: u8 = 0b111_1111;

/// What becomes of an instant that lies on an excluded day, in the time zone of its schedule.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum ExcludedDay {
    /// It does not fire.
    #[default]
    #[n(0)]
    Skip,
    /// It fires at the same local time of the next day that is not excluded.
    #[n(1)]
    Next,
    /// It fires at the same local time of the last day before that is not excluded.
    #[n(2)]
    Previous,
}

/// A set of days: single dates, and days of the week. It never holds every day of the week, nor more than
/// [`CALENDAR_DATES_MAX`] dates.
///
/// Cheap to copy. In CBOR an array of the days of the week, as bits from Monday up, and of the dates, as bytes: how many
/// days after the date before each is (the first: after 1970-01-01), seven bits a byte, the lowest first, the eighth bit
/// set where more follow. Ten thousand dates have some ten kilobytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions {
    weekdays: u8,
    dates: Arc<[Date]>,
}

/// Days that no calendar can exclude.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExclusionsError {
    /// It would exclude everything.
    #[error("a calendar cannot exclude every day of the week")]
    EveryWeekday,
    /// More than [`CALENDAR_DATES_MAX`].
    #[error("a calendar has at most {CALENDAR_DATES_MAX} dates, not {0}")]
    TooMany(usize),
    /// Before [`FIRST_DAY`] or after [`LAST_DAY`].
    #[error("{0} is not within {FIRST_DAY} and {LAST_DAY}")]
    OutOfRange(Date),
}

impl Exclusions {
    /// These days; a date that is named twice counts once.
    ///
    /// # Errors
    /// There are too many of them, all days of the week are among them, or a date lies outside of what cron knows.
    pub fn new(
        mut dates: Vec<Date>,
        weekdays: impl IntoIterator<Item = Weekday>,
    ) -> Result<Self, ExclusionsError> {
        let weekdays = weekdays.into_iter().fold(0, |set, day| set | bit(day));
        if weekdays == EVERY_WEEKDAY {
            return Err(ExclusionsError::EveryWeekday);
        }
        if let Some(out) = dates.iter().find(|day| !is_known(**day)) {
            return Err(ExclusionsError::OutOfRange(*out));
        }
        dates.sort_unstable();
        dates.dedup();
        if dates.len() > CALENDAR_DATES_MAX {
            return Err(ExclusionsError::TooMany(dates.len()));
        }
        let dates = dates.into();
        Ok(Self { weekdays, dates })
    }

    /// Whether a day is excluded.
    pub fn contains(&self, day: Date) -> bool {
        self.weekdays & bit(day.weekday()) != 0 || self.dates.binary_search(&day).is_ok()
    }

    /// The single dates, the earliest first.
    pub fn dates(&self) -> &[Date] {
        &self.dates
    }

    /// The days of the week, as words.
    pub fn weekdays(&self) -> impl Iterator<Item = &'static str> + '_ {
        let has = |(day, word): (Weekday, &'static str)| {
            let has = self.weekdays & bit(day) != 0;
            has.then_some(word)
        };
        WEEKDAYS.into_iter().filter_map(has)
    }
}

/// The day of the week that a word means: `saturday`.
pub fn weekday(word: &str) -> Option<Weekday> {
    let mut days = WEEKDAYS.into_iter();
    days.find(|(_, name)| name.eq_ignore_ascii_case(word))
        .map(|(day, _)| day)
}

fn is_known(day: Date) -> bool {
    (FIRST_DAY..=LAST_DAY).contains(&day)
}

fn bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset()
}

fn days_after(before: Date, day: Date) -> u32 {
    let hours = day.duration_since(before).as_hours();
    u32::try_from(hours / 24).unwrap_or(0)
}

fn push(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        bytes.push(low | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
}

impl<C> Encode<C> for Exclusions {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        let mut bytes = Vec::with_capacity(self.dates.len());
        let mut before = FIRST_DAY;
        for day in &*self.dates {
            push(&mut bytes, days_after(before, *day));
            before = *day;
        }
        e.array(2)?.u8(self.weekdays)?.bytes(&bytes)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Exclusions {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let fields = d.array()?.unwrap_or(2);
        let weekdays = d.u8()?;
        let bytes = d.bytes()?;
        // What a later release adds.
        for _ in 2..fields {
            d.skip()?;
        }
        let dates = dates_of(bytes).ok_or_else(|| decode::Error::message("no list of dates"))?;
        let weekdays = WEEKDAYS
            .into_iter()
            .map(|(day, _)| day)
            .filter(|day| weekdays & bit(*day) != 0);
        Self::new(dates, weekdays).map_err(decode::Error::custom)
    }
}

fn dates_of(bytes: &[u8]) -> Option<Vec<Date>> {
    let mut dates = Vec::new();
    let (mut day, mut after, mut shift) = (FIRST_DAY, 0_u32, 0_u32);
    for byte in bytes {
        after |= u32::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            day = day
                .checked_add(SignedDuration::from_hours(24 * i64::from(after)))
                .ok()?;
            dates.push(day);
            (after, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(dates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(dates: &[&str], weekdays: &[&str]) -> Result<Exclusions, ExclusionsError> {
        let dates = dates.iter().map(|day| day.parse().unwrap()).collect();
        Exclusions::new(dates, weekdays.iter().map(|word| weekday(word).unwrap()))
    }

    #[test]
    fn days_are_excluded_by_date_and_by_day_of_the_week() {
        let days = days(&["2026-12-25", "2026-01-01", "2026-12-25"], &["Sunday"]).unwrap();
        assert_eq!(days.dates(), [date(2026, 1, 1), date(2026, 12, 25)]);
        assert_eq!(days.weekdays().collect::<Vec<_>>(), ["sunday"]);
        assert!(days.contains(date(2026, 12, 25)) && days.contains(date(2026, 12, 27)));
        assert!(!days.contains(date(2026, 12, 26)));
    }

    #[test]
    fn what_no_calendar_can_exclude_is_refused() {
        let all = WEEKDAYS.map(|(_, word)| word);
        assert_eq!(days(&[], &all), Err(ExclusionsError::EveryWeekday));
        let early = date(1969, 12, 31);
        assert_eq!(
            days(&["1969-12-31"], &[]),
            Err(ExclusionsError::OutOfRange(early))
        );
        assert!(days(&["2099-12-31"], &[]).is_ok() && days(&["2100-01-01"], &[]).is_err());
        let first = jiff::civil::Date::new(2000, 1, 1).unwrap();
        let many = first
            .series(jiff::Span::new().days(1))
            .take(CALENDAR_DATES_MAX + 1);
        assert_eq!(
            Exclusions::new(many.collect(), []),
            Err(ExclusionsError::TooMany(CALENDAR_DATES_MAX + 1))
        );
    }

    #[test]
    fn the_stored_form_is_small_and_reads_back() {
        let every_third = FIRST_DAY
            .series(jiff::Span::new().days(3))
            .take(CALENDAR_DATES_MAX);
        let most = Exclusions::new(every_third.collect(), [Weekday::Sunday]).unwrap();
        for days in [
            most,
            days(&["1970-01-01", "2099-12-31"], &[]).unwrap(),
            Exclusions::default(),
        ] {
            let bytes = minicbor::to_vec(&days).unwrap();
            assert!(bytes.len() < 11 * 1024, "{} bytes", bytes.len());
            assert_eq!(minicbor::decode::<Exclusions>(&bytes).unwrap(), days);
        }
        let stored = minicbor::to_vec(days(&["1970-01-02", "1971-01-02"], &["saturday"]).unwrap());
        assert_eq!(stored.unwrap(), [0x82, 0x18, 0x20, 0x43, 0x01, 0xed, 0x02]);
    }

    #[test]
    fn bytes_that_are_no_days_are_an_error() {
        for bytes in [
            &[0x82, 0x18, 0x7f, 0x40][..],
            &[0x82, 0, 0x41, 0x80],
            &[0x82, 0, 0x43, 0xff, 0xff, 0x7f],
        ] {
            assert!(minicbor::decode::<Exclusions>(bytes).is_err(), "{bytes:?}");
        }
    }
}
