//! The log of a run: what happened, record by record. Every live view is made of this.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use porpoise_app::view::Pin;
use porpoise_engine::Plan;
use porpoise_engine::commands::Outcome;
use porpoise_engine::elements::Elements;
use porpoise_engine::family::ChildStage;
use porpoise_engine::record::Record;
use porpoise_engine::run::dependent;
use porpoise_engine::run::fact::After;
use porpoise_engine::run::ranges::Ranges;
use porpoise_engine::run::{Run, RunFact};
use porpoise_model::limits::LIST_PAGE_MAX;
use porpoise_model::{Address, Outputs, RunId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::outcome::{CauseView, Who};
use super::run;
use crate::extract::{Params, Segments};
use crate::problem::Problem;
use crate::{Api, WAIT_MAX, Waited, time};

/// Records of an answer unless asked otherwise.
const RECORDS: usize = 100;

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FactParams {
    /// After this record; 0 unless given.
    #[serde(default)]
    pub(crate) after: u64,
    /// At most this many records: 1 to 500, 100 unless given.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
    /// Where there is no such record yet: answer when there is, and at the latest after this long; at most `20s`.
    pub(crate) wait: Option<String>,
}

/// Where a stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// After this record; 0 unless given. A `Last-Event-ID` header does the same, and comes first.
    #[serde(default)]
    pub(crate) after: u64,
}

/// Some records, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Facts {
    /// The records.
    pub(crate) items: Vec<FactRecord>,
    /// The last record that is told: `after` of the next question.
    pub(crate) sequence: u64,
}

/// What one step recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FactRecord {
    /// Its number; the first is 1, none is left out.
    pub(crate) sequence: u64,
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// What happened.
    pub(crate) facts: Vec<Fact>,
}

/// Something that happened. `type` says what; other fields stand where they mean something.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Fact {
    /// `created`, `begun`, `gate_waiting`, `admitted`, `discarded`, `left_gate`, `slots_asked`, `slots_queued`,
    /// `slots_granted`, `slot_freed`, `dispatched`, `accepted`, `waiting`, `started`, `succeeded`, `failed`,
    /// `canceled`, `timed_out`, `passed_dry`, `commanded`, `pausing`, `paused`, `resumed`, `stopping`,
    /// `cancel_asked`, `decided`, `held`, `released`, `rerun`, `edited`, `ended`, `done`; of the run that a task has
    /// made: `child_waiting`, `child_running`, `child_paused`; of a mapped task `mapped`, `elements_started`, `element_ended`;
    /// `turned`, for what the run above wants.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The tasks that it is about; none: the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tasks: Vec<String>,
    /// The attempt that it is about, where it is not the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<u32>,
    /// The element of a mapped task that it is about, from 1; of `elements_started` the last one that has started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) element: Option<u32>,
    /// When the job began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started: Option<Timestamp>,
    /// When the job ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended: Option<Timestamp>,
    /// When it ends by itself, or is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Timestamp>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<CauseView>,
    /// The state in which the run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<&'static str>,
    /// In words: what the target calls the job, why something waits or is held, what a command was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// What becomes of the tasks then: `cancel`, `time_out`, `succeed`, `skip`, `rerun`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) then: Option<&'static str>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Who>,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command_id: Option<String>,
    /// Why the command was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
    /// Resolved parameters, or outputs of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) values: Option<BTreeMap<String, String>>,
}

/// Tells what happened to a run, and waits for more: the primitive of every live view.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}/facts", operation_id = "list_facts", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path), FactParams),
    responses((status = 200, body = Facts), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments((project, run)): Segments<(String, String)>,
    Params(params): Params<FactParams>,
) -> Result<Json<Facts>, Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let limit = params.limit.unwrap_or(RECORDS).clamp(1, LIST_PAGE_MAX);
    let mut log = Log::open(api, &project, &run).await?;
    let mut records = log.read(params.after, limit).await?;
    if records.is_empty() && !wait.is_zero() {
        log.moved(params.after, wait).await;
        records = log.read(params.after, limit).await?;
    }
    Ok(Json(Facts {
        sequence: records.last().map_or(params.after, |last| last.sequence),
        items: records,
    }))
}

