//! Least privilege, shown: what functions call is what their roles grant, and without any of it they are refused.

use std::collections::{BTreeMap, BTreeSet};

use porpoise_cloud::Cloud;

use crate::jobs::{self, run_well};
use crate::support::{Client, DAILY, cloud, pause};

/// Granted, and not called by what the test does: function (`*`: any), action, and why it is granted all the same.
const NOT_CALLED: &[(&str, &str, &str)] = &[
    (
        "*",
        "logs:CreateLogStream",
        "Lambda writes the log with the function's role",
    ),
    (
        "*",
        "logs:PutLogEvents",
        "Lambda writes the log with the function's role",
    ),
    (
        "*",
        "sqs:ReceiveMessage",
        "the mapping receives with the function's role",
    ),
    (
        "*",
        "sqs:DeleteMessage",
        "the mapping receives with the function's role",
    ),
    (
        "*",
        "sqs:GetQueueAttributes",
        "the mapping receives with the function's role",
    ),
    (
        "*",
        "iam:PassRole",
        "Scheduler asks for it when a schedule is made",
    ),
    (
        "*",
        "scheduler:CreateSchedule",
        "wakes beyond a quarter of an hour: the test of those calls it",
    ),
    (
        "*",
        "sts:AssumeRole",
        "targets in other accounts: the test of those calls it",
    ),
    (
        "*",
        "emr-serverless:CancelJobRun",
        "tasks that are killed or take too long",
    ),
    (
        "*",
        "athena:StopQueryExecution",
        "tasks that are killed or take too long",
    ),
    (
        "*",
        "emr-serverless:StartApplication",
        "applications that do not start by themselves",
    ),
    (
        "*",
        "emr-serverless:GetDashboardForJobRun",
        "the Spark UI, when somebody asks for it",
    ),
    (
        "porpoise-api",
        "lambda:InvokeFunction",
        "logs of jobs: the test of those calls it",
    ),
    (
        "*",
        "sns:Publish",
        "notices, where a workflow asks for them: the test of those calls it",
    ),
    (
        "*",
        "s3:ListBucket",
        "a blob that is not there is answered as such, and not as one that may not be read",
    ),
];

/// What each function has called so far.
fn used(cloud: &Cloud) -> BTreeMap<String, BTreeSet<String>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // what another role allows, the function's own does not have to
    for call in cloud.tap().calls().into_iter().filter(|call| !call.assumed) {
        used.entry(call.function).or_default().insert(call.action);
    }
    used
}

async fn run_to_its_end(client: &Client) -> String {
    let run = client.start("shop", "daily", DAILY);
    let ended = client.until(&run, |run| run["ended"].is_string()).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    run
}

/// Asks somebody who has an hour to answer: that takes a wake beyond a quarter of an hour.
const PATIENT: &str =
    "workflow: patient\nproject: shop\ntasks:\n  ask: { approval: Go on?, timeout: 1h }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_that_is_far_off_is_a_schedule() {
    let cloud = cloud().await;
    Client::of(&cloud).start("shop", "patient", PATIENT);
    let set = || {
        let mut calls = cloud.tap().calls().into_iter();
        calls.rfind(|call| call.action == "scheduler:CreateSchedule")
    };
    for _ in 0..100 {
        if set().is_some() {
            break;
        }
        pause().await;
    }
    let set = set().expect("no schedule was made");
    assert_eq!((set.status, set.denied), (200, false), "{set:?}");
    assert_eq!(set.function, "porpoise-stepper");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_functions_call_is_granted_and_what_is_granted_is_called_or_has_a_reason() {
    let cloud = cloud().await;
    run_to_its_end(&Client::of(&cloud)).await;
    run_well(&cloud).await;
    let (used, granted) = (used(&cloud), cloud.granted());
    for (function, actions) in &used {
        let granted = granted.get(function);
        let granted = granted.unwrap_or_else(|| panic!("`{function}` is no function: {actions:?}"));
        let missing: Vec<_> = actions.difference(granted).collect();
        assert!(
            missing.is_empty(),
            "`{function}` is not granted {missing:?}"
        );
    }
    for (function, actions) in &granted {
        let called = used.get(function).cloned().unwrap_or_default();
        for action in actions.difference(&called) {
            let reason = NOT_CALLED
                .iter()
                .find(|(of, known, _)| (*of == "*" || function.ends_with(of)) && known == action);
            let reason = reason.map_or("no reason is known", |(_, _, why)| *why);
            println!("{function}: {action} is granted and was not called: {reason}");
        }
    }
}

