//! A stack, looked at resource by resource: what is gone, what is switched off, what nobody could handle.

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::BASE64;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::aws::{Aws, each};
use super::catalogue::{Here, look};
use super::finding::Finding;
use super::stack::{Stack, list, text};

/// Metadata of stacks, and where it says how they are mended.
const RUNBOOK: &str = "docs/runbook.md";

/// A function, as it is deployed.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) region: String,
    pub(super) environment: BTreeMap<String, String>,
    /// Base64 of the SHA-256 of its zip.
    pub(super) code: String,
}

/// What a stack was found to be.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) findings: Vec<Finding>,
    pub(super) functions: Vec<Function>,
}

/// Examines a stack.
pub(super) fn examine(aws: &Aws, deployment: &str, stack: &Stack) -> Examined {
    let mut examined = Examined::default();
    let object = format!("stack {}", stack.name);
    if !stack.is_complete() {
        let says = format!("its last change did not take hold: {}", stack.status);
        let why = format!(
            "aws cloudformation describe-stack-events --region {} --stack-name {} --query 'StackEvents[?contains(ResourceStatus, `FAILED`)]', then porpoise deploy",
            aws.region, stack.name
        );
        let finding = Finding::wrong(&object, says).at(&aws.region).mend(why);
        examined.findings.push(finding);
    }
    let resources = match stack.resources(aws) {
        Ok(resources) => resources,
        Err(error) => {
            let finding = Finding::unknown(&object, error.said()).at(&aws.region);
            examined.findings.push(finding);
            return examined;
        }
    };
    let gone = |status: &str| status.starts_with("DELETE") || status.ends_with("FAILED");
    let (failed, made): (Vec<_>, Vec<_>) =
        resources.into_iter().partition(|made| gone(&made.status));
    for resource in failed.iter().filter(|made| made.status.ends_with("FAILED")) {
        let object = format!("{} {}", resource.kind, resource.id);
        let finding = Finding::wrong(object, format!("its stack says {}", resource.status));
        examined
            .findings
            .push(finding.at(&aws.region).mend("porpoise deploy"));
    }
    let looked = look(aws, deployment, &made);
    let questions: Vec<&Here> = looked.here.iter().collect();
    let odd = each(&questions, |here| states(aws, here));
    examined.functions = looked
        .here
        .iter()
        .filter_map(|here| function(aws, here))
        .collect();
    let says = format!(
        "{} of its {} resources are there; {} policies, permissions and routes are not looked at",
        looked.here.len(),
        looked.here.len() + looked.findings.len(),
        looked.unlisted
    );
    examined
        .findings
        .push(Finding::well(&object, says).at(&aws.region));
    examined.findings.extend(looked.findings);
    examined
        .findings
        .extend(odd.into_iter().flatten().map(|one| one.at(&aws.region)));
    examined
}

/// What is not as it should be of something that is there.
fn states(aws: &Aws, here: &Here) -> Option<Finding> {
    match here.kind {
        "AWS::Events::Rule" => rule(aws, here),
        "AWS::Lambda::EventSourceMapping" => mapping(aws, here),
        "AWS::CloudWatch::Alarm" => alarm(here),
        "AWS::SQS::Queue" if here.name.trim_end_matches(".fifo").ends_with("dead") => {
            dead(aws, here)
        }
        _ => None,
    }
}

fn rule(aws: &Aws, here: &Here) -> Option<Finding> {
    let bus = text(&here.item, "EventBusName");
    let bus = if bus.is_empty() { "default" } else { bus };
    let region = &aws.region;
    if text(&here.item, "State") == "DISABLED" {
        let name = &here.name;
        let mend = format!(
            "aws events enable-rule --region {region} --name {name} --event-bus-name {bus}"
        );
        return Some(Finding::wrong(&here.object, "it is disabled").mend(mend));
    }
    let words = [
        "events",
        "list-targets-by-rule",
        "--rule",
        &here.name,
        "--event-bus-name",
        bus,
    ];
    match aws.ask(&words) {
        Ok(answer) if list(&answer, "Targets").is_empty() => {
            let finding = Finding::wrong(&here.object, "it calls nothing");
            Some(finding.mend("porpoise deploy --revert-drift"))
        }
        Ok(_) => None,
        Err(error) => Some(Finding::unknown(&here.object, error.said())),
    }
}

