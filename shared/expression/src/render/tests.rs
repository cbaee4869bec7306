use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::*;
use crate::scope::{Data, Lookup};

fn instant() -> Instant {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    Instant::local("2024-02-29T01:02:03".parse().unwrap(), zone).unwrap()
}

fn scope(values: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    values.iter().map(owned).collect()
}

fn rendered(
    text: &str,
    values: &[(&str, &str)],
    unknown: Unknown,
) -> Result<String, ExpressionError> {
    let template = Template::parse(text);
    render(
        &template,
        &scope(values),
        &instant(),
        Dialect::Porpoise1,
        unknown,
    )
}

fn strict(text: &str, values: &[(&str, &str)]) -> Result<String, ExpressionError> {
    rendered(text, values, Unknown::Fault)
}

fn script(text: &str, values: &[(&str, &str)]) -> String {
    rendered(text, values, Unknown::Keep).unwrap()
}

#[test]
fn names_are_replaced_by_their_values() {
    let values = [("a", "1"), ("load.rows", "42"), ("依赖", "x")];
    assert_eq!(
        strict("<${a}|${load.rows}|${依赖}>", &values).unwrap(),
        "<1|42|x>"
    );
    assert_eq!(strict("${system.biz.date}", &values).unwrap(), "20240228");
    assert_eq!(strict("${a}", &[("a", "")]).unwrap(), "");
}

#[test]
fn the_scope_goes_before_the_built_ins() {
    let values = [("system.datetime", "mine")];
    assert_eq!(strict("${system.datetime}", &values).unwrap(), "mine");
}

#[test]
fn values_and_names_are_expanded_in_turn() {
    let values = [
        ("a", "<${b}>"),
        ("b", "${c}${c}"),
        ("c", "x"),
        ("k_x", "found"),
    ];
    assert_eq!(strict("${a}", &values).unwrap(), "<xx>");
    assert_eq!(strict("${k_${c}}", &values).unwrap(), "found");
    assert_eq!(strict("$[yyyy-${n}]", &[("n", "366")]).unwrap(), "2023");
    assert_eq!(strict("${p}", &[("p", "$[yyyyMM]")]).unwrap(), "202402");
}

#[test]
fn a_circle_is_named_by_its_path() {
    let values = [("a", "${b}"), ("b", "-${c}-"), ("c", "${b}")];
    let error = strict("${a}", &values).unwrap_err();
    let path = ["b", "c", "b"].map(str::to_owned).to_vec();
    assert_eq!(error, ExpressionError::Circle { path });
    assert_eq!(
        error.to_string(),
        "parameters refer to each other in a circle: `b -> c -> b`"
    );
    assert!(rendered("${a}", &values, Unknown::Keep).is_err());
}

#[test]
fn one_name_twice_is_no_circle() {
    assert_eq!(
        strict("${a}${a}", &[("a", "${b}"), ("b", "1")]).unwrap(),
        "11"
    );
}

