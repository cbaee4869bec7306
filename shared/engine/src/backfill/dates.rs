//! The logical dates of a backfill.

use jiff::Timestamp;
use minicbor::{Decode, Encode};

use crate::run::state::Time;
use crate::schedule::SpecError;
use crate::schedule::calendar::{Fires, Observed, before};

/// Which dates a backfill has. Read in the time zone of its runs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Dates {
    /// The fires of a cron.
    #[n(0)]
    Range {
        /// Not before this,
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        from: Timestamp,
        /// and not after this: both ends belong to it.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        to: Timestamp,
        /// As written; valid.
        #[n(2)]
        cron: String,
        /// The calendar that its workflow's schedule follows, as it stood.
        #[n(3)]
        calendar: Option<Observed>,
    },
    /// These, the earliest first, none twice.
    #[n(1)]
    List(#[n(0)] Vec<Time>),
}

/// Dates that were read: a set in an order.
#[derive(Debug, Clone)]
pub struct Series<'d> {
    dates: Read<'d>,
    descending: bool,
}

#[derive(Debug, Clone)]
enum Read<'d> {
    Range {
        fires: Box<Fires>,
        from: Timestamp,
        to: Timestamp,
    },
    List(&'d [Time]),
}

impl Dates {
    /// These dates, each once and in order.
    pub fn list(mut dates: Vec<Timestamp>) -> Self {
        dates.sort_unstable();
        dates.dedup();
        Self::List(dates.into_iter().map(Time).collect())
    }

    /// Reads them.
    ///
    /// # Errors
    /// The cron or the time zone is none.
    pub fn read(&self, timezone: &str, descending: bool) -> Result<Series<'_>, SpecError> {
        let dates = match self {
            Self::List(dates) => Read::List(dates),
            Self::Range {
                from,
                to,
                cron,
                calendar,
            } => Read::Range {
                fires: Box::new(Fires::of(cron, timezone, calendar.as_ref())?),
                from: *from,
                to: *to,
            },
        };
        Ok(Series { dates, descending })
    }
}

impl Series<'_> {
    /// The first so many of them, in their order.
    pub fn first(&self, limit: usize) -> Vec<Timestamp> {
        let mut dates = Vec::new();
        let mut next = self.next(None);
        while let Some(date) = next.filter(|_| dates.len() < limit) {
            dates.push(date);
            next = self.next(Some(date));
        }
        dates
    }

    /// The one that comes behind this one, or the first.
    pub fn next(&self, behind: Option<Timestamp>) -> Option<Timestamp> {
        match (&self.dates, self.descending) {
            (Read::Range { fires, from, to }, false) => {
                let after = behind.unwrap_or_else(|| before(*from)).max(before(*from));
                let next = fires.next_after(after);
                next.filter(|next| next <= to)
            }
            (Read::Range { fires, from, to }, true) => {
                let at = behind.map_or(*to, |behind| before(behind).min(*to));
                fires.previous_at_or_before(at, before(*from))
            }
            (Read::List(dates), false) => {
                let passed = |date: &Time| behind.is_some_and(|behind| date.0 <= behind);
                dates.get(dates.partition_point(passed)).map(|date| date.0)
            }
            (Read::List(dates), true) => {
                let left = |date: &Time| behind.is_none_or(|behind| date.0 < behind);
                let left = dates.partition_point(left);
                dates.get(..left)?.last().map(|date| date.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;
    use porpoise_model::Exclusions;
    use porpoise_model::workflow::ExcludedDay;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn range(from: &str, to: &str, cron: &str) -> Dates {
        Dates::Range {
            from: at(from),
            to: at(to),
            cron: cron.to_owned(),
            calendar: None,
        }
    }

    fn all(dates: &Dates, zone: &str, descending: bool) -> Vec<String> {
        let dates = dates.read(zone, descending).unwrap().first(100);
        dates.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn both_ends_of_a_range_belong_to_it() {
        let days = range("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "0 0 * * *");
        let expected = [
            "2026-01-01T00:00:00Z",
            "2026-01-02T00:00:00Z",
            "2026-01-03T00:00:00Z",
        ];
        assert_eq!(all(&days, "UTC", false), expected);
        let mut reversed = expected;
        reversed.reverse();
        assert_eq!(all(&days, "UTC", true), reversed);
    }

    #[test]
    fn an_hour_that_a_zone_leaves_out_or_has_twice_is_as_in_its_schedule() {
        let hours = range("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z", "0 * * * *");
        assert_eq!(all(&hours, "Europe/Berlin", false).len(), 3);
        let nights = range("2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z", "30 2 * * *");
        let up = all(&nights, "Europe/Berlin", false);
        let mut down = all(&nights, "Europe/Berlin", true);
        down.reverse();
        assert_eq!(up, down);
    }

    #[test]
    fn a_range_follows_the_calendar_of_its_schedule_in_both_orders() {
        let weekend = Exclusions::new(Vec::new(), [Weekday::Saturday, Weekday::Sunday]);
        let dates = |policy| Dates::Range {
            from: at("2026-03-06T00:00:00Z"),
            to: at("2026-03-09T23:59:59Z"),
            cron: "0 6 * * FRI,SAT".to_owned(),
            calendar: Some(Observed {
                calendar: "bank".parse().unwrap(),
                revision: 1,
                policy,
                exclusions: weekend.clone().unwrap(),
            }),
        };
        for (policy, days) in [
            (ExcludedDay::Skip, &["06"][..]),
            (ExcludedDay::Next, &["06", "09"]),
            (ExcludedDay::Previous, &["06"]),
        ] {
            let expected: Vec<String> = days
                .iter()
                .map(|day| format!("2026-03-{day}T06:00:00Z"))
                .collect();
            assert_eq!(all(&dates(policy), "UTC", false), expected, "{policy:?}");
            let mut down = all(&dates(policy), "UTC", true);
            down.reverse();
            assert_eq!(down, expected, "{policy:?}");
        }
    }

    #[test]
    fn a_list_is_in_order_and_names_nothing_twice() {
        let list = Dates::list(vec![
            at("2026-01-05T00:00:00Z"),
            at("2026-01-02T00:00:00Z"),
            at("2026-01-05T00:00:00Z"),
        ]);
        let expected = ["2026-01-02T00:00:00Z", "2026-01-05T00:00:00Z"];
        assert_eq!(all(&list, "UTC", false), expected);
        assert_eq!(all(&list, "UTC", true), [expected[1], expected[0]]);
        assert!(all(&Dates::list(Vec::new()), "UTC", true).is_empty());
    }

    #[test]
    fn what_is_no_cron_and_no_zone_is_said() {
        let broken = range("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "61 * * * *");
        assert!(broken.read("UTC", false).is_err());
        let days = range("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "0 0 * * *");
        assert!(days.read("Europe/Nowhere", false).is_err());
    }
}
