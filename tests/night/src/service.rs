//! The fake of EMR Serverless, and the real clients that speak to it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_emrserverless::Client;
use aws_sdk_emrserverless::config::retry::RetryConfig;
use aws_sdk_emrserverless::config::{BehaviorVersion, Config, Credentials, Region};
use jiff::Timestamp;
use porpoise_executor_emr_serverless::{EmrServerlessExecutor, KIND};
use porpoise_fake_aws::{Behaviour, Delivery, Event, FakeAws, JobRun, Options, Time};
use porpoise_faults::{Fault, Faults, Plan};
use porpoise_model::Place;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::check::NamedTarget;
use crate::nightly::{Nightly, target};
use crate::ports::PLACES;
use crate::random::Chance;

/// What becomes of events of the service.
const LOST_OF_HUNDRED: u64 = 20;
const DOUBLED_OF_HUNDRED: u64 = 20;

/// An application of a sort, and where it is.
#[derive(Debug, Clone)]
struct Application {
    /// `SPARK` or `HIVE`.
    sort: &'static str,
    place: usize,
    id: String,
}

/// The service, and everybody's clients.
#[derive(Debug)]
pub(crate) struct Service {
    fake: FakeAws,
    runtime: Runtime,
    clients: BTreeMap<String, Client>,
    faults: Faults,
    applications: Vec<Application>,
}

impl Service {
    /// One whose clients meet faults once it was told to [`rage`](Self::rage).
    pub(crate) fn start(seed: u64, now: Timestamp, chance: &mut Chance) -> anyhow::Result<Self> {
        let longest = chance.pick(&[2, 5, 12]);
        let fake = FakeAws::start(Options {
            time: Time::Virtual(now),
            behaviour: Behaviour::Seeded {
                seed,
                longest: Duration::from_mins(longest),
                failing: 6,
            },
            delivery: Delivery {
                lost: LOST_OF_HUNDRED,
                doubled: DOUBLED_OF_HUNDRED,
                late: Duration::from_secs(90),
                seed,
            },
            ..Options::default()
        })?;
        let faults = Faults::new(seed, plan(chance));
        faults.calm();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut service = Self {
            clients: BTreeMap::new(),
            runtime,
            applications: Vec::new(),
            fake,
            faults,
        };
        for (number, place) in PLACES.iter().enumerate() {
            let place: Place = place.parse()?;
            let place = place.aws().context("no place of AWS")?;
            let client = service.client(place.region(), place.account());
            service
                .clients
                .insert(place.region().to_owned(), client.clone());
            for sort in ["SPARK", "HIVE"] {
                let create = client.create_application().name(sort);
                let create = create.release_label("emr-7.11.0").r#type(sort);
                let id = service
                    .run(async move { create.send().await })?
                    .application_id;
                service.applications.push(Application {
                    sort,
                    place: number,
                    id,
                });
            }
        }
        Ok(service)
    }

    fn client(&self, region: &str, account: &str) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(Credentials::new(account, "secret", None, None, "night"))
            // a client that waits before it tries again would do so in real time
            .retry_config(RetryConfig::disabled())
            .http_client(self.faults.client())
            .endpoint_url(self.fake.endpoint());
        Client::from_conf(config.build())
    }

    /// The targets of the night: an application of each sort at each place.
    pub(crate) fn targets(&self, nightly: &Nightly) -> Vec<NamedTarget> {
        let target = |application: &Application| {
            let settings = json!({
                "application_id": application.id,
                "execution_role": "arn:aws:iam::111122223333:role/job",
                "imported": {"resource_ids": nightly.resources()},
            });
            let place = PLACES[application.place];
            let body = json!({"kind": KIND, "place": place, "settings": settings});
            (target(application.sort, application.place), body)
        };
        self.applications.iter().map(target).collect()
    }

    /// The executor as a cold function makes it.
    pub(crate) fn executor(&self) -> EmrServerlessExecutor {
        let clients = self.clients.clone();
        EmrServerlessExecutor::new(Arc::new(move |place, _| {
            let region = place.aws().map_or("", |place| place.region());
            clients[region].clone()
        }))
    }

    /// From now on its clients meet faults.
    pub(crate) fn rage(&self) {
        self.faults.rage();
    }

    /// How often a client met a fault.
    pub(crate) fn faults(&self) -> usize {
        let hits = self.faults.hits();
        hits.iter().filter(|hit| hit.fault.is_some()).count()
    }

    /// What befell events, requests and jobs, and how often.
    pub(crate) fn befallen(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        let posted = self.fake.posted();
        let failed = self.fake.job_runs();
        let failed = failed.iter().filter(|job| job.state == "FAILED").count();
        let mut befallen = BTreeMap::from([
            (("lost", "news"), posted.lost),
            (("doubled", "news"), posted.doubled),
            (("overtaken", "news"), posted.overtaken),
            (("too fast", "request"), self.fake.too_fast()),
            (("failed", "job"), failed as u64),
        ]);
        for fault in self.faults.hits().iter().filter_map(|hit| hit.fault) {
            *befallen.entry((fault.name(), "request")).or_default() += 1;
        }
        befallen
    }

    /// Carries out a call, while everything else stands still: so the same seed has the same calls in the same order.
    pub(crate) fn run<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    /// It is this late, and whatever was due has happened.
    pub(crate) fn align(&self, now: Timestamp) {
        let passes = now.duration_since(self.fake.now());
        if let Ok(passes) = Duration::try_from(passes)
            && !passes.is_zero()
        {
            self.fake.advance(passes);
        }
    }

    /// When something happens next by itself.
    pub(crate) fn next(&self) -> Option<i64> {
        // time has whole microseconds here
        self.fake.next().map(|at| at.as_microsecond() + 1)
    }

    /// Events that have arrived.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        self.fake.take_events()
    }

    /// Every job, as only the service knows it.
    pub(crate) fn job_runs(&self) -> Vec<JobRun> {
        self.fake.job_runs()
    }

    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        self.fake.calls()
    }
}

/// What befalls requests: all but what takes real time.
fn plan(chance: &mut Chance) -> Plan {
    let share = chance.pick(&[0, 3, 8]);
    let timeless = Fault::ALL
        .into_iter()
        .filter(|fault| !matches!(fault, Fault::Straggler | Fault::Slow));
    timeless.fold(Plan::calm(), |plan, fault| plan.with(fault, share))
}
