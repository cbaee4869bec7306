//! Date patterns: the letters of `java.time.format.DateTimeFormatter`, in English.
//!
//! | letter | meaning | how many |
//! | --- | --- | --- |
//! | `y`, `u`, `Y` | year of the era, year, year of the week; two letters give two digits | 1 to 19 |
//! | `G` | era: `AD`, `Anno Domini`, `A` | 1 to 3, 4, 5 |
//! | `M`, `L` | month: `7`, `07`, `Jul`, `July`, `J` | 1 to 5 |
//! | `Q`, `q` | quarter: `3`, `03`, `Q3`, `3rd quarter`, `3` | 1 to 5 |
//! | `w`, `W` | week of the year, of the month | 1 to 2, 1 |
//! | `d`, `D` | day of the month, of the year | 1 to 2, 1 to 3 |
//! | `E` | weekday: `Tue`, `Tuesday`, `T` | 1 to 3, 4, 5 |
//! | `e`, `c` | number of the weekday, or like `E` from three on; not `cc` | 1 to 5 |
//! | `a` | `AM`, `PM` | 1 |
//! | `H`, `k`, `K`, `h` | hour 0 to 23, 1 to 24, 0 to 11, 1 to 12 | 1 to 2 |
//! | `m`, `s` | minute, second | 1 to 2 |
//! | `S` | fraction of the second | 1 to 9 |
//! | `A`, `n`, `N` | millisecond of the day, nanosecond of the second, of the day | 1 to 19 |
//! | `X`, `x` | offset: `+02`, `+0200`, `+02:00`; `X` gives `Z` for zero | 1 to 3, native only |
//! | `Z` | offset `+0200` | 1 to 3, native only |
//! | `VV` | zone: `Europe/Berlin` | 2, native only |
//!
//! `'text'` is literal, `''` a quote, `[` and `]` mark an optional part, which is always there when a date is
//! written; `{`, `}`, `#` and all other letters of the alphabet are reserved; the rest is literal.

use std::iter::Peekable;
use std::str::CharIndices;

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;

use super::fault::{DateError, DateFault};
use super::week::Weeks;

/// How a dialect reads patterns.
#[derive(Debug, Clone)]
pub(super) struct Style<'a> {
    weeks: Weeks,
    /// For the letters of offsets and zones.
    zone: Option<&'a TimeZone>,
    /// Whether what is probably a slip is a fault.
    strict: bool,
}

impl<'a> Style<'a> {
    pub(super) const fn native(zone: &'a TimeZone) -> Self {
        Self {
            weeks: Weeks::ISO,
            zone: Some(zone),
            strict: true,
        }
    }

    pub(super) const fn quirky() -> Self {
        Self {
            weeks: Weeks::USA,
            zone: None,
            strict: false,
        }
    }
}

/// Writes a wall clock as the pattern says.
pub(super) fn format(at: DateTime, pattern: &str, style: &Style<'_>) -> Result<String, DateError> {
    let mut out = String::with_capacity(pattern.len());
    let mut optional: usize = 0;
    let mut fields: usize = 0;
    let mut chars = pattern.char_indices().peekable();
    while let Some((position, c)) = chars.next() {
        match c {
            '\'' => quoted(&mut chars, &mut out).ok_or(DateFault::UnclosedQuote.at(position))?,
            '[' => optional = optional.saturating_add(1),
            ']' => {
                let open = optional.checked_sub(1);
                optional = open.ok_or(DateFault::UnopenedOptional.at(position))?;
            }
            '{' | '}' | '#' => return Err(DateFault::Reserved(c).at(position)),
            '(' | ')' | '*' if style.strict => return Err(DateFault::Reserved(c).at(position)),
            letter if letter.is_ascii_alphabetic() => {
                let mut count: usize = 1;
                while chars.next_if(|(_, next)| *next == letter).is_some() {
                    count = count.saturating_add(1);
                }
                fields = fields.saturating_add(1);
                let text = field(at, letter, count, style).map_err(|fault| fault.at(position))?;
                out.push_str(&text);
            }
            other => out.push(other),
        }
    }
    if style.strict && fields == 0 {
        return Err(DateFault::NoField.at(0));
    }
    Ok(out)
}

/// Takes the rest of a quoted text; `None` if it does not end. `''` is one quote, inside of quotes and outside.
fn quoted(chars: &mut Peekable<CharIndices<'_>>, out: &mut String) -> Option<()> {
    if chars.next_if(|(_, c)| *c == '\'').is_some() {
        out.push('\'');
        return Some(());
    }
    loop {
        match chars.next()?.1 {
            '\'' if chars.next_if(|(_, c)| *c == '\'').is_some() => out.push('\''),
            '\'' => return Some(()),
            c => out.push(c),
        }
    }
}

