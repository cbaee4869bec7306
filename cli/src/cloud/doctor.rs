//! `doctor`: is a deployment whole? Names what is not, and what mends it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::args::Doctor;
use crate::client::Keys;
use crate::failure::{Failure, UNREACHABLE, USAGE};
use crate::output::{Session, now};

use super::api::{self, Caller};
use super::aws::{self, Aws, each};
use super::finding::{Finding, State};
use super::place::{self, Examined, Function};
use super::stack::{Stack, text};

/// Something is wrong.
const WRONG: u8 = 1;

/// Looks, prints what it found, and gives 1 if something is wrong.
pub(crate) fn doctor(session: &Session, args: &Doctor) -> Result<u8, Failure> {
    if args.api {
        return api_alone(session, args);
    }
    let region = session.config.region.clone().or_else(aws::default_region);
    let identity = identity(region.as_deref());
    let mut findings = Vec::new();
    let mut url = session.config.url.clone();
    match (&region, &identity) {
        (Some(region), Ok(_)) => {
            let found = deployment(&Aws::at(region), args);
            findings.extend(found.findings);
            url = url.or(found.url);
        }
        (None, Ok(_)) => {
            return Err(
                Failure::new(USAGE, "the home region of the deployment is not known")
                    .hint("give `--region`, or set AWS_REGION"),
            );
        }
        (_, Err(why)) if url.is_some() => {
            let finding = Finding::unknown("AWS", format!("only the API was looked at: {why}"));
            findings.push(
                finding.mend("set AWS_PROFILE, or log in with `aws sso login` or `aws configure`"),
            );
        }
        (_, Err(why)) => {
            return Err(Failure::new(UNREACHABLE, "there is nothing that can be asked")
                .cause(why.as_str())
                .hint("`aws sso login` or `aws configure` gives credentials; `--url` and `--token` look at an API alone"));
        }
    }
    if let Some(url) = url {
        let caller = caller(session, region.as_deref());
        let asked = api::examine(&url, caller.as_ref());
        findings.extend(asked);
    }
    Ok(print(session, args, identity.ok().as_ref(), &findings))
}

/// Looks at the API that commands with the same options speak to.
fn api_alone(session: &Session, args: &Doctor) -> Result<u8, Failure> {
    let (url, caller) = if let Some(url) = &session.config.url {
        let region = session.config.region.clone().or_else(|| region_of(url));
        (url.clone(), caller(session, region.as_deref()))
    } else {
        let (url, token) = session.config.own_server()?;
        (url, Some(Caller::Token(token)))
    };
    let findings = api::examine(&url, caller.as_ref());
    Ok(print(session, args, None, &findings))
}

/// The region in the address of an API: `https://….execute-api.eu-west-1.amazonaws.com`.
fn region_of(url: &str) -> Option<String> {
    let (_, host) = url
        .split_once(".execute-api.")
        .or_else(|| url.split_once(".lambda-url."))?;
    let (region, _) = host.split_once('.')?;
    Some(region.to_owned())
}

/// The account of the credentials.
fn identity(region: Option<&str>) -> Result<Value, String> {
    let aws = Aws::at(region.unwrap_or("us-east-1"));
    let answer = aws.ask(&["sts", "get-caller-identity"]);
    answer.map_err(|error| error.said())
}

fn caller(session: &Session, region: Option<&str>) -> Option<Caller> {
    if let Some(token) = &session.config.token {
        return Some(Caller::Token(token.clone()));
    }
    let region = region?.to_owned();
    let keys = Keys::find(now()).ok()?;
    Some(Caller::Keys { keys, region })
}

/// What AWS says of a deployment.
#[derive(Debug, Default)]
struct Found {
    findings: Vec<Finding>,
    url: Option<String>,
}

fn deployment(aws: &Aws, args: &Doctor) -> Found {
    let object = format!("deployment {}", args.name);
    let stacks = match Stack::of_deployment(aws, &args.name) {
        Ok(stacks) => stacks,
        Err(error) => {
            let finding = Finding::unknown(object, error.said()).at(&aws.region);
            return Found {
                findings: vec![finding],
                url: None,
            };
        }
    };
    let Some(home) = stacks.iter().find(|stack| stack.is_home()) else {
        let says = format!(
            "no stack with the tag `porpoise` = `{}` is the home of one",
            args.name
        );
        let mend = "`porpoise deploy`, or name another one with `--name` and `--region`";
        let finding = Finding::wrong(object, says).at(&aws.region).mend(mend);
        return Found {
            findings: vec![finding],
            url: None,
        };
    };
    let mut examined = place::examine(aws, &args.name, home);
    let ways = ways(&examined.functions, &args.name);
    let mut findings = std::mem::take(&mut examined.findings);
    let mut functions = examined.functions;
    match ways {
        Err(finding) => findings.push(finding.at(&aws.region)),
        Ok(ways) => {
            let places: Vec<_> = ways.into_iter().collect();
            for looked in each(&places, |(place, way)| {
                data_place(aws, home, &args.name, place, way)
            }) {
                findings.extend(looked.findings);
                functions.extend(looked.functions);
            }
        }
    }
    findings.extend(differing(&functions));
    if let Some(folder) = &args.functions {
        findings.extend(place::compare(&functions, &args.name, folder));
    }
    Found {
        findings,
        url: Some(home.output("ApiUrl").to_owned()),
    }
}

