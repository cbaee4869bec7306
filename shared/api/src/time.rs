//! Times in answers and requests.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

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
