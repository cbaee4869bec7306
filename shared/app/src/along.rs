//! The workflows that go along with a backfill, read from the current definitions of all projects.

use futures_util::stream::{self, StreamExt as _};
use porpoise_engine::Plan;
use porpoise_engine::backfill::Levels;
use porpoise_engine::backfill::along::{Along, Candidate, LeftOut, Wait, Which, along};
use porpoise_engine::backfill::cycle::Cycle;
use porpoise_model::Name;
use porpoise_model::workflow::Kind;

use crate::app::App;
use crate::context::ContextError;
use crate::store::StoreError;
use crate::subscription::upstream;
use crate::workflow_store::Head;

/// Definitions that are read at the same time.
const READS_AT_ONCE: usize = 32;

/// What goes along could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum AlongError {
    /// Projects and their workflows.
    #[error("cannot read which workflows there are")]
    Store(#[from] StoreError),
    /// A definition.
    #[error(transparent)]
    Version(#[from] ContextError),
}

/// A workflow that is to be backfilled.
#[derive(Debug, Clone, Copy)]
pub struct Backfilled<'b> {
    /// Which.
    pub which: Which,
    /// Its dates are the instants of this cron.
    pub cron: &'b str,
    /// The time zone of those.
    pub timezone: &'b str,
}

impl App {
    /// The workflows that go along with the backfill of another one, as all definitions are now.
    ///
    /// Costs a query for the projects, one for each of them, and the reading of each definition that was not used lately.
    pub async fn dependents_of(
        &self,
        of: Backfilled<'_>,
        levels: Levels,
    ) -> Result<Along, AlongError> {
        let (mut candidates, mut unreadable) = (Vec::new(), Vec::new());
        for (project, name) in self.projects().await? {
            let heads = self.workflows(project).await?;
            let reads = heads.into_iter().map(|head| async move {
                let plan = self.plan(project, head.version).await;
                (head, plan)
            });
            let mut plans = stream::iter(reads).buffered(READS_AT_ONCE);
            while let Some((head, plan)) = plans.next().await {
                match plan {
                    Ok(plan) => {
                        candidates.extend(candidate((project, head.workflow), &name, &head, &plan));
                    }
                    Err(error @ ContextError::Unavailable(_)) => return Err(error.into()),
                    Err(error) => unreadable.push(cannot_be_read(&name, &head, &error)),
                }
            }
        }
        // Its cron was checked with its definition.
        let cycle = Cycle::of_cron(of.cron).unwrap_or(Cycle::Day);
        let mut found = along(of.which, cycle, levels, of.timezone, &candidates);
        found.left_out.extend(unreadable);
        found.left_out.sort();
        Ok(found)
    }
}

/// If it waits for anything.
fn candidate(which: Which, project: &Name, head: &Head, plan: &Plan) -> Option<Candidate> {
    let workflow = plan.workflow();
    let mut waits = Vec::new();
    for task in workflow.tasks.iter().filter(|task| !task.disabled) {
        let Kind::Dependent { needs, .. } = &task.kind else {
            continue;
        };
        waits.extend(needs.runs().into_iter().map(|runs| Wait {
            task: task.name.to_string(),
            of: upstream(which.0, runs.project.as_ref(), &runs.workflow),
            period: runs.period,
        }));
    }
    let schedule = workflow.schedule.as_ref();
    (!waits.is_empty()).then(|| Candidate {
        which,
        project_name: project.to_string(),
        workflow_name: head.name.to_string(),
        version: head.version,
        timezone: schedule.map(|schedule| schedule.timezone.clone()),
        waits,
    })
}

fn cannot_be_read(project: &Name, head: &Head, error: &ContextError) -> LeftOut {
    tracing::error!(%project, workflow = %head.name, %error, "definition cannot be read");
    LeftOut {
        project_name: project.to_string(),
        workflow_name: head.name.to_string(),
        task: None,
        why: "its definition cannot be read: nobody knows whether it waits".to_owned(),
    }
}
