//! EMR Serverless in one account and region.

mod application;
mod job;
mod life;
mod list;
mod run;
mod state;
mod usage;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::answer::Fault;
use crate::caller::Caller;
use crate::world::Context;
use application::Application;
use job::Job;
pub(crate) use state::{ApplicationState, JobState};

pub(crate) const SOURCE: &str = "aws.emr-serverless";

/// A job run of EMR Serverless, as only the service knows it: for tests that look behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// The region in which it was started.
    pub region: String,
    /// The account in which it was started.
    pub account: String,
    /// The id of its application.
    pub application: String,
    /// Its id.
    pub id: String,
    /// What whoever started it calls it.
    pub name: String,
    /// `SUBMITTED`, `RUNNING` …
    pub state: &'static str,
    /// It has ended.
    pub over: bool,
    /// When it was created.
    pub created: Timestamp,
    /// When it ran first.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// Its applications and jobs.
#[derive(Debug)]
pub(crate) struct Emr {
    home: Caller,
    applications: IndexMap<String, Application>,
    jobs: IndexMap<String, Job>,
    /// By client token: what was asked with it, and which job it is.
    tokens: BTreeMap<String, Token>,
    agenda: BTreeMap<(Timestamp, u64), Due>,
    number: u64,
}

#[derive(Debug)]
struct Token {
    input: Value,
    answer: Value,
    at: Timestamp,
}

/// Something that happens by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    /// A job leaves its state, unless it has left it.
    Job(String, u64),
    /// An application does.
    Application(String, u64),
    /// An application has done nothing for long enough, unless it has.
    Idle(String, u64),
    /// The utilisation of a job is told.
    Usage(String, bool),
}

impl Emr {
    pub(crate) fn new(home: Caller) -> Self {
        Self {
            home,
            applications: IndexMap::new(),
            jobs: IndexMap::new(),
            tokens: BTreeMap::new(),
            agenda: BTreeMap::new(),
            number: 0,
        }
    }

    /// Answers a request that its model admits. Everything that was due has happened.
    pub(crate) fn answer(
        &mut self,
        operation: &str,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        match operation {
            "CreateApplication" => self.once(input, now, context, Self::create_application),
            "GetApplication" => self.get_application(input),
            "ListApplications" => Ok(self.list_applications(input)),
            "StartApplication" => self.start_application(input, now, context),
            "StopApplication" => self.stop_application(input, now, context),
            "DeleteApplication" => self.delete_application(input, now, context),
            "StartJobRun" => self.once(input, now, context, Self::start_job),
            "GetJobRun" => self.get_job(input, now),
            "ListJobRuns" => self.list_jobs(input),
            "ListJobRunAttempts" => self.list_attempts(input),
            "CancelJobRun" => self.cancel_job(input, now, context),
            "GetDashboardForJobRun" => self.dashboard(input),
            "ListTagsForResource" => self.tags(input),
            other => Err(Fault::bug(&format!("`{other}` is not faked"))),
        }
    }

    /// The same client token is the same request: answered as the first time, and refused if it asks something else.
    fn once(
        &mut self,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
        act: impl FnOnce(&mut Self, &Value, Timestamp, &mut Context<'_>) -> Result<Value, Fault>,
    ) -> Result<Value, Fault> {
        let token = text(input, "clientToken").to_owned();
        let lives = context.options.tokens_live;
        let known = self
            .tokens
            .get(&token)
            .filter(|token| lives.is_none_or(|lives| crate::clock::between(token.at, now) < lives));
        if let Some(known) = known {
            return if known.input == *input {
                Ok(known.answer.clone())
            } else {
                Err(Fault::conflict(&format!(
                    "the client token {token} was used before with other parameters"
                )))
            };
        }
        let answer = act(self, input, now, context)?;
        let known = Token {
            input: input.clone(),
            answer: answer.clone(),
            at: now,
        };
        self.tokens.insert(token, known);
        Ok(answer)
    }

    /// Has everything happen that is due by `now`, in its order.
    pub(crate) fn settle(&mut self, now: Timestamp, context: &mut Context<'_>) {
        while let Some(entry) = self.agenda.first_entry() {
            let at = entry.key().0;
            if at > now {
                return;
            }
            match entry.remove() {
                Due::Job(id, serial) => self.job_due(&id, serial, at, context),
                Due::Application(id, serial) => self.application_due(&id, serial, at, context),
                Due::Idle(id, serial) => self.idle(&id, serial, at, context),
                Due::Usage(id, last) => self.tell_usage(&id, last, at, context),
            }
        }
    }

    /// Every job, in the order of their creation.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobRun> {
        self.jobs.iter().map(|(id, job)| JobRun {
            region: self.home.region.clone(),
            account: self.home.account.clone(),
            application: job.application.clone(),
            id: id.clone(),
            name: text(&job.input, "name").to_owned(),
            state: job.state.word(),
            over: job.state.is_terminal(),
            created: job.created,
            started: job.started,
            ended: job.ended,
        })
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    fn plan(&mut self, at: Timestamp, due: Due) {
        self.number += 1;
        self.agenda.insert((at, self.number), due);
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// An id as the service makes them: sixteen digits and letters.
    fn next_id(&mut self) -> String {
        let number = self.next_number();
        let text = format!("{}/{}/{number}", self.home.account, self.home.region);
        let hash = blake3::hash(text.as_bytes()).to_hex();
        format!("00f{}", hash.get(..13).unwrap_or_default())
    }

    fn arn(&self, application: &str) -> String {
        let Caller { account, region } = &self.home;
        let partition = self.home.partition();
        format!("arn:{partition}:emr-serverless:{region}:{account}:/applications/{application}")
    }

    /// The tags of an application; none if there is no such application.
    pub(crate) fn tags_of(&self, application: &str) -> BTreeMap<String, String> {
        let found = self.applications.get(application);
        let tags = found.and_then(|application| application.input.get("tags")?.as_object());
        let pairs = tags.into_iter().flatten();
        pairs
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    fn tags(&self, input: &Value) -> Result<Value, Fault> {
        let arn = text(input, "resourceArn");
        let mut parts = arn.rsplit('/');
        let (last, kind) = (parts.next().unwrap_or_default(), parts.next());
        let input = match kind {
            Some("jobruns") => self.jobs.get(last).map(|job| &job.input),
            _ => self
                .applications
                .get(last)
                .map(|application| &application.input),
        };
        let input = input.ok_or_else(|| Fault::not_found(&format!("{arn} does not exist")))?;
        let tags = input.get("tags").cloned();
        Ok(json!({"tags": tags.unwrap_or_else(|| json!({}))}))
    }
}

/// A member that the model says is a text.
pub(crate) fn text<'a>(input: &'a Value, name: &str) -> &'a str {
    input.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Copies these members of one object into another, where they are set.
pub(crate) fn copy(from: &Value, names: &[&str], to: &mut Value) {
    for name in names {
        if let (Some(value), Some(to)) = (from.get(*name), to.as_object_mut()) {
            to.insert((*name).to_owned(), value.clone());
        }
    }
}
