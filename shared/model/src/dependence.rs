//! What a task waits for that waits for runs of other workflows: which of them, and of when.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::Name;

/// The times for which there has to be a run, counted from the instant that the waiting run stands for.
///
/// Each is a list of intervals, of a day or of an hour, and each interval needs its run. Source: `DolphinScheduler`'s
/// `dateValue`, which has a word for each of them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// The hour itself.
    ThisHour,
    /// The hour before.
    LastHour,
    /// Each of the two hours before.
    #[serde(rename = "last_2_hours")]
    Last2Hours,
    /// Each of the three hours before.
    #[serde(rename = "last_3_hours")]
    Last3Hours,
    /// Each of the 24 hours before.
    #[serde(rename = "last_24_hours")]
    Last24Hours,
    /// The day itself.
    Today,
    /// The day before.
    LastDay,
    /// Each of the two days before.
    #[serde(rename = "last_2_days")]
    Last2Days,
    /// Each of the three days before.
    #[serde(rename = "last_3_days")]
    Last3Days,
    /// Each of the seven days before.
    #[serde(rename = "last_7_days")]
    Last7Days,
    /// Each day from Monday to the day itself.
    ThisWeek,
    /// Each day of the week before, from Monday to Sunday.
    LastWeek,
    /// Monday of the week before.
    LastMonday,
    /// Tuesday of the week before.
    LastTuesday,
    /// Wednesday of the week before.
    LastWednesday,
    /// Thursday of the week before.
    LastThursday,
    /// Friday of the week before.
    LastFriday,
    /// Saturday of the week before.
    LastSaturday,
    /// Sunday of the week before.
    LastSunday,
    /// Each day from the first of the month to the day itself.
    ThisMonth,
    /// The first of the month.
    ThisMonthBegin,
    /// The last day of the month; in the dialects of `DolphinScheduler` the first, as there.
    ThisMonthEnd,
    /// Each day of the month before.
    LastMonth,
    /// The first day of the month before.
    LastMonthBegin,
    /// The last day of the month before.
    LastMonthEnd,
}

/// The words of `DolphinScheduler`, and ours.
const DATE_VALUES: [(&str, Period); 25] = [
    ("currentHour", Period::ThisHour),
    ("last1Hour", Period::LastHour),
    ("last2Hours", Period::Last2Hours),
    ("last3Hours", Period::Last3Hours),
    ("last24Hours", Period::Last24Hours),
    ("today", Period::Today),
    ("last1Days", Period::LastDay),
    ("last2Days", Period::Last2Days),
    ("last3Days", Period::Last3Days),
    ("last7Days", Period::Last7Days),
    ("thisWeek", Period::ThisWeek),
    ("lastWeek", Period::LastWeek),
    ("lastMonday", Period::LastMonday),
    ("lastTuesday", Period::LastTuesday),
    ("lastWednesday", Period::LastWednesday),
    ("lastThursday", Period::LastThursday),
    ("lastFriday", Period::LastFriday),
    ("lastSaturday", Period::LastSaturday),
    ("lastSunday", Period::LastSunday),
    ("thisMonth", Period::ThisMonth),
    ("thisMonthBegin", Period::ThisMonthBegin),
    ("thisMonthEnd", Period::ThisMonthEnd),
    ("lastMonth", Period::LastMonth),
    ("lastMonthBegin", Period::LastMonthBegin),
    ("lastMonthEnd", Period::LastMonthEnd),
];

impl Period {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        DATE_VALUES.into_iter().map(|(_, period)| period)
    }

    /// What `DolphinScheduler` calls this `dateValue`; `None`: it knows no such one, and waits for ever.
    pub fn of_date_value(word: &str) -> Option<Self> {
        let known = DATE_VALUES.iter().find(|(known, _)| *known == word);
        known.map(|(_, period)| *period)
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ThisHour => "this_hour",
            Self::LastHour => "last_hour",
            Self::Last2Hours => "last_2_hours",
            Self::Last3Hours => "last_3_hours",
            Self::Last24Hours => "last_24_hours",
            Self::Today => "today",
            Self::LastDay => "last_day",
            Self::Last2Days => "last_2_days",
            Self::Last3Days => "last_3_days",
            Self::Last7Days => "last_7_days",
            Self::ThisWeek => "this_week",
            Self::LastWeek => "last_week",
            Self::LastMonday => "last_monday",
            Self::LastTuesday => "last_tuesday",
            Self::LastWednesday => "last_wednesday",
            Self::LastThursday => "last_thursday",
            Self::LastFriday => "last_friday",
            Self::LastSaturday => "last_saturday",
            Self::LastSunday => "last_sunday",
            Self::ThisMonth => "this_month",
            Self::ThisMonthBegin => "this_month_begin",
            Self::ThisMonthEnd => "this_month_end",
            Self::LastMonth => "last_month",
            Self::LastMonthBegin => "last_month_begin",
            Self::LastMonthEnd => "last_month_end",
        }
    }
}

/// What there has to be of other workflows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Runs of a workflow.
    Runs(Box<Runs>),
    /// All of these.
    All(Vec<Self>),
    /// At least one of these.
    Any(Vec<Self>),
}

