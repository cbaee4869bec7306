//! The calendars of a project: days on which its schedules do not fire.
//!
//! Key: partition `{project}/calendars`, sort key hashed from the calendar's name; its revision counts its changes. Body:
//! CBOR `[1, calendar]`. A calendar that was deleted stays as one without days, so that its revisions go on growing.
//!
//! A schedule fires by the days that stand in its own log. Who puts a calendar writes it first and tells the schedules
//! of those workflows then whose heads name it; who applies a workflow writes its head first, reads the calendar then,
//! and reads it once more when the schedule is told. So the later days reach the schedule, whoever is faster. Telling a
//! schedule twice, or of days that are older than those that it has, changes nothing: what is cut off is finished by the
//! next put of the same days.

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_engine::Input;
use porpoise_engine::input::ScheduleInput;
use porpoise_engine::schedule::{CalendarChange, Observed};
use porpoise_model::workflow::Schedule;
use porpoise_model::{Actor, Address, Exclusions, Name, ProjectId, ScheduleId, id};
use porpoise_ports::Unavailable;
use porpoise_ports::table::{Condition, Item, Key, Query};

use crate::app::App;
use crate::store::StoreError;
use crate::workflow_store::Head;

/// Times that a change starts over because somebody else changed the same calendar.
const TRIES_MAX: u32 = 4;

/// A calendar that stands, and its latest change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCalendar {
    /// What people call it.
    pub name: Name,
    /// The days that it excludes.
    pub exclusions: Exclusions,
    /// Counts its changes, from 1.
    pub revision: u64,
    /// Who changed it last.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

/// A calendar that stands or stood, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Kept {
    #[n(0)]
    name: Name,
    /// `None`: it was deleted.
    #[n(1)]
    exclusions: Option<Exclusions>,
    #[n(2)]
    revision: u64,
    #[n(3)]
    actor: Actor,
    #[n(4)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    at: Timestamp,
}

impl Kept {
    fn stands(self) -> Option<StoredCalendar> {
        Some(StoredCalendar {
            name: self.name,
            exclusions: self.exclusions?,
            revision: self.revision,
            actor: self.actor,
            at: self.at,
        })
    }
}

/// A calendar could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// The same call may succeed later.
    #[error("cannot store the calendar")]
    Store(#[from] StoreError),
    /// The queue of the schedules: the calendar stands, and the same call tells them.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// There is none of this name.
    #[error("there is no calendar `{0}`")]
    Unknown(Name),
    /// Workflows name it: their schedules would have no days to go by.
    #[error("calendar `{name}` is used by {}", quoted(.users))]
    InUse {
        /// The calendar.
        name: Name,
        /// The workflows.
        users: Vec<Name>,
    },
    /// Others changed it at the same time, each time.
    #[error("calendar `{0}` was changed by somebody else {TRIES_MAX} times meanwhile")]
    Contended(Name),
}

