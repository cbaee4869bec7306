//! Who may do what at EMR Serverless and Athena, which ministack does not have: the policies that it keeps of the role
//! of whoever asks are judged here.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::http::Method;
use porpoise_fake_aws::FakeAws;
use serde_json::Value;

use crate::aws::{Caller, Scope, elements};
use crate::call::Asked;
use crate::policy::{Need, allows};

/// Source: IAM API reference.
const IAM: &str = "2010-05-08";

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) account: String,
    /// The name of its role; `None`: the root of the account.
    pub(crate) role: Option<String>,
    /// It has assumed the role, and is not a function with its own.
    pub(crate) assumed: bool,
}

/// What roles allow.
#[derive(Debug)]
pub(crate) struct Rights {
    ministack: Caller,
    fake: Arc<FakeAws>,
    /// By access key.
    known: Mutex<BTreeMap<String, Principal>>,
}

impl Rights {
    pub(crate) fn new(ministack: &str, fake: Arc<FakeAws>) -> Self {
        Self {
            ministack: Caller::new(ministack),
            fake,
            known: Mutex::default(),
        }
    }

    /// Somebody has assumed a role, and signs with this key from now on.
    pub(crate) fn learn(&self, key: &str, role_arn: &str) {
        let principal = of_arn(role_arn, true);
        if let Some(principal) = principal {
            self.lock().insert(key.to_owned(), principal);
        }
    }

