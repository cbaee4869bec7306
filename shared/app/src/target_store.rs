//! The targets of a project, and where a run that is created now is placed.
//!
//! Key: partition `{project}/targets`, sort key hashed from the target's name; its revision counts its changes. Body:
//! CBOR `[1, target]`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_engine::Plan;
use porpoise_engine::effect::NewRun;
use porpoise_engine::placement::{Placed, Placement};
use porpoise_model::workflow::{Kind, Task};
use porpoise_model::{Actor, AssumedRole, Name, Place, ProjectId, Target, id};
use porpoise_ports::table::{Condition, Item, Key, Query};

use crate::app::App;
use crate::residency::{ResidencyError, first_outside};
use crate::store::StoreError;

/// Times that a change starts over because somebody else changed the same target.
const TRIES_MAX: u32 = 4;

/// A target of a project, as people set it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TargetSpec {
    /// What people call it.
    #[n(0)]
    pub name: Name,
    /// The sort of target, by which its executor is found.
    #[n(1)]
    pub kind: String,
    /// Where it lies.
    #[n(2)]
    pub place: Place,
    /// The data place that serves it; the one of its own region, as a rule.
    #[n(3)]
    pub served_by: Place,
    /// The role that is assumed to speak to it.
    #[n(4)]
    pub role: Option<AssumedRole>,
    /// What its executor has to know, JSON.
    #[n(5)]
    pub settings: String,
    /// Kinds of tasks that it takes if they name no target.
    #[n(6)]
    pub default_for: BTreeSet<String>,
}

/// A target that stands, and its latest change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredTarget {
    /// As people set it.
    #[n(0)]
    pub spec: TargetSpec,
    /// Counts its changes, from 1.
    #[n(1)]
    pub revision: u64,
    /// Who changed it last.
    #[n(2)]
    pub actor: Actor,
    /// When.
    #[n(3)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub at: Timestamp,
}

/// A target could not be set.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The same call may succeed later.
    #[error("cannot store the target")]
    Store(#[from] StoreError),
    /// Where its project's data may be.
    #[error(transparent)]
    Residency(#[from] ResidencyError),
    /// Its project's data may not be there.
    #[error("target `{0}` would be at `{1}`, where the data of its project may not be")]
    Outside(Name, Place),
    /// Others set it at the same time, each time.
    #[error("target `{0}` was changed by somebody else {TRIES_MAX} times meanwhile")]
    Contended(Name),
}

/// A run could not be placed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The targets of the project.
    #[error("cannot read the targets of the project")]
    Store(#[from] StoreError),
    /// Where the data of the project may be.
    #[error(transparent)]
    Residency(#[from] ResidencyError),
    /// A task would execute where the data of its project may not be.
    #[error(
        "task `{task}` would execute at `{place}`, where the data of project `{project}` may not be"
    )]
    Outside {
        /// Whose.
        task: Name,
        /// Where.
        place: Place,
        /// Whose data.
        project: Name,
    },
    /// Nobody set a target of this name, or a task could not run there.
    #[error(
        "task `{task}` names the target `{target}`, which project `{project}` does not have: {}",
        others(.known)
    )]
    Unknown {
        /// Whose.
        task: Name,
        /// What it names.
        target: String,
        /// Where it was looked for.
        project: Name,
        /// What there is.
        known: Vec<Name>,
    },
    /// A task that only a target can run names none, and none is the default of its kind.
    #[error(
        "task `{task}` is of kind `{kind}`, which needs a target: it names none, and no target of project `{project}` is \
         the default for `{kind}`: {}",
        others(.known)
    )]
    None {
        /// Whose.
        task: Name,
        /// What it does.
        kind: String,
        /// Where a target was looked for.
        project: Name,
        /// What there is.
        known: Vec<Name>,
    },
}

fn others(known: &[Name]) -> String {
    let names: Vec<&str> = known.iter().map(Name::as_str).collect();
    if names.is_empty() {
        "it has none yet".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    }
}

fn partition(project: ProjectId) -> String {
    format!("{project}/targets")
}

fn key(project: ProjectId, name: &Name) -> Key {
    let id = id::derive("target", &[name.as_str().as_bytes()]);
    Key::new(
        partition(project),
        format!("{:032x}", u128::from_be_bytes(id)),
    )
}

impl App {
    /// Sets a target: makes it, or changes it for the runs that are created from now on. Setting what stands changes
    /// nothing. Costs two reads and a put.
    pub async fn set_target(
        &self,
        project: ProjectId,
        spec: TargetSpec,
        actor: &Actor,
    ) -> Result<StoredTarget, TargetError> {
        let places = self.places_of(project).await?;
        if let Some(place) = first_outside(&spec, &places) {
            return Err(TargetError::Outside(spec.name.clone(), place.clone()));
        }
        let key = key(project, &spec.name);
        for _ in 0..TRIES_MAX {
            let found = self.store.get(&key).await?;
            let stands = found.as_ref().and_then(read);
            if let Some(stands) = stands.filter(|stands| stands.spec == spec) {
                return Ok(stands);
            }
            let before = found.map_or(0, |item| item.revision);
            let stored = StoredTarget {
                spec: spec.clone(),
                revision: before + 1,
                actor: actor.clone(),
                at: self.now(),
            };
            let item = Item {
                key: key.clone(),
                revision: stored.revision,
                body: minicbor::to_vec((1_u8, &stored)).unwrap_or_default().into(),
            };
            let condition = Condition::follows(before);
            if self.store.put(item, condition).await? {
                return Ok(stored);
            }
        }
        Err(TargetError::Contended(spec.name))
    }

