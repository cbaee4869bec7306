//! What a deployment needs before it can begin: everything that is missing at once, each with what mends it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

use super::aws::{Aws, AwsError, each, run};
use super::stack::text;

/// The functions that the stacks take zips of.
pub(super) const FUNCTIONS: [&str; 5] = ["api", "trigger", "stepper", "dispatcher", "poller"];
/// The oldest release of Node that the infrastructure works with.
const NODE_MIN: u32 = 20;
/// What AWS keeps unreserved of an account's concurrency. Source: Lambda developer guide, "Reserved concurrency".
const UNRESERVED_MIN: u64 = 100;
/// What the stacks reserve for api and stepper unless the settings say otherwise.
const RESERVED: u64 = 20 + 50;

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Need {
    pub(super) what: String,
    pub(super) mend: String,
}

fn need(what: impl Into<String>, mend: impl Into<String>) -> Need {
    Need {
        what: what.into(),
        mend: mend.into(),
    }
}

/// What is to be deployed, as the settings say.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The folder of the CDK app.
    pub(super) infra: PathBuf,
    pub(super) settings: PathBuf,
    pub(super) name: String,
    pub(super) home: String,
    /// Home first.
    pub(super) regions: Vec<String>,
    /// The folder of the zips.
    pub(super) functions: PathBuf,
    account: Option<String>,
    architecture: String,
    reserved: u64,
}

/// Where the CDK app is: the folder that is named, or the one of the checkout that this is called in.
pub(super) fn infra(named: Option<&Path>) -> Result<PathBuf, Need> {
    let is_app = |folder: &Path| folder.join("cdk.json").is_file();
    let here = std::env::current_dir().unwrap_or_default();
    let found = match named {
        Some(named) => Some(here.join(named)),
        None => here.ancestors().find_map(|folder| {
            let below = [folder.join("infra-cdk"), folder.to_path_buf()];
            below.into_iter().find(|folder| is_app(folder))
        }),
    };
    found.filter(|folder| is_app(folder)).ok_or_else(|| {
        need(
            "the folder `infra-cdk` of a release or of a checkout",
            "call this in one, or name it with `--infra DIR`",
        )
    })
}

impl Wanted {
    /// What the settings say; only what has to be known here. The rest is checked by the CDK app.
    pub(super) fn read(
        infra: &Path,
        settings: Option<&Path>,
        functions: Option<&Path>,
    ) -> Result<Self, Vec<Need>> {
        let file = settings.map_or_else(|| infra.join("porpoise.json"), Path::to_path_buf);
        let file = std::path::absolute(&file).unwrap_or(file);
        let shown = file.display();
        let region = r#"`{"homeRegion": "eu-central-1"}`"#;
        let given: Value = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let what = format!("settings that are JSON: `{shown}`: {error}");
                vec![need(what, "docs/users/deploy-on-aws.md lists them")]
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mend = format!("write at least {region} into it");
                return Err(vec![need(format!("the settings `{shown}`"), mend)]);
            }
            Err(error) => {
                let what = format!("settings that can be read: `{shown}`: {error}");
                return Err(vec![need(what, "docs/users/deploy-on-aws.md lists them")]);
            }
        };
        let home = text(&given, "homeRegion").to_owned();
        if home.is_empty() {
            let mend = format!("write at least {region} into it");
            return Err(vec![need(format!("a `homeRegion` in `{shown}`"), mend)]);
        }
        let or = |name, default: &str| match text(&given, name) {
            "" => default.to_owned(),
            given => given.to_owned(),
        };
        let mut regions = vec![home.clone()];
        let data = given.get("dataRegions").and_then(Value::as_array);
        let data = data.into_iter().flatten().filter_map(Value::as_str);
        regions.extend(data.filter(|region| *region != home).map(str::to_owned));
        let reserved = given.get("reservedConcurrency").and_then(Value::as_object);
        let sum =
            |all: &serde_json::Map<String, Value>| all.values().filter_map(Value::as_u64).sum();
        let below = infra.join(or("functions", "../target/lambda"));
        let functions =
            functions.map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.into()));
        Ok(Self {
            infra: infra.to_path_buf(),
            settings: file,
            name: or("name", "porpoise"),
            home,
            regions,
            functions: functions.unwrap_or(below),
            account: given
                .get("account")
                .and_then(Value::as_str)
                .map(str::to_owned),
            architecture: or("architecture", "arm64"),
            reserved: reserved.map_or(RESERVED, sum),
        })
    }
}