/// The same as a stream of server-sent events, where the host can stream: one `record` event a record, whose id is
/// its number.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}/events", operation_id = "stream_events", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path), EventParams,
        ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, content_type = "text/event-stream"), (status = 404, body = Problem)))]
pub(crate) async fn events(
    State(api): State<Arc<Api>>,
    Segments((project, run)): Segments<(String, String)>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let last = headers.get("last-event-id");
    let last = last.and_then(|last| last.to_str().ok()?.parse().ok());
    let log = Log::open(api, &project, &run).await?;
    let stream = Sse::new(stream(log, last.unwrap_or(params.after)));
    Ok(([(header::CACHE_CONTROL, "no-store")], stream))
}

/// Ends when the server closes, or when the log cannot be read.
fn stream(log: Log, after: u64) -> impl Stream<Item = Result<Event, Infallible>> {
    let begin = (log, after, VecDeque::new());
    stream::unfold(begin, |(mut log, mut after, mut waiting)| async move {
        loop {
            if let Some(record) = waiting.pop_front() {
                let record: FactRecord = record;
                after = record.sequence;
                let event = Event::default().event("record").id(after.to_string());
                let event = event.json_data(&record).ok()?;
                return Some((Ok(event), (log, after, waiting)));
            }
            waiting.extend(log.read(after, RECORDS).await.ok()?);
            if waiting.is_empty() {
                match log.moved(after, WAIT_MAX).await {
                    Waited::Moved => {}
                    // Says to everything in between that the stream lives.
                    Waited::TimeUp => {
                        let event = Event::default().comment("nothing new");
                        return Some((Ok(event), (log, after, waiting)));
                    }
                    Waited::Closing => return None,
                }
            }
        }
    })
}

/// The log of a run, and what its facts are read with.
struct Log {
    api: Arc<Api>,
    address: Address,
    pins: Vec<Pin>,
    /// The record up to which all versions are known.
    known: u64,
}

impl Log {
    async fn open(api: Arc<Api>, project: &str, run: &str) -> Result<Self, Problem> {
        let (address, view) = run::existing(&api, project, run).await?;
        Ok(Self {
            api,
            address,
            pins: view.pins,
            known: view.sequence,
        })
    }

    async fn read(&mut self, after: u64, limit: usize) -> Result<Vec<FactRecord>, Problem> {
        let app = &self.api.app;
        let records = app.records::<Run>(self.address, after, limit).await?;
        let edited = |(sequence, record): &(u64, Record<RunFact>)| {
            let edits = |fact: &RunFact| matches!(fact, RunFact::Edited(_));
            *sequence > self.known && record.facts.iter().any(edits)
        };
        if records.iter().any(edited) {
            let run = RunId::from_bytes(self.address.id);
            if let Some(view) = app.run_view(self.address.project, run).await? {
                (self.pins, self.known) = (view.pins, view.sequence);
            }
        }
        let shown = |(sequence, record): (u64, Record<RunFact>)| self.shown(sequence, &record);
        Ok(records.into_iter().map(shown).collect())
    }

    /// A record, each fact in the words of the version that the run had then.
    fn shown(&self, sequence: u64, record: &Record<RunFact>) -> FactRecord {
        let before = self.pins.iter().rfind(|pin| pin.since < sequence);
        let mut plan = before.map(|pin| &pin.plan);
        let mut pins = self.pins.iter().filter(|pin| pin.since == sequence);
        let facts = record.facts.iter().filter_map(|fact| {
            if let RunFact::Edited(_) = fact {
                plan = pins.next().map(|pin| &pin.plan).or(plan);
            }
            plan.map(|plan| told(plan, fact))
        });
        FactRecord {
            sequence,
            at: record.at,
            facts: facts.collect(),
        }
    }

    async fn moved(&self, after: u64, wait: Duration) -> Waited {
        // There is a number after it, also where somebody asks for more than a log ever has.
        let after = after.min(u64::MAX - 1);
        self.api.changes.moved(self.address, after, wait).await
    }
}

