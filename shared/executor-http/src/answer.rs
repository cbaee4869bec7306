//! Whether an answer is what it should be.

use porpoise_model::http::is_status;
use porpoise_model::job::HttpCall;

/// What is wrong with what is expected.
pub(crate) fn check(call: &HttpCall) -> Result<(), String> {
    match call.status.iter().find(|status| !is_status(status)) {
        Some(status) => Err(format!(
            "`{}` is no status: write it like `200`, `2xx`, or `any`",
            short(status)
        )),
        None => Ok(()),
    }
}

/// Why an answer is not what it should be.
pub(crate) fn fault(call: &HttpCall, status: u16, body: &str) -> Option<String> {
    let usual = ["2xx".to_owned()];
    let wanted: &[String] = if call.status.is_empty() {
        &usual
    } else {
        &call.status
    };
    if !wanted.iter().any(|wanted| is_of(wanted, status)) {
        let wanted = wanted.join(", ");
        return Some(format!("the status is {status}, not {wanted}"));
    }
    if let Some(wanted) = &call.contains
        && !body.contains(wanted.as_str())
    {
        return Some(format!("the answer does not hold `{}`", short(wanted)));
    }
    match &call.lacks {
        Some(_) if body.is_empty() => Some("the answer is empty".to_owned()),
        Some(unwanted) if body.contains(unwanted.as_str()) => {
            Some(format!("the answer holds `{}`", short(unwanted)))
        }
        Some(_) | None => None,
    }
}

fn is_of(wanted: &str, status: u16) -> bool {
    let status = status.to_string();
    let hundreds = wanted.strip_suffix("xx");
    wanted == "any" || wanted == status || hundreds.is_some_and(|first| status.starts_with(first))
}

pub(crate) fn short(text: &str) -> String {
    const SHOWN: usize = 120;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_right_by_its_status_and_by_what_it_holds() {
        let call = |status: &[&str], contains: Option<&str>, lacks: Option<&str>| HttpCall {
            status: status.iter().map(ToString::to_string).collect(),
            contains: contains.map(str::to_owned),
            lacks: lacks.map(str::to_owned),
            ..HttpCall::default()
        };
        for (call, status, body, wanted) in [
            (call(&[], None, None), 204, "", None),
            (
                call(&[], None, None),
                302,
                "",
                Some("the status is 302, not 2xx"),
            ),
            (
                call(&["200"], None, None),
                201,
                "",
                Some("the status is 201, not 200"),
            ),
            (call(&["404", "5xx"], None, None), 503, "", None),
            (call(&["any"], Some("ok"), None), 500, "all ok", None),
            (
                call(&["any"], Some("ok"), None),
                200,
                "no",
                Some("the answer does not hold `ok`"),
            ),
            (
                call(&["any"], None, Some("error")),
                200,
                "an error",
                Some("the answer holds `error`"),
            ),
            (
                call(&["any"], None, Some("error")),
                200,
                "",
                Some("the answer is empty"),
            ),
            (call(&["any"], None, Some("error")), 200, "fine", None),
        ] {
            assert_eq!(fault(&call, status, body).as_deref(), wanted, "{call:?}");
        }
        assert!(
            check(&call(&["20"], None, None))
                .unwrap_err()
                .contains("`20` is no status")
        );
    }
}