/// Programs and packages on this machine.
pub(super) fn tools(infra: Option<&Path>) -> Vec<Need> {
    let mut missing = Vec::new();
    let version = |program: &str| run(Command::new(program).arg("--version"));
    let node = version("node").ok();
    let major = node.as_deref().and_then(|version| {
        let major = version.trim().trim_start_matches('v').split('.').next()?;
        major.parse::<u32>().ok()
    });
    if major.is_none_or(|major| major < NODE_MIN) {
        let found = node.map_or_else(String::new, |version| format!(", not {}", version.trim()));
        let mend = "from nodejs.org, or the packages of the system";
        missing.push(need(format!("Node {NODE_MIN} or newer{found}"), mend));
    }
    if version("npm").is_err() {
        missing.push(need("npm", "it comes with Node"));
    }
    if let Some(infra) = infra
        && !infra.join("node_modules/aws-cdk/package.json").is_file()
    {
        let mend = format!("npm ci --prefix {}", infra.display());
        missing.push(need("the packages of the CDK app", mend));
    }
    if version("aws").is_err() {
        let mend = "docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html";
        missing.push(need("the command line of AWS, `aws`", mend));
    }
    missing
}

/// The zips of the functions.
pub(super) fn zips(wanted: &Wanted) -> Vec<Need> {
    let built = format!(
        "cargo xtask functions --architecture {}",
        wanted.architecture
    );
    let zip = |name: &&&str| wanted.functions.join(name).join("bootstrap.zip").is_file();
    let (_, absent): (Vec<&&str>, Vec<&&str>) = FUNCTIONS.iter().partition(zip);
    let folder = wanted.functions.display();
    if !absent.is_empty() {
        let names: Vec<_> = absent.iter().map(|name| **name).collect();
        let what = format!("zips in `{folder}`: {}", names.join(", "));
        let mend = format!("{built}, or `--functions DIR` with those of a release");
        return vec![need(what, mend)];
    }
    let built_for = fs::read_to_string(wanted.functions.join("architecture"));
    match built_for.as_deref().map(str::trim) {
        Ok(built_for) if built_for != wanted.architecture => {
            let what = format!(
                "zips for {}: those in `{folder}` are for {built_for}",
                wanted.architecture
            );
            let mend = format!("{built}, or \"architecture\": \"{built_for}\" in the settings");
            vec![need(what, mend)]
        }
        _ => Vec::new(),
    }
}

/// What AWS has to have: credentials of the right account, concurrency, and each region prepared for the CDK.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) id: Option<String>,
    pub(super) missing: Vec<Need>,
    /// Regions that were never prepared.
    pub(super) unprepared: Vec<String>,
}

/// Asks AWS.
pub(super) fn account(wanted: &Wanted) -> Account {
    let home = Aws::at(&wanted.home);
    let mut account = Account::default();
    match home.ask(&["sts", "get-caller-identity"]) {
        Ok(identity) => account.id = Some(text(&identity, "Account").to_owned()),
        Err(AwsError::NoProgram(_)) => return account, // said already
        Err(error) => {
            let what = format!("credentials that AWS takes ({})", error.said());
            let mend = "aws configure, or aws sso login --profile NAME and export AWS_PROFILE=NAME";
            account.missing.push(need(what, mend));
            return account;
        }
    }
    if let (Some(id), Some(meant)) = (&account.id, &wanted.account)
        && id != meant
    {
        let what = format!("credentials of account {meant}: these are of {id}");
        account.missing.push(need(what, "export AWS_PROFILE=NAME"));
        return account;
    }
    account.missing.extend(concurrency(&home, wanted.reserved));
    let toolkit = [
        "cloudformation",
        "describe-stacks",
        "--stack-name",
        "CDKToolkit",
    ];
    let answers = each(&wanted.regions, |region| Aws::at(region).ask(&toolkit));
    for (region, answer) in wanted.regions.iter().zip(answers) {
        match answer {
            Ok(_) => {}
            Err(error) if error.is_absence() => account.unprepared.push(region.clone()),
            Err(error) => {
                let what = format!("an answer of CloudFormation in {region} ({})", error.said());
                let mend =
                    "is it a region, is it enabled for the account, and may the caller use it?";
                account.missing.push(need(what, mend));
            }
        }
    }
    account
}

fn concurrency(home: &Aws, reserved: u64) -> Option<Need> {
    // who may not ask is told by the deployment itself
    let answer = home.ask(&["lambda", "get-account-settings"]).ok()?;
    let limit = answer
        .get("AccountLimit")?
        .get("ConcurrentExecutions")?
        .as_u64()?;
    let wanted = reserved + UNRESERVED_MIN;
    (reserved > 0 && limit < wanted).then(|| {
        let what = format!("{wanted} concurrent executions of Lambda: the account has {limit}");
        let mend = "\"reservedConcurrency\": {} in the settings, until aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000 is granted";
        need(what, mend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zips_are_those_that_the_stacks_take() {
        let names = include_str!("../../../infra-cdk/lib/names.ts");
        let (_, list) = names.split_once("FUNCTIONS = [").unwrap();
        let (list, _) = list.split_once(']').unwrap();
        let taken: Vec<_> = list
            .split(',')
            .map(|name| name.trim().trim_matches('\''))
            .collect();
        assert_eq!(taken, FUNCTIONS);
    }
}
