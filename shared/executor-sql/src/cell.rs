//! Values of PostgreSQL as texts. The driver asks for them in the server's binary form, which the manual of PostgreSQL
//! leaves to its sources: `src/backend/utils/adt`.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Span};
use tokio_postgres::types::{Kind, Type};

use crate::sqlite::{hex, real};

/// A value that is not what its type says.
#[derive(Debug, thiserror::Error)]
#[error("a value cannot be read")]
pub(crate) struct Unreadable;

/// Whether values of this type can be shown.
pub(crate) fn is_readable(kind: &Type) -> bool {
    if let Kind::Domain(inner) = kind.kind() {
        return is_readable(inner);
    }
    if let Kind::Array(inner) = kind.kind() {
        return !matches!(inner.kind(), Kind::Array(_)) && is_readable(inner);
    }
    matches!(kind.kind(), Kind::Enum(_)) || SIMPLE.contains(kind) || is_text(kind)
}

const SIMPLE: [Type; 18] = [
    Type::BOOL,
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::OID,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::NUMERIC,
    Type::DATE,
    Type::TIME,
    Type::TIMETZ,
    Type::TIMESTAMP,
    Type::TIMESTAMPTZ,
    Type::INTERVAL,
    Type::BYTEA,
    Type::UUID,
    Type::JSONB,
    Type::VOID,
];

/// What is sent as the text that it is.
fn is_text(kind: &Type) -> bool {
    const TEXTS: [Type; 9] = [
        Type::TEXT,
        Type::VARCHAR,
        Type::BPCHAR,
        Type::NAME,
        Type::UNKNOWN,
        Type::CHAR,
        Type::JSON,
        Type::XML,
        Type::CSTRING,
    ];
    TEXTS.contains(kind) || kind.name() == "citext"
}

/// A value; `None` if it is not what its type says.
pub(crate) fn text(kind: &Type, raw: &[u8]) -> Option<String> {
    if let Kind::Domain(inner) = kind.kind() {
        return text(inner, raw);
    }
    if let Kind::Array(inner) = kind.kind() {
        return array(inner, raw);
    }
    if is_text(kind) || matches!(kind.kind(), Kind::Enum(_)) {
        return plain(raw);
    }
    Some(match *kind {
        Type::BOOL => (*raw.first()? != 0).to_string(),
        Type::INT2 => i16::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::INT4 => i32::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::INT8 => i64::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::OID => u32::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::FLOAT4 => f32::from_be_bytes(raw.try_into().ok()?).to_string(),
        Type::FLOAT8 => real(f64::from_be_bytes(raw.try_into().ok()?)),
        Type::NUMERIC => numeric(raw)?,
        Type::DATE => date(i32::from_be_bytes(raw.try_into().ok()?))?,
        Type::TIME => time(i64::from_be_bytes(raw.try_into().ok()?))?,
        Type::TIMETZ => {
            let (time_, zone) = raw.split_at_checked(8)?;
            let zone = i32::from_be_bytes(zone.try_into().ok()?);
            format!(
                "{}{}",
                time(i64::from_be_bytes(time_.try_into().ok()?))?,
                offset(-zone)
            )
        }
        Type::TIMESTAMP => timestamp(i64::from_be_bytes(raw.try_into().ok()?))?,
        Type::TIMESTAMPTZ => {
            let text = timestamp(i64::from_be_bytes(raw.try_into().ok()?))?;
            if text.ends_with("infinity") {
                text
            } else {
                format!("{text}+00:00")
            }
        }
        Type::INTERVAL => interval(raw)?,
        Type::BYTEA => hex(raw),
        Type::UUID => uuid(raw)?,
        Type::JSONB => plain(raw.strip_prefix(&[1])?)?,
        Type::VOID => String::new(),
        _ => return None,
    })
}

fn plain(raw: &[u8]) -> Option<String> {
    String::from_utf8(raw.to_vec()).ok()
}

/// Digits of base 10,000: count, weight of the first, sign, digits behind the point, then the digits.
fn numeric(raw: &[u8]) -> Option<String> {
    let mut words = raw.chunks_exact(2).map(|pair| match pair {
        &[high, low] => u16::from_be_bytes([high, low]),
        _ => 0,
    });
    let (count, weight) = (words.next()?, words.next()?);
    let weight = i32::from(i16::from_be_bytes(weight.to_be_bytes()));
    let (sign, scale) = (words.next()?, usize::from(words.next()?));
    match sign {
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let digits: Vec<u16> = words.take(usize::from(count)).collect();
    let digit = |place: i32| {
        let index = usize::try_from(weight - place).ok();
        index
            .and_then(|index| digits.get(index))
            .copied()
            .unwrap_or_default()
    };
    let mut text = String::new();
    if sign == 0x4000 {
        text.push('-');
    }
    let four = |mut text: String, place: i32| {
        let _ = write!(text, "{:04}", digit(place));
        text
    };
    let whole = (0..=weight.max(0)).rev().fold(String::new(), four);
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let groups = i32::try_from(scale.div_ceil(4)).ok()?;
        let fraction = (-groups..0).rev().fold(String::new(), four);
        text.push('.');
        text.push_str(fraction.get(..scale)?);
    }
    Some(text)
}

