//! Fire times where the two dialects, the clock changes or the calendar need thought.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use porpoise_cron::Cron;

/// The next fires after a UTC instant, as local times with their offset.
fn fires(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let zone = TimeZone::get(zone).unwrap();
    let cron = Cron::parse(text).unwrap();
    let fires = cron.fires(after.parse().unwrap(), &zone).take(count);
    fires
        .map(|fire| {
            fire.to_zoned(zone.clone())
                .strftime("%m-%d %H:%M%:z")
                .to_string()
        })
        .collect()
}

#[test]
fn fixed_time_in_a_spring_gap_is_skipped_that_day() {
    let found = fires("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3);
    assert_eq!(
        found,
        [
            "03-28 02:30+01:00",
            "03-30 02:30+02:00",
            "03-31 02:30+02:00"
        ]
    );
}

#[test]
fn fixed_time_in_an_autumn_overlap_fires_once_at_the_second_pass() {
    for text in ["30 2 * * *", "0 30 2 * * ?"] {
        let found = fires(text, "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(found, ["10-25 02:30+01:00", "10-26 02:30+01:00"], "{text}");
    }
}

#[test]
fn unix_wildcard_hour_fires_in_every_real_hour() {
    for text in ["*/30 * * * *", "*/30 0-23 * * *"] {
        let found = fires(text, "Europe/Berlin", "2026-10-24T23:45:00Z", 6);
        let expected = [
            "02:00+02:00",
            "02:30+02:00",
            "02:00+01:00",
            "02:30+01:00",
            "03:00+01:00",
            "03:30+01:00",
        ];
        assert_eq!(
            found,
            expected.map(|time| format!("10-25 {time}")),
            "{text}"
        );
        let found = fires(text, "Europe/Berlin", "2026-03-29T00:15:00Z", 3);
        assert_eq!(
            found,
            [
                "03-29 01:30+01:00",
                "03-29 03:00+02:00",
                "03-29 03:30+02:00"
            ],
            "{text}"
        );
    }
}

/// Java's calendar, on which Quartz stands, reads a repeated local time as its second occurrence, always.
#[test]
fn quartz_wildcard_hour_is_silent_during_the_first_pass() {
    let found = fires("0 0/30 * * * ?", "Europe/Berlin", "2026-10-24T23:15:00Z", 3);
    assert_eq!(
        found,
        [
            "10-25 01:30+02:00",
            "10-25 02:00+01:00",
            "10-25 02:30+01:00"
        ]
    );
    let found = fires("0 0/30 * * * ?", "Europe/Berlin", "2026-10-25T00:40:00Z", 2);
    assert_eq!(found, ["10-25 02:00+01:00", "10-25 02:30+01:00"]);
}

#[test]
fn half_hour_changes_skip_and_repeat_half_an_hour() {
    let zone = "Australia/Lord_Howe";
    let found = fires("*/15 * * * *", zone, "2026-10-03T15:10:00Z", 3);
    assert_eq!(
        found,
        [
            "10-04 01:45+10:30",
            "10-04 02:30+11:00",
            "10-04 02:45+11:00"
        ]
    );
    let found = fires("*/15 * * * *", zone, "2026-04-04T14:40:00Z", 4);
    assert_eq!(
        found,
        [
            "04-05 01:45+11:00",
            "04-05 01:30+10:30",
            "04-05 01:45+10:30",
            "04-05 02:00+10:30"
        ]
    );
    let found = fires("*/15 1 * * *", zone, "2026-04-04T14:00:00Z", 4);
    assert_eq!(
        found,
        [
            "04-05 01:15+11:00",
            "04-05 01:30+10:30",
            "04-05 01:45+10:30",
            "04-06 01:00+10:30"
        ]
    );
}

#[test]
fn day_that_a_zone_leaves_out_does_not_fire() {
    let found = fires("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 3);
    assert_eq!(
        found,
        [
            "12-29 12:00-10:00",
            "12-31 12:00+14:00",
            "01-01 12:00+14:00"
        ]
    );
}

#[test]
fn restricted_unix_day_fields_match_either_and_starred_ones_both() {
    let found = fires("0 0 13 * FRI", "UTC", "2026-11-01T00:00:00Z", 4);
    assert_eq!(
        found,
        [
            "11-06 00:00+00:00",
            "11-13 00:00+00:00",
            "11-20 00:00+00:00",
            "11-27 00:00+00:00"
        ]
    );
    let found = fires("0 0 13 * 1", "UTC", "2026-11-01T00:00:00Z", 4);
    assert_eq!(
        found,
        [
            "11-02 00:00+00:00",
            "11-09 00:00+00:00",
            "11-13 00:00+00:00",
            "11-16 00:00+00:00"
        ]
    );
    let found = fires("0 0 */2 * 1", "UTC", "2026-11-01T00:00:00Z", 2);
    assert_eq!(found, ["11-09 00:00+00:00", "11-23 00:00+00:00"]);
}

#[test]
fn unix_sunday_is_0_and_7() {
    let expected = ["11-22 00:00+00:00", "11-29 00:00+00:00"];
    for text in ["0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "@weekly"] {
        assert_eq!(
            fires(text, "UTC", "2026-11-21T00:00:00Z", 2),
            expected,
            "{text}"
        );
    }
}

#[test]
fn nearest_weekdays_stay_within_the_month() {
    // 1 August 2026 is a Saturday, 31 May 2026 a Sunday.
    assert_eq!(
        fires("0 0 0 1W 8 ?", "UTC", "2026-01-01T00:00:00Z", 1),
        ["08-03 00:00+00:00"]
    );
    assert_eq!(
        fires("0 0 0 31W 5 ?", "UTC", "2026-01-01T00:00:00Z", 1),
        ["05-29 00:00+00:00"]
    );
    assert_eq!(
        fires("0 0 0 L-1W 5 ?", "UTC", "2026-01-01T00:00:00Z", 1),
        ["05-29 00:00+00:00"]
    );
    let found = fires("0 0 0 31W * ?", "UTC", "2026-01-31T00:00:00Z", 2);
    assert_eq!(
        found,
        ["03-31 00:00+00:00", "05-29 00:00+00:00"],
        "no 31W in a month without a 31st"
    );
}

#[test]
fn nothing_fires_outside_1970_to_2099() {
    let utc = TimeZone::UTC;
    for text in [
        "0 0 0 31 2 ? *",
        "0 0 0 29 2 ? 2100-2200",
        "0 0 0 * * ? 1969",
        "0 0 30 2 *",
        "0 0 0 L-30 2 ?",
    ] {
        let cron = Cron::parse(text).unwrap();
        assert_eq!(cron.next_after(Timestamp::MIN, &utc), None, "{text}");
        assert_eq!(
            cron.previous_at_or_before(Timestamp::MAX, Timestamp::MIN, &utc),
            None,
            "{text}"
        );
    }
    let minutely = Cron::parse("* * * * *").unwrap();
    let first = minutely.next_after(Timestamp::MIN, &utc);
    assert_eq!(first, Some(Timestamp::UNIX_EPOCH));
    let last = minutely
        .previous_at_or_before(Timestamp::MAX, Timestamp::MIN, &utc)
        .unwrap();
    assert_eq!(last.to_string(), "2099-12-31T23:59:00Z");
    assert_eq!(minutely.next_after(last, &utc), None);
}

#[test]
fn last_fire_of_2099_is_followed_by_none_in_every_zone() {
    for zone in ["America/New_York", "Asia/Shanghai", "Pacific/Apia"] {
        let zone = TimeZone::get(zone).unwrap();
        let cron = Cron::parse("59 23 31 12 *").unwrap();
        let last = cron.fires(Timestamp::UNIX_EPOCH, &zone).last().unwrap();
        let local: DateTime = "2099-12-31T23:59:00".parse().unwrap();
        assert_eq!(last, local.to_zoned(zone.clone()).unwrap().timestamp());
        assert_eq!(
            cron.previous_at_or_before(Timestamp::MAX, Timestamp::MIN, &zone),
            Some(last)
        );
    }
}

#[test]
fn previous_fire_is_never_in_a_first_pass_that_does_not_fire() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let in_the_first_pass = at("2026-10-25T00:40:00Z");
    let previous = |text: &str| {
        let cron = Cron::parse(text).unwrap();
        cron.previous_at_or_before(in_the_first_pass, Timestamp::MIN, &berlin)
    };
    assert_eq!(previous("0 0/30 * * * ?"), Some(at("2026-10-24T23:30:00Z")));
    assert_eq!(previous("30 2 * * *"), Some(at("2026-10-24T00:30:00Z")));
    assert_eq!(previous("*/30 * * * *"), Some(at("2026-10-25T00:30:00Z")));
}

#[test]
fn bounds_are_exclusive_before_and_inclusive_after() {
    let utc = TimeZone::UTC;
    let cron = Cron::parse("* * * * *").unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let noon = at("2026-11-21T12:00:00Z");
    assert_eq!(
        cron.next_after(noon, &utc),
        Some(at("2026-11-21T12:01:00Z"))
    );
    assert_eq!(
        cron.next_after(at("2026-11-21T11:59:59.999Z"), &utc),
        Some(noon)
    );
    assert_eq!(
        cron.next_after(at("1969-12-31T23:59:59.5Z"), &utc),
        Some(Timestamp::UNIX_EPOCH)
    );
    assert_eq!(
        cron.previous_at_or_before(noon, at("2026-11-21T11:00:00Z"), &utc),
        Some(noon)
    );
    assert_eq!(
        cron.previous_at_or_before(
            at("2026-11-21T12:00:00.5Z"),
            at("2026-11-21T11:59:59.5Z"),
            &utc
        ),
        Some(noon)
    );
    assert_eq!(cron.previous_at_or_before(noon, noon, &utc), None);
    assert_eq!(
        cron.previous_at_or_before(at("2026-11-21T12:00:30Z"), noon, &utc),
        None
    );
    let between = cron.fires_between(noon, at("2026-11-21T12:03:00Z"), 10, &utc);
    assert_eq!(
        between,
        ["12:01", "12:02", "12:03"].map(|time| at(&format!("2026-11-21T{time}:00Z")))
    );
    assert_eq!(
        cron.fires_between(noon, at("2026-11-21T12:03:00Z"), 2, &utc)
            .len(),
        2
    );
}

#[test]
fn the_same_times_on_every_day_are_those_of_the_expression_that_says_so() {
    for (text, daily) in [
        ("30 2 13 * FRI", "30 2 * * *"),
        ("@monthly", "0 0 * * *"),
        ("*/15 * 1 1 *", "*/15 * * * *"),
        ("0 30 2 L-3W * ?", "0 30 2 * * ?"),
        ("0/20 0 6-8 ? FEB 2#5 2028", "0/20 0 6-8 * * ?"),
    ] {
        let every = Cron::parse(text).unwrap().on_every_day();
        let daily = Cron::parse(daily).unwrap();
        assert_eq!(every, daily, "{text}");
        assert_eq!(Cron::parse(&every.to_string()).unwrap(), daily, "{text}");
    }
}

#[test]
fn an_expression_names_a_day_whatever_the_time() {
    let days = jiff::civil::date(1969, 12, 1).series(jiff::Span::new().days(1));
    let named: Vec<_> = days
        .take(100)
        .filter(|day| Cron::parse("0 0 31 * *").unwrap().names(*day))
        .collect();
    assert_eq!(named, ["1970-01-31".parse().unwrap()]);
}
