//! What a policy of IAM allows, as far as the policies of our templates go: what is not understood is an error.

use anyhow::Context as _;
use serde_json::Value;

/// Something that somebody has to be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// `emr-serverless:StartJobRun`.
    pub action: String,
    /// The ARN of what it is done to.
    pub resource: String,
    /// What conditions may ask about, by their key: `aws:ResourceTag/porpoise`.
    pub context: Vec<(String, String)>,
}

/// Whether policies allow it: one statement has to, and none may deny it.
///
/// # Errors
/// A policy has something that is not understood here.
///
/// Source: IAM user guide, "Policy evaluation logic", for policies of an identity alone.
pub fn allows(policies: &[Value], need: &Need) -> anyhow::Result<bool> {
    let mut allowed = false;
    for statement in policies.iter().flat_map(statements) {
        if !speaks_of(statement, need)? {
            continue;
        }
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => allowed = true,
            Some("Deny") => return Ok(false),
            other => anyhow::bail!("a statement has the effect {other:?}"),
        }
    }
    Ok(allowed)
}

fn statements(policy: &Value) -> &[Value] {
    let statements = policy.get("Statement");
    match statements {
        Some(Value::Array(many)) => many,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

fn speaks_of(statement: &Value, need: &Need) -> anyhow::Result<bool> {
    let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
    let statement = statement.as_object().context("a statement is no object")?;
    if let Some(strange) = statement.keys().find(|key| !known.contains(&key.as_str())) {
        anyhow::bail!("`{strange}` of a statement is not understood here");
    }
    let any = |name: &str, text: &str| {
        let texts = statement.get(name).map(texts).unwrap_or_default();
        texts.iter().any(|pattern| fits(pattern, text))
    };
    if !any("Action", &need.action) || !any("Resource", &need.resource) {
        return Ok(false);
    }
    let conditions = statement.get("Condition").and_then(Value::as_object);
    for (operator, keys) in conditions.into_iter().flatten() {
        let keys = keys.as_object().context("a condition without keys")?;
        for (key, wanted) in keys {
            if !holds(operator, key, &texts(wanted), need)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A key that nobody told holds for no operator that is known here.
fn holds(operator: &str, key: &str, wanted: &[&str], need: &Need) -> anyhow::Result<bool> {
    let mut told = need.context.iter();
    let told = told.find(|(name, _)| name.eq_ignore_ascii_case(key));
    let Some((_, told)) = told else {
        return Ok(false);
    };
    match operator {
        "StringEquals" => Ok(wanted.contains(&told.as_str())),
        "StringLike" | "ArnLike" | "ArnEquals" => {
            Ok(wanted.iter().any(|pattern| fits(pattern, told)))
        }
        other => anyhow::bail!("the condition `{other}` is not understood here"),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    let many = value.as_array().into_iter().flatten();
    let one = value.as_str().into_iter();
    one.chain(many.filter_map(Value::as_str)).collect()
}

/// Whether a text is of a pattern, in which `*` stands for any characters and `?` for one.
fn fits(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.filter_map(|at| text.get(at..))
                .any(|text| fits(rest.as_str(), text))
        }
        Some(one) => {
            let mut text = text.chars();
            let first = text.next();
            (first == Some(one) || one == '?' && first.is_some())
                && fits(rest.as_str(), text.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn start(application: &str, tag: Option<&str>) -> Need {
        let tag = tag.map(|tag| ("aws:ResourceTag/porpoise".to_owned(), tag.to_owned()));
        Need {
            action: "emr-serverless:StartJobRun".to_owned(),
            resource: format!(
                "arn:aws:emr-serverless:eu-west-1:111122223333:/applications/{application}"
            ),
            context: tag.into_iter().collect(),
        }
    }

    #[test]
    fn a_condition_has_to_hold_and_a_key_that_is_not_there_does_not() {
        let policies = [json!({"Statement": [{
            "Effect": "Allow",
            "Action": ["emr-serverless:GetApplication", "emr-serverless:StartJobRun"],
            "Resource": "arn:aws:emr-serverless:eu-west-1:111122223333:/applications/*",
            "Condition": {"StringEquals": {"aws:ResourceTag/porpoise": "porpoise"}}
        }]})];
        for (tag, allowed) in [
            (Some("porpoise"), true),
            (Some("another"), false),
            (None, false),
        ] {
            assert_eq!(
                allows(&policies, &start("a", tag)).unwrap(),
                allowed,
                "{tag:?}"
            );
        }
    }

    #[test]
    fn a_denial_counts_more_than_what_is_allowed() {
        let allowed = json!({"Statement": {"Effect": "Allow", "Action": "emr-serverless:*", "Resource": "*"}});
        let denied = json!({"Statement": {
            "Effect": "Deny", "Action": "emr-serverless:Start*", "Resource": "*/applications/b"
        }});
        let both = [allowed, denied];
        assert!(allows(&both, &start("a", None)).unwrap());
        assert!(!allows(&both, &start("b", None)).unwrap());
        assert!(!allows(&[], &start("a", None)).unwrap());
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for strange in [
            json!({"Statement": {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}}),
            json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": {"DateLessThan": {"aws:ResourceTag/porpoise": "2026"}}}}),
        ] {
            allows(&[strange], &start("a", Some("x"))).unwrap_err();
        }
    }
}