/// Runs of a workflow: one for each interval of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// Whose workflow it is; none: that of the workflow that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// The workflow.
    pub workflow: Name,
    /// What of each run has to have ended well.
    #[serde(default, skip_serializing_if = "Part::is_whole")]
    pub part: Part,
    /// For which times.
    pub period: Period,
    /// Only for those at which the workflow's schedule fires.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_scheduled: bool,
}

/// What of a run is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// How it ended.
    #[default]
    Whole,
    /// How this task of it ended.
    Task(Name),
    /// How each of its tasks ended. Source: `DolphinScheduler` 3.2 and later, `depTaskCode` -1.
    AllTasks,
}

impl Part {
    /// Whether it is the end of the run.
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }
}

/// What is known of a need, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Verdict {
    /// It is met.
    #[n(0)]
    Met,
    /// It is not, and will not be by itself.
    #[n(1)]
    Failed,
    /// Not yet.
    #[n(2)]
    Open,
}

impl Verdict {
    /// Of several of which each is needed: failed as soon as one is.
    pub fn all(each: impl IntoIterator<Item = Self>) -> Self {
        each.into_iter()
            .fold(Self::Met, |all, one| match (all, one) {
                (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
                (Self::Open, _) | (_, Self::Open) => Self::Open,
                (Self::Met, Self::Met) => Self::Met,
            })
    }

    /// Of several of which one is needed: met as soon as one is.
    pub fn any(each: impl IntoIterator<Item = Self>) -> Self {
        each.into_iter()
            .fold(Self::Failed, |any, one| match (any, one) {
                (Self::Met, _) | (_, Self::Met) => Self::Met,
                (Self::Open, _) | (_, Self::Open) => Self::Open,
                (Self::Failed, Self::Failed) => Self::Failed,
            })
    }
}

impl Need {
    /// The runs that it names, in the order in which they are written: by this they are counted.
    pub fn runs(&self) -> Vec<&Runs> {
        match self {
            Self::Runs(runs) => vec![runs],
            Self::All(needs) | Self::Any(needs) => needs.iter().flat_map(Self::runs).collect(),
        }
    }

    /// What is known of it, by what is known of the runs that it names, by their positions.
    pub fn verdict(&self, of: &dyn Fn(u32) -> Verdict) -> Verdict {
        self.counted(of, &mut 0)
    }

    /// Recursive: no deeper than a definition may be.
    fn counted(&self, of: &dyn Fn(u32) -> Verdict, next: &mut u32) -> Verdict {
        let mut each = |needs: &[Self]| -> Vec<Verdict> {
            let verdicts = needs.iter().map(|need| need.counted(of, next));
            verdicts.collect()
        };
        match self {
            Self::Runs(_) => {
                let verdict = of(*next);
                *next += 1;
                verdict
            }
            Self::All(needs) => Verdict::all(each(needs)),
            Self::Any(needs) => Verdict::any(each(needs)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_period_has_one_word_here_and_one_in_dolphinscheduler() {
        for period in Period::all() {
            let word = serde_json::to_string(&period).unwrap();
            assert_eq!(word, format!("\"{}\"", period.as_str()));
        }
        let words: std::collections::BTreeSet<_> = Period::all().map(Period::as_str).collect();
        assert_eq!(words.len(), DATE_VALUES.len());
        assert_eq!(
            Period::of_date_value("lastMonthEnd"),
            Some(Period::LastMonthEnd)
        );
        assert_eq!(Period::of_date_value("bogusValue"), None);
    }

    #[test]
    fn all_fail_as_soon_as_one_failed_and_any_is_met_as_soon_as_one_is() {
        use Verdict::{Failed, Met, Open};
        for (each, all, any) in [
            (vec![], Met, Failed),
            (vec![Met, Met], Met, Met),
            (vec![Open, Failed], Failed, Open),
            (vec![Failed, Open, Met], Failed, Met),
            (vec![Met, Open], Open, Met),
            (vec![Failed, Failed], Failed, Failed),
        ] {
            assert_eq!(Verdict::all(each.clone()), all, "{each:?}");
            assert_eq!(Verdict::any(each.clone()), any, "{each:?}");
        }
    }

    #[test]
    fn runs_are_counted_in_the_order_in_which_they_are_written() {
        let runs = |name: &str| {
            Need::Runs(Box::new(Runs {
                project: None,
                workflow: name.parse().unwrap(),
                part: Part::Whole,
                period: Period::Today,
                only_scheduled: false,
            }))
        };
        let need = Need::All(vec![
            Need::Any(vec![runs("a"), runs("b")]),
            runs("c"),
            Need::All(Vec::new()),
            runs("d"),
        ]);
        let names: Vec<_> = need
            .runs()
            .iter()
            .map(|runs| runs.workflow.as_str())
            .collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        let met = |which: &[u32]| {
            let which = which.to_vec();
            need.verdict(&move |at| {
                if which.contains(&at) {
                    Verdict::Met
                } else {
                    Verdict::Open
                }
            })
        };
        assert_eq!(met(&[1, 2, 3]), Verdict::Met);
        assert_eq!(met(&[0, 1, 3]), Verdict::Open);
    }
}
