use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn values() -> BTreeMap<&'static str, Operand> {
    let number = |text: &str| Operand::Number(text.to_owned());
    let text = |text: &str| Operand::Text(text.to_owned());
    BTreeMap::from([
        ("rows", number("120")),
        ("ratio", number("0.5")),
        ("wrong", number("many")),
        ("env", text("prod")),
        ("twelve", text("12")),
        ("done", Operand::Truth("true".to_owned())),
    ])
}

fn outcome(condition: &str) -> Result<bool, String> {
    let values = values();
    let parsed = Condition::parse(condition).map_err(|fault| {
        let place = fault.span.start;
        format!("{place}: {fault}")
    })?;
    parsed
        .holds(|name| values.get(name).cloned())
        .map_err(|error| error.to_string())
}

/// What a JavaScript engine (Nashorn's and V8's rules agree on these) makes of each.
#[test]
fn comparisons_are_those_of_javascript() {
    let holds = [
        "${rows} > 100 && ${env} == 'prod'",
        "${rows} > 100 && '${env}' == \"prod\"",
        "'run-${env}-${rows}' == 'run-prod-120'",
        "\"12\" > 9",
        "${twelve} > 9",
        "${twelve} == 12",
        "${twelve} !== 12",
        "\"12\" < \"9\"",
        "1 == true",
        "'' == 0",
        "' 7 ' == 7",
        "'0x1F' == 31",
        "null == undefined",
        "null != 0",
        "null >= 0",
        "'Z' < 'a'",
        "!(1 > 2)",
        "!''",
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "'1' + 2 == '12'",
        "'3' - 1 == 2",
        "7 % 4 == 3",
        "-7 % 4 == -3",
        "1 / 0 > 1e308",
        "'' + 1e21 == '1e+21'",
        "'' + 0.5 == '0.5'",
        "${done}",
        "${done} === true",
        "${ratio} <= .5",
        "false || 2 > 1",
        "1 < 2 == true",
        "- -1 == 1",
        "'it\\'s' == \"it's\"",
    ];
    for condition in holds {
        assert_eq!(outcome(condition), Ok(true), "{condition}");
    }
    let fails = [
        "\"42\" > 100",
        "'12' > '9'",
        "'true' == true",
        "null == 0",
        "'abc' < 1",
        "'abc' >= 1",
        "'a' == 'A'",
        "0 === -0 && false",
        "3 > 2 > 1",
        "'1' === 1",
        "false == true",
        "'+0x1F' == 31",
    ];
    for condition in fails {
        assert_eq!(outcome(condition), Ok(false), "{condition}");
    }
}

#[test]
fn what_is_no_condition_is_refused_with_its_place() {
    let refused = [
        ("", "0: a value is missing at the end"),
        (
            "if $test==1",
            "0: `if` is no value: write `${if}` for a parameter, `'if'` for a text",
        ),
        (
            "$test == 1",
            "0: `$test` is no value: write `${test}` for a parameter, `'test'` for a text",
        ),
        ("${rows} = 1", "8: `=` compares nothing: write `==`"),
        ("${rows} > ", "10: a value is missing at the end"),
        (
            "${rows} ${env}",
            "8: an operator such as `==` or `&&` is missing before this",
        ),
        ("(1 == 1", "0: this `(` is never closed"),
        ("(1 == 1 2)", "8: a `)` is missing before this"),
        ("1 == == 2", "5: a value is missing before `==`"),
        ("'prod == 1", "0: the text that begins with ' does not end"),
        ("1.2.3 > 1", "0: `1.2.3` is no number"),
        (
            "env.equals('x')",
            "0: `env` is no value: write `${env}` for a parameter, `'env'` for a text",
        ),
        ("1 ? 2 : 3", "2: `?` means nothing here"),
        ("1; 2", "1: `;` means nothing here"),
    ];
    for (condition, message) in refused {
        assert_eq!(outcome(condition), Err(message.to_owned()), "{condition}");
    }
}

