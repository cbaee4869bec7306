//! EMR Serverless and Athena in the box: the fake, the way of its events to the buses of ministack, and what jobs need
//! to be there.
#![expect(
    clippy::indexing_slicing,
    reason = "members of JSON objects: a missing one is null"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::Method;
use porpoise_fake_aws::{Event, FakeAws};
use serde_json::{Value, json};

use crate::aws::{Caller, Scope};

/// How often is looked whether an event has come.
const TICK: Duration = Duration::from_millis(50);
/// `PutEvents` takes so many at once.
const ENTRIES_MAX: usize = 10;

/// What the fake is asked to be.
pub use porpoise_fake_aws::{Behaviour, Delivery, Options, Script};

/// The services that run jobs.
#[derive(Debug)]
pub struct Jobs {
    fake: Arc<FakeAws>,
    post: Arc<Post>,
    postman: Option<JoinHandle<()>>,
}

/// The way of events.
#[derive(Debug, Default)]
struct Post {
    ends: AtomicBool,
    /// How many were put.
    put: AtomicUsize,
}

impl Jobs {
    /// Starts them; their events are put on the buses of ministack.
    pub(crate) fn start(options: Options, ministack: &str) -> anyhow::Result<Self> {
        let fake = Arc::new(FakeAws::start(options)?);
        let post = Arc::<Post>::default();
        let (of_fake, of_post) = (Arc::clone(&fake), Arc::clone(&post));
        let ministack = Caller::new(ministack);
        let name = std::thread::Builder::new().name("events".to_owned());
        let postman = name.spawn(move || carry(&of_fake, &of_post, &ministack))?;
        Ok(Self {
            fake,
            post,
            postman: Some(postman),
        })
    }

    /// The services, as only they know themselves.
    pub fn fake(&self) -> &FakeAws {
        &self.fake
    }

    pub(crate) fn shared(&self) -> Arc<FakeAws> {
        Arc::clone(&self.fake)
    }

    /// How many of their events have been put on a bus.
    pub fn events_put(&self) -> usize {
        self.post.put.load(Ordering::Acquire)
    }

    /// Makes an application of EMR Serverless, `SPARK` or `HIVE`, with the tag `porpoise` if it has one; its id.
    ///
    /// # Errors
    /// The fake refuses it.
    pub fn application(
        &self,
        (account, region): (&str, &str),
        name: &str,
        sort: &str,
        tag: Option<&str>,
    ) -> anyhow::Result<String> {
        let scope = Scope {
            account,
            region,
            service: "emr-serverless",
        };
        let mut body = json!({
            "name": name, "type": sort, "releaseLabel": "emr-7.11.0",
            "clientToken": format!("{account}-{region}-{name}"),
        });
        if let (Some(tag), Some(body)) = (tag, body.as_object_mut()) {
            body.insert("tags".to_owned(), json!({ "porpoise": tag }));
        }
        let more = [("content-type", "application/json")];
        let path = (Method::POST, "/applications");
        let made = self.call(scope, path, &more, &body)?;
        let made: Value = serde_json::from_str(&made)?;
        let id = made.get("applicationId").and_then(Value::as_str);
        id.map(str::to_owned)
            .context("an application without an id")
    }

    /// Makes a workgroup of Athena, whose results go where queries say.
    ///
    /// # Errors
    /// The fake refuses it.
    pub fn workgroup(&self, (account, region): (&str, &str), name: &str) -> anyhow::Result<()> {
        let scope = Scope {
            account,
            region,
            service: "athena",
        };
        let body = json!({
            "Name": name, "Configuration": {"EnforceWorkGroupConfiguration": false},
        });
        let more = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "AmazonAthena.CreateWorkGroup"),
        ];
        self.call(scope, (Method::POST, "/"), &more, &body)
            .map(drop)
    }

    fn call(
        &self,
        scope: Scope<'_>,
        path: (Method, &str),
        more: &[(&'static str, &str)],
        body: &Value,
    ) -> anyhow::Result<String> {
        let fake = Caller::new(&self.fake.endpoint());
        let called = fake.call(scope, path, more, body.to_string().as_bytes());
        called.with_context(|| format!("cannot make what jobs need in {}", scope.region))
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.post.ends.store(true, Ordering::Release);
        if let Some(postman) = self.postman.take() {
            _ = postman.join();
        }
    }
}

/// Puts events on the default buses of their accounts and regions, until the box ends.
fn carry(fake: &FakeAws, post: &Post, ministack: &Caller) {
    while !post.ends.load(Ordering::Acquire) {
        std::thread::sleep(TICK);
        let events = fake.take_events();
        let of = |event: &Event| (event["account"].clone(), event["region"].clone());
        for events in events.chunk_by(|one, other| of(one) == of(other)) {
            for events in events.chunks(ENTRIES_MAX) {
                // what cannot be delivered is lost, which is what the services promise
                if put(ministack, events).is_ok() {
                    post.put.fetch_add(events.len(), Ordering::AcqRel);
                }
            }
        }
    }
}

/// Nobody but AWS may put events as `aws.…`: they come as `emulated.…`, which the rules take for the same.
fn put(ministack: &Caller, events: &[Event]) -> anyhow::Result<()> {
    let text = |event: &Event, name: &str| {
        let text = event.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let first = events.first().context("no event")?;
    let (account, region) = (text(first, "account"), text(first, "region"));
    let entry = |event: &Event| {
        json!({
            "Source": text(event, "source").replacen("aws.", "emulated.", 1),
            "DetailType": event["detail-type"],
            "Detail": event["detail"].to_string(),
            "Resources": event["resources"],
        })
    };
    let entries: Vec<Value> = events.iter().map(entry).collect();
    let scope = Scope {
        account: &account,
        region: &region,
        service: "events",
    };
    let more = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "AWSEvents.PutEvents"),
    ];
    let body = json!({ "Entries": entries }).to_string();
    let put = ministack.call(scope, (Method::POST, "/"), &more, body.as_bytes())?;
    let put: Value = serde_json::from_str(&put)?;
    anyhow::ensure!(put["FailedEntryCount"] == 0, "{put}");
    Ok(())
}
