use super::*;

fn quirky(at: &str, pattern: &str) -> Result<String, DateError> {
    format(at.parse().unwrap(), pattern, &Style::quirky())
}

fn native(at: &str, pattern: &str) -> Result<String, DateError> {
    let zone = TimeZone::get("Asia/Kolkata").unwrap();
    format(at.parse().unwrap(), pattern, &Style::native(&zone))
}

#[test]
fn every_letter_is_written_in_each_of_its_lengths() {
    let at = "2024-07-02T00:05:09.012345678"; // a Tuesday
    let cases = [
        ("y yy yyy yyyy yyyyy", "2024 24 2024 2024 02024"),
        ("u uu Y YY G GGGG GGGGG", "2024 24 2024 24 AD Anno Domini A"),
        ("M MM MMM MMMM MMMMM", "7 07 Jul July J"),
        ("Q QQ QQQ QQQQ QQQQQ", "3 03 Q3 3rd quarter 3"),
        ("d dd D DD DDD w ww W", "2 02 184 184 184 27 27 1"),
        ("E EE EEE EEEE EEEEE", "Tue Tue Tue Tuesday T"),
        ("e ee eee eeee c ccc", "3 03 Tue Tuesday 3 Tue"),
        ("a H HH k kk K KK h hh", "AM 0 00 24 24 0 00 12 12"),
        ("m mm s ss S SSS SSSSSSSSS", "5 05 9 09 0 012 012345678"),
        ("A n N", "309012 12345678 309012345678"),
    ];
    for (pattern, expected) in cases {
        assert_eq!(quirky(at, pattern).as_deref(), Ok(expected));
    }
}

#[test]
fn afternoons_and_negative_years_are_told() {
    assert_eq!(quirky("2024-07-02T13:00", "a h K k").unwrap(), "PM 1 1 13");
    assert_eq!(
        quirky("-000043-03-15T12:00", "y G u h").unwrap(),
        "44 BC -43 12"
    );
}

#[test]
fn text_is_literal_in_quotes_and_when_it_has_no_letters() {
    let at = "2024-07-02T00:00";
    assert_eq!(quirky(at, "yyyy'T'MM").unwrap(), "2024T07");
    assert_eq!(quirky(at, "yyyy'o''clock'''").unwrap(), "2024o'clock'");
    assert_eq!(quirky(at, "''yy[-MM][").unwrap(), "'24-07");
    assert_eq!(quirky(at, "yyyy年 (*1)/").unwrap(), "2024年 (*1)/");
}

#[test]
fn faults_are_found_where_they_are() {
    let at = "2024-07-02T00:00";
    let cases = [
        ("yyyyl", DateFault::Letter('l').at(4)),
        ("yyyy 'a", DateFault::UnclosedQuote.at(5)),
        ("dd]", DateFault::UnopenedOptional.at(2)),
        ("#", DateFault::Reserved('#').at(0)),
        (
            "年ddd",
            DateFault::LetterCount {
                letter: 'd',
                count: 3,
            }
            .at(3),
        ),
        (
            "cc",
            DateFault::LetterCount {
                letter: 'c',
                count: 2,
            }
            .at(0),
        ),
        ("XXX", DateFault::Letter('X').at(0)),
    ];
    for (pattern, expected) in cases {
        assert_eq!(quirky(at, pattern), Err(expected), "{pattern}");
    }
}

#[test]
fn every_letter_refuses_to_stand_too_often() {
    for letter in ('A'..='z').filter(char::is_ascii_alphabetic) {
        let pattern = letter.to_string().repeat(20);
        let found = native("2024-07-02T00:00", &pattern).unwrap_err();
        assert_eq!(found.position, 0, "{letter}");
    }
}

#[test]
fn native_patterns_know_iso_weeks_and_offsets() {
    let at = "2023-12-31T00:00";
    assert_eq!(native(at, "YYYY'W'ww-e").unwrap(), "2023W52-7");
    assert_eq!(quirky(at, "YYYY'W'ww-e").unwrap(), "2024W01-1");
    assert_eq!(
        native(at, "X XX XXX Z VV").unwrap(),
        "+0530 +0530 +05:30 +0530 Asia/Kolkata"
    );
    let zone = TimeZone::UTC;
    let utc = Style::native(&zone);
    let shown = format(at.parse().unwrap(), "X x xx xxx VV", &utc).unwrap();
    assert_eq!(shown, "Z +00 +0000 +00:00 UTC");
}

#[test]
fn native_patterns_refuse_what_is_probably_a_slip() {
    let at = "2023-12-31T00:00";
    assert_eq!(native(at, ""), Err(DateFault::NoField.at(0)));
    assert_eq!(native(at, "1"), Err(DateFault::NoField.at(0)));
    assert_eq!(native(at, "dd+(1)"), Err(DateFault::Reserved('(').at(3)));
    assert_eq!(native(at, "dd'('").unwrap(), "31(");
}
