//! `deploy`: drives the CDK app in the account of whoever calls it, step by step.

use std::fs;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::args::Deploy;
use crate::failure::{BROKEN, Failure, REFUSED, USAGE};
use crate::output::{Session, duration, note, now};

use super::needs::{self, Account, Need, Wanted};
use super::stack::text;

/// Deploys, or says what it would do.
pub(crate) fn deploy(session: &Session, args: &Deploy) -> Result<u8, Failure> {
    if session.config.region.is_some() {
        let failure = Failure::new(USAGE, "`--region` does not say where is deployed to");
        return Err(failure.hint("`homeRegion` and `dataRegions` in the settings do"));
    }
    let (wanted, account, mut missing) = look(args);
    let Some(wanted) = wanted else {
        return plan(session, args, &[], &missing);
    };
    if !args.bootstrap && !account.unprepared.is_empty() {
        missing.push(Need {
            what: format!(
                "regions prepared for the CDK: {}",
                account.unprepared.join(", ")
            ),
            mend: "porpoise deploy --bootstrap".to_owned(),
        });
    }
    let steps = steps(&wanted, &account, args);
    if args.plan || !missing.is_empty() {
        return plan(session, args, &steps, &missing);
    }
    let begun = now();
    for (index, step) in steps.iter().enumerate() {
        note(&format!("{}/{} {}", index + 1, steps.len(), step.says));
        carry_out(&wanted, step)?;
    }
    let took = duration(now().duration_since(begun));
    done(session, &wanted, &took);
    Ok(0)
}

/// What is wanted, and all that is missing for it.
fn look(args: &Deploy) -> (Option<Wanted>, Account, Vec<Need>) {
    let mut missing = Vec::new();
    let infra = needs::infra(args.infra.as_deref())
        .map_err(|need| missing.push(need))
        .ok();
    missing.extend(needs::tools(infra.as_deref()));
    let read = infra
        .map(|infra| Wanted::read(&infra, args.settings.as_deref(), args.functions.as_deref()));
    let wanted = match read {
        None => None,
        Some(Ok(wanted)) => Some(wanted),
        Some(Err(needs)) => {
            missing.extend(needs);
            None
        }
    };
    let Some(wanted) = wanted else {
        return (None, Account::default(), missing);
    };
    missing.extend(needs::zips(&wanted));
    let mut account = needs::account(&wanted);
    missing.append(&mut account.missing);
    (Some(wanted), account, missing)
}

/// A call of a program.
#[derive(Debug)]
struct Step {
    says: String,
    words: Vec<String>,
}

fn steps(wanted: &Wanted, account: &Account, args: &Deploy) -> Vec<Step> {
    let mut steps = Vec::new();
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    let id = account.id.as_deref().unwrap_or("ACCOUNT");
    if args.bootstrap && !account.unprepared.is_empty() {
        let environments = account
            .unprepared
            .iter()
            .map(|region| format!("aws://{id}/{region}"));
        let mut bootstrap = words(&["npx", "--no-install", "cdk", "bootstrap"]);
        bootstrap.extend(environments);
        steps.push(Step {
            says: format!("prepare {} for the CDK", account.unprepared.join(", ")),
            words: bootstrap,
        });
    }
    let mut deploy = words(&[
        "npx",
        "--no-install",
        "cdk",
        "deploy",
        "--all",
        "--progress",
        "events",
    ]);
    deploy.extend(words(&["--outputs-file", OUTPUTS]));
    if args.yes {
        deploy.extend(words(&["--require-approval", "never"]));
    }
    if args.revert_drift {
        deploy.extend(words(&["--revert-drift"]));
    }
    let places = wanted.regions.join(", ");
    steps.push(Step {
        says: format!("deploy `{}` to {places} in account {id}", wanted.name),
        words: deploy,
    });
    steps
}

/// Where the CDK leaves what the stacks give, in the folder of its app.
const OUTPUTS: &str = "cdk.out/outputs.json";

/// What the program says is progress: it goes to standard error.
fn carry_out(wanted: &Wanted, step: &Step) -> Result<(), Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        let line = step.words.join(" ");
        Failure::new(REFUSED, format!("could not {}", step.says))
            .cause(format!("`{line}` in `{}`: {why}", wanted.infra.display()))
            .hint("what it said stands above; docs/users/deploy-on-aws.md has the usual reasons")
    };
    let [program, words @ ..] = step.words.as_slice() else {
        return Err(Failure::new(BROKEN, "a step that does nothing"));
    };
    let mut command = Command::new(program);
    command.args(words).current_dir(&wanted.infra);
    command.env("PORPOISE_SETTINGS", &wanted.settings);
    command.env("PORPOISE_FUNCTIONS", &wanted.functions);
    if let Ok(stderr) = std::io::stderr().as_fd().try_clone_to_owned() {
        command.stdout(Stdio::from(stderr));
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(&status)),
        Err(error) => Err(failed(&error)),
    }
}

fn done(session: &Session, wanted: &Wanted, took: &str) {
    let outputs = fs::read(wanted.infra.join(OUTPUTS)).unwrap_or_default();
    let outputs: Value = serde_json::from_slice(&outputs).unwrap_or_default();
    let home = outputs.get(format!("{}-home", wanted.name));
    let url = home.map_or("", |home| text(home, "ApiUrl"));
    let value = json!({ "deployment": wanted.name, "regions": wanted.regions, "outputs": outputs });
    session.result(&value, || {
        let regions = wanted.regions.join(", ");
        let doctor = format!(
            "porpoise doctor --name {} --region {}",
            wanted.name, wanted.home
        );
        format!(
            "deployed `{}` to {regions} in {took}\napi   {url}/v1\nnext  {doctor}\n",
            wanted.name
        )
    });
}

/// Prints what would be done, and what is missing.
fn plan(session: &Session, args: &Deploy, steps: &[Step], missing: &[Need]) -> Result<u8, Failure> {
    if args.plan {
        let lines: Vec<_> = steps.iter().map(|step| step.words.join(" ")).collect();
        session.result(&json!({ "steps": lines, "missing": missing }), || {
            let steps = steps
                .iter()
                .map(|step| format!("{}\n  {}\n", step.says, step.words.join(" ")));
            let missing = missing
                .iter()
                .map(|need| format!("missing: {}\n  {}\n", need.what, need.mend));
            steps.chain(missing).collect()
        });
        return Ok(if missing.is_empty() { 0 } else { REFUSED });
    }
    let plural = if missing.len() == 1 {
        "thing is"
    } else {
        "things are"
    };
    let mut failure = Failure::new(
        REFUSED,
        format!("{} {plural} missing; nothing was done", missing.len()),
    );
    for need in missing {
        failure = failure.cause(format!("{}\n  mend: {}", need.what, need.mend));
    }
    Err(failure.hint("`porpoise deploy --plan` looks again, and does nothing else"))
}