    /// Whose access key this is: a root's is the number of its account, a function's is in its environment.
    pub(crate) fn who(&self, key: &str) -> anyhow::Result<Principal> {
        if key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Principal {
                account: key.to_owned(),
                role: None,
                assumed: false,
            });
        }
        if let Some(known) = self.lock().get(key) {
            return Ok(known.clone());
        }
        let (function, region, account) =
            function_of(key).with_context(|| format!("nobody has the access key `{key}`"))?;
        let scope = Scope {
            account: &account,
            region: &region,
            service: "lambda",
        };
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let told = self.ministack.call(scope, (Method::GET, &path), &[], b"")?;
        let told: Value = serde_json::from_str(&told)?;
        let role = told.get("Role").and_then(Value::as_str);
        let principal = role.and_then(|role| of_arn(role, false));
        let principal = principal.with_context(|| format!("`{function}` has no role"))?;
        self.lock().insert(key.to_owned(), principal.clone());
        Ok(principal)
    }

    /// What it has to be allowed that its role does not allow; as the policies are now.
    pub(crate) fn missing<'n>(
        &self,
        principal: &Principal,
        needs: &'n [Need],
    ) -> anyhow::Result<Option<&'n Need>> {
        let Some(role) = &principal.role else {
            return Ok(None);
        };
        let policies = self.policies(&principal.account, role)?;
        for need in needs {
            if !allows(&policies, need)? {
                return Ok(Some(need));
            }
        }
        Ok(None)
    }

    fn policies(&self, account: &str, role: &str) -> anyhow::Result<Vec<Value>> {
        let scope = Scope {
            account,
            region: "us-east-1", // of all regions
            service: "iam",
        };
        let of_role = ("RoleName".to_owned(), role.to_owned());
        let ask = |action: &str, parameters: &[(String, String)]| {
            self.ministack.query(scope, action, IAM, parameters)
        };
        let names = ask("ListRolePolicies", std::slice::from_ref(&of_role))?;
        let names = elements(&names, "member").into_iter();
        let policies = names.map(|name| {
            let parameters = [of_role.clone(), ("PolicyName".to_owned(), name.to_owned())];
            let policy = ask("GetRolePolicy", &parameters)?;
            let document = elements(&policy, "PolicyDocument");
            let document = document.first().context("a policy without a document")?;
            anyhow::Ok(serde_json::from_str(&unescaped(document))?)
        });
        policies.collect()
    }

    /// What a call of EMR Serverless or Athena needs to be allowed, itself first.
    ///
    /// Source: service authorization reference, "Actions defined by Amazon EMR Serverless" and "… Amazon Athena"; for the
    /// list of applications, the messages with which it is refused.
    pub(crate) fn needs(&self, asked: &Asked, account: &str, path: &str, body: &[u8]) -> Vec<Need> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match asked.service.as_str() {
            "athena" => self.of_athena(asked, account, &body),
            _ => self.of_emr(asked, account, path, &body),
        }
    }

    fn of_athena(&self, asked: &Asked, account: &str, body: &Value) -> Vec<Need> {
        let region = &asked.region;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let first = body.pointer("/QueryExecutionIds/0").and_then(Value::as_str);
        let of_query = text("QueryExecutionId").or(first);
        let of_query = of_query.and_then(|id| self.fake.workgroup_of(account, region, id));
        let group = text("WorkGroup").map(str::to_owned).or(of_query);
        let group = group.unwrap_or_else(|| "primary".to_owned());
        vec![Need {
            action: asked.action.clone(),
            resource: format!("arn:aws:athena:{region}:{account}:workgroup/{group}"),
            context: Vec::new(),
        }]
    }

    fn of_emr(&self, asked: &Asked, account: &str, path: &str, body: &Value) -> Vec<Need> {
        let region = &asked.region;
        let all = format!("arn:aws:emr-serverless:{region}:{account}:");
        let mut parts = path.split('?').next().unwrap_or_default().split('/');
        let application = parts.nth(2);
        let run = parts.nth(1);
        let tags = application.map(|id| self.fake.tags_of(account, region, id));
        let tags = tags.into_iter().flatten();
        let context = tags.map(|(name, value)| (format!("aws:ResourceTag/{name}"), value));
        let (resource, context) = match (application, run) {
            (Some(id), Some(run)) => (format!("{all}/applications/{id}/jobruns/{run}"), Vec::new()),
            (Some(id), None) => (format!("{all}/applications/{id}"), context.collect()),
            (None, _) => (format!("{all}/*"), Vec::new()),
        };
        let need = |action: &str, resource: String, context| Need {
            action: action.to_owned(),
            resource,
            context,
        };
        let mut needs = vec![need(&asked.action, resource.clone(), context)];
        if asked.action.ends_with(":StartJobRun") {
            if body.get("tags").is_some() {
                let new = format!("{resource}/jobruns/new");
                needs.push(need("emr-serverless:TagResource", new, Vec::new()));
            }
            let role = body.get("executionRoleArn").and_then(Value::as_str);
            let service = "emr-serverless.amazonaws.com".to_owned();
            let passed = vec![("iam:PassedToService".to_owned(), service)];
            let role = role.unwrap_or_default().to_owned();
            needs.push(need("iam:PassRole", role, passed));
        }
        needs
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Principal>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `arn:aws:iam::111122223333:role/porpoise-poller-eu-west-1`.
fn of_arn(arn: &str, assumed: bool) -> Option<Principal> {
    let account = arn.split(':').nth(4)?;
    let (_, name) = arn.rsplit_once('/')?;
    Some(Principal {
        account: account.to_owned(),
        role: Some(name.to_owned()),
        assumed,
    })
}

/// Name, region and account of the function that runs with this access key.
fn function_of(key: &str) -> Option<(String, String, String)> {
    let mark = format!("AWS_ACCESS_KEY_ID={key}");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut environments = processes.filter_map(|one| fs::read(one.path().join("environ")).ok());
    environments.find_map(|environment| {
        let environment = String::from_utf8_lossy(&environment);
        let of = |name: &str| {
            let mut all = environment.split('\0');
            all.find_map(|one| one.strip_prefix(name)?.strip_prefix('='))
        };
        environment.split('\0').find(|one| *one == mark)?;
        // `aws.eu-west-1.111122223333`
        let account = of("PORPOISE_PLACE")?.rsplit('.').next()?;
        let (name, region) = (of("AWS_LAMBDA_FUNCTION_NAME")?, of("AWS_REGION")?);
        Some((name.to_owned(), region.to_owned(), account.to_owned()))
    })
}

/// Percent-decoded.
pub(crate) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let byte = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let taken = if byte.is_some() { 2 } else { 0 };
        bytes.push(byte.unwrap_or(*first));
        rest = after.get(taken..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights() -> Rights {
        let fake = FakeAws::start(porpoise_fake_aws::Options::default()).unwrap();
        Rights::new("http://127.0.0.1:1", Arc::new(fake))
    }

    fn asked(service: &str, action: &str) -> Asked {
        Asked {
            function: "porpoise-poller".to_owned(),
            service: service.to_owned(),
            region: "eu-west-1".to_owned(),
            action: format!("{service}:{action}"),
        }
    }

    #[test]
    fn a_start_needs_the_application_its_tags_and_the_role_of_the_job() {
        let body = br#"{"executionRoleArn": "arn:aws:iam::1:role/job", "tags": {"a": "b"}}"#;
        let needs = rights().needs(
            &asked("emr-serverless", "StartJobRun"),
            "1",
            "/applications/00f/jobruns",
            body,
        );
        let needs: Vec<_> = needs
            .iter()
            .map(|need| (&*need.action, &*need.resource))
            .collect();
        assert_eq!(
            needs,
            [
                (
                    "emr-serverless:StartJobRun",
                    "arn:aws:emr-serverless:eu-west-1:1:/applications/00f"
                ),
                (
                    "emr-serverless:TagResource",
                    "arn:aws:emr-serverless:eu-west-1:1:/applications/00f/jobruns/new"
                ),
                ("iam:PassRole", "arn:aws:iam::1:role/job"),
            ]
        );
    }

    #[test]
    fn what_is_asked_about_is_found_in_paths_and_bodies() {
        let rights = rights();
        for (service, action, path, body, wanted) in [
            (
                "emr-serverless",
                "ListApplications",
                "/applications?maxResults=5",
                "",
                "arn:aws:emr-serverless:eu-west-1:1:/*",
            ),
            (
                "emr-serverless",
                "GetJobRun",
                "/applications/00f/jobruns/00g?attempt=1",
                "",
                "arn:aws:emr-serverless:eu-west-1:1:/applications/00f/jobruns/00g",
            ),
            (
                "athena",
                "StartQueryExecution",
                "/",
                r#"{"WorkGroup": "etl"}"#,
                "arn:aws:athena:eu-west-1:1:workgroup/etl",
            ),
            (
                "athena",
                "StopQueryExecution",
                "/",
                r#"{"QueryExecutionId": "none"}"#,
                "arn:aws:athena:eu-west-1:1:workgroup/primary",
            ),
        ] {
            let needs = rights.needs(&asked(service, action), "1", path, body.as_bytes());
            assert_eq!(needs[0].resource, wanted, "{action}");
        }
    }

    #[test]
    fn what_was_escaped_is_read_as_it_was() {
        assert_eq!(unescaped("%7B%22a%22%3A%20%22b%22%7D%"), "{\"a\": \"b\"}%");
    }
}
