//! The words of the enumerations, with their meanings. Reading and writing go through serde: the model's words.

use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error};

pub(crate) type Words = &'static [(&'static str, &'static str)];

pub(crate) const TRIGGERS: Words = &[
    ("all_succeeded", "All tasks above succeeded (the default)."),
    ("all_done", "All tasks above ended, in whatever way."),
    ("one_succeeded", "As soon as one task above succeeded."),
    (
        "one_failed",
        "As soon as one task above failed, was canceled or could not run.",
    ),
    (
        "none_failed",
        "All tasks above ended and none failed; skipped ones are fine.",
    ),
    (
        "none_failed_min_one_succeeded",
        "All tasks above ended, none failed, and at least one succeeded.",
    ),
    (
        "all_done_min_one_ran",
        "All tasks above ended, and at least one of them ran (the default of `conditions`).",
    ),
    ("always", "At once, whatever the tasks above do."),
];
pub(crate) const ENDINGS: Words = &[
    (
        "succeeded",
        "It succeeded, or somebody decided so, or it is disabled.",
    ),
    ("failed", "It failed, was canceled, or could not run."),
    ("skipped", "It was not run, on purpose."),
];
pub(crate) const METHODS: Words = &[
    ("get", "To read (the default)."),
    ("post", "To add, or to set something going."),
    ("put", "To set."),
    ("patch", "To change a part."),
    ("delete", "To remove."),
    ("head", "The headers of what would be read."),
];
pub(crate) const PERIODS: Words = &[
    ("this_hour", "The hour itself."),
    ("last_hour", "The hour before."),
    ("last_2_hours", "Each of the two hours before."),
    ("last_3_hours", "Each of the three hours before."),
    ("last_24_hours", "Each of the 24 hours before."),
    ("today", "The day itself."),
    ("last_day", "The day before."),
    ("last_2_days", "Each of the two days before."),
    ("last_3_days", "Each of the three days before."),
    ("last_7_days", "Each of the seven days before."),
    ("this_week", "Each day from Monday to the day itself."),
    (
        "last_week",
        "Each day of the week before, from Monday to Sunday.",
    ),
    ("last_monday", "Monday of the week before."),
    ("last_tuesday", "Tuesday of the week before."),
    ("last_wednesday", "Wednesday of the week before."),
    ("last_thursday", "Thursday of the week before."),
    ("last_friday", "Friday of the week before."),
    ("last_saturday", "Saturday of the week before."),
    ("last_sunday", "Sunday of the week before."),
    (
        "this_month",
        "Each day from the first of the month to the day itself.",
    ),
    ("this_month_begin", "The first of the month."),
    ("this_month_end", "The last day of the month."),
    ("last_month", "Each day of the month before."),
    ("last_month_begin", "The first day of the month before."),
    ("last_month_end", "The last day of the month before."),
];
pub(crate) const BACKOFFS: Words = &[
    ("fixed", "The delay stays the same (the default)."),
    ("exponential", "The delay doubles each time."),
];
pub(crate) const TIMEOUT_ACTIONS: Words = &[
    ("fail", "It is stopped and counts as failed (the default)."),
    ("warn", "It goes on, and the fact is recorded."),
];
pub(crate) const FAILURE_STRATEGIES: Words = &[
    (
        "continue",
        "What does not depend on the failed task goes on (the default).",
    ),
    ("end", "What runs is stopped, nothing new starts."),
];
pub(crate) const CONCURRENCIES: Words = &[
    ("parallel", "All runs at once (the default)."),
    (
        "serial_wait",
        "One run at a time, in the order of their creation.",
    ),
    (
        "serial_discard",
        "One run at a time; a run that comes meanwhile is canceled.",
    ),
    (
        "serial_priority",
        "One run at a time; a run that comes meanwhile stops the one that runs and discards those that wait.",
    ),
];
pub(crate) const PRIORITIES: Words = &[
    ("highest", "First of all."),
    ("high", "Before the rest."),
    ("medium", "The usual (the default)."),
    ("low", "After the usual."),
    ("lowest", "Last of all."),
];
pub(crate) const OCCASIONS: Words = &[
    ("succeeded", "The run ended, and succeeded."),
    ("failed", "The run ended, and failed."),
    ("canceled", "The run ended, and was canceled."),
    (
        "task_failed",
        "A task failed, and there is no further attempt.",
    ),
    (
        "late",
        "The run, or an attempt of a task, takes longer than its `timeout`, whatever happens then.",
    ),
];
pub(crate) const MISSED: Words = &[
    (
        "latest",
        "The latest missed instant runs, the others do not (the default).",
    ),
    ("skip", "None of them runs."),
];
pub(crate) const EXCLUDED: Words = &[
    ("skip", "It does not fire (the default)."),
    (
        "next",
        "It fires at the same local time of the next day that is not excluded.",
    ),
    (
        "previous",
        "It fires at the same local time of the last day before that is not excluded.",
    ),
];
pub(crate) const VALUE_TYPES: Words = &[
    ("varchar", "Text (the default)."),
    ("integer", "A whole number of 32 bits."),
    ("long", "A whole number of 64 bits."),
    ("float", "A number of 32 bits."),
    ("double", "A number of 64 bits."),
    ("date", "A day: 2026-11-21."),
    ("time", "A time of day: 02:30:00."),
    ("timestamp", "A day and a time: 2026-11-21 02:30:00."),
    ("boolean", "true or false."),
    ("list", "A JSON list."),
    ("file", "The name of a file."),
];

/// The variant of a word.
pub(crate) fn read<T: DeserializeOwned>(word: &str) -> Option<T> {
    let deserializer: serde::de::value::StrDeserializer<'_, Error> = word.into_deserializer();
    T::deserialize(deserializer).ok()
}

/// The word of a variant.
pub(crate) fn write<T: Serialize>(variant: &T) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use porpoise_model::ValueType;
    use porpoise_model::dependence::Period;
    use porpoise_model::workflow::{
        Backoff, Concurrency, ExcludedDay, FailureStrategy, MissedFires, Occasion, Priority,
        TimeoutAction, TriggerRule,
    };

    use super::*;

    /// The words of the model's own schema.
    fn model<T: schemars::JsonSchema>() -> Vec<String> {
        let schema = schemars::schema_for!(T).to_value();
        let words = schema["oneOf"].as_array().unwrap();
        words
            .iter()
            .map(|word| word["const"].as_str().unwrap().to_owned())
            .collect()
    }

    fn agree<T: schemars::JsonSchema + DeserializeOwned + Serialize>(words: Words) {
        let known: Vec<_> = words.iter().map(|(word, _)| (*word).to_owned()).collect();
        assert_eq!(known, model::<T>());
        for word in known {
            assert_eq!(write(&read::<T>(&word).unwrap()), word);
        }
    }

    #[test]
    fn words_are_those_of_the_model() {
        agree::<TriggerRule>(TRIGGERS);
        agree::<porpoise_model::http::Method>(METHODS);
        agree::<Period>(PERIODS);
        agree::<Backoff>(BACKOFFS);
        agree::<TimeoutAction>(TIMEOUT_ACTIONS);
        agree::<FailureStrategy>(FAILURE_STRATEGIES);
        agree::<Concurrency>(CONCURRENCIES);
        agree::<Priority>(PRIORITIES);
        agree::<Occasion>(OCCASIONS);
        agree::<MissedFires>(MISSED);
        agree::<ExcludedDay>(EXCLUDED);
        agree::<ValueType>(VALUE_TYPES);
    }
}
