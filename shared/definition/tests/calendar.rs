//! Calendars: lists of days and iCalendar files, sound and broken.

use jiff::civil::{Date, date};
use porpoise_definition::read_calendar;

const YEAR: i16 = 2026;

fn days(file: &str) -> Vec<String> {
    let read =
        read_calendar("c", file.as_bytes(), YEAR).unwrap_or_else(|faults| panic!("{faults}"));
    read.dates().iter().map(ToString::to_string).collect()
}

fn faults(file: &[u8]) -> String {
    read_calendar("c", file, YEAR).unwrap_err().to_string()
}

/// A file with one event of these lines.
fn event(lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:u1\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn within(lines: &str, from: Date, to: Date) -> Vec<String> {
    let read = read_calendar("c", event(lines).as_bytes(), YEAR)
        .unwrap_or_else(|faults| panic!("{faults}"));
    let dates = read.dates().iter().filter(|day| (from..=to).contains(day));
    dates.map(ToString::to_string).collect()
}

#[test]
fn a_list_names_dates_and_days_of_the_week() {
    let read = read_calendar(
        "c",
        b"dates: [2026-12-25, 2026-01-01]\nweekdays: [saturday, Sunday]",
        YEAR,
    )
    .unwrap();
    assert_eq!(read.dates(), [date(2026, 1, 1), date(2026, 12, 25)]);
    assert_eq!(read.weekdays().collect::<Vec<_>>(), ["saturday", "sunday"]);
    assert_eq!(days("{\"dates\": [\"2026-12-25\"]}"), ["2026-12-25"]);
    assert!(days("{}").is_empty());
}

#[test]
fn a_list_with_faults_says_all_of_them() {
    insta::assert_snapshot!(faults(b"dates: [2026-13-01, 2026-12-25T06:00]\nweekdays: [saterday]\nholidays: []"), @"
    c:1:9: dates[0]: `2026-13-01` is no day; write `2026-12-25`
    c:1:21: dates[1]: `2026-12-25T06:00` is no day; write `2026-12-25`
    c:2:12: weekdays[0]: `saterday` is no day of the week; did you mean `saturday`?
    c:3:1: holidays: no field named `holidays`; known here: dates, weekdays
    ");
    assert!(
        faults(b"weekdays: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]")
            .contains("every day of the week")
    );
    assert!(faults(b"dates: [1969-12-31]").contains("1969-12-31 is not within"));
    assert!(faults(b"- 2026-12-25").contains("c:1:1"));
    assert!(faults(b"{}\n---\n{}").contains("one document"));
}

#[test]
fn an_event_has_the_days_up_to_the_one_before_its_end() {
    assert_eq!(
        days(&event(
            "DTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261227"
        )),
        ["2026-12-24", "2026-12-25", "2026-12-26"]
    );
    assert_eq!(
        days(&event("DTSTART:20261224\r\nDURATION:P2D")),
        ["2026-12-24", "2026-12-25"]
    );
    assert_eq!(
        days(&event(
            "DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261224"
        )),
        ["2026-12-24"]
    );
    assert_eq!(
        days(&event(
            "DTSTART;VALUE=DATE:20261224\nRDATE;VALUE=DATE:20270105,20270106\nEXDATE;VALUE=DATE:20270105"
        )),
        ["2026-12-24", "2027-01-06"]
    );
}

#[test]
fn folded_lines_other_components_and_canceled_events_are_read_as_they_are_meant() {
    let file = "\u{feff}BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nBEGIN:STANDARD\nDTSTART:19701025T030000\nEND:STANDARD\nEND:VTIMEZONE\n\
        BEGIN:VEVENT\nUID:a\nSUMMARY;LANGUAGE=\"de:x\":Heilig\n  Abend: DTSTART\nDTSTART;VALUE=DATE:2026\n 1224\n\
        BEGIN:VALARM\nTRIGGER:-PT15M\nEND:VALARM\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:b\nSTATUS:CANCELLED\nDTSTART;VALUE=DATE:20261225\nEND:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(days(file), ["2026-12-24"]);
}

#[test]
fn an_event_that_stands_for_a_day_of_a_series_replaces_it() {
    let file = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=MONTHLY;COUNT=3\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:a\nRECURRENCE-ID;VALUE=DATE:20260201\nDTSTART;VALUE=DATE:20260202\nEND:VEVENT\nEND:VCALENDAR";
    assert_eq!(days(file), ["2026-01-01", "2026-02-02", "2026-03-01"]);
}

/// Days from the examples of RFC 5545, section 3.8.5.3, moved to whole days and to our span where they are older.
#[test]
fn rules_recur_as_the_standard_says() {
    let (from, to) = (date(2026, 1, 1), date(2028, 12, 31));
    for (start, rule, expected) in [
        (
            "20260105",
            "FREQ=DAILY;INTERVAL=10;COUNT=3",
            &["2026-01-05", "2026-01-15", "2026-01-25"][..],
        ),
        (
            "20260105",
            "FREQ=DAILY;UNTIL=20260107T235959Z",
            &["2026-01-05", "2026-01-06", "2026-01-07"],
        ),
        (
            "20260106",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            &["2026-01-06", "2026-01-11", "2026-01-20", "2026-01-25"],
        ),
        (
            "20260106",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            &["2026-01-06", "2026-01-18", "2026-01-20", "2026-02-01"],
        ),
        (
            "20260102",
            "FREQ=MONTHLY;COUNT=3;BYDAY=1FR",
            &["2026-01-02", "2026-02-06", "2026-03-06"],
        ),
        (
            "20260126",
            "FREQ=MONTHLY;COUNT=2;BYDAY=-1MO",
            &["2026-01-26", "2026-02-23"],
        ),
        (
            "20260131",
            "FREQ=MONTHLY;COUNT=3",
            &["2026-01-31", "2026-03-31", "2026-05-31"],
        ),
        (
            "20260130",
            "FREQ=MONTHLY;COUNT=3;BYMONTHDAY=-2",
            &["2026-01-30", "2026-02-27", "2026-03-30"],
        ),
        (
            "20260213",
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=3",
            &["2026-02-13", "2026-03-13", "2026-11-13"],
        ),
        (
            "20260130",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=3",
            &["2026-01-30", "2026-02-27", "2026-03-31"],
        ),
        (
            "20260518",
            "FREQ=YEARLY;BYDAY=20MO;COUNT=2",
            &["2026-05-18", "2027-05-17"],
        ),
        (
            "20261126",
            "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;COUNT=2",
            &["2026-11-26", "2027-11-25"],
        ),
        (
            "20260410",
            "FREQ=YEARLY;BYYEARDAY=100,-1;COUNT=3",
            &["2026-04-10", "2026-12-31", "2027-04-10"],
        ),
        ("20240229", "FREQ=YEARLY", &["2028-02-29"]),
        (
            "16011225",
            "FREQ=YEARLY",
            &["2026-12-25", "2027-12-25", "2028-12-25"],
        ),
        ("20250704", "FREQ=YEARLY;INTERVAL=2", &["2027-07-04"]),
        (
            "20260101",
            "FREQ=YEARLY;BYMONTH=1,2;COUNT=3",
            &["2026-01-01", "2026-02-01", "2027-01-01"],
        ),
    ] {
        let lines = format!("DTSTART;VALUE=DATE:{start}\nRRULE:{rule}");
        assert_eq!(within(&lines, from, to), expected, "{rule}");
    }
}

#[test]
fn what_recurs_without_end_is_expanded_over_ten_years_either_way() {
    let all = days(&event("DTSTART;VALUE=DATE:19900101\nRRULE:FREQ=YEARLY"));
    assert_eq!(
        (
            all.len(),
            all.first().unwrap().as_str(),
            all.last().unwrap().as_str()
        ),
        (22, "1990-01-01", "2036-01-01")
    );
    assert_eq!(all[1], "2016-01-01");
}

#[test]
fn what_cannot_be_read_is_said_with_its_line_and_its_event() {
    for (lines, said) in [
        ("DTSTART:20261225T080000Z", "`DTSTART` has a time of day"),
        (
            "DTSTART;VALUE=DATE:20261225\nDTEND:20261225T120000",
            "`DTEND` has a time of day",
        ),
        ("DTSTART;VALUE=DATE:20261325", "`DTSTART` is no day"),
        ("SUMMARY:x", "the event has no `DTSTART`"),
        (
            "DTSTART;VALUE=DATE:20261225\nDTSTART;VALUE=DATE:20261226",
            "has `DTSTART` twice",
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261224",
            "ends before it starts",
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nDURATION:PT3H",
            "no number of whole days",
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=HOURLY",
            "`FREQ=HOURLY` is not read",
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;BYWEEKNO=20",
            "`BYWEEKNO=20` is not read",
        ),
        ("DTSTART;VALUE=DATE:20261225\nRRULE:COUNT=2", "no `FREQ`"),
        (
            "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=DAILY;INTERVAL=0",
            "`INTERVAL=0` is not read",
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=WEEKLY;BYDAY=1MO",
            "`BYDAY` has a number",
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nEXRULE:FREQ=DAILY",
            "`EXRULE` is not read",
        ),
        ("no line at all", "is no line of an iCalendar file"),
    ] {
        let found = faults(event(lines).as_bytes());
        assert!(found.contains(said) && found.starts_with("c:"), "{found}");
    }
    insta::assert_snapshot!(faults(event("DTSTART:20261225T080000Z").as_bytes()), @"c:5:1: event u1: `DTSTART` has a time of day: `20261225T080000Z`; a calendar is made of whole days: `DTSTART;VALUE=DATE:20261225`");
    assert!(
        faults(b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\n")
            .contains("never ended")
    );
    assert!(faults(b"BEGIN:VCALENDAR\nEND:VEVENT\n").contains("ends nothing that was begun"));
    assert!(faults(b"BEGIN:VCALENDAR\nEND:VCALENDAR\n").contains("has no event"));
    assert!(faults(b"BEGIN:VCALENDAR\nX:\xff\n").contains("not UTF-8"));
}

#[test]
fn files_that_ask_for_too_much_end_in_a_fault_soon() {
    let rules = "RRULE:FREQ=DAILY;INTERVAL=1;COUNT=4000000\n".repeat(400);
    let asks = event(&format!("DTSTART;VALUE=DATE:16010101\n{rules}"));
    assert!(faults(asks.as_bytes()).contains("too many days"));
    let long = event("DTSTART;VALUE=DATE:19700101\nDTEND;VALUE=DATE:99990101");
    let found = faults(long.as_bytes());
    assert!(found.contains("too many days"), "{found}");
    let wide = event("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;INTERVAL=2147483647");
    assert_eq!(days(&wide), ["2026-01-01"]);
    let never = event("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30");
    assert_eq!(days(&never), ["2026-01-01"]);
    let deep = format!("BEGIN:VCALENDAR\n{}", "BEGIN:X\n".repeat(100_000));
    assert!(faults(deep.as_bytes()).contains("never ended"));
}
