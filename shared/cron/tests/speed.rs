//! Prints how long the searches take. Ignored by default: times say nothing in a debug build or on a busy machine.
#![expect(clippy::disallowed_methods, reason = "measures real time")]

use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use porpoise_cron::Cron;

#[test]
#[ignore = "measures: run in release with --ignored --nocapture"]
fn a_thousand_fires_take_less_than_five_milliseconds() {
    let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    for zone in [
        "UTC",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ] {
        let zone = TimeZone::get(zone).unwrap();
        for text in [
            "* * * * * ?",
            "* * * * *",
            "30 2 * * *",
            "0 0 0 31 2 ? *",
            "0 0 0 29 2 ? *",
            "0 0 0 29 2 ? 2100-2200",
            "0 30 2 8-14 3 ?",
            "0 0 0 ? 2 SUN#5",
            "0 0 9 LW * ?",
            "0 0 29 2 1",
        ] {
            let cron = Cron::parse(text).unwrap();
            let start = Instant::now();
            let count = cron.fires(now, &zone).take(1_000).count();
            let forward = start.elapsed();
            let start = Instant::now();
            let previous = cron.previous_at_or_before(now, Timestamp::MIN, &zone);
            let backward = start.elapsed();
            println!(
                "{text:24} {zone:?} {count:4} fires {forward:?}, previous {previous:?} {backward:?}"
            );
            assert!(forward.as_millis() < 5 && backward.as_millis() < 5);
        }
    }
}
