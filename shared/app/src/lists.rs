//! Lists of runs, newest first: index items that may lag and never go back.
//!
//! Keys: partition `{project}/runs`, `{project}/runs/{workflow}`, and for what ended badly `{project}/runs-failed` and
//! `{project}/runs-canceled`; sort key `{inverted creation time:016x}/{run}`. The revision is the listing's own, and
//! a line is written only over an older one. Body: CBOR `[1, listing]`; `[1]` in the last two says that the run is no
//! longer in that state (it was run again), so that a late line cannot bring it back.

use data_encoding::BASE32_NOPAD;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use porpoise_engine::effect::{Listing, LookOut, NewRun};
use porpoise_engine::run::dependent::counts;
use porpoise_model::limits::LIST_PAGE_MAX;
use porpoise_model::{ProjectId, RunId, RunState, WorkflowId};
use porpoise_ports::table::{Condition, Consistency, Item, Key, Query};

use crate::app::App;
use crate::store::StoreError;

/// Lines that one call looks at, at the most, when a filter leaves most of them out.
const LOOKED_AT_MAX: usize = 4 * LIST_PAGE_MAX;

/// How much earlier than the instant that it stands for a run may be created.
const EARLY: SignedDuration = SignedDuration::from_hours(24);
/// Lines of earlier runs that one query gives: the first of them will do, unless it is a dry run.
const EARLIER_LOOKED_AT: usize = 20;

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this workflow only.
    pub workflow: Option<WorkflowId>,
    /// In this state only. `failed` and `canceled` have lists of their own where no workflow is given.
    pub state: Option<RunState>,
    /// By what created them: `schedule`, `manual`, `api`.
    pub trigger: Option<String>,
}

/// Some runs, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPage {
    /// The lines.
    pub runs: Vec<Listing>,
    /// Where the next page begins; `None`: there is no more. A page may be short and still have a successor.
    pub next: Option<String>,
}

/// A page could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Not a cursor that a page gave.
    #[error("`{0}` is no cursor of this list")]
    Cursor(String),
    /// The same call may succeed later.
    #[error("cannot read the list of runs")]
    Store(#[from] StoreError),
}

fn sort(listing: &Listing) -> String {
    sort_of(listing.created, listing.run)
}

fn sort_of(created: Timestamp, run: RunId) -> String {
    format!("{:016x}/{run}", inverted(created))
}

fn inverted(created: Timestamp) -> u64 {
    u64::MAX - created.as_millisecond().max(0).unsigned_abs()
}

fn of_project(project: ProjectId) -> String {
    format!("{project}/runs")
}

fn of_workflow(project: ProjectId, workflow: WorkflowId) -> String {
    format!("{project}/runs/{workflow}")
}

/// The list of what ended like that, if there is one.
fn of_state(project: ProjectId, state: RunState) -> Option<String> {
    match state {
        RunState::Failed | RunState::Canceled => Some(format!("{project}/runs-{state}")),
        RunState::Queued
        | RunState::Running
        | RunState::Pausing
        | RunState::Paused
        | RunState::Canceling
        | RunState::Succeeded => None,
    }
}

fn line(partition: String, listing: &Listing, shown: bool) -> Item {
    let body = if shown {
        minicbor::to_vec((1_u8, listing))
    } else {
        minicbor::to_vec((1_u8,))
    };
    Item {
        key: Key::new(partition, sort(listing)),
        revision: listing.revision,
        body: body.unwrap_or_default().into(),
    }
}

fn read_line(item: &Item) -> Option<Listing> {
    let mut d = minicbor::Decoder::new(&item.body);
    let listing = d.array().and_then(|fields| {
        let form = d.u8()?;
        let shown = form == 1 && fields.is_some_and(|fields| fields > 1);
        if shown {
            d.decode().map(Some)
        } else {
            Ok(None)
        }
    });
    listing.unwrap_or_else(|error| {
        tracing::error!(sort = item.key.sort, %error, "line of a list cannot be read");
        None
    })
}

impl App {
    /// Writes what lists show of a run, wherever no newer line stands.
    ///
    /// Costs a read and two puts; one put more when the run ended badly, or is run again after that.
    pub(crate) async fn list(&self, listing: &Listing) -> Result<(), StoreError> {
        let project = listing.project;
        let main = line(of_project(project), listing, true);
        let before = self.store.get(&main.key).await?;
        if before
            .as_ref()
            .is_some_and(|b| b.revision > listing.revision)
        {
            return Ok(());
        }
        // Taken out of the list of its former state first: while this is cut off, the main line still tells of it.
        let former = before.as_ref().and_then(read_line).map(|line| line.state);
        let former = former.filter(|state| *state != listing.state);
        if let Some(left) = former.and_then(|state| of_state(project, state)) {
            self.put_line(line(left, listing, false)).await?;
        }
        // The main line decides: who finds a newer one there leaves the other lists alone.
        let repeated = before.is_some_and(|before| before.revision == listing.revision);
        if !repeated && !self.put_line(main.clone()).await? {
            let now = self.store.get(&main.key).await?;
            if now.is_none_or(|now| now.revision != listing.revision) {
                return Ok(());
            }
        }
        let by_workflow = line(of_workflow(project, listing.workflow), listing, true);
        let by_state = of_state(project, listing.state).map(|list| line(list, listing, true));
        let lines = [Some(by_workflow), by_state].into_iter().flatten();
        for written in join_all(lines.map(|line| self.put_line(line))).await {
            written?;
        }
        Ok(())
    }

