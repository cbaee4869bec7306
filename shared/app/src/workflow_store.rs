//! Workflows and their versions.
//!
//! Keys: the stored bytes of a version are a blob under their hash. Partition `{project}/workflows`, sort key the
//! workflow's id: its head, which names the current version; its revision counts its writes. Partition
//! `{project}/workflow/{id}`, sort key `version/{number:016x}`: the versions that were current before. Partition
//! `projects`, sort key the project's id: its name. Bodies are CBOR maps of [`Head`] and [`Version`] in arrays that
//! begin with their form, 1.
//!
//! Order of an apply: blob, the version that is replaced, head with `schedule_pending`, command to the schedule (which
//! carries the days of the calendar that it follows: `calendar_store`), head without. What is cut off between is finished by the next apply of the same bytes.

use std::sync::Arc;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_engine::Input;
use porpoise_engine::input::{Command, ScheduleCommand, ScheduleInput, Spec};
use porpoise_engine::schedule::Observed;
use porpoise_model::workflow::Workflow;
use porpoise_model::{
    Actor, Address, CommandId, Name, ProjectId, ScheduleId, VersionHash, WorkflowId,
};
use porpoise_ports::Unavailable;
use porpoise_ports::table::{Condition, Item, Key, Query};

use crate::app::{App, HOME};
use crate::calendar_store::CalendarError;
use crate::store::StoreError;

/// Times that an apply starts over because somebody else applied at the same time.
const TRIES_MAX: u32 = 8;

/// A version of a workflow, and the change that made it current.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Version {
    /// Counts from 1; a version that is applied again gets a new number.
    #[n(0)]
    pub number: u64,
    /// Its address.
    #[n(1)]
    pub version: VersionHash,
    /// The one that it replaced.
    #[n(2)]
    pub before: Option<VersionHash>,
    /// Who applied it.
    #[n(3)]
    pub actor: Actor,
    /// When.
    #[n(4)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub at: Timestamp,
    /// How many tasks it has.
    #[n(5)]
    pub tasks: u32,
}

/// A workflow: its current version, and what stays when that changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// Its id.
    #[n(0)]
    pub workflow: WorkflowId,
    /// What people call it.
    #[n(1)]
    pub name: Name,
    /// The current version.
    #[n(2)]
    pub version: VersionHash,
    /// The change that made it current.
    #[n(3)]
    pub current: Version,
    /// Whether any version of it ever had a schedule.
    #[n(4)]
    pub scheduled: bool,
    /// The schedule has still to be told of this version.
    #[n(5)]
    pub schedule_pending: bool,
    /// The calendar that the schedule of the current version follows.
    #[n(6)]
    pub calendar: Option<Name>,
}

/// What an apply did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The workflow as it is now.
    pub head: Head,
    /// Whether anything is other than before.
    pub changed: bool,
}

/// The head of a workflow could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The same call may succeed later.
    #[error("cannot read workflow `{0}`")]
    Store(WorkflowId, #[source] StoreError),
    /// Written by a later release, or damaged.
    #[error("the record of workflow `{0}` cannot be read")]
    Unreadable(WorkflowId, #[source] minicbor::decode::Error),
}

/// A workflow could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Its stored form cannot be made.
    #[error("the workflow cannot be written as JSON")]
    Form(#[from] serde_json::Error),
    /// What stands there cannot be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The same call may succeed later; nothing is lost by repeating it.
    #[error("cannot store the workflow")]
    Store(#[from] StoreError),
    /// The blobs, or the queue to its schedule.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The calendar that its schedule follows.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// Its schedule names a calendar that is not there.
    #[error(
        "the schedule of workflow `{workflow}` names the calendar `{calendar}`, which its project does not have"
    )]
    NoCalendar {
        /// Whose.
        workflow: Name,
        /// What it names.
        calendar: Name,
    },
    /// Somebody else made another version current since the one that this one stems from.
    #[error(
        "workflow `{workflow}` has moved on: its current version is number {number}, `{}`, and what is to be written back stems from `{}`",
        current.short(), over.short()
    )]
    Moved {
        /// Whose.
        workflow: Name,
        /// Its current version.
        current: VersionHash,
        /// The number of that.
        number: u64,
        /// The version that it should have been.
        over: VersionHash,
    },
    /// Others applied at the same time, each time.
    #[error("workflow `{0}` was changed by somebody else {TRIES_MAX} times meanwhile")]
    Contended(Name),
}

