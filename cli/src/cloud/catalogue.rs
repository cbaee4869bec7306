//! How the things that stacks are made of are found: a listing for each sort.

use serde_json::Value;

use super::aws::{Aws, AwsError, each};
use super::finding::Finding;
use super::stack::{Resource, list, text};

/// A sort of resource.
struct Sort {
    /// As `CloudFormation` calls it.
    kind: &'static str,
    /// As people call it.
    word: &'static str,
    /// What lists them; `{}` stands for the name of the deployment.
    asks: &'static [&'static [&'static str]],
    /// Where the answer has the list.
    items: &'static str,
    /// What an item of the list is called by; empty: the item is a name.
    id: &'static str,
}

const fn sort(
    kind: &'static str,
    word: &'static str,
    asks: &'static [&'static [&'static str]],
    items: &'static str,
    id: &'static str,
) -> Sort {
    Sort {
        kind,
        word,
        asks,
        items,
        id,
    }
}

#[rustfmt::skip]
const SORTS: [Sort; 14] = [
    sort("AWS::Lambda::Function", "function", &[&["lambda", "list-functions"]], "Functions", "FunctionName"),
    sort("AWS::Lambda::EventSourceMapping", "event source mapping", &[&["lambda", "list-event-source-mappings"]], "EventSourceMappings", "UUID"),
    sort("AWS::Logs::LogGroup", "log group", &[&["logs", "describe-log-groups", "--log-group-name-prefix", "/aws/lambda/{}-"]], "logGroups", "logGroupName"),
    sort("AWS::IAM::Role", "role", &[&["iam", "list-roles"]], "Roles", "RoleName"),
    sort("AWS::DynamoDB::Table", "table", &[&["dynamodb", "list-tables"]], "TableNames", ""),
    sort("AWS::S3::Bucket", "bucket", &[&["s3api", "list-buckets"]], "Buckets", "Name"),
    sort("AWS::SQS::Queue", "queue", &[&["sqs", "list-queues", "--queue-name-prefix", "{}-"]], "QueueUrls", ""),
    sort("AWS::Events::EventBus", "event bus", &[&["events", "list-event-buses"]], "EventBuses", "Name"),
    sort("AWS::Events::Rule", "rule", &[&["events", "list-rules"], &["events", "list-rules", "--event-bus-name", "{}"]], "Rules", "Name"),
    sort("AWS::Scheduler::ScheduleGroup", "schedule group", &[&["scheduler", "list-schedule-groups"]], "ScheduleGroups", "Name"),
    sort("AWS::StepFunctions::StateMachine", "state machine", &[&["stepfunctions", "list-state-machines"]], "stateMachines", "stateMachineArn"),
    sort("AWS::SNS::Topic", "topic", &[&["sns", "list-topics"]], "Topics", "TopicArn"),
    sort("AWS::CloudWatch::Alarm", "alarm", &[&["cloudwatch", "describe-alarms", "--alarm-name-prefix", "{}-"]], "MetricAlarms", "AlarmName"),
    sort("AWS::ApiGatewayV2::Api", "api", &[&["apigatewayv2", "get-apis"]], "Items", "ApiId"),
];

/// A resource that a stack made and that is there, with what its listing says of it.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) kind: &'static str,
    /// `function porpoise-stepper`.
    pub(super) object: String,
    pub(super) name: String,
    pub(super) item: Value,
}

/// What became of the resources of a stack.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) here: Vec<Here>,
    /// What is gone, and sorts that may not be listed.
    pub(super) findings: Vec<Finding>,
    /// Resources of sorts that are not listed here: policies, permissions, routes.
    pub(super) unlisted: usize,
}

/// Looks for each resource of a stack.
pub(super) fn look(aws: &Aws, deployment: &str, resources: &[Resource]) -> Looked {
    let mut looked = Looked::default();
    let present = |sort: &&Sort| resources.iter().any(|made| made.kind == sort.kind);
    let sorts: Vec<_> = SORTS.iter().filter(present).collect();
    let listed = each(&sorts, |sort| items(aws, deployment, sort));
    for (sort, items) in sorts.into_iter().zip(listed) {
        let made = resources.iter().filter(|made| made.kind == sort.kind);
        let items = match items {
            Ok(items) => items,
            Err(error) => {
                let says = format!("{} of them could not be looked for", made.count());
                let why = if error.is_denied() {
                    "the caller may not list them"
                } else {
                    &error.said()
                };
                let finding = Finding::unknown(format!("{}s", sort.word), format!("{says}: {why}"));
                looked.findings.push(finding.at(&aws.region));
                continue;
            }
        };
        for resource in made {
            let name = last(&resource.id);
            let object = format!("{} {name}", sort.word);
            let found = items
                .iter()
                .find(|item| is_called(sort, item, &resource.id));
            if let Some(item) = found {
                looked.here.push(Here {
                    kind: sort.kind,
                    object,
                    name: name.to_owned(),
                    item: item.clone(),
                });
            } else {
                let finding = Finding::wrong(object, "it is gone, although its stack made it");
                looked
                    .findings
                    .push(finding.at(&aws.region).mend(mend(sort)));
            }
        }
    }
    let known = |made: &&Resource| SORTS.iter().any(|sort| sort.kind == made.kind);
    looked.unlisted = resources.len() - resources.iter().filter(known).count();
    looked
}

fn items(aws: &Aws, deployment: &str, sort: &Sort) -> Result<Vec<Value>, AwsError> {
    let mut found = Vec::new();
    for ask in sort.asks {
        let words: Vec<_> = ask
            .iter()
            .map(|word| word.replace("{}", deployment))
            .collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        match aws.ask(&words) {
            Ok(answer) => found.extend_from_slice(list(&answer, sort.items)),
            // rules of a bus that is gone, or of another stack
            Err(error) if error.is_absence() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Names are compared by their last part: a queue is called by its address, a rule of a bus by both.
fn is_called(sort: &Sort, item: &Value, id: &str) -> bool {
    let name = match sort.id {
        "" => item.as_str().unwrap_or_default(),
        field => text(item, field),
    };
    !name.is_empty() && (name == id || last(name) == last(id))
}

fn last(id: &str) -> &str {
    if id.starts_with("/aws/lambda/") {
        return id;
    }
    id.rsplit(['/', '|', ':']).next().unwrap_or(id)
}

fn mend(sort: &Sort) -> &'static str {
    match sort.kind {
        "AWS::DynamoDB::Table" => {
            "its data went with it: `aws dynamodb restore-table-to-point-in-time` brings back the last 35 days"
        }
        "AWS::S3::Bucket" => {
            "what was in it is lost; make it again with `porpoise deploy --revert-drift`"
        }
        _ => "porpoise deploy --revert-drift",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_their_last_part() {
        let sort_of = |kind| SORTS.iter().find(|sort| sort.kind == kind).unwrap();
        let queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/porpoise-dead".into();
        let queues = sort_of("AWS::SQS::Queue");
        assert!(is_called(
            queues,
            &queue,
            "http://localhost:1/1/porpoise-dead"
        ));
        assert!(!is_called(
            queues,
            &queue,
            "http://localhost:1/1/porpoise-inputs-dead"
        ));
        let rule = serde_json::json!({"Name": "porpoise-intents"});
        assert!(is_called(
            sort_of("AWS::Events::Rule"),
            &rule,
            "porpoise|porpoise-intents"
        ));
        assert!(!is_called(queues, &"".into(), ""));
    }
}
