//! The grammar that all fields share: lists of values, ranges and steps.

use crate::calendar::{Bits, YEARS};
use crate::fault::{CronFault, Field};
use crate::token::Token;

/// What a field admits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) field: Field,
    pub(crate) low: u16,
    pub(crate) high: u16,
    /// In order, the first of them standing for `name_base`.
    pub(crate) names: &'static [&'static str],
    pub(crate) name_base: u16,
    /// Whether `22-2` runs over the end and on from the beginning.
    pub(crate) wraps: bool,
}

pub(crate) const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
pub(crate) const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Spec {
    pub(crate) const fn numbers(field: Field, low: u16, high: u16, wraps: bool) -> Self {
        Self {
            field,
            low,
            high,
            names: &[],
            name_base: 0,
            wraps,
        }
    }

    pub(crate) const fn named(self, names: &'static [&'static str], name_base: u16) -> Self {
        Self {
            names,
            name_base,
            ..self
        }
    }

    /// Only Quartz reads `/5` as `*/5`.
    fn is_quartz(&self) -> bool {
        self.wraps || self.field == Field::Year
    }

    /// Where `*/n` begins to count.
    fn low_in_step(&self) -> u16 {
        if self.field == Field::Year {
            YEARS.start().unsigned_abs()
        } else {
            self.low
        }
    }

    fn allowed(&self) -> String {
        let range = if self.field == Field::Year {
            format!("{}..={}", YEARS.start(), YEARS.end())
        } else {
            format!("{}..={}", self.low, self.high)
        };
        match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!("{range} and {first} to {last}"),
            _ => range,
        }
    }
}

/// A parsed field.
#[derive(Debug)]
pub(crate) struct List {
    stretches: Vec<Stretch>,
    /// Normalised.
    pub(crate) text: String,
    /// Whether the field begins with `*`, which Vixie cron takes to mean that it is not restricted.
    pub(crate) starred: bool,
}

impl List {
    pub(crate) fn numbers(&self, spec: &Spec) -> impl Iterator<Item = u16> {
        self.stretches
            .iter()
            .flat_map(|stretch| stretch.numbers(spec))
    }

    /// For fields whose numbers are small: all but the year.
    pub(crate) fn bits(&self, spec: &Spec) -> Bits {
        self.numbers(spec)
            .filter_map(|number| i8::try_from(number).ok())
            .collect()
    }
}

/// `first`, `first + step` and so on up to `last`; over the end of the field if `last` is less than `first`.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u16,
    last: u16,
    step: u16,
}

impl Stretch {
    fn numbers(self, spec: &Spec) -> impl Iterator<Item = u16> + use<> {
        let (high, size) = (spec.high, spec.high - spec.low + 1);
        let last = if self.last < self.first {
            self.last + size
        } else {
            self.last
        };
        let numbers = (self.first..=last).step_by(usize::from(self.step));
        numbers.map(move |number| if number > high { number - size } else { number })
    }
}

/// Reads a whole field; what is wrong goes to `faults`, and the list then lacks it.
pub(crate) fn list(spec: &Spec, token: Token<'_>, faults: &mut Vec<CronFault>) -> List {
    let items = token.split(|c| c == ',').filter_map(|part| {
        let item = item(spec, part);
        item.map_err(|fault| faults.push(fault)).ok()
    });
    let (stretches, texts): (Vec<_>, Vec<_>) = items.unzip();
    List {
        stretches,
        text: texts.join(","),
        starred: token.text.starts_with('*'),
    }
}

/// Reads one part of a list, with its normalised text.
fn item(spec: &Spec, token: Token<'_>) -> Result<(Stretch, String), CronFault> {
    let (base, step) = match token.split_once('/') {
        Some((base, by)) => (base, Some(step(spec, by)?)),
        None => (token, None),
    };
    let whole = base.text == "*" || (base.text.is_empty() && step.is_some() && spec.is_quartz());
    let (first, last, text) = if whole {
        (spec.low_in_step(), spec.high, "*".to_owned())
    } else if let Some((first, last)) = base.split_once('-') {
        let (first, last) = range(spec, base, first, last)?;
        (first, last, format!("{first}-{last}"))
    } else {
        let first = value(spec, base)?;
        (
            first,
            if step.is_some() { spec.high } else { first },
            first.to_string(),
        )
    };
    let text = match step {
        Some(step) if !(whole && step == 1) => format!("{text}/{step}"),
        Some(_) | None => text,
    };
    Ok((
        Stretch {
            first,
            last,
            step: step.unwrap_or(1),
        },
        text,
    ))
}

fn step(spec: &Spec, token: Token<'_>) -> Result<u16, CronFault> {
    let max = if spec.field == Field::Year {
        100
    } else {
        spec.high
    };
    let fault = || {
        let message = if token.text.is_empty() {
            format!("a step is missing after `/`, allowed is 1..={max}")
        } else if is_number(token.text) {
            format!("step {} is out of range 1..={max}", token.quoted())
        } else {
            format!("{} is not a step, allowed is 1..={max}", token.quoted())
        };
        token.fault(spec.field, message)
    };
    let step = number(token.text).filter(|step| (1..=max).contains(step));
    step.ok_or_else(fault)
}

fn range(
    spec: &Spec,
    whole: Token<'_>,
    first: Token<'_>,
    last: Token<'_>,
) -> Result<(u16, u16), CronFault> {
    let from = value(spec, first)?;
    let to = value(spec, last)?;
    // In a Unix `FRI-SUN`, Sunday is the 7 at the end, not the 0 at the beginning of the week.
    let ends_on_sunday = to == 0 && from > 0 && spec.high == 7 && !is_number(last.text);
    let to = if ends_on_sunday { 7 } else { to };
    if from <= to || spec.wraps {
        return Ok((from, to));
    }
    let instead = if spec.field == Field::Year {
        format!("write `{to}-{from}`")
    } else {
        format!("write `{from}-{},{}-{to}`", spec.high, spec.low)
    };
    let message = format!("range {} runs backwards, {instead}", whole.quoted());
    Err(whole.fault(spec.field, message))
}

/// Reads a number or a name.
pub(crate) fn value(spec: &Spec, token: Token<'_>) -> Result<u16, CronFault> {
    let allowed = spec.allowed();
    let fault = |message| Err(token.fault(spec.field, message));
    if token.text.is_empty() {
        return fault(format!("a value is missing, allowed is {allowed}"));
    }
    if is_number(token.text) {
        return match number(token.text) {
            Some(number) if (spec.low..=spec.high).contains(&number) => Ok(number),
            Some(_) | None => fault(format!("{} is out of range {allowed}", token.quoted())),
        };
    }
    let names = (spec.name_base..).zip(spec.names);
    let mut found = names.filter(|(_, name)| name.eq_ignore_ascii_case(token.text));
    match found.next() {
        Some((number, _)) => Ok(number),
        None => fault(format!(
            "{} is not a value, allowed is {allowed}{}",
            token.quoted(),
            hint(token.text)
        )),
    }
}

/// For forms of other fields or of the other dialect.
fn hint(text: &str) -> &'static str {
    match text {
        "?" => "; `?` stands only for a day field of six or seven fields, write `*`",
        "*" => "; `*` stands alone or before a step",
        _ if text.chars().all(|c| "lLwW#-0123456789".contains(c)) => {
            "; `L`, `W` and `#` stand only in day fields, of six or seven fields, outside ranges and steps"
        }
        _ => "",
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Only digits make a number: no sign.
fn number(text: &str) -> Option<u16> {
    is_number(text).then(|| text.parse().ok())?
}