fn head_key(project: ProjectId, workflow: WorkflowId) -> Key {
    Key::new(format!("{project}/workflows"), workflow.to_string())
}

fn versions_of(project: ProjectId, workflow: WorkflowId) -> String {
    format!("{project}/workflow/{workflow}")
}

fn read_form<T: for<'b> Decode<'b, ()>>(body: &[u8]) -> Result<T, minicbor::decode::Error> {
    let (form, value): (u8, T) = minicbor::decode(body)?;
    if form > 1 {
        return Err(minicbor::decode::Error::message(
            "written by a later release",
        ));
    }
    Ok(value)
}

fn item<T: Encode<()>>(key: Key, revision: u64, value: &T) -> Item {
    Item {
        key,
        revision,
        body: minicbor::to_vec((1_u8, value)).unwrap_or_default().into(),
    }
}

impl App {
    /// Makes a workflow the current version of its name. Applying what is current already changes nothing and says
    /// so.
    ///
    /// The workflow's own schedule is set, or ended when this version has none. Costs a blob, and four puts; three reads
    /// more if the schedule follows a calendar.
    pub async fn apply(&self, workflow: &Workflow, actor: &Actor) -> Result<Applied, ApplyError> {
        self.apply_if(workflow, actor, None).await
    }

    /// The same, only if the version that is current is still `over`, or this one came right after that. Costs a query
    /// more where it is neither.
    ///
    /// # Errors
    /// [`ApplyError::Moved`]; then nothing has changed.
    pub async fn apply_over(
        &self,
        workflow: &Workflow,
        actor: &Actor,
        over: VersionHash,
    ) -> Result<Applied, ApplyError> {
        self.apply_if(workflow, actor, Some(over)).await
    }

    async fn apply_if(
        &self,
        workflow: &Workflow,
        actor: &Actor,
        over: Option<VersionHash>,
    ) -> Result<Applied, ApplyError> {
        let project = ProjectId::of_name(workflow.project.as_str());
        let id = WorkflowId::first_named(project, workflow.name.as_str());
        let (bytes, version) = workflow.to_stored()?;
        let mut stored = Some(bytes);
        for _ in 0..TRIES_MAX {
            let before = self.head_item(project, id).await?;
            if let Some((head, revision)) = &before
                && head.version == version
            {
                let head = self
                    .tell_schedule(project, workflow, head.clone(), *revision)
                    .await?;
                return Ok(Applied {
                    head,
                    changed: false,
                });
            }
            if let (Some((head, _)), Some(over)) = (&before, over)
                && head.version != over
            {
                return self.unless_replaced(project, head, version, over).await;
            }
            self.calendar_of(project, workflow).await?;
            if let Some(bytes) = stored.take() {
                self.ports.blobs.put(HOME, project, bytes.into()).await?;
                self.note_project(project, &workflow.project).await?;
                self.note_pools(project, workflow).await?;
            }
            let revision = before.as_ref().map_or(0, |(_, revision)| *revision);
            let before = before.map(|(head, _)| head);
            let head = self.next_head(id, workflow, version, before.as_ref(), actor);
            if self
                .replace_head(project, before.as_ref(), &head, revision)
                .await?
            {
                let head = self
                    .tell_schedule(project, workflow, head, revision + 1)
                    .await?;
                return Ok(Applied {
                    head,
                    changed: true,
                });
            }
        }
        Err(ApplyError::Contended(workflow.name.clone()))
    }