const EPOCH: Date = jiff::civil::date(2000, 1, 1);

/// Days since 2000.
fn date(days: i32) -> Option<String> {
    match days {
        i32::MAX => return Some("infinity".to_owned()),
        i32::MIN => return Some("-infinity".to_owned()),
        _ => {}
    }
    let date = EPOCH.checked_add(Span::new().try_days(days).ok()?).ok()?;
    Some(date.to_string())
}

/// Microseconds of the day.
fn time(micros: i64) -> Option<String> {
    if micros == 86_400_000_000 {
        return Some("24:00:00".to_owned());
    }
    let time = Time::midnight()
        .checked_add(SignedDuration::from_micros(micros))
        .ok()?;
    Some(of_time(time))
}

fn of_time(time: Time) -> String {
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let micros = time.subsec_nanosecond() / 1_000;
    let fraction = if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    };
    format!("{hour:02}:{minute:02}:{second:02}{fraction}")
}

/// Microseconds since 2000.
fn timestamp(micros: i64) -> Option<String> {
    match micros {
        i64::MAX => return Some("infinity".to_owned()),
        i64::MIN => return Some("-infinity".to_owned()),
        _ => {}
    }
    let epoch: DateTime = EPOCH.to_datetime(Time::midnight());
    let at = epoch
        .checked_add(SignedDuration::from_micros(micros))
        .ok()?;
    Some(format!("{} {}", at.date(), of_time(at.time())))
}

fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Microseconds, days, months: as ISO 8601 writes it.
fn interval(raw: &[u8]) -> Option<String> {
    let (micros, rest) = raw.split_at_checked(8)?;
    let (days, months) = rest.split_at_checked(4)?;
    let micros = i64::from_be_bytes(micros.try_into().ok()?);
    let days = i32::from_be_bytes(days.try_into().ok()?);
    let months = i32::from_be_bytes(months.try_into().ok()?);
    let mut text = String::from("P");
    let mut part = |number: String, letter: char| {
        text.push_str(&number);
        text.push(letter);
    };
    for (number, letter) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')] {
        if number != 0 {
            part(number.to_string(), letter);
        }
    }
    let sign = if micros < 0 { "-" } else { "" };
    let (seconds, rest) = (
        micros.unsigned_abs() / 1_000_000,
        micros.unsigned_abs() % 1_000_000,
    );
    let nothing = months == 0 && days == 0;
    if micros != 0 || nothing {
        part(String::new(), 'T');
    }
    for (number, letter) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')] {
        if number != 0 {
            part(format!("{sign}{number}"), letter);
        }
    }
    if rest != 0 {
        part(format!("{sign}{}.{rest:06}", seconds % 60), 'S');
    } else if seconds % 60 != 0 || (micros == 0 && nothing) {
        part(format!("{sign}{}", seconds % 60), 'S');
    }
    Some(text)
}

fn uuid(raw: &[u8]) -> Option<String> {
    let digits = hex(raw);
    let digits = digits
        .strip_prefix("\\x")
        .filter(|digits| digits.len() == 32)?;
    let part = |from: usize, to: usize| digits.get(from..to);
    let parts = [
        part(0, 8)?,
        part(8, 12)?,
        part(12, 16)?,
        part(16, 20)?,
        part(20, 32)?,
    ];
    Some(parts.join("-"))
}

/// As PostgreSQL writes a list: dimensions, whether there are NULLs, type, then length and bound of each dimension, then
/// the values. Of one with several dimensions, all values in one list.
fn array(inner: &Type, raw: &[u8]) -> Option<String> {
    let (dimensions, rest) = number(raw)?;
    let skipped = 8 + 8 * usize::try_from(dimensions).ok()?;
    let mut rest = rest.get(skipped..)?;
    let mut cells = Vec::new();
    while !rest.is_empty() {
        let (length, more) = number(rest)?;
        rest = more;
        let Ok(length) = usize::try_from(length) else {
            cells.push("NULL".to_owned());
            continue;
        };
        let (value, more) = rest.split_at_checked(length)?;
        rest = more;
        cells.push(quoted(&text(inner, value)?));
    }
    Some(format!("{{{}}}", cells.join(",")))
}

fn number(raw: &[u8]) -> Option<(i32, &[u8])> {
    let (first, rest) = raw.split_at_checked(4)?;
    Some((i32::from_be_bytes(first.try_into().ok()?), rest))
}

fn quoted(text: &str) -> String {
    let odd = |c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}' | '"' | '\\');
    if text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(odd) {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("\"{escaped}\"");
    }
    text.to_owned()
}
