//! The list of a project's backfills, newest first.
//!
//! Key: partition `{project}/backfills`, sort key `{inverted creation time:016x}/{backfill}`. Body: CBOR
//! `[1, workflow id]`. Written once, as an effect of the backfill; how it stands is asked of the backfill itself.

use porpoise_engine::Input;
use porpoise_engine::backfill::{Backfill, NewBackfill, State};
use porpoise_engine::input::BackfillInput;
use porpoise_model::limits::LIST_PAGE_MAX;
use porpoise_model::{Address, BackfillId, ProjectId, WorkflowId};
use porpoise_ports::Unavailable;
use porpoise_ports::table::{Condition, Consistency, Item, Key, Query};

use crate::app::App;
use crate::log::LoadError;
use crate::store::StoreError;

/// A backfill, as its log tells it.
#[derive(Debug, Clone)]
pub struct BackfillView {
    /// What it began with.
    pub new: NewBackfill,
    /// How it stands.
    pub state: State,
    /// The last record that is in it.
    pub sequence: u64,
}

/// Some backfills of a project, newest first.
#[derive(Debug, Clone)]
pub struct BackfillPage {
    /// As they stand.
    pub backfills: Vec<BackfillView>,
    /// The key behind which the next page begins; `None`: there is no more.
    pub next: Option<String>,
}

/// A page could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BackfillListError {
    /// The list.
    #[error("cannot read the list of backfills")]
    Store(#[from] StoreError),
    /// One that it names.
    #[error(transparent)]
    Load(#[from] LoadError),
}

fn partition(project: ProjectId) -> String {
    format!("{project}/backfills")
}

impl App {
    /// Has a backfill begin. Repeating it with the same id changes nothing. Costs a message.
    pub async fn begin_backfill(&self, new: NewBackfill) -> Result<(), Unavailable> {
        let address = Address::backfill(new.like.project, new.backfill);
        let input = Input::Backfill(BackfillInput::Begin(Box::new(new)));
        self.tell(&[(address, input)]).await
    }

    /// A backfill as it stands; `None` if there is none of this id. Costs what [`look`](Self::look) costs.
    pub async fn backfill(
        &self,
        project: ProjectId,
        backfill: BackfillId,
    ) -> Result<Option<BackfillView>, LoadError> {
        let address = Address::backfill(project, backfill);
        let loaded = self.look::<Backfill>(address).await?;
        let new = loaded.state.new.as_deref().cloned();
        Ok(new.map(|new| BackfillView {
            new,
            state: loaded.state,
            sequence: loaded.sequence,
        }))
    }

    /// A page of a project's backfills, newest first: of one workflow, or of all.
    ///
    /// Costs a query, and what [`look`](Self::look) costs for each of them.
    pub async fn backfills(
        &self,
        project: ProjectId,
        workflow: Option<WorkflowId>,
        after: Option<String>,
        limit: usize,
    ) -> Result<BackfillPage, BackfillListError> {
        let mut query = Query {
            limit: LIST_PAGE_MAX,
            after,
            consistency: Consistency::Eventual,
            ..Query::prefix(partition(project), "")
        };
        let mut backfills = Vec::new();
        loop {
            let page = self.store.page(&query).await?;
            for (at, item) in page.items.iter().enumerate() {
                let found = read_line(item).filter(|(_, of)| workflow.is_none_or(|id| id == *of));
                if let Some((id, _)) = found {
                    backfills.extend(self.backfill(project, id).await?);
                }
                if backfills.len() == limit.max(1) {
                    let more = at + 1 < page.items.len() || page.next.is_some();
                    let next = more.then(|| item.key.sort.clone());
                    return Ok(BackfillPage { backfills, next });
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => {
                    return Ok(BackfillPage {
                        backfills,
                        next: None,
                    });
                }
            }
        }
    }

    /// Writes the line of a backfill. Costs a put.
    pub(crate) async fn list_backfill(&self, line: &BackfillLine) -> Result<(), StoreError> {
        let created = line.created.as_millisecond().max(0).unsigned_abs();
        let sort = format!("{:016x}/{}", u64::MAX - created, line.backfill);
        let body = minicbor::to_vec((1_u8, line.workflow)).unwrap_or_default();
        let item = Item {
            key: Key::new(partition(line.project), sort),
            revision: 0,
            body: body.into(),
        };
        self.store.put(item, Condition::Absent).await.map(drop)
    }
}

/// What the list holds of a backfill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackfillLine {
    pub(crate) project: ProjectId,
    pub(crate) backfill: BackfillId,
    pub(crate) workflow: WorkflowId,
    pub(crate) created: jiff::Timestamp,
}

fn read_line(item: &Item) -> Option<(BackfillId, WorkflowId)> {
    let (_, id) = item.key.sort.split_once('/')?;
    let body: Result<(u8, WorkflowId), _> = minicbor::decode(&item.body);
    let body = body.inspect_err(
        |error| tracing::error!(sort = item.key.sort, %error, "line of a backfill cannot be read"),
    );
    Some((id.parse().ok()?, body.ok()?.1))
}
