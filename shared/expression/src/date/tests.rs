use super::*;

const ALL: [Dialect; 7] = Dialect::ALL;

fn berlin(base: &str) -> Instant {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    Instant::local(base.parse().unwrap(), zone).unwrap()
}

fn value(base: &str, expression: &str) -> String {
    evaluate(expression, &berlin(base), Dialect::Porpoise1).unwrap()
}

fn fault(expression: &str) -> DateError {
    evaluate(expression, &berlin("2024-02-29T00:00"), Dialect::Porpoise1).unwrap_err()
}

#[test]
fn months_are_clamped_to_their_last_day() {
    assert_eq!(
        value("2023-03-31T00:00", "add_months(yyyyMMdd,1)"),
        "20230430"
    );
    assert_eq!(
        value("2024-03-31T00:00", "add_months(yyyyMMdd,-1)"),
        "20240229"
    );
    assert_eq!(
        value("2024-02-29T00:00", "add_months(yyyyMMdd,12)"),
        "20250228"
    );
    assert_eq!(
        value("2023-01-31T00:00", "month_last_day(yyyyMMdd,1)"),
        "20230228"
    );
}

#[test]
fn leap_days_are_counted() {
    assert_eq!(value("2024-02-28T00:00", "yyyyMMdd+1"), "20240229");
    assert_eq!(value("2023-02-28T00:00", "yyyyMMdd+1"), "20230301");
    assert_eq!(value("2024-02-10T00:00", "month_end(dd,0)"), "29");
    assert_eq!(value("1900-02-10T00:00", "month_end(dd,0)"), "28");
}

#[test]
fn functions_keep_the_time_of_day() {
    let base = "2024-02-29T12:34:56";
    for function in [
        "month_begin",
        "month_end",
        "week_begin",
        "week_end",
        "add_months",
    ] {
        let expression = format!("{function}(HHmmss,1)");
        assert_eq!(value(base, &expression), "123456", "{function}");
    }
}

#[test]
fn weeks_begin_on_monday() {
    let sunday = "2024-03-03T00:00";
    assert_eq!(value(sunday, "week_begin(yyyyMMdd,0)"), "20240226");
    assert_eq!(value(sunday, "week_end(yyyyMMdd,0)"), "20240303");
    let monday = "2024-03-04T00:00";
    assert_eq!(value(monday, "week_begin(yyyyMMdd,0)"), "20240304");
    assert_eq!(value(monday, "week_last_day(yyyyMMdd,-1)"), "20240303");
}

#[test]
fn clock_changes_do_not_move_dates() {
    // The day before the clock goes forward at 02:00, and the day of it.
    assert_eq!(
        value("2026-03-28T02:30", "yyyy-MM-dd HH:mm+1"),
        "2026-03-29 02:30"
    );
    assert_eq!(value("2026-03-29T03:30", "HH:mm-1/24"), "02:30");
    // The day on which it goes back has 24 hours here too.
    assert_eq!(value("2026-10-25T23:00", "dd HH-24/24"), "24 23");
}

#[test]
fn the_year_of_a_week_is_its_own_natively_and_the_days_otherwise() {
    let instant = berlin("2017-01-01T00:00");
    let shown = |dialect| evaluate("year_week(yyyy-MM)", &instant, dialect).unwrap();
    assert_eq!(shown(Dialect::Porpoise1), "2016-52");
    assert_eq!(shown(Dialect::DolphinScheduler32), "2017-52");
    assert_eq!(value("2020-12-31T00:00", "year_week(yyyyMM)"), "202053");
    assert_eq!(value("2024-12-30T00:00", "year_week(yyyyMM)"), "202501");
}

#[test]
fn a_timestamp_is_read_back_in_the_zone() {
    let base = "2026-07-01T00:00";
    assert_eq!(value(base, "timestamp(yyyyMMddHHmmss)"), "1782856800");
    assert_eq!(value(base, "timestamp(yyyyMM31HHmmss)"), "1785448800");
    assert_eq!(value(base, "timestamp(yyyyMMdd240000)"), "1782943200");
    let feb = "2023-02-01T00:00";
    let clamped = value(feb, "timestamp(yyyyMM31HHmmss)");
    assert_eq!(
        clamped,
        value(feb, "timestamp(month_end(yyyyMMddHHmmss,0))")
    );
    let error = fault("timestamp(yyyyMMdd)");
    assert_eq!(error, DateFault::NotATimestamp("20240229".into()).at(10));
}

#[test]
fn functions_of_single_days_are_unknown_to_the_older_dialect() {
    let instant = berlin("2024-02-29T00:00");
    for expression in [
        "this_day(dd)",
        "last_day(dd)",
        "month_first_day(dd)",
        "year_week(yyyy)",
    ] {
        for dialect in ALL {
            let known = evaluate(expression, &instant, dialect).is_ok();
            assert_eq!(known, !dialect.is_before_3_2(), "{expression} in {dialect}");
        }
    }
}

#[test]
fn faults_name_their_place() {
    assert_eq!(fault("yyyyMMdd-1x"), DateFault::Unexpected('x').at(10));
    assert_eq!(fault("yyyyMMdd-1/0"), DateFault::DivisionByZero.at(10));
    assert_eq!(fault("yyyyMMdd-1/24)"), DateFault::Unexpected(')').at(13));
    assert_eq!(fault("yyyyMMdd-"), DateFault::NothingAfterSign.at(8));
    assert_eq!(fault("add_months(yyyy, 1+)"), DateFault::Incomplete.at(19));
    assert_eq!(
        fault("add_months(yyyy)"),
        DateFault::CountMissing("add_months").at(11)
    );
    assert_eq!(
        fault("timestamp(add_months(yyyyl,1))"),
        DateFault::Letter('l').at(25)
    );
    assert_eq!(fault("unknown(yyyy,1)"), DateFault::Letter('o').at(4));
    assert_eq!(fault(""), DateFault::NoField.at(0));
    assert_eq!(fault("yyyyMMdd+2147483647"), DateFault::OutOfRange.at(8));
    assert_eq!(fault(&"y".repeat(2000)), DateFault::TooLong.at(1024));
}
