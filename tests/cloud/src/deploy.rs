//! The stacks: made from the templates that the CDK app synthesises, with the zips that `cargo xtask functions` packs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use axum::http::Method;
use serde_json::{Value, json};

use crate::aws::{Caller, Scope, elements};
use crate::template::for_ministack;

/// The stack of the control plane, as its template is called.
pub(crate) const HOME: &str = "PorpoiseHome";
/// The stack of a data place.
pub(crate) const PLACE: &str = "PorpoisePlace";
/// The functions of both.
const FUNCTIONS: [&str; 5] = ["api", "dispatcher", "poller", "stepper", "trigger"];
/// Where the zips lie in the bucket.
const PREFIX: &str = "1/";
/// Looks at a stack that is being made, and how long is waited in between: half a minute.
const LOOKS_MAX: u32 = 300;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Deploys into one account.
#[derive(Debug)]
pub(crate) struct Deployer {
    pub(crate) caller: Caller,
    pub(crate) account: String,
    /// The name of the deployment, with which the names of everything begin.
    pub(crate) name: String,
}

/// What is deployed where.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) home: String,
    pub(crate) regions: Vec<String>,
    pub(crate) templates: BTreeMap<String, Value>,
    /// The folder with NAME/bootstrap.zip for each function.
    pub(crate) functions: PathBuf,
}

/// What a stack says of itself.
pub(crate) type Outputs = BTreeMap<String, String>;

