//! What a template grants to the role of each function, and templates that grant less.
#![expect(
    clippy::indexing_slicing,
    reason = "members of JSON objects: a missing one is null, or is made"
)]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;

/// The actions that each function's role is granted, by the logical id of the role.
pub fn granted(template: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for policy in policies(template) {
        let actions: BTreeSet<String> = statements(policy).flat_map(actions).collect();
        for role in policy["Properties"]["Roles"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if let Some(role) = role["Ref"].as_str() {
                granted
                    .entry(role.to_owned())
                    .or_default()
                    .extend(actions.clone());
            }
        }
    }
    granted
}

/// The logical id of the role of each function, by the function's name.
pub fn roles(template: &Value) -> BTreeMap<String, String> {
    let resources = template["Resources"].as_object();
    let resources = resources.into_iter().flat_map(serde_json::Map::values);
    let functions = resources.filter(|one| one["Type"] == "AWS::Lambda::Function");
    let pairs = functions.filter_map(|function| {
        let properties = &function["Properties"];
        let name = text(template, &properties["FunctionName"])?;
        let role = properties["Role"]["Fn::GetAtt"].get(0)?.as_str()?;
        Some((name, role.to_owned()))
    });
    pairs.collect()
}

/// A text, or what parameters make of it with their defaults.
fn text(template: &Value, value: &Value) -> Option<String> {
    if let Some(name) = value["Ref"].as_str() {
        let default = &template["Parameters"][name]["Default"];
        return default.as_str().map(str::to_owned);
    }
    if let Some(parts) = value["Fn::Join"].get(1) {
        let parts = parts.as_array()?.iter();
        return parts.map(|part| text(template, part)).collect();
    }
    value.as_str().map(str::to_owned)
}

/// The template with an action taken away from a role.
///
/// # Errors
/// The role does not have it.
pub fn without(template: &Value, role: &str, action: &str) -> anyhow::Result<Value> {
    let mut template = template.clone();
    let mut taken = false;
    let resources = template["Resources"]
        .as_object_mut()
        .context("no resources")?;
    for policy in resources.values_mut().filter(|one| is_policy_of(one, role)) {
        let document = &mut policy["Properties"]["PolicyDocument"]["Statement"];
        for statement in document.as_array_mut().into_iter().flatten() {
            taken |= take(statement, action);
        }
    }
    anyhow::ensure!(taken, "role `{role}` is not granted `{action}`");
    Ok(template)
}

/// The template as ministack understands it: it asks for a permission to send in batches, which AWS does not have.
///
/// Source: service authorization reference, "Actions defined by Amazon SQS".
pub fn for_ministack(template: &Value) -> Value {
    let mut template = template.clone();
    let resources = template["Resources"].as_object_mut();
    let resources = resources.into_iter().flat_map(|all| all.values_mut());
    for policy in resources.filter(|one| one["Type"] == "AWS::IAM::Policy") {
        let document = &mut policy["Properties"]["PolicyDocument"]["Statement"];
        for statement in document.as_array_mut().into_iter().flatten() {
            let mut actions = actions(statement);
            if actions.contains("sqs:SendMessage") {
                actions.insert("sqs:SendMessageBatch".to_owned());
                statement["Action"] = actions.into_iter().collect();
            }
        }
    }
    template
}

/// The template with queues that give a message again after so many seconds, if nobody has said that it is done with.
pub fn impatient(template: &Value, seconds: u32) -> Value {
    let mut template = template.clone();
    let resources = template["Resources"].as_object_mut();
    let resources = resources.into_iter().flat_map(|all| all.values_mut());
    for queue in resources.filter(|one| one["Type"] == "AWS::SQS::Queue") {
        if let Some(timeout) = queue["Properties"].get_mut("VisibilityTimeout") {
            *timeout = seconds.into();
        }
    }
    template
}

/// Whether it was there. A statement that has nothing left names an action that nobody calls.
fn take(statement: &mut Value, action: &str) -> bool {
    let had = actions(statement);
    if !had.contains(action) {
        return false;
    }
    let mut left: Vec<String> = had.into_iter().filter(|one| one != action).collect();
    if left.is_empty() {
        left.push("sts:GetServiceBearerToken".to_owned());
    }
    statement["Action"] = left.into();
    true
}

fn policies(template: &Value) -> impl Iterator<Item = &Value> {
    let resources = template["Resources"].as_object();
    let resources = resources.into_iter().flat_map(serde_json::Map::values);
    resources.filter(|one| one["Type"] == "AWS::IAM::Policy")
}

fn is_policy_of(resource: &Value, role: &str) -> bool {
    let mut roles = resource["Properties"]["Roles"]
        .as_array()
        .into_iter()
        .flatten();
    resource["Type"] == "AWS::IAM::Policy" && roles.any(|one| one["Ref"] == role)
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    let statements = &policy["Properties"]["PolicyDocument"]["Statement"];
    statements.as_array().into_iter().flatten()
}

fn actions(statement: &Value) -> BTreeSet<String> {
    let actions = &statement["Action"];
    let one = actions.as_str().into_iter();
    let many = actions
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    one.chain(many).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_granted_can_be_taken_away_one_by_one() {
        let template = json!({"Resources": {
            "Role": {"Type": "AWS::IAM::Role"},
            "Policy": {"Type": "AWS::IAM::Policy", "Properties": {
                "Roles": [{"Ref": "Role"}],
                "PolicyDocument": {"Statement": [
                    {"Action": ["sqs:SendMessage", "sqs:DeleteMessage"], "Effect": "Allow", "Resource": "q"},
                    {"Action": "s3:GetObject", "Effect": "Allow", "Resource": "b"}
                ]}
            }}
        }});
        let all = granted(&template);
        assert_eq!(all["Role"].len(), 3);
        for action in &all["Role"] {
            let less = granted(&without(&template, "Role", action).unwrap());
            assert!(!less["Role"].contains(action));
            assert_eq!(all["Role"].intersection(&less["Role"]).count(), 2);
        }
        without(&template, "Role", "s3:PutObject").unwrap_err();
    }

    #[test]
    fn a_function_has_the_role_that_it_refers_to() {
        let template = json!({
            "Parameters": {"Name": {"Default": "porpoise"}},
            "Resources": {
                "Role": {"Type": "AWS::IAM::Role"},
                "F": {"Type": "AWS::Lambda::Function", "Properties": {
                    "FunctionName": {"Fn::Join": ["", [{"Ref": "Name"}, "-api"]]},
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]}
                }}
            }
        });
        let wanted = [("porpoise-api".to_owned(), "Role".to_owned())];
        assert_eq!(roles(&template), wanted.into());
    }
}