fn quoted(names: &[Name]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn partition(project: ProjectId) -> String {
    format!("{project}/calendars")
}

fn key(project: ProjectId, name: &Name) -> Key {
    let id = id::derive("calendar", &[name.as_str().as_bytes()]);
    Key::new(
        partition(project),
        format!("{:032x}", u128::from_be_bytes(id)),
    )
}

impl App {
    /// Puts a calendar, and its project if that is new, and tells the schedules that follow it. Putting what stands
    /// changes nothing, and tells them again. Costs a read, two puts, a query, and a message a schedule.
    pub async fn put_calendar(
        &self,
        project: &Name,
        name: &Name,
        exclusions: Exclusions,
        actor: &Actor,
    ) -> Result<StoredCalendar, CalendarError> {
        let id = ProjectId::of_name(project.as_str());
        self.note_project(id, project).await?;
        let kept = self
            .keep_calendar(id, name, Some(&exclusions), actor)
            .await?;
        let stored = StoredCalendar {
            name: kept.name,
            exclusions,
            revision: kept.revision,
            actor: kept.actor,
            at: kept.at,
        };
        let heads = self.workflows(id).await?;
        let followers = heads.iter().filter(|head| follows(head, name));
        let inputs: Vec<_> = followers.map(|head| told(id, head, &stored)).collect();
        if !inputs.is_empty() {
            self.tell(&inputs).await?;
        }
        Ok(stored)
    }

    /// Deletes a calendar that no workflow names. Costs two reads, two queries and a put.
    pub async fn delete_calendar(
        &self,
        project: ProjectId,
        name: &Name,
        actor: &Actor,
    ) -> Result<(), CalendarError> {
        let stands = self.calendar(project, name).await?;
        let stands = stands.ok_or_else(|| CalendarError::Unknown(name.clone()))?;
        self.unused(project, name).await?;
        self.keep_calendar(project, name, None, actor).await?;
        // Somebody may have applied a workflow that names it between the two.
        if let Err(error) = self.unused(project, name).await {
            let exclusions = Some(&stands.exclusions);
            self.keep_calendar(project, name, exclusions, actor).await?;
            return Err(error);
        }
        Ok(())
    }

    /// The workflows that name a calendar, by name. Costs a query.
    pub async fn followers(
        &self,
        project: ProjectId,
        name: &Name,
    ) -> Result<Vec<Name>, StoreError> {
        let heads = self.workflows(project).await?.into_iter();
        let following = heads.filter(|head| follows(head, name));
        let mut names: Vec<Name> = following.map(|head| head.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn unused(&self, project: ProjectId, name: &Name) -> Result<(), CalendarError> {
        let users = self.followers(project, name).await?;
        if users.is_empty() {
            return Ok(());
        }
        let name = name.clone();
        Err(CalendarError::InUse { name, users })
    }

    /// Writes a calendar, if it is not like that already.
    async fn keep_calendar(
        &self,
        project: ProjectId,
        name: &Name,
        exclusions: Option<&Exclusions>,
        actor: &Actor,
    ) -> Result<Kept, CalendarError> {
        let key = key(project, name);
        for _ in 0..TRIES_MAX {
            let found = self.store.get(&key).await?;
            let before = found.as_ref().map_or(0, |item| item.revision);
            let kept = found.as_ref().and_then(read);
            if let Some(kept) = kept.filter(|kept| kept.exclusions.as_ref() == exclusions) {
                return Ok(kept);
            }
            let kept = Kept {
                name: name.clone(),
                exclusions: exclusions.cloned(),
                revision: before + 1,
                actor: actor.clone(),
                at: self.now(),
            };
            let item = Item {
                key: key.clone(),
                revision: kept.revision,
                body: minicbor::to_vec((1_u8, &kept)).unwrap_or_default().into(),
            };
            if self.store.put(item, Condition::follows(before)).await? {
                return Ok(kept);
            }
        }
        Err(CalendarError::Contended(name.clone()))
    }

    /// A calendar. Costs a read.
    pub async fn calendar(
        &self,
        project: ProjectId,
        name: &Name,
    ) -> Result<Option<StoredCalendar>, StoreError> {
        let item = self.store.get(&key(project, name)).await?;
        Ok(item.as_ref().and_then(read).and_then(Kept::stands))
    }

    /// The calendars of a project, by name. Costs a query.
    pub async fn calendars(&self, project: ProjectId) -> Result<Vec<StoredCalendar>, StoreError> {
        let items = self
            .store
            .all(Query::prefix(partition(project), ""))
            .await?;
        let stand = items.iter().filter_map(read).filter_map(Kept::stands);
        let mut calendars: Vec<_> = stand.collect();
        calendars.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(calendars)
    }

    /// The calendar that a schedule names, as it stands; `None` where it names none, or one that is not there. Costs a
    /// read if it names one.
    pub async fn observed(
        &self,
        project: ProjectId,
        schedule: &Schedule,
    ) -> Result<Option<Observed>, StoreError> {
        let Some(name) = &schedule.calendar else {
            return Ok(None);
        };
        let found = self.calendar(project, name).await?;
        Ok(found.map(|found| Observed {
            calendar: found.name,
            revision: found.revision,
            policy: schedule.excluded,
            exclusions: found.exclusions,
        }))
    }

    /// Tells the schedule of a workflow of days that were put after it read the calendar.
    pub(crate) async fn tell_later_days(
        &self,
        project: ProjectId,
        head: &Head,
        known: &Observed,
    ) -> Result<(), CalendarError> {
        let found = self.calendar(project, &known.calendar).await?;
        if let Some(later) = found.filter(|found| found.revision > known.revision) {
            self.tell(&[told(project, head, &later)]).await?;
        }
        Ok(())
    }
}

fn follows(head: &Head, name: &Name) -> bool {
    head.calendar.as_ref() == Some(name)
}

fn told(project: ProjectId, head: &Head, calendar: &StoredCalendar) -> (Address, Input) {
    let to = Address::schedule(project, ScheduleId::of_workflow(head.workflow));
    let change = CalendarChange {
        calendar: calendar.name.clone(),
        revision: calendar.revision,
        exclusions: calendar.exclusions.clone(),
        actor: calendar.actor.clone(),
    };
    let input = ScheduleInput::CalendarChanged(Box::new(change));
    (to, Input::Schedule(input))
}

/// One that cannot be read is left out, loudly: what names it says that it is not there.
fn read(item: &Item) -> Option<Kept> {
    let read: Result<(u8, Kept), _> = minicbor::decode(&item.body);
    let read = read.inspect_err(|error| {
        tracing::error!(partition = item.key.partition, sort = item.key.sort, %error, "calendar cannot be read");
    });
    read.ok().map(|(_, kept)| kept)
}
