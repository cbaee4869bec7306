//! What holds for every text, however hostile.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use porpoise_expression::date::evaluate;
use porpoise_expression::{
    Dialect, EXPANSION_BYTES_MAX, Instant, Piece, Template, Unknown, render, render_with_secrets,
    resolve_parameters,
};
use proptest::prelude::*;

/// Texts that are mostly made of what has a meaning.
fn text() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("${"),
        Just("$["),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("$"),
        Just("("),
        Just(")"),
        Just("a"),
        Just("b"),
        Just("c"),
        Just("secret:"),
        Just("yyyy"),
        Just("MM"),
        Just("-1"),
        Just("+2/24"),
        Just(","),
        Just("add_months("),
        Just("timestamp("),
        Just("year_week("),
        Just("'"),
        Just("依"),
        Just(" "),
    ]
    .prop_map(str::to_owned);
    let token = prop_oneof![9 => token, 1 => any::<String>()];
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

fn expression() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-+*/() 0-9,.a-zA-Z'\\[\\]]{0,24}",
        "(add_months|month_end|week_begin|timestamp|year_week|last_day)\\([yMdH]{0,4},?[-+*/()0-9]{0,12}\\)",
    ]
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(Dialect::ALL.to_vec())
}

fn unknown() -> impl Strategy<Value = Unknown> {
    prop_oneof![Just(Unknown::Fault), Just(Unknown::Keep)]
}

/// Any instant, the ends of time included.
fn instant() -> impl Strategy<Value = Instant> {
    let seconds = prop_oneof![
        3 => 0_i64..4_000_000_000,
        1 => Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
        1 => Just(Timestamp::MIN.as_second()),
        1 => Just(Timestamp::MAX.as_second()),
    ];
    let zone = prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "Asia/Kathmandu",
        "Pacific/Apia",
    ]);
    (seconds, zone).prop_map(|(seconds, zone)| {
        let timestamp = Timestamp::from_second(seconds).unwrap();
        Instant::at(timestamp, TimeZone::get(zone).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_text_renders_or_is_refused(
        text in text(), a in text(), b in text(),
        instant in instant(), dialect in dialect(), unknown in unknown(),
    ) {
        let scope = BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        let template = Template::parse(&text);
        if let Ok(found) = render_with_secrets(&template, &scope, &instant, dialect, unknown) {
            prop_assert!(found.text.len() <= text.len() + EXPANSION_BYTES_MAX);
            for secret in found.secrets {
                let expected = format!("${{secret:{}}}", secret.name);
                prop_assert_eq!(found.text.get(secret.span), Some(expected.as_str()));
            }
        }
        let _ = resolve_parameters([("a", text.as_str())], [("b", text.as_str())], &instant, dialect);
    }

    #[test]
    fn a_text_without_a_dollar_is_rendered_as_it_is(
        text in any::<String>(), instant in instant(), dialect in dialect(), unknown in unknown(),
    ) {
        let text = text.replace('$', "");
        let found = render(&Template::parse(&text), &BTreeMap::new(), &instant, dialect, unknown);
        prop_assert_eq!(found, Ok(text));
    }

    #[test]
    fn pieces_put_together_are_the_text(text in text()) {
        let template = Template::parse(&text);
        let together: String = template
            .pieces()
            .map(|piece| match piece {
                Piece::Literal(text) => text.to_owned(),
                Piece::Parameter { name, span } => {
                    assert_eq!(span.len(), name.len() + 3);
                    format!("${{{name}}}")
                }
                Piece::Secret { name, .. } => format!("${{secret:{name}}}"),
                Piece::Date { expression, .. } => format!("$[{expression}]"),
            })
            .collect();
        prop_assert_eq!(together, text);
    }

    #[test]
    fn a_name_that_is_referred_to_can_be_missing_and_no_other(text in text(), instant in instant()) {
        let template = Template::parse(&text);
        let names: Vec<_> = template.references().map(|found| found.name.to_owned()).collect();
        let known: BTreeMap<_, _> = names.into_iter().map(|name| (name, "1".to_owned())).collect();
        let dialect = Dialect::DolphinScheduler32;
        let found = render(&template, &known, &instant, dialect, Unknown::Fault);
        if let Err(error) = found {
            // Only a name that is put together from others may still be unknown.
            prop_assert!(text.matches("${").count() > 1, "{}", error);
        }
    }

    #[test]
    fn every_expression_is_evaluated_or_refused_in_place(
        text in expression(), instant in instant(), dialect in dialect(),
    ) {
        if let Err(error) = evaluate(&text, &instant, dialect) {
            prop_assert!(error.position <= text.len(), "{:?}", error);
        }
    }

    #[test]
    fn days_are_added_as_on_a_calendar(start in 0_i64..80_000, days in -40_000_i64..40_000, dialect in dialect()) {
        let base = date(1970, 1, 1).checked_add(Span::new().days(start)).unwrap();
        let instant = Instant::local(base.at(3, 4, 5, 0), TimeZone::UTC).unwrap();
        let text = format!("yyyy-MM-dd{days:+}");
        let expected = base.checked_add(Span::new().days(days)).unwrap();
        prop_assert_eq!(evaluate(&text, &instant, dialect), Ok(expected.to_string()));
    }

    #[test]
    fn sums_are_those_of_a_calculator(a in 0_i64..100, b in 0_i64..500, c in 1_i64..500, d in -20_i64..100) {
        let instant = Instant::local(date(5000, 1, 1).at(0, 0, 0, 0), TimeZone::UTC).unwrap();
        let months = d * a - (b + c) / c * 2 + -a;
        let text = format!("add_months(yyyyMM,{d}*{a}-({b}+{c})/{c}*2+-{a})");
        let expected = instant.base().checked_add(Span::new().months(months)).unwrap();
        let expected = expected.strftime("%Y%m").to_string();
        prop_assert_eq!(evaluate(&text, &instant, Dialect::Porpoise1), Ok(expected));
    }
}
