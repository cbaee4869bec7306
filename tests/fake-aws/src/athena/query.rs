//! Queries: started, run, stopped.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Athena, SOURCE};
use crate::answer::Fault;
use crate::clock::{after, between};
use crate::emr::text;
use crate::mail::uuid;
use crate::script::Script;
use crate::world::Context;

/// So many queries run at once; others are queued. The real quota is of the account and of the kind of statement.
const RUNNING_MAX: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl State {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    pub(super) const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

#[derive(Debug)]
pub(super) struct Query {
    pub(super) input: Value,
    pub(super) script: Script,
    pub(super) state: State,
    pub(super) why: Option<String>,
    pub(super) workgroup: String,
    pub(super) output: String,
    pub(super) submitted: Timestamp,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    /// How many states it had: events say it.
    pub(super) sequence: u64,
    /// Of the entry in the agenda that counts.
    serial: u64,
}

impl Query {
    pub(super) fn ran(&self) -> Duration {
        let ran = self.started.zip(self.ended);
        ran.map_or(Duration::ZERO, |(started, ended)| between(started, ended))
    }

    /// `DML`, `DDL` or `UTILITY`, by the first word.
    pub(super) fn statement(&self) -> &'static str {
        let text = text(&self.input, "QueryString");
        let code = text
            .lines()
            .find(|line| !line.trim_start().starts_with("--"));
        let word = code.unwrap_or_default().split_whitespace().next();
        match word.unwrap_or_default().to_ascii_uppercase().as_str() {
            "CREATE" | "DROP" | "ALTER" | "MSCK" => "DDL",
            "SHOW" | "DESCRIBE" | "EXPLAIN" => "UTILITY",
            _ => "DML",
        }
    }
}

impl Athena {
    pub(super) fn start(
        &mut self,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        let token = text(input, "ClientRequestToken").to_owned();
        if token.is_empty() {
            let message = "ClientRequestToken must be set";
            return Err(Fault::invalid("INVALID_INPUT", message));
        }
        if let Some((known, id)) = self.tokens.get(&token) {
            return if known == input {
                Ok(json!({"QueryExecutionId": id}))
            } else {
                let message = "Idempotent parameters do not match";
                Err(Fault::invalid("DUPLICATE_INPUT", message))
            };
        }
        let name = input
            .get("WorkGroup")
            .and_then(Value::as_str)
            .unwrap_or("primary");
        let workgroup = self.workgroup(name)?;
        let asked = input.pointer("/ResultConfiguration/OutputLocation");
        let Some(output) = workgroup.output(asked.and_then(Value::as_str)) else {
            let message = "No output location provided. An output location is required either through the \
                           Workgroup result configuration setting or as an API input.";
            return Err(Fault::invalid("INVALID_INPUT", message));
        };
        let script = context
            .options
            .behaviour
            .script(&token, [text(input, "QueryString")]);
        let script = script.map_err(|error| Fault::invalid("INVALID_INPUT", &error.to_string()))?;
        let number = self.next_number();
        let seed = format!("{}/{}/{number}", self.home.account, self.home.region);
        let id = uuid(blake3::hash(seed.as_bytes()).as_bytes());
        let query = Query {
            input: input.clone(),
            script,
            state: State::Queued,
            why: None,
            workgroup: name.to_owned(),
            output,
            submitted: now,
            started: None,
            ended: None,
            sequence: 0,
            serial: 0,
        };
        self.queries.insert(id.clone(), query);
        self.tokens.insert(token, (input.clone(), id.clone()));
        self.enter(&id, State::Queued, None, now, context);
        Ok(json!({"QueryExecutionId": id}))
    }

    pub(super) fn query(&self, input: &Value) -> Result<(&String, &Query), Fault> {
        let id = text(input, "QueryExecutionId");
        let (_, id, query) = self.queries.get_full(id).ok_or_else(|| missing(id))?;
        Ok((id, query))
    }

    /// What is over stays as it is, and that is no error.
    pub(super) fn stop(
        &mut self,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        let (id, query) = self.query(input)?;
        let (id, state) = (id.clone(), query.state);
        if !state.is_terminal() {
            let why = Some("Query cancelled by user".to_owned());
            self.enter(&id, State::Cancelled, why, now, context);
        }
        Ok(json!({}))
    }

    fn enter(
        &mut self,
        id: &str,
        state: State,
        why: Option<String>,
        at: Timestamp,
        context: &mut Context<'_>,
    ) {
        let serial = self.next_number();
        let Some(query) = self.queries.get_mut(id) else {
            return;
        };
        let before = (query.sequence > 0).then_some(query.state);
        query.state = state;
        query.why = why;
        query.serial = serial;
        query.sequence += 1;
        let stays = match state {
            State::Queued => Some(query.script.waiting),
            State::Running => {
                query.started = Some(at);
                Some(query.script.running)
            }
            State::Succeeded | State::Failed | State::Cancelled => {
                query.ended = Some(at);
                None
            }
        };
        let mut detail = json!({
            "versionId": "0",
            "currentState": state.word(),
            "statementType": query.statement(),
            "queryExecutionId": id,
            "workgroupName": query.workgroup,
            "sequenceNumber": query.sequence.to_string(),
        });
        if let Some(before) = before {
            detail["previousState"] = json!(before.word());
        }
        if state == State::Failed {
            let category = query.script.category;
            let message = query.why.clone().unwrap_or_default();
            detail["athenaError"] = json!({
                "errorCategory": category, "errorType": 1, "retryable": category == 1,
                "errorMessage": message,
            });
        }
        let kind = "Athena Query State Change";
        context
            .mail
            .send(at, (&self.home, SOURCE), kind, "", &detail);
        if let Some(stays) = stays {
            let number = self.next_number();
            self.agenda
                .insert((after(at, stays), number), (id.to_owned(), serial));
        }
    }

    pub(super) fn query_due(
        &mut self,
        id: &str,
        serial: u64,
        at: Timestamp,
        context: &mut Context<'_>,
    ) {
        let found = self.queries.get(id);
        let Some(query) = found.filter(|query| query.serial == serial) else {
            return;
        };
        match query.state {
            State::Queued => {
                let running = |query: &&Query| query.state == State::Running;
                if self.queries.values().filter(running).count() < RUNNING_MAX {
                    self.enter(id, State::Running, None, at, context);
                } else {
                    let number = self.next_number();
                    let later = after(at, Duration::from_millis(10));
                    self.agenda.insert((later, number), (id.to_owned(), serial));
                }
            }
            State::Running => {
                let workgroup = self.workgroups.get(&query.workgroup);
                let cutoff = workgroup.and_then(super::Workgroup::cutoff);
                let too_much = cutoff.is_some_and(|cutoff| query.script.scanned > cutoff);
                let (state, why) = match query.script.fails.clone() {
                    _ if too_much => (
                        State::Cancelled,
                        Some("Bytes scanned limit was exceeded".to_owned()),
                    ),
                    Some(why) => (State::Failed, Some(why)),
                    None => (State::Succeeded, None),
                };
                self.enter(id, state, why, at, context);
            }
            State::Succeeded | State::Failed | State::Cancelled => {}
        }
    }
}

pub(super) fn missing(id: &str) -> Fault {
    let message = format!("QueryExecution {id} was not found");
    Fault::invalid("INVALID_INPUT", &message)
}
