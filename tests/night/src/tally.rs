//! What went wrong in many nights, and how often: what a night is for has to have happened.

use std::collections::BTreeMap;

use crate::outcome::Outcome;

/// What is counted, by fault and operation (none: any port), and in words.
const ROWS: [(&str, Option<&str>, &str); 30] = [
    ("lost", Some("news"), "events of the service lost"),
    ("doubled", Some("news"), "events of the service twice"),
    (
        "overtaken",
        Some("news"),
        "events of the service after a later one",
    ),
    (
        "killed before",
        None,
        "functions killed before a call took effect",
    ),
    ("killed after", None, "functions killed after it did"),
    (
        "took too long",
        Some("function"),
        "functions ended because they took too long",
    ),
    (
        "cold",
        Some("function"),
        "functions that Lambda forgot between two calls",
    ),
    (
        "failed before",
        None,
        "calls of ports that failed, without effect",
    ),
    (
        "failed after",
        None,
        "calls of ports that took effect, and failed",
    ),
    (
        "throttled",
        Some("item"),
        "calls of tables that were throttled",
    ),
    ("delayed", None, "calls that were delayed"),
    ("lost", Some("intents"), "batches of intents lost"),
    ("doubled", Some("intents"), "batches of intents twice"),
    ("late", Some("intents"), "batches of intents late"),
    ("lost", Some("wake"), "wakes lost"),
    ("doubled", Some("inputs"), "batches of inputs twice"),
    (
        "lost",
        Some("deletion"),
        "batches of inputs again after they were done",
    ),
    ("stopped", Some("loop"), "poll loops stopped by somebody"),
    ("failed", Some("job"), "jobs that failed"),
    (
        "too fast",
        Some("request"),
        "requests refused by the documented rates",
    ),
    ("throttled", Some("request"), "requests throttled"),
    (
        "failed",
        Some("request"),
        "requests that failed, without effect",
    ),
    (
        "failed after",
        Some("request"),
        "requests that took effect, and failed",
    ),
    (
        "reset before",
        Some("request"),
        "connections reset before the request",
    ),
    (
        "reset after",
        Some("request"),
        "connections reset before the answer",
    ),
    (
        "time-out before",
        Some("request"),
        "time-outs, without effect",
    ),
    (
        "time-out after",
        Some("request"),
        "time-outs after the effect",
    ),
    ("torn", Some("request"), "answers that ended in the middle"),
    ("twice", Some("request"), "requests carried out twice"),
    (
        "skewed",
        Some("request"),
        "requests refused because of a wrong clock",
    ),
];

/// What need not happen: who keeps to the documented rates is never refused by them.
const MAY_BE_MISSING: &str = "requests refused by the documented rates";

/// What went wrong.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// By row: how often, and in how many nights.
    counts: BTreeMap<&'static str, (u64, u64)>,
}

impl Tally {
    /// Adds a night.
    pub fn add(&mut self, outcome: &Outcome) {
        for (fault, op, words) in ROWS {
            let fits = |known: &str| match op {
                None => known != "request" && known != "function",
                Some("item") => known.ends_with("item"),
                Some(op) => known == op,
            };
            let counts = outcome.counts.iter();
            let counts = counts.filter(|(known, at, _)| *known == fault && fits(at));
            let times: u64 = counts.map(|(_, _, count)| count).sum();
            let (all, nights) = self.counts.entry(words).or_default();
            *all += times;
            *nights += u64::from(times > 0);
        }
    }

    /// What is counted, how often it was, and in how many nights.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        ROWS.iter().map(|(_, _, words)| {
            let (times, nights) = self.counts.get(words).copied().unwrap_or_default();
            (*words, times, nights)
        })
    }

    /// What never was, and should have been.
    pub fn missing(&self) -> Vec<&'static str> {
        let never = self
            .rows()
            .filter(|(words, times, _)| *times == 0 && *words != MAY_BE_MISSING);
        never.map(|(words, _, _)| words).collect()
    }
}