    /// Somebody has gone on from another version: all is well if that happened after this one had been written back.
    async fn unless_replaced(
        &self,
        project: ProjectId,
        head: &Head,
        version: VersionHash,
        over: VersionHash,
    ) -> Result<Applied, ApplyError> {
        let versions = self.versions(project, head.workflow).await?;
        let written = |known: &Version| known.version == version && known.before == Some(over);
        if versions.iter().any(written) {
            return Ok(Applied {
                head: head.clone(),
                changed: false,
            });
        }
        Err(ApplyError::Moved {
            workflow: head.name.clone(),
            current: head.version,
            number: head.current.number,
            over,
        })
    }

    /// Stores a version that becomes nobody's current one, for a run that names it by its hash. Costs a blob.
    pub(crate) async fn keep_version(
        &self,
        project: ProjectId,
        workflow: &Workflow,
    ) -> Result<VersionHash, ApplyError> {
        let (bytes, version) = workflow.to_stored()?;
        self.ports.blobs.put(HOME, project, bytes.into()).await?;
        Ok(version)
    }

    fn next_head(
        &self,
        id: WorkflowId,
        workflow: &Workflow,
        version: VersionHash,
        before: Option<&Head>,
        actor: &Actor,
    ) -> Head {
        let scheduled = workflow.schedule.is_some() || before.is_some_and(|head| head.scheduled);
        Head {
            workflow: id,
            name: workflow.name.clone(),
            version,
            current: Version {
                number: before.map_or(1, |head| head.current.number + 1),
                version,
                before: before.map(|head| head.version),
                actor: actor.clone(),
                at: self.now(),
                tasks: u32::try_from(workflow.tasks.len()).unwrap_or(u32::MAX),
            },
            scheduled,
            schedule_pending: scheduled,
            calendar: named_calendar(workflow).cloned(),
        }
    }

    /// `false`: somebody else was faster.
    async fn replace_head(
        &self,
        project: ProjectId,
        before: Option<&Head>,
        head: &Head,
        revision: u64,
    ) -> Result<bool, StoreError> {
        let condition = match before {
            Some(before) => {
                let number = before.current.number;
                let sort = format!("version/{number:016x}");
                let key = Key::new(versions_of(project, head.workflow), sort);
                self.store
                    .put(item(key, number, &before.current), Condition::None)
                    .await?;
                Condition::Revision(revision)
            }
            None => Condition::Absent,
        };
        let head = item(head_key(project, head.workflow), revision + 1, head);
        self.store.put(head, condition).await
    }

    /// Tells the workflow's schedule of its version, if that is still to be done.
    async fn tell_schedule(
        &self,
        project: ProjectId,
        workflow: &Workflow,
        mut head: Head,
        revision: u64,
    ) -> Result<Head, ApplyError> {
        if !head.schedule_pending {
            return Ok(head);
        }
        let calendar = self.calendar_of(project, workflow).await?;
        let mut change = format!("{}/{}/{}", head.workflow, head.current.number, head.version);
        if let Some(calendar) = &calendar {
            // Told again with other days, it is another command.
            change = format!("{change}/{}", calendar.revision);
        }
        let what = match &workflow.schedule {
            Some(schedule) => ScheduleCommand::Set {
                workflow: head.workflow,
                workflow_name: head.name.to_string(),
                spec: Box::new(Spec::of(schedule, calendar.clone())),
            },
            None => ScheduleCommand::Unset,
        };
        let command = Command {
            id: CommandId::of_key("apply/schedule", &change),
            actor: head.current.actor.clone(),
            what,
        };
        let to = Address::schedule(project, ScheduleId::of_workflow(head.workflow));
        self.tell(&[(to, Input::Schedule(ScheduleInput::Commanded(command)))])
            .await?;
        if let Some(calendar) = &calendar {
            self.tell_later_days(project, &head, calendar).await?;
        }
        head.schedule_pending = false;
        let key = head_key(project, head.workflow);
        // Somebody else's newer version tells the schedule itself.
        self.store
            .put(
                item(key, revision + 1, &head),
                Condition::Revision(revision),
            )
            .await?;
        Ok(head)
    }

