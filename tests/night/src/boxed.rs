//! The night in the box: the same tasks and the same checks, in real time, with the functions as processes, on the
//! components that stand in for AWS.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use porpoise_cloud::jobs::{self, Behaviour, Delivery};
use porpoise_cloud::stock::{APPLICATIONS, Names};
use porpoise_cloud::tap::Mischief;
use porpoise_cloud::{Cloud, Options};
use porpoise_fake_aws::Posted;
use serde_json::{Value, json};

use crate::api::Api;
use crate::check::{Known, NamedTarget, Watcher};
use crate::nightly::{Nightly, target};

/// How long is waited between two looks at the run.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);
/// A night that takes longer never ends.
const LONGEST: SignedDuration = SignedDuration::from_mins(40);
/// After the run has ended, whatever looks after its jobs has to end too.
const MORNING: SignedDuration = SignedDuration::from_mins(5);
/// Calls of a function that are tried again, since somebody kills the API as well.
const TRIES: u32 = 20;
/// Queues give a message again after so many seconds that nobody said is done with.
const IMPATIENCE: u32 = 20;

/// The box of a night.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The folder with NAME/bootstrap.zip for each function.
    pub functions: PathBuf,
    /// The folder with the templates of the stacks.
    pub templates: PathBuf,
    /// What the draws come from; the night is another one each time all the same, since time is real.
    pub seed: u64,
}

