//! What parses, how it prints, and what is said about what does not parse.

use porpoise_cron::{Cron, Dialect, Field};

fn normalised(text: &str) -> String {
    Cron::parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .to_string()
}

fn faults(text: &str) -> Vec<String> {
    let error = Cron::parse(text).expect_err(text);
    let lines = error
        .faults
        .iter()
        .map(|fault| format!("{:?} {fault}", &text[fault.span.clone()]));
    lines.collect()
}

#[test]
fn normalised_text_is_one_form_of_many_spellings() {
    for (text, expected) in [
        (" 05  2 * *\t* ", "5 2 * * *"),
        ("*/1 */5 1,02 jan-Mar mon-FRI", "* */5 1,2 1-3 1-5"),
        ("0 0 * * fri-sun", "0 0 * * 5-7"),
        ("3/20 0 * * *", "3/20 0 * * *"),
        ("@Daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@yearly", "0 0 1 1 *"),
        ("0 0 0 * * ? *", "0 0 0 * * ?"),
        ("/5 0 0 l-3w * ?", "*/5 0 0 L-3W * ?"),
        (
            "0 0 0 LW JAN,jul ? 2030-2032/2",
            "0 0 0 LW 1,7 ? 2030-2032/2",
        ),
        ("0 0 0 1,015w * ?", "0 0 0 1,15W * ?"),
        ("0 0 0 ? * fri#3", "0 0 0 ? * 6#3"),
        ("0 0 0 ? * friL", "0 0 0 ? * 6L"),
        ("0 0 0 ? * L", "0 0 0 ? * 7"),
        ("0 0 22-2 ? * SAT-TUE", "0 0 22-2 ? * 7-3"),
    ] {
        assert_eq!(normalised(text), expected, "{text}");
        assert_eq!(Cron::parse(&normalised(text)), Cron::parse(text), "{text}");
    }
}

#[test]
fn number_of_fields_tells_the_dialect() {
    assert_eq!(Cron::parse("* * * * *").unwrap().dialect(), Dialect::Unix);
    assert_eq!(
        Cron::parse("* * * * * ?").unwrap().dialect(),
        Dialect::Quartz
    );
    assert_eq!(Cron::parse("@hourly").unwrap().dialect(), Dialect::Unix);
    assert!(Cron::parse_as("* * * * *", Dialect::Quartz).is_err());
    assert!(Cron::parse_as("@hourly", Dialect::Quartz).is_err());
    assert!(Cron::parse_as("* * * * * ?", Dialect::Unix).is_err());
}

#[test]
fn all_faults_are_reported_at_once_with_their_place() {
    assert_eq!(
        faults("61 24 0,32 FOO 5-2"),
        [
            r#""61" minute: `61` is out of range 0..=59"#,
            r#""24" hour: `24` is out of range 0..=23"#,
            r#""0" day of month: `0` is out of range 1..=31"#,
            r#""32" day of month: `32` is out of range 1..=31"#,
            r#""FOO" month: `FOO` is not a value, allowed is 1..=12 and JAN to DEC"#,
            r#""5-2" day of week: range `5-2` runs backwards, write `5-7,0-2`"#,
        ]
    );
    assert_eq!(
        faults("60 */0 1-99 L,3 13 2L,8 2030-2020"),
        [
            r#""60" second: `60` is out of range 0..=59"#,
            r#""0" minute: step `0` is out of range 1..=59"#,
            r#""99" hour: `99` is out of range 0..=23"#,
            r#""L" day of month: `L` cannot stand in a list, allowed there are days, ranges, steps and forms such as `15W`"#,
            r#""13" month: `13` is out of range 1..=12 and JAN to DEC"#,
            r#""2L" day of week: `2L` cannot stand in a list, allowed there are days, ranges and steps"#,
            r#""2L,8" day of week: exactly one of day of month and day of week must be `?`, here neither is"#,
            r#""8" day of week: `8` is out of range 1..=7 and SUN to SAT"#,
            r#""2030-2020" year: range `2030-2020` runs backwards, write `2020-2030`"#,
        ]
    );
}

#[test]
fn each_faulty_form_names_its_field() {
    use Field::{DayOfMonth, DayOfWeek, Expression, Hour, Minute, Month, Second, Year};
    for (text, field) in [
        ("", Expression),
        ("* * * *", Expression),
        ("* * * * * ? * *", Expression),
        ("@reboot", Expression),
        ("? 0 * * *", Minute),
        ("1,,2 0 * * *", Minute),
        ("1- 0 * * *", Minute),
        ("/5 0 * * *", Minute),
        ("*/ 0 * * *", Minute),
        ("*/5/5 0 * * *", Minute),
        ("+5 0 * * *", Minute),
        ("５ 0 * * *", Minute),
        ("0 99999999999999999999 * * *", Hour),
        ("0 22-2 * * *", Hour),
        ("0 0 L * *", DayOfMonth),
        ("0 0 15W * *", DayOfMonth),
        ("0 0 ? * 1", DayOfMonth),
        ("0 0 * JANUARY *", Month),
        ("0 0 * * 5L", DayOfWeek),
        ("0 0 * * 5#3", DayOfWeek),
        ("0 0 * * 8", DayOfWeek),
        ("L 0 0 * * ?", Second),
        ("0 0/77 0 * * ?", Minute),
        ("0 0 0 W * ?", DayOfMonth),
        ("0 0 0 32W * ?", DayOfMonth),
        ("0 0 0 1-5W * ?", DayOfMonth),
        ("0 0 0 L-31 * ?", DayOfMonth),
        ("0 0 0 L3 * ?", DayOfMonth),
        ("0 0 0 15C * ?", DayOfMonth),
        ("0 0 0 ? * 0", DayOfWeek),
        ("0 0 0 ? * 6#6", DayOfWeek),
        ("0 0 0 ? * 6#0", DayOfWeek),
        ("0 0 0 ? * 6#3,2", DayOfWeek),
        ("0 0 0 ? * L-2", DayOfWeek),
        ("0 0 0 1 * *", DayOfWeek),
        ("0 0 0 * * ? ?", Year),
        ("0 0 0 * * ? 20255", Year),
    ] {
        let error = Cron::parse(text).expect_err(text);
        let fields: Vec<_> = error.faults.iter().map(|fault| fault.field).collect();
        assert_eq!(fields, [field], "{text}: {error}");
        assert!(
            text.get(error.faults[0].span.clone()).is_some(),
            "{text}: {error}"
        );
        let message = &error.faults[0].message;
        assert!(
            ["allowed", "range", "must", "write"]
                .iter()
                .any(|word| message.contains(word)),
            "{error}"
        );
    }
}

#[test]
fn long_texts_are_refused_whole() {
    let text = "0,".repeat(1_000_000);
    let error = Cron::parse(&text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expression: 2000000 bytes are too long, allowed are 1000"
    );
}
