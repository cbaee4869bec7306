use jiff::Timestamp;
use jiff::tz::TimeZone;
use porpoise_cron::Cron;

use crate::choice;

const ZONES: [&str; 4] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
];

/// A cron expression. Its fires come one after the other, and each is the latest at itself.
pub fn cron(bytes: &[u8]) {
    let Some((first, text)) = choice(bytes) else {
        return;
    };
    let Ok(cron) = Cron::parse(text) else {
        return;
    };
    let zone = ZONES.get(first % ZONES.len());
    let zone = zone.and_then(|zone| TimeZone::get(zone).ok());
    let zone = zone.unwrap_or(TimeZone::UTC);
    let Ok(mut before) = Timestamp::from_second(1_711_843_200) else {
        return;
    };
    let fires: Vec<Timestamp> = cron.fires(before, &zone).take(20).collect();
    assert_eq!(
        cron.next_after(before, &zone),
        fires.first().copied(),
        "the first fire"
    );
    for fire in fires {
        assert!(before < fire, "{text}: {fire} is not after {before}");
        assert_eq!(
            cron.previous_at_or_before(fire, before, &zone),
            Some(fire),
            "{text}"
        );
        before = fire;
    }
}