/// What a night in the box came to.
#[derive(Debug, Clone, Default)]
pub struct Boxed {
    /// How the run ended.
    pub state: String,
    /// How long it took.
    pub took: SignedDuration,
    /// Attempts of all tasks.
    pub attempts: usize,
    /// Job runs on EMR Serverless.
    pub jobs: usize,
    /// Reasons that were compared with what was so.
    pub reasons: usize,
    /// The longest time that what was said was behind what was so.
    pub behind: SignedDuration,
    /// What became of events of the service.
    pub posted: Posted,
    /// Requests of jobs that were refused by the documented rates.
    pub too_fast: u64,
    /// Functions that were killed.
    pub killed: u64,
    /// Answers that were cut off.
    pub cut: u64,
    /// Calls that functions made.
    pub calls: usize,
    /// The most memory that each function has had, in kilobytes.
    pub peaks: BTreeMap<String, u64>,
    /// What must not be: the invariant, and how it is broken.
    pub violation: Option<(&'static str, String)>,
}

/// Runs the night in a box of its own.
///
/// # Errors
/// The box does not start, or its API does not answer.
pub async fn in_a_box(nightly: &Nightly, manner: &Manner) -> anyhow::Result<Boxed> {
    let cloud = Cloud::start(options(manner)).await?;
    tokio::task::block_in_place(|| night(&cloud, nightly, manner.seed))
}

fn options(manner: &Manner) -> Options {
    let options = Options::new(manner.functions.clone(), manner.templates.clone());
    let seed = manner.seed;
    Options {
        impatience: Some(IMPATIENCE),
        hasty: true,
        jobs: jobs::Options {
            behaviour: Behaviour::Seeded {
                seed,
                longest: Duration::from_secs(4),
                failing: 6,
            },
            delivery: Delivery {
                lost: 20,
                doubled: 20,
                late: Duration::from_secs(5),
                seed,
            },
            ..jobs::Options::default()
        },
        ..options
    }
}

fn night(cloud: &Cloud, nightly: &Nightly, seed: u64) -> anyhow::Result<Boxed> {
    let fake = cloud.jobs().fake();
    cloud.hurry()?;
    let client = Http::of(cloud);
    let begun = fake.now();
    let mut watcher = Watcher::start(client, nightly, &targets(cloud, nightly))?;
    cloud.tap().disturb(Mischief {
        kill_of_thousand: 3,
        cut_of_thousand: 10,
        twice: vec!["events:PutEvents".to_owned()],
        seed,
        ..Mischief::default()
    });
    let mut night = Boxed::default();
    let since = |from: Timestamp| fake.now().duration_since(from);
    loop {
        remember(&mut night.peaks, cloud.tap().peaks());
        let asked = fake.now();
        let known = || Known {
            jobs: fake.job_runs(),
            now: fake.now(),
        };
        match watcher.look(asked, known)? {
            Ok(true) => break,
            Ok(false) if since(begun) > LONGEST => {
                let what = format!("the run is not over: {}", watcher.unfinished());
                night.violation = Some(("nothing-stuck", what));
                break;
            }
            Ok(false) => std::thread::sleep(BETWEEN_LOOKS),
            Err(what) => {
                night.violation = Some(("reasons-are-true", what));
                break;
            }
        }
    }
    night.took = watcher
        .ended
        .map_or(since(begun), |ended| ended.duration_since(begun));
    cloud.tap().disturb(Mischief::default());
    if night.violation.is_none() {
        night.violation = morning(cloud, &mut watcher)?;
    }
    Ok(Boxed {
        state: watcher.state.clone(),
        attempts: watcher.attempts,
        jobs: fake.job_runs().len(),
        reasons: watcher.reasons,
        behind: SignedDuration::from_micros(watcher.behind),
        posted: fake.posted(),
        too_fast: fake.too_fast(),
        killed: cloud.tap().killed() as u64,
        cut: cloud.tap().cut() as u64,
        calls: cloud.tap().calls().len(),
        ..night
    })
}

/// The run is over: whatever looks after its jobs ends, and each attempt has its one job.
fn morning(
    cloud: &Cloud,
    watcher: &mut Watcher<Http>,
) -> anyhow::Result<Option<(&'static str, String)>> {
    let fake = cloud.jobs().fake();
    let over = fake.now();
    loop {
        let goes_on = cloud.loops()?;
        if goes_on.is_empty() {
            break;
        }
        if fake.now().duration_since(over) > MORNING {
            let what = format!("poll loops go on: {}", goes_on.join(", "));
            return Ok(Some(("nothing-stuck", what)));
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Ok(watcher.last_look(&fake.job_runs())?.err())
}

fn remember(peaks: &mut BTreeMap<String, u64>, now: BTreeMap<String, u64>) {
    for (function, peak) in now {
        let known = peaks.entry(function).or_default();
        *known = (*known).max(peak);
    }
}

/// The targets of the night: an application of each sort at each place.
fn targets(cloud: &Cloud, nightly: &Nightly) -> Vec<NamedTarget> {
    let options = cloud.options();
    let names = Names(&options.name);
    let regions = options.regions.iter().enumerate();
    let target = |(number, region): (usize, &String)| {
        APPLICATIONS.map(|sort| {
            let settings = json!({
                "application_name": sort,
                "execution_role": names.job_role(&options.account),
                "imported": {"resource_ids": nightly.resources()},
            });
            let place = cloud.place(region);
            let body = json!({"kind": "emr-serverless", "place": place, "settings": settings});
            (target(sort, number), body)
        })
    };
    regions.flat_map(target).collect()
}

/// The API of the box, which is killed like all else.
#[derive(Debug)]
struct Http {
    agent: ureq::Agent,
    url: String,
}

impl Http {
    fn of(cloud: &Cloud) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true);
        Self {
            agent: ureq::Agent::new_with_config(config.build()),
            url: format!("{}/v1", cloud.url()),
        }
    }

    fn try_once(&self, method: &Method, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let request = Request::builder().method(method);
        let request = request.uri(format!("{}{path}", self.url));
        let mut answer = self.agent.run(request.body(body.to_owned())?)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(64 << 20);
        Ok((status, text.read_to_string()?))
    }
}

impl Api for Http {
    fn send(&self, method: Method, path: &str, body: &str) -> anyhow::Result<Value> {
        let mut last = String::new();
        // only what is read is asked again
        let tries = if method == Method::GET { TRIES } else { 1 };
        for _ in 0..tries {
            match self.try_once(&method, path, body) {
                Ok((status, text)) if (200..300).contains(&status) => {
                    return Ok(serde_json::from_str(&text).unwrap_or(Value::Null));
                }
                Ok((status, text)) => last = format!("{status} {text}"),
                Err(error) => last = format!("{error:#}"),
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        anyhow::bail!("{path}: {last}")
    }
}
