//! Calls of EMR Serverless and Athena on their way: judged by the policies of whoever makes them, then made as the
//! account of theirs, by whose number the fake tells accounts apart.

use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::aws::elements;
use crate::call::{self, Asked};
use crate::http::{Passed, Passer};
use crate::policy::Need;
use crate::rights::{Principal, Rights, unescaped};

/// The way to the fake.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    pub(crate) rights: Arc<Rights>,
    /// Address of the fake, without a slash at the end.
    pub(crate) fake: String,
    /// Roles count.
    pub(crate) auth: bool,
}

/// What became of a call.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) response: Response<Body>,
    /// What it had to be allowed beside itself: action, and whether that was refused.
    pub(crate) also: Vec<(String, bool)>,
    pub(crate) assumed: bool,
}

impl Judge {
    pub(crate) fn judges(asked: &Asked) -> bool {
        matches!(asked.service.as_str(), "emr-serverless" | "athena")
    }

    /// Makes the call if it is allowed.
    pub(crate) async fn pass(&self, passer: &Passer, asked: &Asked, passed: Passed) -> Judged {
        let judge = self.clone();
        let (about, copy) = (asked.clone(), passed.clone());
        let looked = tokio::task::spawn_blocking(move || judge.look(&about, &copy)).await;
        let (principal, needs, missing) = match looked {
            Ok(Ok(looked)) => looked,
            Ok(Err(error)) => return Judged::failed(&error),
            Err(error) => return Judged::failed(&error.into()),
        };
        let also = needs.iter().skip(1);
        let also = also.map(|need| (need.action.clone(), missing.as_ref() == Some(need)));
        let also = also.collect();
        let assumed = principal.assumed;
        let response = match missing {
            Some(need) => refusal(&asked.service, &principal, &need),
            None => match as_account(passed, &principal.account) {
                Ok(passed) => passer.pass(&self.fake, passed).await,
                Err(error) => return Judged::failed(&error),
            },
        };
        Judged {
            response,
            also,
            assumed,
        }
    }

    fn look(
        &self,
        asked: &Asked,
        passed: &Passed,
    ) -> anyhow::Result<(Principal, Vec<Need>, Option<Need>)> {
        let key = call::access_key(&passed.headers).context("a call that nobody signed")?;
        let principal = self.rights.who(key)?;
        let needs = self
            .rights
            .needs(asked, &principal.account, &passed.path, &passed.body);
        let missing = if self.auth {
            self.rights.missing(&principal, &needs)?.cloned()
        } else {
            None
        };
        Ok((principal, needs, missing))
    }

    /// Remembers the session that an answer of STS brings.
    pub(crate) fn learn(&self, request: &[u8], answer: &[u8]) {
        let request = String::from_utf8_lossy(request);
        let mut pairs = request.split('&');
        let role = pairs.find_map(|pair| pair.strip_prefix("RoleArn="));
        let answer = String::from_utf8_lossy(answer);
        let keys = elements(&answer, "AccessKeyId");
        if let (Some(role), Some(key)) = (role, keys.first()) {
            self.rights.learn(key, &unescaped(role));
        }
    }
}

impl Judged {
    fn failed(error: &anyhow::Error) -> Self {
        let mut response = Response::new(Body::from(format!("the box: {error:#}")));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        Self {
            response,
            also: Vec::new(),
            assumed: false,
        }
    }
}

/// As the services refuse: REST with a status of its own, JSON 1.1 with that of every mistake.
fn refusal(service: &str, principal: &Principal, need: &Need) -> Response<Body> {
    let Principal { account, role, .. } = principal;
    let role = role.as_deref().unwrap_or("root");
    let message = format!(
        "User: arn:aws:sts::{account}:assumed-role/{role}/box is not authorized to perform: {} on resource: {}",
        need.action, need.resource
    );
    let body = json!({"__type": "AccessDeniedException", "message": message, "Message": message});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = match service {
        "athena" => StatusCode::BAD_REQUEST,
        _ => StatusCode::FORBIDDEN,
    };
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, kind);
    let kind = HeaderValue::from_static("AccessDeniedException");
    headers.insert("x-amzn-errortype", kind);
    response
}

/// The same call, signed in the name of an account. The fake verifies no signature.
fn as_account(mut passed: Passed, account: &str) -> anyhow::Result<Passed> {
    let key = call::access_key(&passed.headers).context("a call that nobody signed")?;
    let authorization = passed.headers.get(header::AUTHORIZATION);
    let authorization = authorization
        .context("a call that nobody signed")?
        .to_str()?;
    let renamed = authorization.replacen(&format!("={key}/"), &format!("={account}/"), 1);
    let renamed = renamed.parse()?;
    passed.headers.insert(header::AUTHORIZATION, renamed);
    Ok(passed)
}
