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

/// The template as ministack understands it: it asks for a permission to send in batches, which AWS does not have; it
/// takes a schedule of any group for one of the group `default`; and it takes no events of services, so that those come
/// by another name, and their targets get them by the right one.
///
/// Source: service authorization reference, "Actions defined by Amazon SQS", "Resource types defined by Amazon
/// EventBridge Scheduler".
pub fn for_ministack(template: &Value) -> Value {
    let mut template = template.clone();
    let resources = template["Resources"].as_object_mut();
    for resource in resources.into_iter().flat_map(|all| all.values_mut()) {
        if resource["Type"] == "AWS::IAM::Policy" {
            let document = &mut resource["Properties"]["PolicyDocument"]["Statement"];
            let statements = document.as_array_mut();
            for statement in statements.into_iter().flatten() {
                grant_batches(statement);
                grant_in_default_group(statement);
            }
        } else if resource["Type"] == "AWS::Events::Rule" {
            name_as_sent(&mut resource["Properties"]);
        }
    }
    template
}

fn grant_batches(statement: &mut Value) {
    let mut actions = actions(statement);
    if actions.contains("sqs:SendMessage") {
        actions.insert("sqs:SendMessageBatch".to_owned());
        statement["Action"] = actions.into_iter().collect();
    }
}

fn grant_in_default_group(statement: &mut Value) {
    if actions(statement).contains("scheduler:CreateSchedule") {
        statement["Resource"] = "arn:aws:scheduler:*:*:schedule/default/wake-*".into();
    }
}

/// The members of an event that its target gets, and where they are in it.
const EVENT: [(&str, &str); 9] = [
    ("version", "$.version"),
    ("id", "$.id"),
    ("detail-type", "$.detail-type"),
    ("source", ""),
    ("account", "$.account"),
    ("time", "$.time"),
    ("region", "$.region"),
    ("resources", "$.resources"),
    ("detail", "$.detail"),
];

/// A rule whose pattern takes `emulated.emr-serverless` for `aws.emr-serverless` hands its event on as the service would
/// have sent it: by an input transformer, so that the pattern and the targets stay as they are deployed.
fn name_as_sent(rule: &mut Value) {
    let sources = rule["EventPattern"]["source"].as_array();
    let mut sources = sources.into_iter().flatten().filter_map(Value::as_str);
    let Some(source) = sources.find(|source| source.starts_with("aws.")) else {
        return;
    };
    let (paths, members): (serde_json::Map<String, Value>, Vec<String>) = EVENT
        .iter()
        .enumerate()
        .map(|(number, (name, path))| match *path {
            "" => (None, format!("\"{name}\":\"{source}\"")),
            path => {
                let variable = format!("v{number}");
                let member = format!("\"{name}\":<{variable}>");
                (Some((variable, Value::from(path))), member)
            }
        })
        .fold(
            Default::default(),
            |(mut paths, mut members), (path, member)| {
                paths.extend(path);
                members.push(member);
                (paths, members)
            },
        );
    let transformer = serde_json::json!({
        "InputPathsMap": paths,
        "InputTemplate": format!("{{{}}}", members.join(",")),
    });
    for target in rule["Targets"].as_array_mut().into_iter().flatten() {
        target["InputTransformer"] = transformer.clone();
    }
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

/// The template with rules that fire each minute, the shortest that there is, instead of now and then.
pub fn hasty(template: &Value) -> Value {
    let mut template = template.clone();
    let resources = template["Resources"].as_object_mut();
    let resources = resources.into_iter().flat_map(|all| all.values_mut());
    for rule in resources.filter(|one| one["Type"] == "AWS::Events::Rule") {
        if let Some(schedule) = rule["Properties"].get_mut("ScheduleExpression") {
            *schedule = "rate(1 minute)".into();
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
    fn events_of_a_service_come_by_another_name_and_are_handed_on_by_the_right_one() {
        let rule = |source: Value| {
            json!({"Type": "AWS::Events::Rule", "Properties": {
                "EventPattern": {"source": source}, "Targets": [{"Arn": "a"}]
            }})
        };
        let template = json!({"Resources": {
            "Service": rule(json!(["aws.athena", "emulated.athena"])),
            "Ours": rule(json!(["porpoise"])),
        }});
        let template = for_ministack(&template)["Resources"].clone();
        let target = &template["Service"]["Properties"]["Targets"][0];
        let transformer = &target["InputTransformer"];
        let text = transformer["InputTemplate"].as_str().unwrap();
        assert!(text.contains(r#""source":"aws.athena""#), "{text}");
        assert!(text.contains(r#""detail":<v8>"#), "{text}");
        assert_eq!(transformer["InputPathsMap"]["v8"], "$.detail");
        let ours = &template["Ours"]["Properties"]["Targets"][0];
        assert_eq!(ours, &json!({"Arn": "a"}));
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