    /// Lists a run that was just created, so that whoever asked for it finds it at once: its own first line comes a
    /// moment later. Harmless to leave out and to repeat. Costs a read and two puts; nothing where writes are billed: lists
    /// may lag, and the run is found by its id.
    pub async fn list_created(&self, new: &NewRun, tasks: u32) -> Result<(), StoreError> {
        if self.swept {
            return Ok(());
        }
        self.list(&Listing {
            project: new.project,
            run: new.run,
            workflow: new.workflow,
            workflow_name: new.workflow_name.clone(),
            revision: 0,
            state: RunState::Queued,
            trigger: new.trigger.clone(),
            logical_date: new.logical_date,
            created: new.created,
            started: None,
            ended: None,
            tasks,
            dry_run: new.dry_run,
            simulate: new.simulate,
        })
        .await
    }

    async fn put_line(&self, item: Item) -> Result<bool, StoreError> {
        let condition = Condition::OlderThan(item.revision);
        self.store.put(item, condition).await
    }

    /// The runs of a workflow that may stand for an instant since `since`, as of the last acknowledged write.
    ///
    /// A run stands for an instant that has come when it is created, give or take a day, or is created about when those
    /// are that wait for it: who looks at the list of a workflow does not read all of its history. Costs a query.
    pub(crate) async fn lines_since(
        &self,
        project: ProjectId,
        workflow: WorkflowId,
        since: Timestamp,
    ) -> Result<Vec<Listing>, StoreError> {
        let oldest = since.checked_sub(EARLY).unwrap_or(Timestamp::MIN);
        let query = Query {
            to: format!("{:016x}/~", inverted(oldest)),
            ..Query::prefix(of_workflow(project, workflow), "")
        };
        let items = self.store.all(query).await?;
        Ok(items.iter().filter_map(read_line).collect())
    }

    /// Whether the workflow of a run that waits has runs of the same sort that were created before it. Costs a query.
    pub(crate) async fn has_earlier(&self, waits: &LookOut) -> Result<bool, StoreError> {
        let mut query = Query {
            after: Some(sort_of(waits.created, waits.run)),
            limit: EARLIER_LOOKED_AT,
            ..Query::prefix(of_workflow(waits.project, waits.workflow), "")
        };
        loop {
            let page = self.store.page(&query).await?;
            let mut lines = page.items.iter().filter_map(read_line);
            if lines.any(|line| counts(&line, waits)) {
                return Ok(true);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(false),
            }
        }
    }

    /// A page of runs, newest first, at most `limit` (and never more than [`LIST_PAGE_MAX`]).
    ///
    /// Costs one query when nothing but a workflow, or nothing but `failed` or `canceled` is asked for; other filters
    /// are applied to what the queries return, at most 2,000 lines a call.
    pub async fn runs(
        &self,
        project: ProjectId,
        filter: &Filter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<RunPage, ListError> {
        let limit = limit.clamp(1, LIST_PAGE_MAX);
        let partition = match (filter.workflow, filter.state) {
            (Some(workflow), _) => of_workflow(project, workflow),
            (None, Some(state)) => of_state(project, state).unwrap_or_else(|| of_project(project)),
            (None, None) => of_project(project),
        };
        let mut query = Query {
            limit,
            after: cursor.map(from_cursor).transpose()?,
            consistency: Consistency::Eventual,
            ..Query::prefix(partition, "")
        };
        let (mut runs, mut looked_at) = (Vec::new(), 0);
        loop {
            let page = self.store.page(&query).await?;
            for item in &page.items {
                looked_at += 1;
                runs.extend(read_line(item).filter(|line| filter.wants(line)));
                if runs.len() == limit {
                    let last = page.items.last().map(|last| &last.key.sort);
                    let more = last != Some(&item.key.sort) || page.next.is_some();
                    let next = more.then(|| to_cursor(&item.key.sort));
                    return Ok(RunPage { runs, next });
                }
            }
            match page.next {
                Some(next) if looked_at < LOOKED_AT_MAX => query.after = Some(next),
                next => {
                    let next = next.map(|next| to_cursor(&next));
                    return Ok(RunPage { runs, next });
                }
            }
        }
    }
}

impl Filter {
    fn wants(&self, line: &Listing) -> bool {
        let trigger = self.trigger.as_deref();
        self.state.is_none_or(|state| state == line.state)
            && self
                .workflow
                .is_none_or(|workflow| workflow == line.workflow)
            && trigger.is_none_or(|trigger| trigger == line.trigger.as_str())
    }
}

fn to_cursor(sort: &str) -> String {
    BASE32_NOPAD.encode(sort.as_bytes()).to_ascii_lowercase()
}

fn from_cursor(cursor: &str) -> Result<String, ListError> {
    let bytes = BASE32_NOPAD.decode(cursor.to_ascii_uppercase().as_bytes());
    let sort = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    sort.ok_or_else(|| ListError::Cursor(cursor.chars().take(80).collect()))
}