fn field(at: DateTime, letter: char, count: usize, style: &Style<'_>) -> Result<String, DateFault> {
    let date = at.date();
    let hour = i64::from(at.hour());
    let padded =
        |value: i64, count_max: usize| (count <= count_max).then(|| format!("{value:0count$}"));
    let text = match letter {
        'u' => year(i64::from(at.year()), count),
        'y' => year(year_of_era(at), count),
        'Y' => year(style.weeks.of_year(date).0, count),
        'G' => era(at, count),
        'M' | 'L' => month(at, count),
        'Q' | 'q' => quarter(at, count),
        'w' => padded(style.weeks.of_year(date).1, 2),
        'W' => padded(style.weeks.of_month(date), 1),
        'd' => padded(i64::from(at.day()), 2),
        'D' => padded(i64::from(at.day_of_year()), 3),
        'E' => weekday(at.weekday(), count.max(3)),
        'c' if count == 2 => None,
        'e' | 'c' if count <= 2 => padded(style.weeks.day(date), 2),
        'e' | 'c' => weekday(at.weekday(), count),
        'a' if count == 1 => Some(if hour < 12 { "AM" } else { "PM" }.to_owned()),
        'a' => None,
        'H' => padded(hour, 2),
        'k' => padded(if hour == 0 { 24 } else { hour }, 2),
        'K' => padded(hour.rem_euclid(12), 2),
        'h' => padded(
            if hour.rem_euclid(12) == 0 {
                12
            } else {
                hour.rem_euclid(12)
            },
            2,
        ),
        'm' => padded(i64::from(at.minute()), 2),
        's' => padded(i64::from(at.second()), 2),
        'S' => format!("{:09}", at.subsec_nanosecond())
            .get(..count)
            .map(str::to_owned),
        'A' => padded(nanosecond_of_day(at).div_euclid(1_000_000), YEAR_DIGITS_MAX),
        'n' => padded(i64::from(at.subsec_nanosecond()), YEAR_DIGITS_MAX),
        'N' => padded(nanosecond_of_day(at), YEAR_DIGITS_MAX),
        'X' | 'x' | 'Z' | 'V' => {
            let zone = style.zone.ok_or(DateFault::Letter(letter))?;
            in_zone(at, letter, count, zone)?
        }
        _ => return Err(DateFault::Letter(letter)),
    };
    text.ok_or(DateFault::LetterCount { letter, count })
}

const YEAR_DIGITS_MAX: usize = 19;

/// Two letters give the last two digits; otherwise at least as many digits as letters.
fn year(year: i64, count: usize) -> Option<String> {
    let sign = if year < 0 { "-" } else { "" };
    let digits = year.saturating_abs();
    match count {
        2 => Some(format!("{:02}", digits.rem_euclid(100))),
        _ if count <= YEAR_DIGITS_MAX => Some(format!("{sign}{digits:0count$}")),
        _ => None,
    }
}

/// The year before 1 AD is 1 BC.
fn year_of_era(at: DateTime) -> i64 {
    match i64::from(at.year()) {
        year if year > 0 => year,
        year => year.saturating_neg().saturating_add(1),
    }
}

fn era(at: DateTime, count: usize) -> Option<String> {
    let (short, long, narrow) = if at.year() > 0 {
        ("AD", "Anno Domini", "A")
    } else {
        ("BC", "Before Christ", "B")
    };
    match count {
        1..=3 => Some(short.to_owned()),
        4 => Some(long.to_owned()),
        5 => Some(narrow.to_owned()),
        _ => None,
    }
}

fn month(at: DateTime, count: usize) -> Option<String> {
    let name = match at.month() {
        1 => "January",
        2 => "February",
        3 => "March",
        4 => "April",
        5 => "May",
        6 => "June",
        7 => "July",
        8 => "August",
        9 => "September",
        10 => "October",
        11 => "November",
        _ => "December",
    };
    match count {
        1 | 2 => Some(format!("{:0count$}", at.month())),
        _ => shortened(name, count),
    }
}

fn weekday(day: Weekday, count: usize) -> Option<String> {
    let name = match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    };
    shortened(name, count)
}

/// Three letters for three, the name for four, one letter for five.
fn shortened(name: &str, count: usize) -> Option<String> {
    let text = match count {
        3 => name.get(..3),
        4 => Some(name),
        5 => name.get(..1),
        _ => None,
    };
    text.map(str::to_owned)
}

fn quarter(at: DateTime, count: usize) -> Option<String> {
    let number = i64::from(at.month())
        .saturating_sub(1)
        .div_euclid(3)
        .saturating_add(1);
    let ordinal = match number {
        1 => "1st",
        2 => "2nd",
        3 => "3rd",
        _ => "4th",
    };
    match count {
        1 | 2 => Some(format!("{number:0count$}")),
        3 => Some(format!("Q{number}")),
        4 => Some(format!("{ordinal} quarter")),
        5 => Some(number.to_string()),
        _ => None,
    }
}

fn nanosecond_of_day(at: DateTime) -> i64 {
    let seconds = i64::from(at.hour())
        .saturating_mul(60)
        .saturating_add(i64::from(at.minute()))
        .saturating_mul(60)
        .saturating_add(i64::from(at.second()));
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(at.subsec_nanosecond()))
}

/// `None` if the letter does not stand `count` times.
fn in_zone(
    at: DateTime,
    letter: char,
    count: usize,
    zone: &TimeZone,
) -> Result<Option<String>, DateFault> {
    let instant = zone.to_ambiguous_timestamp(at).compatible();
    let offset = zone.to_offset(instant.map_err(|_| DateFault::OutOfRange)?);
    let seconds = i64::from(offset.seconds());
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.saturating_abs().div_euclid(60);
    let (hours, minutes) = (minutes.div_euclid(60), minutes.rem_euclid(60));
    Ok(match (letter, count) {
        ('V', 2) => Some(zone.iana_name().unwrap_or("UTC").to_owned()),
        ('X', 1..=3) if seconds == 0 => Some("Z".to_owned()),
        ('X' | 'x', 1) if minutes == 0 => Some(format!("{sign}{hours:02}")),
        ('X' | 'x', 1 | 2) | ('Z', 1..=3) => Some(format!("{sign}{hours:02}{minutes:02}")),
        ('X' | 'x', 3) => Some(format!("{sign}{hours:02}:{minutes:02}")),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