    /// The calendar that the schedule of a workflow names. It has to be there.
    async fn calendar_of(
        &self,
        project: ProjectId,
        workflow: &Workflow,
    ) -> Result<Option<Observed>, ApplyError> {
        let (Some(schedule), Some(calendar)) = (&workflow.schedule, named_calendar(workflow))
        else {
            return Ok(None);
        };
        let found = self.observed(project, schedule).await?;
        if found.is_none() {
            return Err(ApplyError::NoCalendar {
                workflow: workflow.name.clone(),
                calendar: calendar.clone(),
            });
        }
        Ok(found)
    }

    pub(crate) async fn note_project(
        &self,
        project: ProjectId,
        name: &Name,
    ) -> Result<(), StoreError> {
        let key = Key::new("projects", project.to_string());
        self.store
            .put(item(key, 0, name), Condition::Absent)
            .await
            .map(drop)
    }

    /// A workflow; `None` if there is none of this id. Costs a read.
    pub async fn head(
        &self,
        project: ProjectId,
        workflow: WorkflowId,
    ) -> Result<Option<Head>, HeadError> {
        let found = self.head_item(project, workflow).await?;
        Ok(found.map(|(head, _)| head))
    }

    /// The workflow that people call so. Costs a read.
    pub async fn workflow_named(
        &self,
        project: ProjectId,
        name: &str,
    ) -> Result<Option<Head>, HeadError> {
        self.head(project, WorkflowId::first_named(project, name))
            .await
    }

    async fn head_item(
        &self,
        project: ProjectId,
        workflow: WorkflowId,
    ) -> Result<Option<(Head, u64)>, HeadError> {
        let item = self.store.get(&head_key(project, workflow)).await;
        let Some(item) = item.map_err(|error| HeadError::Store(workflow, error))? else {
            return Ok(None);
        };
        match read_form(&item.body) {
            Ok(head) => Ok(Some((head, item.revision))),
            Err(error) => Err(HeadError::Unreadable(workflow, error)),
        }
    }

    /// The workflows of a project, by id. Costs a query of as many pages as it takes.
    pub async fn workflows(&self, project: ProjectId) -> Result<Vec<Head>, StoreError> {
        let items = self
            .store
            .all(Query::prefix(format!("{project}/workflows"), ""))
            .await?;
        Ok(items.iter().filter_map(readable).collect())
    }

    /// The projects, by id, with their names. Costs a query.
    pub async fn projects(&self) -> Result<Vec<(ProjectId, Name)>, StoreError> {
        let items = self.store.all(Query::prefix("projects", "")).await?;
        let project = |item: &Item| Some((item.key.sort.parse().ok()?, readable(item)?));
        Ok(items.iter().filter_map(project).collect())
    }

    /// The versions of a workflow, newest first: the current one, and those before it. Costs a read and a query.
    pub async fn versions(
        &self,
        project: ProjectId,
        workflow: WorkflowId,
    ) -> Result<Vec<Version>, HeadError> {
        let store = |error| HeadError::Store(workflow, error);
        let Some(head) = self.head(project, workflow).await? else {
            return Ok(Vec::new());
        };
        let query = Query {
            descending: true,
            ..Query::prefix(versions_of(project, workflow), "version/")
        };
        let items = self.store.all(query).await.map_err(store)?;
        let older = items.iter().filter_map(readable::<Version>);
        // The current one is kept as an older one a moment before it is replaced.
        let older = older.filter(|version| version.number < head.current.number);
        Ok(std::iter::once(head.current.clone()).chain(older).collect())
    }

    /// The current version of a workflow, whole. Costs two reads.
    pub async fn current(
        &self,
        project: ProjectId,
        head: &Head,
    ) -> Result<Arc<Workflow>, crate::context::ContextError> {
        self.version(project, head.version).await
    }
}

fn named_calendar(workflow: &Workflow) -> Option<&Name> {
    workflow.schedule.as_ref()?.calendar.as_ref()
}

fn readable<T: for<'b> Decode<'b, ()>>(item: &Item) -> Option<T> {
    let read = read_form(&item.body);
    if let Err(error) = &read {
        tracing::error!(partition = item.key.partition, sort = item.key.sort, %error, "item cannot be read");
    }
    read.ok()
}
