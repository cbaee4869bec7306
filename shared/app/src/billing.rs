//! What jobs were billed: known minutes after they ended, kept beside the log of their run.
//!
//! A job whose target [says so](porpoise_ports::Executor::billed_after) stays in the index of its place until its bill
//! has come, by an event of the service or because the poll loop asks for it. Bills go home as annotations,
//! `usage/{number}` with the body CBOR `[1, [billed, …]]`. A bill that is known waits a while for other news of its run:
//! then one message takes both, and the record carries the annotation. One that comes alone is an item of its own,
//! `note/usage/{number}`. One bill may come twice.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_engine::Input;
use porpoise_engine::effect::Attempt;
use porpoise_engine::input::{Annotation, RunInput};
use porpoise_model::{Address, ProjectId, RunId};
use porpoise_ports::executor::JobUsage;
use porpoise_ports::queue::Message;

use crate::annotations::AnnotationsError;
use crate::app::{App, Pace};
use crate::job_item::JobId;
use crate::job_view::Owed;
use crate::submit::JobsError;

/// Bills that one tick asks for, one after the other: at some ten a second, a third of what a poller has time for.
const ASKED_MAX: usize = 200;
/// A bill that has not come after this long, beyond what its target needs, never will.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);
/// A bill that is known waits so long for other news of its run, while jobs of its place are open: those of one run are one
/// message and one write.
const HOLD: SignedDuration = SignedDuration::from_mins(20);
/// And so long for any news: what is said of several runs at the same time is billed as one request of the queue.
const HOLD_ALONE: SignedDuration = SignedDuration::from_mins(22);
/// What the annotations are called.
const NAME: &str = "usage/";

/// What an attempt was billed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Billed {
    /// Which.
    #[n(0)]
    pub attempt: Attempt,
    /// What.
    #[n(1)]
    pub usage: JobUsage,
}

impl App {
    /// Asks for the bills that should be known by now. Costs a call of a target for each, and a message for each run of
    /// which there are any.
    pub(crate) async fn collect_bills(&self, place: &str) -> Result<(), JobsError> {
        let now = self.now();
        let (mut given_up, mut asked) = (Vec::new(), 0);
        for owed in self.views.with(place, |view| view.unbilled()) {
            let executor = self.executors.of(&owed.kind);
            let after = self.executors.billed_after(&owed.kind);
            let (Some(executor), Some(after)) = (executor, after) else {
                given_up.push(owed.id);
                continue;
            };
            let age = now.duration_since(owed.since);
            if age < after && !age.is_negative() {
                continue;
            }
            if asked == ASKED_MAX {
                break;
            }
            asked += 1;
            match executor.usage(&owed.job).await {
                Ok(Some(usage)) => self
                    .views
                    .with(place, |view| view.bill(owed.id, usage, now)),
                Ok(None) if age > after + PATIENCE => {
                    tracing::warn!(place, kind = owed.kind, job = ?owed.job.external_id, "nobody says what a job was billed");
                    given_up.push(owed.id);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(place, kind = owed.kind, %error, "bill of a job not known yet");
                    break;
                }
            }
        }
        let bills = self.views.with(place, |view| {
            for id in &given_up {
                view.over(id);
            }
            let at_once = self.pace == Pace::Local || view.awaits_bills_only();
            let hold = if at_once {
                SignedDuration::ZERO
            } else {
                HOLD_ALONE
            };
            view.bills(|since| is_held_for(hold, since, now))
        });
        self.carry_bills_home(place, bills).await
    }

    /// The bills that are to be carried home beside news of these runs.
    pub(crate) fn bills_beside(
        &self,
        place: &str,
        runs: &BTreeSet<RunId>,
    ) -> Vec<(JobId, JobUsage)> {
        let now = self.now();
        self.views.with(place, |view| {
            let mut runs = runs.clone();
            let old = view.bills(|since| is_held_for(HOLD, since, now));
            runs.extend(old.iter().map(|(id, _)| id.run));
            view.bills_of(&runs)
        })
    }

    /// An event says what a job was billed. `false`: nobody waits for it here.
    pub(crate) async fn on_bill(
        &self,
        place: &str,
        external_id: &str,
        usage: JobUsage,
    ) -> Result<bool, JobsError> {
        let owed = self.views.with(place, |view| view.owed());
        let named = |owed: &Owed| owed.job.external_id.as_deref() == Some(external_id);
        let Some(owed) = owed.into_iter().find(named) else {
            return Ok(false);
        };
        self.carry_bills_home(place, vec![(owed.id, usage)]).await?;
        Ok(true)
    }

    async fn carry_bills_home(
        &self,
        place: &str,
        bills: Vec<(JobId, JobUsage)>,
    ) -> Result<(), JobsError> {
        if bills.is_empty() {
            return Ok(());
        }
        let ids: Vec<JobId> = bills.iter().map(|(id, _)| *id).collect();
        self.ports.queue.send(self.bill_messages(bills)).await?;
        self.views
            .with(place, |view| ids.iter().for_each(|id| view.over(id)));
        Ok(())
    }

    /// One message a run.
    pub(crate) fn bill_messages(&self, bills: Vec<(JobId, JobUsage)>) -> Vec<Message> {
        let mut by_run: BTreeMap<Address, Vec<Billed>> = BTreeMap::new();
        for (id, usage) in bills {
            let billed = Billed {
                attempt: id.attempt,
                usage,
            };
            by_run.entry(id.address()).or_default().push(billed);
        }
        let messages = by_run.into_iter().map(|(run, billed)| {
            let annotation = Annotation {
                name: format!("{NAME}{:032x}", self.ports.ids.fresh()),
                body: minicbor::to_vec((1_u8, billed)).unwrap_or_default(),
            };
            self.message(run, &Input::Run(RunInput::Annotated(annotation)))
        });
        messages.collect()
    }

    /// What the attempts of a run were billed, as far as it is known. Costs a query of the run's log and one of its
    /// annotations.
    ///
    /// # Errors
    /// The store, or an annotation that a later release wrote.
    pub async fn usage_of_run(
        &self,
        project: ProjectId,
        run: RunId,
    ) -> Result<BTreeMap<Attempt, JobUsage>, UsageError> {
        let mut usage = BTreeMap::new();
        for note in self.annotations(Address::run(project, run), NAME).await? {
            let (form, billed): (u8, Vec<Billed>) = minicbor::decode(&note.body)
                .map_err(|error| UsageError::Unreadable(note.name.clone(), error))?;
            if form > 1 {
                let later = minicbor::decode::Error::message("written by a later release");
                return Err(UsageError::Unreadable(note.name, later));
            }
            usage.extend(billed.into_iter().map(|one| (one.attempt, one.usage)));
        }
        Ok(usage)
    }
}

/// Whether a bill that is known since then has waited so long, or nobody knows how long.
fn is_held_for(hold: SignedDuration, since: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(since);
    age >= hold || age.is_negative()
}

/// What a run was billed could not be read.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The annotations.
    #[error("cannot read what a run was billed")]
    Annotations(#[from] AnnotationsError),
    /// Written by a later release, or damaged.
    #[error("the annotation `{0}` cannot be read")]
    Unreadable(String, #[source] minicbor::decode::Error),
}