#[test]
fn what_has_no_outcome_says_why() {
    let errors = [
        ("${nobody} == 1", "`nobody` has no value"),
        ("'${nobody}' == 1", "`nobody` has no value"),
        (
            "${wrong} == 1",
            "`wrong` is declared as a number and is `many`",
        ),
        (
            "${env}",
            "the condition gives the text `prod`, not true or false",
        ),
        (
            "${rows} - 120",
            "the condition gives the number 0, not true or false",
        ),
        ("null", "the condition gives nothing, not true or false"),
        (
            "true && 'x'",
            "the condition gives the text `x`, not true or false",
        ),
    ];
    for (condition, message) in errors {
        assert_eq!(outcome(condition), Err(message.to_owned()), "{condition}");
    }
    // What is decided already is not looked at further.
    assert_eq!(outcome("false && ${nobody} == 1"), Ok(false));
    assert_eq!(outcome("true || ${nobody} == 1"), Ok(true));
}

#[test]
fn depth_is_bounded() {
    let deep = |levels: usize| format!("{}1 == 1{}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(outcome(&deep(CONDITION_NESTING_MAX - 1)), Ok(true));
    let message = format!("{CONDITION_NESTING_MAX}: more than {CONDITION_NESTING_MAX} levels deep");
    assert_eq!(outcome(&deep(10_000)), Err(message.clone()));
    assert_eq!(outcome(&"!".repeat(10_000)), Err(message));
}

/// Found by fuzzing: as a tree of pairs, a row of operators is as deep as it is long.
#[test]
fn a_row_of_operators_needs_no_stack() {
    let row = |part: &str| {
        format!(
            "1{} > 0",
            part.repeat((CONDITION_BYTES_MAX - 10) / part.len())
        )
    };
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let parts = ["+1", "*2", "||1", "&&1", "==1", ">=0", "- -1"];
    let played = small.spawn(move || parts.map(|part| outcome(&row(part))));
    let wanted = parts.map(|part| outcome(&format!("1{} > 0", part.repeat(4))));
    assert_eq!(played.unwrap().join().unwrap(), wanted);
}

#[test]
fn length_is_bounded() {
    let long = format!("{} == 1", "1".repeat(CONDITION_BYTES_MAX));
    let message = format!("0: longer than {CONDITION_BYTES_MAX} bytes");
    assert_eq!(outcome(&long), Err(message));
    let value = |_: &str| Some(Operand::Text("x".repeat(4096)));
    for grown in [
        format!("{} == ''", vec!["${a}"; 65].join(" + ")),
        format!("'{}' == ''", "${a}".repeat(65)),
        format!("1 + {} == ''", vec!["${a}"; 65].join(" + ")),
    ] {
        let condition = Condition::parse(&grown).unwrap();
        assert_eq!(condition.holds(value), Err(ConditionError::TooLong));
    }
    let said = Condition::parse("${a}").unwrap().holds(value).unwrap_err();
    assert!(said.to_string().len() < 400, "{said}");
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "([ -~]|[$]\\{rows\\}|'|&&|==|é){0,60}") {
        let _ = outcome(&text);
    }

    /// Numbers are compared as numbers, by every operator.
    #[test]
    fn numbers_are_compared_as_numbers(one in -1000..1000_i32, other in -1000..1000_i32) {
        let values = |name: &str| Some(Operand::Number(if name == "a" { one } else { other }.to_string()));
        let cases = [
            ("<", one < other), ("<=", one <= other), (">", one > other), (">=", one >= other),
            ("==", one == other), ("!=", one != other), ("===", one == other), ("!==", one != other),
        ];
        for (sign, expected) in cases {
            let condition = Condition::parse(&format!("${{a}} {sign} ${{b}}")).unwrap();
            prop_assert_eq!(condition.holds(values), Ok(expected));
        }
    }
}
