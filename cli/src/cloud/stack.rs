//! The stacks of a deployment, which CDK and Terraform make alike.

use std::collections::BTreeMap;

use serde_json::Value;

use super::aws::{Aws, AwsError};

/// What every stack of a deployment is tagged with; its value is the name of the deployment.
const TAG: &str = "porpoise";

/// A stack.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) outputs: BTreeMap<String, String>,
}

/// What a stack is made of.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// `AWS::Lambda::Function`.
    pub(super) kind: String,
    /// Its name, or what else AWS calls it by.
    pub(super) id: String,
    pub(super) status: String,
}

impl Stack {
    /// Those of a deployment in a region.
    pub(super) fn of_deployment(aws: &Aws, name: &str) -> Result<Vec<Self>, AwsError> {
        let answer = aws.ask(&["cloudformation", "describe-stacks"])?;
        let tagged = |stack: &&Value| {
            let tags = list(stack, "Tags");
            tags.iter()
                .any(|tag| text(tag, "Key") == TAG && text(tag, "Value") == name)
        };
        let stacks = list(&answer, "Stacks");
        Ok(stacks.iter().filter(tagged).map(Self::read).collect())
    }

    fn read(value: &Value) -> Self {
        let outputs = list(value, "Outputs").iter().map(|output| {
            let text = |name| text(output, name).to_owned();
            (text("OutputKey"), text("OutputValue"))
        });
        Self {
            name: text(value, "StackName").to_owned(),
            status: text(value, "StackStatus").to_owned(),
            outputs: outputs.collect(),
        }
    }

    /// Whether it is the control plane.
    pub(super) fn is_home(&self) -> bool {
        self.outputs.contains_key("ApiUrl")
    }

    /// Whether it is where jobs run.
    pub(super) fn is_place(&self) -> bool {
        self.outputs.contains_key("LoopArn")
    }

    /// Whether its last change took hold.
    pub(super) fn is_complete(&self) -> bool {
        let status = self.status.as_str();
        status.ends_with("_COMPLETE") && !status.contains("ROLLBACK") && !status.contains("DELETE")
    }

    pub(super) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    /// What it says that it made.
    pub(super) fn resources(&self, aws: &Aws) -> Result<Vec<Resource>, AwsError> {
        let words = ["cloudformation", "list-stack-resources", "--stack-name"];
        let answer = aws.ask(&[&words[..], &[self.name.as_str()]].concat())?;
        let summaries = list(&answer, "StackResourceSummaries");
        let resources = summaries.iter().map(|summary| Resource {
            kind: text(summary, "ResourceType").to_owned(),
            id: text(summary, "PhysicalResourceId").to_owned(),
            status: text(summary, "ResourceStatus").to_owned(),
        });
        Ok(resources.collect())
    }
}

/// A list of an answer; empty if there is none.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// A text of an answer; empty if there is none.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