/// A parameter of a stack.
pub(crate) type Parameter = (&'static str, String);

/// Source: `CloudFormation` API reference.
const CLOUDFORMATION: &str = "2010-05-15";

impl Deployer {
    /// Makes all stacks; returns what home says.
    pub(crate) fn deploy(&self, plan: &Plan) -> anyhow::Result<Outputs> {
        let mut regions = plan.regions.clone();
        regions.push(plan.home.clone());
        regions.sort();
        regions.dedup();
        for region in &regions {
            self.upload(region, &plan.functions)?;
        }
        for region in &plan.regions {
            let parameters = self.place_parameters(region, &plan.home);
            let template = template(plan, PLACE)?;
            self.create(region, PLACE, template, parameters)?;
        }
        let parameters = self.home_parameters(plan);
        self.create(&plan.home, HOME, template(plan, HOME)?, parameters)
    }

    /// Puts another template in the place of a stack's.
    pub(crate) fn update(
        &self,
        region: &str,
        id: &str,
        template: &Value,
        parameters: Vec<Parameter>,
    ) -> anyhow::Result<()> {
        match self.stack_call(region, "UpdateStack", id, template, parameters) {
            Err(error) if format!("{error:#}").contains("No updates") => Ok(()),
            Err(error) => Err(error.context(format!("cannot update stack {id} in {region}"))),
            Ok(()) => self.settled(region, id).map(drop),
        }
    }

    pub(crate) fn home_parameters(&self, plan: &Plan) -> Vec<Parameter> {
        let bus = |region: &String| self.bus(region);
        let far = || plan.regions.iter().filter(|region| **region != plan.home);
        let buses: BTreeMap<String, String> = far()
            .map(|region| (self.place(region), bus(region)))
            .collect();
        let arns: Vec<String> = far().map(bus).collect();
        let poller = |region: &String| self.poller(region);
        let pollers: Vec<String> = far().map(poller).collect();
        let near = if far().count() < plan.regions.len() {
            "yes"
        } else {
            "no"
        };
        let mut parameters = self.artefacts(&plan.home);
        parameters.push(("HomeIsPlace", near.to_owned()));
        parameters.push(("Buses", json!(buses).to_string()));
        parameters.push(("BusArns", arns.join(",")));
        parameters.push(("PollerArns", pollers.join(",")));
        parameters.push(("ReserveConcurrency", "no".to_owned()));
        parameters
    }

    pub(crate) fn place_parameters(&self, region: &str, home: &str) -> Vec<Parameter> {
        let mut parameters = self.artefacts(region);
        parameters.push(("HomeRegion", home.to_owned()));
        let far = if region == home { "no" } else { "yes" };
        parameters.push(("HasBus", far.to_owned()));
        parameters
    }

    fn artefacts(&self, region: &str) -> Vec<Parameter> {
        vec![
            ("Name", self.name.clone()),
            ("ArtefactBucket", self.bucket(region)),
            ("ArtefactPrefix", PREFIX.to_owned()),
        ]
    }

    /// A place as the product prints it.
    pub(crate) fn place(&self, region: &str) -> String {
        format!("aws.{region}.{}", self.account)
    }

    fn bus(&self, region: &str) -> String {
        let (account, name) = (&self.account, &self.name);
        format!("arn:aws:events:{region}:{account}:event-bus/{name}")
    }

    fn poller(&self, region: &str) -> String {
        let (account, name) = (&self.account, &self.name);
        format!("arn:aws:lambda:{region}:{account}:function:{name}-poller")
    }

    fn bucket(&self, region: &str) -> String {
        format!("{}-artefacts-{region}", self.name)
    }

    fn stack(&self, id: &str) -> String {
        format!("{}-{id}", self.name)
    }

    /// Makes a bucket of an account, in a region.
    pub(crate) fn make_bucket(
        &self,
        (account, region): (&str, &str),
        bucket: &str,
    ) -> anyhow::Result<()> {
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        );
        let (scope, path) = (s3(account, region), format!("/{bucket}"));
        let made = self
            .caller
            .call(scope, (Method::PUT, &path), &[], place.as_bytes());
        made.map(drop)
            .with_context(|| format!("cannot make the bucket `{bucket}`"))
    }

    /// Puts an object into a bucket of an account, in a region.
    pub(crate) fn put_object(
        &self,
        (account, region): (&str, &str),
        path: &str,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        let scope = s3(account, region);
        let put = self.caller.call(scope, (Method::PUT, path), &[], bytes);
        put.map(drop)
            .with_context(|| format!("cannot put `{path}`"))
    }

    fn upload(&self, region: &str, functions: &Path) -> anyhow::Result<()> {
        let scope = self.scope(region, "s3");
        let bucket = self.bucket(region);
        self.make_bucket((&self.account, region), &bucket)?;
        for name in FUNCTIONS {
            let path = format!("/{bucket}/{PREFIX}{name}.zip");
            let put = self
                .caller
                .call(scope, (Method::PUT, &path), &[], &code(functions, name)?);
            put.with_context(|| format!("cannot upload function `{name}`"))?;
        }
        Ok(())
    }

    fn create(
        &self,
        region: &str,
        id: &str,
        template: &Value,
        parameters: Vec<Parameter>,
    ) -> anyhow::Result<Outputs> {
        let made = self.stack_call(region, "CreateStack", id, template, parameters);
        made.with_context(|| format!("cannot make stack {id} in {region}"))?;
        self.settled(region, id)
    }

    fn stack_call(
        &self,
        region: &str,
        action: &str,
        id: &str,
        template: &Value,
        parameters: Vec<Parameter>,
    ) -> anyhow::Result<()> {
        let template = for_ministack(template).to_string();
        let mut form = vec![
            ("StackName".to_owned(), self.stack(id)),
            ("TemplateBody".to_owned(), template),
            (
                "Capabilities.member.1".to_owned(),
                "CAPABILITY_NAMED_IAM".to_owned(),
            ),
        ];
        for (number, (name, value)) in (1..).zip(parameters) {
            let at = format!("Parameters.member.{number}");
            form.push((format!("{at}.ParameterKey"), name.to_owned()));
            form.push((format!("{at}.ParameterValue"), value));
        }
        let scope = self.scope(region, "cloudformation");
        let called = self.caller.query(scope, action, CLOUDFORMATION, &form);
        called.map(drop)
    }

    /// Waits until the stack is as it was asked for.
    fn settled(&self, region: &str, id: &str) -> anyhow::Result<Outputs> {
        let scope = self.scope(region, "cloudformation");
        let name = [("StackName".to_owned(), self.stack(id))];
        let told = |action: &str| self.caller.query(scope, action, CLOUDFORMATION, &name);
        for _ in 0..LOOKS_MAX {
            let stack = told("DescribeStacks")?;
            let status = elements(&stack, "StackStatus");
            match *status.first().context("the stack is gone")? {
                "CREATE_COMPLETE" | "UPDATE_COMPLETE" => return Ok(outputs(&stack)),
                status if status.ends_with("IN_PROGRESS") && !status.contains("ROLLBACK") => {}
                failed => {
                    let events = told("DescribeStackEvents")?;
                    let why = elements(&events, "ResourceStatusReason").join("; ");
                    anyhow::bail!("stack {id}: {failed}: {why}")
                }
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        anyhow::bail!("stack {id} is not made in {:?}", BETWEEN_LOOKS * LOOKS_MAX)
    }

    /// What a function in a region has written to its log.
    pub(crate) fn log(&self, region: &str, function: &str) -> anyhow::Result<Vec<String>> {
        let group = format!("/aws/lambda/{}-{function}", self.name);
        let body = json!({"logGroupName": group, "limit": 10_000});
        let target = ("logs", "Logs_20140328.FilterLogEvents", "1.1");
        let told = self.json(region, target, &body)?;
        Ok(texts(&told, "events", "message"))
    }

    /// The executions of a region's poll loop that go on.
    pub(crate) fn loops(&self, region: &str) -> anyhow::Result<Vec<String>> {
        let (account, name) = (&self.account, &self.name);
        let machine = format!("arn:aws:states:{region}:{account}:stateMachine:{name}-loop");
        let body = json!({"stateMachineArn": machine, "statusFilter": "RUNNING"});
        let target = ("states", "AWSStepFunctions.ListExecutions", "1.0");
        let told = self.json(region, target, &body)?;
        Ok(texts(&told, "executions", "executionArn"))
    }

    fn json(
        &self,
        region: &str,
        (service, target, version): (&str, &str, &str),
        body: &Value,
    ) -> anyhow::Result<Value> {
        let kind = format!("application/x-amz-json-{version}");
        let more = [("content-type", kind.as_str()), ("x-amz-target", target)];
        let scope = self.scope(region, service);
        let body = body.to_string();
        let told = self
            .caller
            .call(scope, (Method::POST, "/"), &more, body.as_bytes())?;
        Ok(serde_json::from_str(&told)?)
    }

    fn scope<'s>(&'s self, region: &'s str, service: &'s str) -> Scope<'s> {
        Scope {
            account: &self.account,
            region,
            service,
        }
    }
}

/// S3 in a region, asked by the root of an account.
fn s3<'s>(account: &'s str, region: &'s str) -> Scope<'s> {
    Scope {
        account,
        region,
        service: "s3",
    }
}

/// The texts of a member of each item of a list.
fn texts(answer: &Value, list: &str, member: &str) -> Vec<String> {
    let items = answer.get(list).and_then(Value::as_array);
    let texts = items.into_iter().flatten();
    texts
        .filter_map(|item| item.get(member)?.as_str().map(str::to_owned))
        .collect()
}

fn code(functions: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let zip = functions.join(name).join("bootstrap.zip");
    std::fs::read(&zip).with_context(|| {
        let zip = zip.display();
        format!("there is no {zip}: `cargo xtask functions --quick` packs it")
    })
}

fn template<'p>(plan: &'p Plan, id: &str) -> anyhow::Result<&'p Value> {
    let template = plan.templates.get(id);
    template.with_context(|| format!("there is no template of stack {id}"))
}

fn outputs(stack: &str) -> Outputs {
    let keys = elements(stack, "OutputKey").into_iter();
    let values = elements(stack, "OutputValue").into_iter();
    let pairs = keys.zip(values);
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