#[test]
fn all_unknown_names_are_reported_at_once_with_their_places() {
    let error = strict("${x} ${a} ${x} ${k_${y}} $[bad]", &[("a", "é${z}")]).unwrap_err();
    let ExpressionError::Unknown { names } = &error else {
        panic!("{error:?}");
    };
    let found: Vec<_> = names
        .iter()
        .map(|name| {
            (
                name.name.as_str(),
                name.span.clone(),
                name.within.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("x", 0..4, None), ("z", 2..6, Some("a")), ("y", 2..6, None),]
    );
    assert_eq!(error.to_string(), "no parameter is named `x`, `z`, `y`");
}

#[test]
fn scripts_keep_what_they_do_not_know() {
    let values = [("day", "5")];
    for kept in [
        "${HOME}",
        "${x:-${day}}",
        "${#list[@]}",
        "${}",
        "$[1+1]",
        "$[j-z]",
        "${a",
    ] {
        assert_eq!(script(kept, &values), kept);
    }
    assert_eq!(
        script("${HOME}/${day} ${unclosed ${day}", &values),
        "${HOME}/5 ${unclosed 5"
    );
}

#[test]
fn dates_that_cannot_be_evaluated_are_faults_only_in_strict_native_texts() {
    let text = "$[yyyyl] $[yyyy] $[l]";
    let error = strict(text, &[]).unwrap_err();
    assert!(matches!(&error, ExpressionError::Dates { problems } if problems.len() == 2));
    assert_eq!(
        error.to_string(),
        "cannot evaluate `$[yyyyl]`: `l` is no date letter; put text into single quotes, at byte 4, \
         `$[l]`: `l` is no date letter; put text into single quotes, at byte 0"
    );
    assert_eq!(script(text, &[]), "$[yyyyl] 2024 $[l]");
    for dialect in [Dialect::DolphinScheduler31, Dialect::DolphinScheduler32] {
        let template = Template::parse(text);
        let shown = render(&template, &scope(&[]), &instant(), dialect, Unknown::Fault);
        assert_eq!(shown.unwrap(), "$[yyyyl] 2024 $[l]");
    }
}

#[test]
fn data_is_put_in_unread() {
    let outputs = Data(scope(&[("t.o", "${a} $[yyyy] ${secret:S}"), ("n", "1")]));
    let values = scope(&[("a", "<${t.o}>")]);
    let layers: [&dyn Scope; 2] = [&outputs, &values];
    let template = Template::parse("${a} $[dd-${n}] ${secret:T}");
    let found = render_with_secrets(
        &template,
        &layers,
        &instant(),
        Dialect::Porpoise1,
        Unknown::Fault,
    )
    .unwrap();
    assert_eq!(found.text, "<${a} $[yyyy] ${secret:S}> 28 ${secret:T}");
    let secrets: Vec<_> = found
        .secrets
        .iter()
        .map(|secret| secret.name.as_str())
        .collect();
    assert_eq!(secrets, ["T"]);
    for secret in &found.secrets {
        assert_eq!(&found.text[secret.span.clone()], "${secret:T}");
    }
}

#[test]
fn secrets_stay_as_written_and_are_found_again() {
    let values = scope(&[("password", "${secret:DB}"), ("p", "secret:X")]);
    let template =
        Template::parse("$[yyyy]${password}$[MM${secret:L}] $[dd] ${secret:A${b}} ${${p}}");
    let dialect = Dialect::DolphinScheduler32;
    let found =
        render_with_secrets(&template, &values, &instant(), dialect, Unknown::Keep).unwrap();
    assert_eq!(
        found.text,
        "2024${secret:DB}$[MM${secret:L}] 29 ${secret:A${b}} ${${p}}"
    );
    let names: Vec<_> = found
        .secrets
        .iter()
        .map(|secret| secret.name.as_str())
        .collect();
    assert_eq!(names, ["DB", "L", "A${b}"]);
    for secret in &found.secrets {
        let expected = format!("${{secret:{}}}", secret.name);
        assert_eq!(found.text[secret.span.clone()], expected);
    }
}

#[test]
fn doubling_values_are_stopped() {
    let double = Lookup(|name: &str| {
        let next = name.parse::<u32>().ok()?.checked_sub(1)?;
        Some(format!("${{{next}}}${{{next}}}"))
    });
    let empty_end = Lookup(|name: &str| {
        let next = name.parse::<u32>().ok()?.checked_sub(1);
        Some(next.map_or(String::new(), |next| format!("${{{next}}}${{{next}}}")))
    });
    let template = Template::parse("${60}");
    let scopes: [&dyn Scope; 2] = [&double, &empty_end];
    for scope in scopes {
        let found = render(
            &template,
            scope,
            &instant(),
            Dialect::Porpoise1,
            Unknown::Keep,
        );
        let limit = EXPANSION_BYTES_MAX;
        assert_eq!(found, Err(ExpressionError::TooLarge { limit }));
    }
}

#[test]
fn endless_chains_are_stopped() {
    let chain = Lookup(|name: &str| Some(format!("${{{name}x}}")));
    let template = Template::parse("${a}");
    let found = render(
        &template,
        &chain,
        &instant(),
        Dialect::Porpoise1,
        Unknown::Fault,
    );
    let limit = EXPANSION_DEPTH_MAX;
    assert_eq!(found, Err(ExpressionError::TooDeep { limit }));
}

#[test]
fn megabytes_of_placeholders_take_bounded_time() {
    let repeated = [
        "${".repeat(200_000),
        format!("{}{}", "${".repeat(100_000), "}".repeat(100_000)),
        "$[".repeat(200_000),
        format!("{}{}", "$[".repeat(100_000), "]".repeat(100_000)),
        "$[${".repeat(100_000),
        "${a}".repeat(100_000),
        "$[yyyy-".repeat(100_000),
    ];
    for text in &repeated {
        assert_eq!(&script(text, &[]), text);
        let _ = strict(text, &[]);
        let template = Template::parse(text);
        let length: usize = template.references().map(|found| found.name.len()).sum();
        assert!(length <= text.len());
        assert!(template.pieces().count() <= text.len());
    }
    let dates = strict(&"$[yyyy]".repeat(100_000), &[]);
    assert_eq!(dates.unwrap(), "2024".repeat(100_000));
    let large = "x".repeat(5_000_000);
    assert_eq!(strict(&large, &[]).unwrap(), large);
}