/// A fact in words, with names for indices.
fn told(plan: &Plan, fact: &RunFact) -> Fact {
    let name = |task: u32| plan.task(task).map(|task| task.name.to_string());
    let names = |tasks: &Ranges| tasks.iter().filter_map(name).collect();
    let one = |task: u32| name(task).into_iter().collect();
    let plain = |kind| Fact {
        kind,
        ..Fact::default()
    };
    let about = |kind, tasks: &Ranges| Fact {
        tasks: names(tasks),
        ..plain(kind)
    };
    match fact {
        RunFact::Created(new) => Fact {
            actor: Some(Who::from(&new.actor)),
            values: Some(new.parameters.clone()),
            ..plain("created")
        },
        RunFact::Begun { parameters } => Fact {
            values: Some(parameters.iter().cloned().collect()),
            ..plain("begun")
        },
        RunFact::GateWaiting => plain("gate_waiting"),
        RunFact::Admitted => plain("admitted"),
        RunFact::Discarded => plain("discarded"),
        RunFact::LeftGate { .. } => plain("left_gate"),
        RunFact::SlotsAsked { tasks } => about("slots_asked", tasks),
        RunFact::SlotsQueued { tasks } => about("slots_queued", tasks),
        RunFact::SlotsGranted { tasks } => about("slots_granted", tasks),
        RunFact::SlotFreed { attempt } => Fact {
            tasks: one(attempt.task),
            attempt: Some(attempt.number),
            ..plain("slot_freed")
        },
        RunFact::Dispatched { tasks } => about("dispatched", tasks),
        RunFact::Accepted { tasks } => about("accepted", tasks),
        RunFact::Waiting { task, why } => Fact {
            tasks: one(*task),
            text: Some(why.clone()),
            ..plain("waiting")
        },
        RunFact::Answered {
            tasks,
            approved,
            actor,
            why,
        } => Fact {
            actor: Some(Who::from(actor)),
            text: Some(why.clone()),
            ..about(if *approved { "approved" } else { "declined" }, tasks)
        },
        RunFact::Chose { task, branch } => Fact {
            tasks: one(*task),
            text: Some(plan.branch_in_words(*task, *branch)),
            ..plain("chose")
        },
        RunFact::Awaits { tasks } => about("awaits", tasks),
        RunFact::LooksAgain { task } => Fact {
            tasks: one(*task),
            ..plain("looks_again")
        },
        RunFact::Watched { tasks } => about("watched", tasks),
        RunFact::Found { look, found } => Fact {
            tasks: one(look.wait.task),
            text: Some(dependent::found_in_words(plan, look.wait.task, found)),
            ..plain("found")
        },
        RunFact::Met { task } => Fact {
            tasks: one(*task),
            ..plain("met")
        },
        RunFact::Started {
            task,
            at,
            external_id,
        } => Fact {
            tasks: one(*task),
            started: Some(*at),
            text: (!external_id.is_empty()).then(|| external_id.clone()),
            ..plain("started")
        },
        RunFact::Succeeded {
            task,
            started,
            ended,
            outputs,
        } => Fact {
            tasks: one(*task),
            started: Some(*started),
            ended: Some(*ended),
            values: outputs.as_ref().map(texts),
            ..plain("succeeded")
        },
        RunFact::Failed {
            task,
            started,
            ended,
            cause,
            retry,
        } => Fact {
            tasks: one(*task),
            started: *started,
            ended: Some(*ended),
            cause: Some(CauseView::from(cause)),
            until: *retry,
            ..plain("failed")
        },
        RunFact::Canceled { task, ended } => Fact {
            tasks: one(*task),
            ended: Some(*ended),
            ..plain("canceled")
        },
        RunFact::TimedOut { task, stopped } => Fact {
            tasks: task.map(one).unwrap_or_default(),
            text: Some(
                if *stopped {
                    "stopped"
                } else {
                    "only a warning"
                }
                .to_owned(),
            ),
            ..plain("timed_out")
        },
        RunFact::PassedDry { tasks } => about("passed_dry", tasks),
        RunFact::Commanded {
            id,
            actor,
            what,
            outcome,
        } => Fact {
            command_id: Some(id.to_string()),
            actor: Some(Who::from(actor)),
            text: Some(what.clone()),
            refused: match outcome {
                Outcome::Accepted => None,
                Outcome::Refused { reason } => Some(reason.clone()),
            },
            ..plain("commanded")
        },
        RunFact::Pausing => plain("pausing"),
        RunFact::Paused => plain("paused"),
        RunFact::Resumed => plain("resumed"),
        RunFact::Stopping { cause } => Fact {
            cause: Some(CauseView::from(cause)),
            ..plain("stopping")
        },
        RunFact::CancelAsked { tasks, then } => after(about("cancel_asked", tasks), then),
        RunFact::Decided { tasks, then } => after(about("decided", tasks), then),
        RunFact::Held {
            tasks,
            actor,
            why,
            until,
        } => Fact {
            actor: Some(Who::from(actor)),
            text: Some(why.clone()),
            until: *until,
            ..about("held", tasks)
        },
        RunFact::Released { tasks } => about("released", tasks),
        RunFact::Rerun { tasks } => about("rerun", tasks),
        RunFact::Recovered { tasks, .. } => about("recovered", tasks),
        RunFact::WentOn { .. } => plain("went_on"),
        RunFact::Edited(edited) => Fact {
            actor: Some(Who::from(&edited.actor)),
            text: Some(format!(
                "from version {} to {}{}",
                edited.before.short(),
                edited.version.short(),
                if edited.written_back {
                    ", written back"
                } else {
                    ""
                }
            )),
            ..about("edited", &edited.tasks)
        },
        RunFact::Ended { state, cause } => Fact {
            state: Some(state.as_str()),
            cause: cause.as_ref().map(CauseView::from),
            ..plain("ended")
        },
        RunFact::Child {
            task,
            stage,
            started,
            ..
        } => Fact {
            tasks: one(*task),
            started: *started,
            ..plain(stage_word(*stage))
        },
        RunFact::Mapped {
            task,
            elements,
            kept,
        } => Fact {
            tasks: one(*task),
            text: Some(expanded(elements, kept.as_ref())),
            ..plain("mapped")
        },
        RunFact::ElementsStarted { task, to } => Fact {
            tasks: one(*task),
            element: Some(*to),
            ..plain("elements_started")
        },
        RunFact::Element {
            task,
            element,
            stage,
            started,
            ..
        } => Fact {
            tasks: one(*task),
            element: Some(element.saturating_add(1)),
            started: *started,
            ..plain(stage_word(*stage))
        },
        RunFact::ElementEnded {
            task,
            element,
            state,
            started,
            ended,
            cause,
            outputs,
        } => Fact {
            tasks: one(*task),
            element: Some(element.saturating_add(1)),
            state: Some(state.as_str()),
            started: *started,
            ended: Some(*ended),
            cause: cause.as_ref().map(CauseView::from),
            values: outputs.as_ref().map(texts),
            ..plain("element_ended")
        },
        RunFact::Turned { turn } => Fact {
            text: Some(if turn.pause { "pause" } else { "resume" }.to_owned()),
            ..plain("turned")
        },
        RunFact::Done { .. } => plain("done"),
    }
}