/// Functions whose every call is needed for a run: without any of them it does not go on.
const NEEDED: [&str; 3] = ["porpoise-api", "porpoise-stepper", "porpoise-dispatcher"];

#[tokio::test(flavor = "multi_thread")]
async fn without_any_single_action_that_it_calls_a_function_is_refused() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let run = run_to_its_end(&client).await;
    let used = used(&cloud);
    let mut tried = 0;
    for function in NEEDED {
        for action in &used[function] {
            cloud.take_away(Some((function, action))).unwrap();
            cloud.tap().forget();
            let refused = is_refused(&cloud, &client, (function, action), &run, tried).await;
            assert!(refused, "`{function}` goes on without `{action}`");
            tried += 1;
        }
    }
    assert!(tried > 8, "{tried} actions were tried");
    cloud.take_away(None).unwrap();
}

/// What the dispatcher needs of targets, in an order in which nothing that it remembers saves it a call.
const NEEDED_OF_TARGETS: [&str; 5] = [
    "emr-serverless:ListApplications",
    "emr-serverless:StartJobRun",
    "emr-serverless:TagResource",
    "iam:PassRole",
    "athena:StartQueryExecution",
];

#[tokio::test(flavor = "multi_thread")]
async fn without_any_single_action_of_targets_the_dispatcher_is_refused() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let definition = "workflow: both\nproject: shop\ntasks:\n  \
        load: { target: spark-0, spark: { entry_point: s3://code/load.py } }\n  \
        count: { target: sql-0, sql: select 42 as answer }\n";
    client.apply("shop", definition);
    let definition = definition.replace("both", "alone");
    let (alone, _) = definition.split_once("  load").unwrap();
    let count = "  count: { target: sql-0, sql: select 42 as answer }\n";
    client.apply("shop", &format!("{alone}{count}"));
    jobs::targets(&cloud, &client);
    // the poll loop is started for the first job, and then goes on
    let once = [("alone", "states:StartExecution")];
    let needed = NEEDED_OF_TARGETS.map(|action| ("both", action));
    for (workflow, action) in once.into_iter().chain(needed) {
        let function = "porpoise-dispatcher";
        cloud.take_away(Some((function, action))).unwrap();
        cloud.tap().forget();
        client.start_again("shop", workflow);
        let refused = || {
            let calls = cloud.tap().calls();
            let mut own = calls.iter().filter(|call| call.function == function);
            own.any(|call| call.action == action && call.denied)
        };
        for _ in 0..50 {
            if refused() {
                break;
            }
            pause().await;
        }
        assert!(refused(), "it goes on without `{action}`");
    }
    cloud.take_away(None).unwrap();
    let run = client.start_again("shop", "both");
    let ended = client.until(&run, |run| run["ended"].is_string()).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
}

/// Whether a call of the function is refused for want of the action, while somebody applies and starts a workflow and
/// looks at a run.
async fn is_refused(
    cloud: &Cloud,
    client: &Client,
    (function, action): (&str, &str),
    run: &str,
    number: u32,
) -> bool {
    let refused = || {
        let calls = cloud.tap().calls();
        calls
            .iter()
            .any(|call| call.function == function && call.action == action && call.denied)
    };
    let definition = DAILY.replace("daily", &format!("daily{number}"));
    client.post("/projects/shop/workflows", &definition);
    let runs = format!("/projects/shop/workflows/daily{number}/runs");
    client.post(&runs, "");
    // what does not get that far starts a workflow that is there
    client.post("/projects/shop/workflows/daily/runs", "");
    client.get(run);
    for _ in 0..50 {
        if refused() {
            return true;
        }
        pause().await;
    }
    false
}
