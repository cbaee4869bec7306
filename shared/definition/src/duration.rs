//! Durations as people write them: `90s`, `1m`, `1h30m`, `2d`, `250ms`, and a bare `0`.

use std::fmt::Write as _;
use std::time::Duration;

use porpoise_model::limits::DELAY_SECONDS_MAX;

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("is no duration")]
    Malformed,
    #[error("has no unit")]
    NoUnit,
    #[error("is longer than {} days", DELAY_SECONDS_MAX / 86_400)]
    TooLong,
}

impl DurationError {
    pub(crate) fn hint(&self, text: &str) -> Option<String> {
        match self {
            Self::Malformed => Some("write it like `90s`, `5m`, `1h30m` or `2d`".into()),
            Self::NoUnit => Some(format!(
                "write `{text}s` for seconds, `{text}m` for minutes"
            )),
            Self::TooLong => None,
        }
    }
}

/// Reads a duration: numbers with units, the largest unit first, each unit at most once.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c: char| !c.is_ascii_digit());
        let (unit, after) = split(after, |c: char| c.is_ascii_digit());
        if number.is_empty() {
            return Err(DurationError::Malformed);
        }
        if unit.is_empty() && number == text {
            return Err(DurationError::NoUnit);
        }
        let size = units
            .by_ref()
            .find(|(word, _)| *word == unit)
            .map(|(_, size)| *size)
            .ok_or(DurationError::Malformed)?;
        // A number too large for 64 bits is too long in any unit.
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(size));
        millis = part
            .and_then(|part| millis.checked_add(part))
            .ok_or(DurationError::TooLong)?;
        rest = after;
    }
    let duration = Duration::from_millis(millis);
    match i64::try_from(duration.as_secs()) {
        _ if text.is_empty() => Err(DurationError::Malformed),
        Ok(seconds) if seconds <= DELAY_SECONDS_MAX => Ok(duration),
        Ok(_) | Err(_) => Err(DurationError::TooLong),
    }
}

fn split(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Writes a duration in whole milliseconds so that [`parse`] gives it back.
pub(crate) fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (word, size) in UNITS {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            let _ = write!(text, "{count}{word}");
        }
    }
    if text.is_empty() {
        text.push('0');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_people_mean_them() {
        for (text, seconds) in [
            ("0", 0),
            ("90s", 90),
            ("1m", 60),
            ("1h30m", 5_400),
            ("2d", 172_800),
            ("366d", 31_622_400),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("1m250ms"), Ok(Duration::from_millis(60_250)));
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for text in [
            "", "m", "1", "1.5h", "-1s", "1m1h", "1h1h", "1 h", "1H", "1w", "1h30", "+1s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("5"), Err(DurationError::NoUnit));
        assert_eq!(parse("366d1s"), Err(DurationError::TooLong));
        assert_eq!(parse("99999999999999999999d"), Err(DurationError::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0_u64..=31_622_400_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