/// What a mapped task has runs made for.
fn expanded(elements: &Elements, kept: Option<&Ranges>) -> String {
    let mut text = format!("{} elements", elements.count());
    if let Some(kept) = kept {
        let _ = write!(text, ", {} of them done before", kept.len());
    }
    if elements.cut() > 0 {
        let _ = write!(text, "; {} beyond its limit", elements.cut());
    }
    text
}

fn texts(outputs: &Outputs) -> BTreeMap<String, String> {
    let text =
        |(name, value): (&String, &porpoise_model::Value)| (name.clone(), value.text.clone());
    outputs.iter().map(text).collect()
}

const fn stage_word(stage: ChildStage) -> &'static str {
    match stage {
        ChildStage::Waiting => "child_waiting",
        ChildStage::Running => "child_running",
        ChildStage::Paused => "child_paused",
    }
}

fn after(mut fact: Fact, then: &After) -> Fact {
    let (word, actor) = match then {
        After::Cancel { cause } => {
            fact.cause = Some(CauseView::from(cause));
            ("cancel", None)
        }
        After::TimeOut => ("time_out", None),
        After::Succeed { actor } => ("succeed", Some(actor)),
        After::Skip { actor } => ("skip", Some(actor)),
        After::Rerun => ("rerun", None),
    };
    fact.then = Some(word);
    fact.actor = actor.map(Who::from);
    fact
}
