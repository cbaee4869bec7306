//! Whoever watches the night: asks for it through the API, looks at it now and then, and in the morning goes through all
//! of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;
use axum::http::Method;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use porpoise_app::App;
use porpoise_fake_aws::JobRun;
use porpoise_model::workflow::Task;
use porpoise_model::{AttemptKey, RunId};
use serde_json::{Value, json};

use crate::client::Client;
use crate::function::home;
use crate::nightly::{Nightly, PROJECT, target};
use crate::ports::PLACES;
use crate::reason::{Pools, compare, is_over, text};
use crate::world::{BEGIN, MINUTE, Shared, lock, micros};

/// Slots of each pool.
const SLOTS: usize = 12;

pub(crate) struct Watcher {
    client: Client,
    app: Arc<App>,
    tasks: Vec<Task>,
    pools: Pools,
    /// The path of the run.
    path: String,
    run: RunId,
    pub(crate) state: String,
    pub(crate) minutes: i64,
    pub(crate) attempts: usize,
    pub(crate) reasons: usize,
    pub(crate) behind: i64,
}

/// An attempt as the API has it.
struct Attempt {
    state: String,
    key: AttemptKey,
    external_id: Option<String>,
    dispatched: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl Watcher {
    /// Asks for the night: targets, workflow, run.
    pub(crate) fn start(world: &Shared, nightly: &Nightly) -> anyhow::Result<Self> {
        let app = home(world, true);
        let client = Client::of(Arc::clone(&app));
        let workflows = format!("/projects/{PROJECT}/workflows");
        client.send(Method::POST, &workflows, &nightly.definition)?;
        let applications = lock(world).service.applications.clone();
        for application in applications {
            let name = target(application.sort, application.place);
            let place = PLACES[application.place];
            let settings = json!({
                "application_id": application.id,
                "execution_role": "arn:aws:iam::111122223333:role/job",
                "imported": {"resource_ids": nightly.resources()},
            });
            let body = json!({"kind": "emr-serverless", "place": place, "settings": settings});
            let path = format!("/projects/{PROJECT}/targets/{name}");
            client.send(Method::PUT, &path, &body.to_string())?;
        }
        let pool_of = |task: &Task| task.pool.as_ref().map(|pool| pool.name.to_string());
        let pools = Pools {
            of_task: nightly.workflow.tasks.iter().map(pool_of).collect(),
            ..Pools::default()
        };
        let named = pools.of_task.iter().flatten();
        let slots: BTreeMap<String, usize> = named.map(|pool| (pool.clone(), SLOTS)).collect();
        for pool in slots.keys() {
            let path = format!("/projects/{PROJECT}/pools/{pool}");
            client.send(Method::PUT, &path, &json!({"slots": SLOTS}).to_string())?;
        }
        let runs = format!("{workflows}/{}/runs", nightly.workflow.name);
        let started = client.send(Method::POST, &runs, "")?;
        let run = text(&started, "run_id");
        Ok(Self {
            path: format!("/projects/{PROJECT}/runs/{run}"),
            run: run.parse().context("an id of a run")?,
            client,
            app,
            pools: Pools { slots, ..pools },
            tasks: nightly.workflow.tasks.clone(),
            state: String::new(),
            minutes: 0,
            attempts: 0,
            reasons: 0,
            behind: 0,
        })
    }

    /// Compares what the API says with what is so; whether the run is over.
    pub(crate) fn look(&mut self, world: &Shared) -> anyhow::Result<bool> {
        let run = self.client.get(&self.path)?;
        text(&run, "state").clone_into(&mut self.state);
        if is_over(&self.state) {
            let ended: Timestamp = text(&run, "ended").parse()?;
            self.minutes = (ended.as_microsecond() - BEGIN) / MINUTE;
            return Ok(true);
        }
        let tasks = self.tasks()?;
        let jobs = jobs(&lock(world).service.job_runs());
        let placed: Vec<bool> = self.tasks.iter().map(is_placed).collect();
        let now = micros(lock(world).now);
        match compare(&tasks, &placed, self.run, &jobs, &mut self.pools, now) {
            Ok(compared) => {
                self.reasons += compared.reasons;
                self.behind = self.behind.max(compared.behind);
            }
            Err(what) => {
                let pools = self.client.get(&format!("/projects/{PROJECT}/pools"))?;
                let what = format!("{what}, pools: {}", pools["items"]);
                lock(world).violate("reasons-are-true", what);
            }
        }
        Ok(false)
    }

    fn tasks(&self) -> anyhow::Result<Vec<Value>> {
        let tasks = self.client.get(&format!("{}/tasks?limit=500", self.path))?;
        let tasks = tasks["items"].as_array().cloned().unwrap_or_default();
        anyhow::ensure!(
            tasks.len() == self.tasks.len(),
            "the run has {} tasks of {}",
            tasks.len(),
            self.tasks.len()
        );
        Ok(tasks)
    }

    /// What is not over, for people.
    pub(crate) fn unfinished(&self) -> String {
        let tasks = self.tasks().unwrap_or_default();
        let open = tasks.iter().filter(|task| !is_over(text(task, "state")));
        let open = open.filter(|task| text(&task["reason"], "kind") != "upstream");
        let open: Vec<String> = open
            .map(|task| {
                format!(
                    "{} {} {}",
                    task["name"], task["state"], task["reason"]["text"]
                )
            })
            .collect();
        open.join(", ")
    }

    /// Goes through everything that is left of the night.
    pub(crate) fn last_look(&mut self, world: &Shared) -> anyhow::Result<()> {
        let attempts = self.all_attempts()?;
        self.attempts = attempts.iter().map(Vec::len).sum();
        let jobs = lock(world).service.job_runs();
        let checked = one_job_for_each(&attempts, &jobs, &self.tasks)
            .map_err(|what| ("one-job-per-attempt", what))
            .and_then(|()| {
                in_order(&attempts, &jobs, &self.tasks).map_err(|what| ("dependencies-first", what))
            })
            .and_then(|()| {
                self.nothing_left(world, &jobs)
                    .map_err(|what| ("nothing-stuck", what))
            });
        if let Err((invariant, what)) = checked {
            lock(world).violate(invariant, what);
        }
        Ok(())
    }

    fn all_attempts(&self) -> anyhow::Result<Vec<Vec<Attempt>>> {
        let of_task = |(index, task): (usize, &Task)| {
            let path = format!("{}/tasks/{}", self.path, task.name);
            let found = self.client.get(&path)?;
            let attempts = found["attempts"].as_array().cloned().unwrap_or_default();
            let read = |attempt: &Value| {
                let number = attempt["number"].as_u64().unwrap_or_default();
                let number = u32::try_from(number).unwrap_or_default();
                Attempt {
                    state: text(attempt, "state").to_owned(),
                    key: AttemptKey::of(self.run, index as u32, 0, number),
                    external_id: attempt["external_id"].as_str().map(str::to_owned),
                    dispatched: text(attempt, "dispatched").parse().ok(),
                    ended: text(attempt, "ended").parse().ok(),
                }
            };
            anyhow::Ok(attempts.iter().map(read).collect())
        };
        self.tasks.iter().enumerate().map(of_task).collect()
    }

    /// No job runs, no loop goes on, no message is under way, nothing is open.
    fn nothing_left(&self, world: &Shared, jobs: &[JobRun]) -> Result<(), String> {
        if let Some(job) = jobs.iter().find(|job| !job.over) {
            return Err(format!("after the run has ended a job goes on: {job:?}"));
        }
        let open = self.app.open_aggregates(None).now_or_never();
        let open = open.and_then(Result::ok).unwrap_or_default();
        if !open.is_empty() {
            return Err(format!("the open index has {open:?}"));
        }
        let world = lock(world);
        if let Some((place, epoch)) = world.loops.iter().find_map(|(key, on)| on.then_some(*key)) {
            return Err(format!("poll loop {epoch} of place {place} goes on"));
        }
        if world.mail.is_empty() {
            Ok(())
        } else {
            Err("inputs are under way".to_owned())
        }
    }
}

fn is_placed(task: &Task) -> bool {
    task.target.is_some()
}

fn jobs(runs: &[JobRun]) -> BTreeMap<AttemptKey, JobRun> {
    let keyed = runs
        .iter()
        .filter_map(|job| Some((job.name.parse().ok()?, job.clone())));
    keyed.collect()
}

/// Each attempt that was submitted has one job, which ended as the attempt did; and there is no other job.
fn one_job_for_each(
    attempts: &[Vec<Attempt>],
    jobs: &[JobRun],
    tasks: &[Task],
) -> Result<(), String> {
    let mut by_name: BTreeMap<&str, Vec<&JobRun>> = BTreeMap::new();
    for job in jobs {
        by_name.entry(&job.name).or_default().push(job);
    }
    let mut known = BTreeSet::new();
    for (task, attempts) in tasks.iter().zip(attempts) {
        for attempt in attempts.iter().filter(|_| is_placed(task)) {
            let name = attempt.key.to_string();
            let of_attempt = by_name.get(&*name).map(Vec::as_slice).unwrap_or_default();
            let of = format!("attempt {name} of `{}`", task.name);
            let state = attempt.state.as_str();
            let ends: &[&str] = match state {
                "succeeded" => &["SUCCESS"],
                "failed" => &["FAILED", "CANCELLED"],
                "canceled" => &["CANCELLED"],
                _ => &[],
            };
            let fits = match of_attempt {
                [] => state == "canceled", // before it was submitted
                [job] => ends.contains(&job.state),
                _ => false,
            };
            if !fits {
                return Err(format!("{of} is {state}, its jobs are {of_attempt:?}"));
            }
            let id = of_attempt
                .first()
                .map(|job| format!("{}/{}", job.application, job.id));
            if attempt.external_id.is_some() && attempt.external_id != id {
                return Err(format!(
                    "{of} has job {:?}, but ran as {id:?}",
                    attempt.external_id
                ));
            }
            known.insert(name);
        }
    }
    match jobs.iter().find(|job| !known.contains(&job.name)) {
        Some(job) => Err(format!("no attempt has asked for {job:?}")),
        None => Ok(()),
    }
}

/// No task was dispatched, and no job made, before everything above it was over.
fn in_order(attempts: &[Vec<Attempt>], runs: &[JobRun], tasks: &[Task]) -> Result<(), String> {
    let jobs = jobs(runs);
    let began = |attempt: &Attempt| match jobs.get(&attempt.key) {
        Some(job) => Some(job.created),
        None => attempt.dispatched,
    };
    let ended = |attempt: &Attempt| match jobs.get(&attempt.key) {
        Some(job) => job.ended,
        None => attempt.ended,
    };
    for (task, own) in tasks.iter().zip(attempts) {
        let Some(began) = own.iter().filter_map(began).min() else {
            continue;
        };
        for above in &task.after {
            let last = attempts[*above as usize].iter().filter_map(ended).max();
            if let Some(last) = last.filter(|last| *last > began) {
                let above = &tasks[*above as usize].name;
                return Err(format!(
                    "`{}` began at {began}, `{above}` above it ended at {last}",
                    task.name
                ));
            }
        }
    }
    Ok(())
}