/// The places that the stepper sends intents to, with the ARNs of what takes them there: a dispatcher, or a bus.
fn ways(functions: &[Function], deployment: &str) -> Result<BTreeMap<String, String>, Finding> {
    let name = format!("{deployment}-stepper");
    let stepper = functions.iter().find(|function| function.name == name);
    let Some(stepper) = stepper else {
        return Err(Finding::unknown(
            "places",
            "there is no stepper that would know them",
        ));
    };
    let mut ways = BTreeMap::new();
    for variable in ["PORPOISE_DISPATCHERS", "PORPOISE_BUSES"] {
        let text = stepper.environment.get(variable).map(String::as_str);
        let text = text.filter(|text| !text.is_empty()).unwrap_or("{}");
        let read: Result<BTreeMap<String, String>, _> = serde_json::from_str(text);
        ways.append(&mut read.map_err(|error| {
            let says = format!("its {variable} does not say where intents go: {error}");
            Finding::wrong(format!("function {name}"), says).mend("porpoise deploy")
        })?);
    }
    if ways.is_empty() {
        let says = "neither its PORPOISE_DISPATCHERS nor its PORPOISE_BUSES names a place";
        return Err(Finding::wrong(format!("function {name}"), says).mend("porpoise deploy"));
    }
    Ok(ways)
}

/// A place that home sends intents to.
fn data_place(aws: &Aws, home: &Stack, deployment: &str, place: &str, way: &str) -> Examined {
    let object = format!("place {place}");
    let (sort, output) = if way.contains(":lambda:") {
        ("dispatcher", "DispatcherArn")
    } else {
        ("bus", "BusArn")
    };
    let region = way.split(':').nth(3).unwrap_or_default();
    let one = |finding: Finding| Examined {
        findings: vec![finding],
        ..Examined::default()
    };
    if region.is_empty() {
        let says = format!("its {sort} is `{way}`, which names no region");
        return one(Finding::wrong(object, says).mend("porpoise deploy"));
    }
    let aws = aws.also_at(region);
    let stacks = match Stack::of_deployment(&aws, deployment) {
        Ok(stacks) => stacks,
        Err(error) => return one(Finding::unknown(object, error.said()).at(region)),
    };
    let is_it = |stack: &&Stack| stack.is_place() && stack.output("Place") == place;
    let Some(stack) = stacks.iter().find(is_it) else {
        let says = "home sends intents there, and there is no stack for it";
        return one(Finding::wrong(object, says)
            .at(region)
            .mend("porpoise deploy"));
    };
    let mut examined = place::examine(&aws, deployment, stack);
    if stack.output(output) != way {
        let says = format!(
            "home sends intents to `{way}`, its {sort} is `{}`",
            stack.output(output)
        );
        examined.findings.push(
            Finding::wrong(&object, says)
                .at(region)
                .mend("porpoise deploy"),
        );
    }
    for function in &examined.functions {
        let reports = function
            .environment
            .get("PORPOISE_HOME")
            .map_or("", String::as_str);
        if reports != home.output("Place") {
            let says = format!(
                "it takes `{reports}` for home, which is `{}`",
                home.output("Place")
            );
            let finding = Finding::wrong(format!("function {}", function.name), says);
            examined
                .findings
                .push(finding.at(region).mend("porpoise deploy"));
        }
    }
    examined
}

/// The same function runs the same code in every region.
fn differing(functions: &[Function]) -> Vec<Finding> {
    let mut codes: BTreeMap<&str, &Function> = BTreeMap::new();
    let mut findings = Vec::new();
    for function in functions {
        let first = codes.entry(&function.name).or_insert(function);
        if first.code != function.code {
            let says = format!("it runs other code than in {}", first.region);
            let finding = Finding::wrong(format!("function {}", function.name), says);
            findings.push(finding.at(&function.region).mend("porpoise deploy"));
        }
    }
    findings
}

/// Prints what was found; the exit code.
fn print(session: &Session, args: &Doctor, identity: Option<&Value>, findings: &[Finding]) -> u8 {
    let count = |state| {
        findings
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    let (wrong, unknown) = (count(State::Wrong), count(State::Unknown));
    let value = json!({
        "deployment": args.name,
        "account": identity.map(|identity| text(identity, "Account")),
        "well": wrong == 0,
        "wrong": wrong,
        "unknown": unknown,
        "findings": findings,
    });
    session.result(&value, || {
        let lines: String = findings.iter().map(Finding::text).collect();
        let sum = match (wrong, unknown) {
            (0, 0) => "all is well".to_owned(),
            (0, unknown) => format!("nothing is wrong; {unknown} could not be looked at"),
            (wrong, 0) => format!("{wrong} wrong"),
            (wrong, unknown) => format!("{wrong} wrong; {unknown} could not be looked at"),
        };
        format!("{lines}{sum}\n")
    });
    if wrong == 0 { 0 } else { WRONG }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_aws_says_its_region() {
        let url = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com";
        assert_eq!(region_of(url).as_deref(), Some("eu-west-1"));
        let url = "https://a1b2c3d4e5.lambda-url.us-east-1.on.aws/";
        assert_eq!(region_of(url).as_deref(), Some("us-east-1"));
        assert_eq!(region_of("http://127.0.0.1:7717"), None);
    }
}