    /// The targets of a project, by name. Costs a query.
    pub async fn targets(&self, project: ProjectId) -> Result<Vec<StoredTarget>, StoreError> {
        let query = Query::prefix(partition(project), "");
        let items = self.store.all(query).await?;
        let mut targets: Vec<StoredTarget> = items.iter().filter_map(read).collect();
        targets.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
        Ok(targets)
    }

    /// Where the tasks of a run that is created now execute. Costs a read if any of them does more than pass the time,
    /// and a query if any of those is for a target.
    pub(crate) async fn place_run(
        &self,
        new: &NewRun,
        plan: &Plan,
    ) -> Result<Placement, PlaceError> {
        let mut placement = Placement {
            place: self.home.clone(),
            ..Placement::default()
        };
        let tasks = &plan.workflow().tasks;
        let passes = |kind: &Kind| {
            matches!(
                kind,
                Kind::Noop | Kind::Sleep { .. } | Kind::Workflow { .. }
            )
        };
        let local = |kind: &Kind| {
            self.home == Place::Local
                && matches!(
                    kind,
                    Kind::Shell { .. } | Kind::Python { .. } | Kind::Command { .. } | Kind::Http(_)
                )
        };
        let placed = |task: &Task| {
            !new.simulates(&task.kind)
                && (task.target.is_some() || !(passes(&task.kind) || local(&task.kind)))
        };
        let works = |task: &Task| !new.simulates(&task.kind) && !passes(&task.kind);
        if !tasks.iter().any(|task| placed(task) || works(task)) {
            return Ok(placement);
        }
        placement.residency = self.places_of(new.project).await?;
        let placement = self.place_tasks(new, plan, placement, &placed).await?;
        let working = tasks.iter().filter(|task| placed(task) || works(task));
        match outside(&placement, working) {
            Some((task, place)) => Err(PlaceError::Outside {
                task: task.clone(),
                place: place.clone(),
                project: plan.workflow().project.clone(),
            }),
            None => Ok(placement),
        }
    }

    async fn place_tasks(
        &self,
        new: &NewRun,
        plan: &Plan,
        mut placement: Placement,
        placed: &impl Fn(&Task) -> bool,
    ) -> Result<Placement, PlaceError> {
        let tasks = &plan.workflow().tasks;
        if !tasks.iter().any(placed) {
            return Ok(placement);
        }
        let targets = self.targets(new.project).await?;
        let names = || targets.iter().map(|t| t.spec.name.clone()).collect();
        let mut used: BTreeMap<Name, u32> = BTreeMap::new();
        for task in tasks.iter().filter(|task| placed(task)) {
            let word = task.kind.word();
            let found = match task.target.as_deref() {
                Some(name) => {
                    let mut known = targets.iter();
                    let found = known.find(|target| target.spec.name.as_str() == name);
                    Some(found.ok_or_else(|| PlaceError::Unknown {
                        task: task.name.clone(),
                        target: name.to_owned(),
                        project: plan.workflow().project.clone(),
                        known: names(),
                    })?)
                }
                None => targets
                    .iter()
                    .find(|target| target.spec.default_for.contains(&*word)),
            };
            let Some(found) = found else {
                if task.kind.needs_target() {
                    return Err(PlaceError::None {
                        task: task.name.clone(),
                        kind: word.into_owned(),
                        project: plan.workflow().project.clone(),
                        known: names(),
                    });
                }
                continue;
            };
            let next = u32::try_from(placement.targets.len()).unwrap_or(u32::MAX);
            let index = *used.entry(found.spec.name.clone()).or_insert(next);
            if index == next {
                placement.targets.push(placed_on(found));
            }
            if task.target.is_none() {
                placement.defaults.insert(word.into_owned(), index);
            }
        }
        Ok(placement)
    }
}

/// The first task that would execute where the data of its run may not be, and where that is.
fn outside<'a>(
    placement: &'a Placement,
    mut tasks: impl Iterator<Item = &'a Task>,
) -> Option<(&'a Name, &'a Place)> {
    if placement.residency.is_empty() {
        return None;
    }
    tasks.find_map(|task| {
        let target = placement.of(task).map(|placed| &placed.target.place);
        let mut places = target.into_iter().chain([placement.place(task)]);
        let place = places.find(|place| !placement.residency.contains(place))?;
        Some((&task.name, place))
    })
}

fn placed_on(stored: &StoredTarget) -> Placed {
    let spec = &stored.spec;
    Placed {
        target: Target {
            name: spec.name.clone(),
            revision: stored.revision,
            kind: spec.kind.clone(),
            place: spec.place.clone(),
            role: spec.role.clone(),
            settings: spec.settings.clone(),
        },
        place: spec.served_by.clone(),
    }
}

/// One that cannot be read is left out, loudly: what needs it says that it is not there.
fn read(item: &Item) -> Option<StoredTarget> {
    let read: Result<(u8, StoredTarget), _> = minicbor::decode(&item.body);
    let read = read.inspect_err(|error| {
        tracing::error!(partition = item.key.partition, sort = item.key.sort, %error, "target cannot be read");
    });
    read.ok().map(|(_, target)| target)
}
