//! Times in answers and requests.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, civil};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::WAIT_MAX;
use crate::problem::Problem;

/// An instant as the clocks of a zone show it, with its offset.
pub(crate) fn in_zone(at: Timestamp, zone: &str) -> String {
    let Ok(zone) = TimeZone::get(zone) else {
        return at.to_string();
    };
    let local = at.to_zoned(zone);
    local.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}

/// The years that runs stand for. Beyond them no calendar of theirs goes on.
const YEARS: RangeInclusive<i16> = 1..=9998;

/// Whether a run may stand for it.
pub(crate) fn is_of_runs(day: civil::Date) -> bool {
    YEARS.contains(&day.year())
}

/// When something is, as people write it: an instant, or a day or a time that clocks of some zone show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// With its offset.
    At(Timestamp),
    /// Without one.
    Local(civil::DateTime),
}

impl When {
    /// The instant. A time that the clocks of the zone skip is taken for the one as much later as they skip, one that they
    /// show twice for the first (RFC 5545, 3.3.5).
    pub(crate) fn at(self, zone: &TimeZone) -> Timestamp {
        let local = match self {
            Self::At(at) => return at,
            Self::Local(local) => local,
        };
        let at = zone.to_ambiguous_timestamp(local).compatible();
        // never: within [`YEARS`] there is one
        at.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// A text, if it is one of them, and runs can stand for it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let when = if text.contains('[') {
            // with the name of its zone, which is not to be passed over
            Self::At(text.parse::<Zoned>().ok()?.timestamp())
        } else if let Ok(at) = text.parse() {
            Self::At(at)
        } else {
            Self::Local(text.parse().ok()?)
        };
        let day = match when {
            Self::At(at) => at.to_zoned(TimeZone::UTC).date(),
            Self::Local(local) => local.date(),
        };
        is_of_runs(day).then_some(when)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| {
            let shown = short(&text);
            de::Error::custom(format!(
                "`{shown}` is no time: write `2026-03-01`, `2026-03-01T06:00` or `2026-03-01T06:00:00+01:00`"
            ))
        })
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(at) => serializer.collect_str(at),
            Self::Local(local) => serializer.collect_str(local),
        }
    }
}

/// `20s`, `500ms`, or a number of seconds; at most [`WAIT_MAX`].
pub(crate) fn wait(given: Option<&str>) -> Result<Duration, Problem> {
    let Some(given) = given.map(str::trim) else {
        return Ok(Duration::ZERO);
    };
    let seconds = given
        .parse::<u32>()
        .ok()
        .map(|s| Duration::from_secs(s.into()));
    let friendly = || {
        let wait = given.parse::<jiff::SignedDuration>().ok()?;
        Duration::try_from(wait).ok()
    };
    let wait = seconds.or_else(friendly).ok_or_else(|| {
        Problem::bad_request(format!("`wait`: `{}` is no duration", short(given)))
            .hint("write `20s`")
    })?;
    Ok(wait.min(WAIT_MAX))
}

/// What is shown of a text that somebody sent.
pub(crate) fn short(text: &str) -> String {
    clipped(text, 80)
}

/// So many characters, without those that would control a terminal.
pub(crate) fn clipped(text: &str, chars_max: usize) -> String {
    let shown = text.chars().take(chars_max);
    let shown = shown.map(|c| if controls(c) { '\u{fffd}' } else { c });
    let mut shown: String = shown.collect();
    if text.chars().nth(chars_max).is_some() {
        shown.push('…');
    }
    shown
}

/// Control characters, and the marks that turn the direction of what follows.
fn controls(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_and_bounded() {
        assert_eq!(wait(Some("1500ms")).unwrap(), Duration::from_millis(1500));
        assert_eq!(wait(Some("3")).unwrap(), Duration::from_secs(3));
        assert_eq!(wait(Some("1h")).unwrap(), WAIT_MAX);
        assert_eq!(wait(None).unwrap(), Duration::ZERO);
        assert!(wait(Some("soon")).is_err() && wait(Some("-5s")).is_err());
    }

    #[test]
    fn instants_carry_the_offset_of_their_zone() {
        let at = "2026-03-29T01:30:00Z".parse().unwrap();
        assert_eq!(in_zone(at, "Europe/Berlin"), "2026-03-29T03:30:00+02:00");
    }
}
