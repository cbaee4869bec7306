//! What targets need to be there: applications, workgroups, and a role in another account.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::aws::{Caller, Scope};
use crate::cloud::Options;
use crate::jobs::Jobs;

/// The names of the applications of EMR Serverless that each place has, in both accounts: these are also their types.
pub const APPLICATIONS: [&str; 2] = ["spark", "hive"];
/// What the trust of the role in the other account asks for.
pub const EXTERNAL_ID: &str = "box-4711";
/// The bucket of the other account where its role may read what drivers of jobs wrote.
pub const OTHER_LOGS: &str = "partner-logs";
/// Source: IAM API reference.
const IAM: &str = "2010-05-08";

/// Names that the settings of the templates allow for, by the name of the deployment.
#[derive(Debug, Clone, Copy)]
pub struct Names<'n>(pub &'n str);

impl Names<'_> {
    /// The workgroup of Athena.
    pub fn workgroup(self) -> String {
        format!("{}-target-sql", self.0)
    }

    /// The role that jobs run with.
    pub fn job_role(self, account: &str) -> String {
        format!("arn:aws:iam::{account}:role/{}-job-etl", self.0)
    }

    fn target_role(self) -> String {
        format!("{}-target-etl", self.0)
    }

    /// The role of targets in another account.
    pub fn target_role_arn(self, account: &str) -> String {
        format!("arn:aws:iam::{account}:role/{}", self.target_role())
    }
}

/// Makes all of it.
pub(crate) fn make(options: &Options, ministack: &Caller, jobs: &Jobs) -> anyhow::Result<()> {
    let names = Names(&options.name);
    for account in [&options.account, &options.other_account] {
        for region in &options.regions {
            for sort in APPLICATIONS {
                let at = (account.as_str(), region.as_str());
                let tag = Some(options.name.as_str());
                jobs.application(at, sort, &sort.to_uppercase(), tag)?;
            }
            jobs.workgroup((account, region), &names.workgroup())?;
        }
    }
    role(options, ministack)
}

/// A role in the other account, for dispatcher and poller of each place, and nobody without the external id.
fn role(options: &Options, ministack: &Caller) -> anyhow::Result<()> {
    let names = Names(&options.name);
    let Options {
        account,
        other_account,
        ..
    } = options;
    let users = options.regions.iter().flat_map(|region| {
        ["dispatcher", "poller"]
            .map(|user| format!("arn:aws:iam::{account}:role/{}-{user}-{region}", names.0))
    });
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"AWS": users.collect::<Vec<_>>()},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }]});
    let allowed = |action: &[&str], resource: String| json!({"Effect": "Allow", "Action": action, "Resource": resource});
    let rights = json!({"Version": "2012-10-17", "Statement": [
        allowed(&["emr-serverless:*"], format!("arn:aws:emr-serverless:*:{other_account}:/*")),
        allowed(&["athena:*"], format!("arn:aws:athena:*:{other_account}:workgroup/*")),
        allowed(&["iam:PassRole"], names.job_role(other_account)),
        // as docs/targets.md has it
        allowed(&["s3:GetObject"], format!("arn:aws:s3:::{OTHER_LOGS}/*applications/*/jobs/*_DRIVER/std*.gz")),
        allowed(&["s3:ListBucket"], format!("arn:aws:s3:::{OTHER_LOGS}")),
    ]});
    let make = |action: &str, more: [(&str, &Value); 1], policy: Option<&str>| {
        let mut form = vec![("RoleName".to_owned(), names.target_role())];
        form.extend(policy.map(|name| ("PolicyName".to_owned(), name.to_owned())));
        form.extend(more.map(|(name, value)| (name.to_owned(), value.to_string())));
        let scope = Scope {
            account: other_account,
            region: "us-east-1", // of all regions
            service: "iam",
        };
        let made = ministack.query(scope, action, IAM, &form);
        made.context("cannot make the role in the other account")
    };
    make("CreateRole", [("AssumeRolePolicyDocument", &trust)], None)?;
    make("PutRolePolicy", [("PolicyDocument", &rights)], Some("jobs"))?;
    Ok(())
}