fn mapping(aws: &Aws, here: &Here) -> Option<Finding> {
    let state = text(&here.item, "State");
    if ["Enabled", "Enabling", "Creating", "Updating"].contains(&state) {
        return None;
    }
    let from = text(&here.item, "EventSourceArn").rsplit(':').next();
    let from = from.unwrap_or_default();
    let says = format!("it is {state}: nothing comes from the queue {from}");
    let mend = format!(
        "aws lambda update-event-source-mapping --region {} --uuid {} --enabled",
        aws.region, here.name
    );
    Some(Finding::wrong(&here.object, says).mend(mend))
}

fn alarm(here: &Here) -> Option<Finding> {
    if text(&here.item, "StateValue") != "ALARM" {
        return None;
    }
    let description = text(&here.item, "AlarmDescription");
    let says = format!("it rings: {}", text(&here.item, "StateReason"));
    let mend = description.rsplit("See ").next().unwrap_or(RUNBOOK);
    Some(Finding::wrong(&here.object, says).mend(mend))
}

fn dead(aws: &Aws, here: &Here) -> Option<Finding> {
    let url = here.item.as_str().unwrap_or_default();
    let words = [
        "sqs",
        "get-queue-attributes",
        "--queue-url",
        url,
        "--attribute-names",
        "ApproximateNumberOfMessages",
    ];
    let answer = match aws.ask(&words) {
        Ok(answer) => answer,
        Err(error) => return Some(Finding::unknown(&here.object, error.said())),
    };
    let many = answer
        .get("Attributes")
        .map(|all| text(all, "ApproximateNumberOfMessages"));
    let heading = if here.name.contains("place") {
        "dead-letters-of-a-place"
    } else {
        "dead-letters"
    };
    match many {
        Some("0") => None,
        None | Some("") => Some(Finding::unknown(
            &here.object,
            "it does not say how many messages it holds",
        )),
        Some(many) => {
            let says = format!("{many} messages stand in it that nobody could handle");
            Some(Finding::wrong(&here.object, says).mend(format!("{RUNBOOK}#{heading}")))
        }
    }
}

fn function(aws: &Aws, here: &Here) -> Option<Function> {
    if here.kind != "AWS::Lambda::Function" {
        return None;
    }
    let variables = here
        .item
        .get("Environment")
        .and_then(|all| all.get("Variables"));
    let variables = variables.and_then(Value::as_object).into_iter().flatten();
    let variables =
        variables.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    Some(Function {
        name: here.name.clone(),
        region: aws.region.clone(),
        environment: variables.collect(),
        code: text(&here.item, "CodeSha256").to_owned(),
    })
}

/// Compares what functions run with the zips of a folder.
pub(super) fn compare(functions: &[Function], deployment: &str, folder: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut same = 0;
    for function in functions {
        let short = function.name.strip_prefix(&format!("{deployment}-"));
        let zip = folder
            .join(short.unwrap_or(&function.name))
            .join("bootstrap.zip");
        let object = format!("function {}", function.name);
        let finding = match std::fs::read(&zip) {
            Ok(bytes) if BASE64.encode(&Sha256::digest(&bytes)) == function.code => {
                same += 1;
                continue;
            }
            Ok(_) => Finding::wrong(
                object,
                format!("it runs other code than `{}`", zip.display()),
            )
            .mend("porpoise deploy"),
            Err(error) => Finding::unknown(object, format!("`{}`: {error}", zip.display())),
        };
        findings.push(finding.at(&function.region));
    }
    let says = format!(
        "{same} of {} run what `{}` holds",
        functions.len(),
        folder.display()
    );
    findings.insert(0, Finding::well("code of the functions", says));
    findings
}
