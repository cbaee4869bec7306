//! Messages of the queue: each aggregate's together, and returned together when that fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use porpoise_engine::backfill::Backfill;
use porpoise_engine::gate::Gate;
use porpoise_engine::input::{Annotation, RunInput};
use porpoise_engine::plan::Plan;
use porpoise_engine::pool::Pool;
use porpoise_engine::run::{Run, State};
use porpoise_engine::schedule::Schedule;
use porpoise_engine::{Aggregate, Effect, Input};
use porpoise_model::{Address, AggregateKind, ProjectId, VersionHash};
use porpoise_ports::notices::Notice;

use crate::app::App;
use crate::context::{ContextError, Steppable};
use crate::notice::notice;
use crate::step::{StepError, StepReport};

impl Steppable for Run {
    async fn context(
        app: &App,
        project: ProjectId,
        version: Option<VersionHash>,
    ) -> Result<Option<Arc<Plan>>, ContextError> {
        match version {
            Some(version) => app.plan(project, version).await.map(Some),
            None => Ok(None),
        }
    }

    fn notice(state: &State, plan: &Plan, effect: &Effect) -> Option<Notice> {
        notice(state, plan, effect)
    }
}

/// Aggregates that need nothing beside their facts but their project.
macro_rules! within_project {
    ($($aggregate:ty),*) => {$(
        impl Steppable for $aggregate {
            async fn context(
                _: &App,
                project: ProjectId,
                _: Option<VersionHash>,
            ) -> Result<Option<Arc<ProjectId>>, ContextError> {
                Ok(Some(Arc::new(project)))
            }
        }
    )*};
}

within_project!(Pool, Gate, Schedule, Backfill);

/// A larger annotation is an item of its own: a record has 64 KB.
const CARRIED_BYTES_MAX: usize = 4 * 1024;

/// How messages came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// For the first time, and behind those that came before: nobody was cut off between a record and what follows it.
    First,
    /// Perhaps not: somebody may have been. All that waits is sent again.
    Again,
}

/// The messages of one aggregate, which are to be delivered again.
#[derive(Debug)]
pub struct Returned {
    /// Whose.
    pub address: Address,
    /// Why.
    pub error: StepError,
}

impl App {
    /// Steps each aggregate by its messages, in their order; different aggregates at the same time.
    ///
    /// Returns the aggregates whose messages have to be delivered again; those of all others are done with, also the
    /// ones that could not be decoded or decided: they are kept as notes.
    pub async fn on_messages(&self, batch: Vec<(Address, Delivery, Vec<Bytes>)>) -> Vec<Returned> {
        let mut groups: BTreeMap<Address, (Delivery, Vec<Bytes>)> = BTreeMap::new();
        for (address, delivery, bodies) in batch {
            let group = groups
                .entry(address)
                .or_insert_with(|| (delivery, Vec::new()));
            group.1.extend(bodies);
            if delivery == Delivery::Again {
                group.0 = delivery;
            }
        }
        let groups = groups.into_iter();
        let steps = groups.map(|(address, (delivery, bodies))| async move {
            let stepped = self.on_group(address, delivery, bodies).await;
            stepped.err().map(|error| Returned { address, error })
        });
        join_all(steps).await.into_iter().flatten().collect()
    }

    /// Steps one aggregate by its messages.
    pub async fn on_group(
        &self,
        address: Address,
        mut delivery: Delivery,
        bodies: Vec<Bytes>,
    ) -> Result<StepReport, StepError> {
        let mut inputs = Vec::with_capacity(bodies.len());
        let mut notes = Vec::new();
        for body in bodies {
            match minicbor::decode::<Input>(&body) {
                Ok(Input::Run(RunInput::Annotated(annotation)))
                    if address.kind == AggregateKind::Run =>
                {
                    if annotation.body.len() > CARRIED_BYTES_MAX {
                        self.keep(address, annotation).await?;
                    } else {
                        notes.push(annotation);
                    }
                }
                Ok(input) if input.kind() == address.kind => {
                    if input == Input::Run(RunInput::Start) {
                        // Who creates a run sends nothing of what its first record asks for.
                        delivery = Delivery::Again;
                    }
                    inputs.push(input);
                }
                Ok(_) => {
                    self.reject(address, body, "for another sort of aggregate")
                        .await?;
                }
                Err(error) => self.reject(address, body, &error.to_string()).await?,
            }
        }
        let report = if inputs.is_empty() {
            StepReport::default()
        } else {
            self.step_any(address, delivery, inputs, &notes).await?
        };
        if !report.noted {
            for annotation in notes {
                self.keep(address, annotation).await?;
            }
        }
        Ok(report)
    }

    async fn keep(&self, address: Address, annotation: Annotation) -> Result<(), StepError> {
        let Annotation { name, body } = annotation;
        let kept = self.note(address, &name, body.into()).await;
        kept.map_err(|error| StepError::Books(address, error))
    }

    /// A wake: "look again".
    pub async fn wake(&self, address: Address) -> Result<StepReport, StepError> {
        match address.kind {
            AggregateKind::Run => self.woken::<Run>(address).await,
            AggregateKind::Pool => self.woken::<Pool>(address).await,
            AggregateKind::Gate => self.woken::<Gate>(address).await,
            AggregateKind::Schedule => self.woken::<Schedule>(address).await,
            AggregateKind::Backfill => self.woken::<Backfill>(address).await,
        }
    }

    async fn woken<A: Steppable>(&self, address: Address) -> Result<StepReport, StepError> {
        self.step::<A>(address, vec![<A as Aggregate>::woken()])
            .await
    }

    /// Steps an aggregate of whatever sort by inputs of that sort; others are left out. A run's record may carry
    /// annotations.
    async fn step_any(
        &self,
        address: Address,
        delivery: Delivery,
        inputs: Vec<Input>,
        notes: &[Annotation],
    ) -> Result<StepReport, StepError> {
        let (mut runs, mut pools, mut gates) = (vec![], vec![], vec![]);
        let (mut schedules, mut backfills) = (vec![], vec![]);
        for input in inputs {
            match input {
                Input::Run(input) => runs.push(input),
                Input::Pool(input) => pools.push(input),
                Input::Gate(input) => gates.push(input),
                Input::Schedule(input) => schedules.push(input),
                Input::Backfill(input) => backfills.push(input),
            }
        }
        match address.kind {
            AggregateKind::Run => self.step_so::<Run>(address, delivery, runs, notes).await,
            AggregateKind::Pool => self.step_so::<Pool>(address, delivery, pools, &[]).await,
            AggregateKind::Gate => self.step_so::<Gate>(address, delivery, gates, &[]).await,
            AggregateKind::Schedule => {
                let schedules = self.step_so::<Schedule>(address, delivery, schedules, &[]);
                schedules.await
            }
            AggregateKind::Backfill => {
                let backfills = self.step_so::<Backfill>(address, delivery, backfills, &[]);
                backfills.await
            }
        }
    }
}
