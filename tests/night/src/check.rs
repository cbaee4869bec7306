//! Whoever watches the night: asks for it through the API, looks at it now and then, and in the morning goes through all
//! of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use axum::http::Method;
use jiff::Timestamp;
use porpoise_fake_aws::JobRun;
use porpoise_model::workflow::Task;
use porpoise_model::{AttemptKey, RunId};
use serde_json::{Value, json};

use crate::api::Api;
use crate::nightly::{Nightly, PROJECT};
use crate::reason::{Pools, Truth, compare, is_over, text};

/// Slots of each pool.
const SLOTS: usize = 12;

pub(crate) struct Watcher<A> {
    client: A,
    tasks: Vec<Task>,
    pools: Pools,
    /// The path of the run.
    path: String,
    run: RunId,
    pub(crate) state: String,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) attempts: usize,
    pub(crate) reasons: usize,
    pub(crate) behind: i64,
}

/// What the service of the jobs knows, and when it did.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) jobs: Vec<JobRun>,
    pub(crate) now: Timestamp,
}

/// A target: its name, and its definition as the API takes it.
pub(crate) type NamedTarget = (String, Value);

/// An attempt as the API has it.
struct Attempt {
    state: String,
    key: AttemptKey,
    external_id: Option<String>,
    dispatched: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl<A: Api> Watcher<A> {
    /// Asks for the night: targets, workflow, run.
    pub(crate) fn start(
        client: A,
        nightly: &Nightly,
        targets: &[NamedTarget],
    ) -> anyhow::Result<Self> {
        let workflows = format!("/projects/{PROJECT}/workflows");
        client.send(Method::POST, &workflows, &nightly.definition)?;
        for (name, body) in targets {
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
            pools: Pools { slots, ..pools },
            tasks: nightly.workflow.tasks.clone(),
            state: String::new(),
            ended: None,
            attempts: 0,
            reasons: 0,
            behind: 0,
        })
    }

    /// Compares what the API says with what is so a little later; whether the run is over. What is not so is told.
    pub(crate) fn look(
        &mut self,
        asked: Timestamp,
        known: impl FnOnce() -> Known,
    ) -> anyhow::Result<Result<bool, String>> {
        let run = self.client.get(&self.path)?;
        text(&run, "state").clone_into(&mut self.state);
        if is_over(&self.state) {
            self.ended = Some(text(&run, "ended").parse()?);
            return Ok(Ok(true));
        }
        let tasks = self.tasks()?;
        let Known { jobs: runs, now } = known();
        let truth = Truth {
            asked,
            now,
            jobs: jobs(&runs),
        };
        let placed: Vec<bool> = self.tasks.iter().map(is_placed).collect();
        match compare(&tasks, &placed, self.run, &truth, &mut self.pools) {
            Ok(compared) => {
                self.reasons += compared.reasons;
                self.behind = self.behind.max(compared.behind);
                Ok(Ok(false))
            }
            Err(what) => {
                let pools = self.client.get(&format!("/projects/{PROJECT}/pools"))?;
                Ok(Err(format!("{what}, pools: {}", pools["items"])))
            }
        }
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

    /// The tasks that failed, and why, for people.
    pub(crate) fn failures(&self) -> Vec<String> {
        let tasks = self.tasks().unwrap_or_default();
        let failed = tasks.iter().filter(|task| text(task, "state") == "failed");
        failed
            .map(|task| {
                let attempt = &task["attempt"];
                format!(
                    "`{}` after {attempt}: {}",
                    text(task, "name"),
                    text(&task["cause"], "text")
                )
            })
            .collect()
    }

    /// Goes through everything that is left of the night: the invariant that is broken, and how.
    pub(crate) fn last_look(
        &mut self,
        jobs: &[JobRun],
    ) -> anyhow::Result<Result<(), (&'static str, String)>> {
        let attempts = self.all_attempts()?;
        self.attempts = attempts.iter().map(Vec::len).sum();
        let tasks = &self.tasks;
        let checked = in_order(&attempts, jobs, tasks)
            .map_err(|what| ("dependencies-first", what))
            .and_then(|()| {
                one_job_for_each(&attempts, jobs, tasks)
                    .map_err(|what| ("one-job-per-attempt", what))
            })
            .and_then(|()| match jobs.iter().find(|job| !job.over) {
                None => Ok(()),
                Some(job) => {
                    let what = format!("after the run has ended a job goes on: {job:?}");
                    Err(("nothing-stuck", what))
                }
            });
        Ok(checked)
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
