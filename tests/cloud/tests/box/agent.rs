//! A site outside of AWS: the real agent fetches from the deployed API, and dies now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use porpoise_cloud::Cloud;
use serde_json::json;

use crate::jobs::put;
use crate::machine::{Machine, text};
use crate::support::{Client, cloud, pause, pause_for};

const SITE: &str = "site.berlin";
/// How a command ends that home refuses.
const REFUSED: i32 = 65;
const AGENT: [&str; 3] = ["agent", "--place", SITE];

/// Four tasks beside each other and one after them, which write down that they ran, and one that takes its time.
fn tasks(machine: &Machine) -> String {
    let ran = machine.path("ran");
    let ran = ran.display();
    let four = (1..=4).map(|n| {
        format!("  t{n}: {{ target: berlin, shell: 'echo t{n} >> {ran}; sleep 0.{n}' }}\n")
    });
    let four = four.collect::<Vec<_>>().concat();
    format!(
        "workflow: site\nproject: shop\ntasks:\n{four}  \
        long: {{ target: berlin, shell: 'echo long >> {ran}; sleep 4; echo answer=42 >> \"$PORPOISE_OUTPUT\"', outputs: [answer] }}\n  \
        last: {{ after: [t1, t2, t3, t4, long], target: berlin, shell: 'echo last >> {ran}' }}\n"
    )
}

/// How often each task ran.
fn ran(machine: &Machine) -> BTreeMap<String, u32> {
    let mut ran = BTreeMap::new();
    for line in machine.read("ran").lines() {
        *ran.entry(line.to_owned()).or_default() += 1;
    }
    ran
}

/// How many jobs there ever were at the site.
fn jobs(machine: &Machine) -> usize {
    let below = |path| std::fs::read_dir(path).into_iter().flatten();
    let shards = below(machine.path("data/agents/site.berlin/attempts"));
    let attempts = shards.flat_map(|shard| below(shard.unwrap().path()));
    attempts.count()
}

/// A project with the site's target and a workflow.
fn prepare(cloud: &Cloud, workflow: &str) -> Client {
    let client = Client::of(cloud);
    client.apply("shop", workflow);
    put(
        &client,
        "berlin",
        &json!({"kind": "process", "place": SITE}),
    );
    client
}

/// What functions called that their roles do not grant, if anything.
fn refused(cloud: &Cloud) -> Vec<String> {
    let granted = cloud.granted();
    let calls = cloud.tap().calls().into_iter();
    let refused = calls.filter(|call| {
        let own = granted.get(&call.function);
        call.denied || !own.is_some_and(|own| own.contains(&call.action))
    });
    refused
        .map(|call| format!("{}: {}", call.function, call.action))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_again_and_again_serves_a_site_of_the_deployed_api_once() {
    let cloud = cloud().await;
    let machine = Machine::beside(&cloud);
    let client = prepare(&cloud, &tasks(&machine));
    let run = client.start_again("shop", "site");

    // before anything is taken, in the middle of it, and while jobs run
    for millis in [50, 700, 1_500, 400, 2_500] {
        let agent = machine.start(&AGENT);
        pause_for(Duration::from_millis(millis)).await;
        drop(agent);
    }
    let mut agent = machine.start(&AGENT);
    let ended = client.until(&run, |run| run["ended"].is_string()).await;
    let told = [machine.read("stdout"), machine.read("stderr")].concat();
    assert_eq!(ended["state"], "succeeded", "{ended}\n{told}");
    assert!(!agent.ended(), "the agent gave up: {told}");

    let wanted = ["last", "long", "t1", "t2", "t3", "t4"];
    let wanted: BTreeMap<_, _> = wanted.map(|name| (name.to_owned(), 1)).into();
    assert_eq!(ran(&machine), wanted, "{told}");
    assert_eq!(jobs(&machine), wanted.len());
    for task in wanted.keys() {
        let (_, shown) = client.get(&format!("{run}/tasks/{task}"));
        assert_eq!(shown["state"], "succeeded", "{shown}");
        let attempts = shown["attempts"].as_array().map(Vec::len);
        assert_eq!(attempts, Some(1), "{shown}");
    }
    let (_, long) = client.get(&format!("{run}/tasks/long"));
    assert!(long.to_string().contains(r#""42""#), "{long}");
    let nothing: [String; 0] = [];
    assert_eq!(refused(&cloud), nothing);
    let api = &cloud.granted()["porpoise-api"];
    assert!(api.contains("dynamodb:DeleteItem"), "{api:?}");

    // where its log is, for whoever asks the deployed API
    let id = run.rsplit('/').next().unwrap();
    let log = machine.run(&["logs", id, "long"]);
    let told = text(&log.stderr);
    assert_eq!(log.status.code(), Some(REFUSED), "{told}");
    assert!(told.contains("agents/site.berlin/attempts/"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_has_one_agent_and_a_killed_run_stops_what_that_one_runs() {
    let cloud = cloud().await;
    let first = Machine::beside(&cloud);
    let ran = first.path("ran");
    let workflow = format!(
        "workflow: site\nproject: shop\ntasks:\n  \
        long: {{ target: berlin, shell: 'echo $$ >> {}; exec sleep 600' }}\n",
        ran.display()
    );
    let client = prepare(&cloud, &workflow);
    let run = client.start_again("shop", "site");
    let agent = first.start(&AGENT);
    client
        .until(&format!("{run}/tasks/long"), |task| {
            task["state"] == "running"
        })
        .await;

    // another machine has another secret
    let second = Machine::beside(&cloud);
    let refused = second.run(&AGENT);
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(REFUSED), "{told}");
    assert!(told.contains("another agent serves the place"), "{told}");
    let secret = first.read("data/agents/site.berlin/agent.secret");
    assert!(!told.contains(secret.trim()), "{told}");

    // an agent that is not there when the run is killed hears of it later
    drop(agent);
    first.ok(&["kill", run.rsplit('/').next().unwrap()]);
    let job = first.read("ran");
    let alive = || std::path::Path::new("/proc").join(job.trim()).exists();
    pause().await;
    assert!(alive(), "nobody has stopped it so far");
    let _agent = first.start(&AGENT);
    let ended = client.until(&run, |run| run["ended"].is_string()).await;
    assert_eq!(ended["state"], "canceled", "{ended}");
    assert!(!alive(), "it goes on");
    let calls: Vec<_> = cloud
        .tap()
        .calls()
        .into_iter()
        .filter(|call| call.denied)
        .collect();
    assert!(calls.is_empty(), "{calls:?}");
}
