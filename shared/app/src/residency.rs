//! The places that the data of a project may be in.
//!
//! Key: partition `{project}/settings`, sort key `residency`; its revision counts its changes. Body: CBOR
//! `[1, residency]`. Checked when a target is set, when the set itself is, when a run is placed, and once more by the
//! dispatcher before a job is submitted: a run keeps the set that it was created with.

use std::collections::BTreeSet;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::{Actor, Name, Place, ProjectId};
use porpoise_ports::table::{Condition, Item, Key};

use crate::app::App;
use crate::store::StoreError;
use crate::target_store::TargetSpec;

/// Times that a change starts over because somebody else made one.
const TRIES_MAX: u32 = 4;

/// Where the data of a project may be, and the latest change of that.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Residency {
    /// The places; none: anywhere.
    #[n(0)]
    pub places: BTreeSet<Place>,
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

/// The residency of a project could not be set, or read.
#[derive(Debug, thiserror::Error)]
pub enum ResidencyError {
    /// The same call may succeed later.
    #[error("cannot store the residency of the project")]
    Store(#[from] StoreError),
    /// Written by a later release, or damaged: nobody may take it for "anywhere".
    #[error("the residency of the project cannot be read")]
    Unreadable(#[source] minicbor::decode::Error),
    /// Targets of the project would be outside.
    #[error("targets of the project lie outside of these places: {}", outside(.0))]
    Targets(Vec<(Name, Place)>),
    /// Others set it at the same time, each time.
    #[error("the residency was changed by somebody else {TRIES_MAX} times meanwhile")]
    Contended,
}

fn outside(targets: &[(Name, Place)]) -> String {
    let texts: Vec<String> = targets
        .iter()
        .map(|(name, place)| format!("`{name}` at `{place}`"))
        .collect();
    texts.join(", ")
}

/// The first place of a target that its project's data may not be in.
pub(crate) fn first_outside<'t>(
    spec: &'t TargetSpec,
    places: &BTreeSet<Place>,
) -> Option<&'t Place> {
    if places.is_empty() {
        return None;
    }
    let mut used = [&spec.place, &spec.served_by].into_iter();
    used.find(|place| !places.contains(place))
}

fn key(project: ProjectId) -> Key {
    Key::new(format!("{project}/settings"), "residency")
}

impl App {
    /// Where the data of a project may be, if that was ever said. Costs a read.
    pub async fn residency(&self, project: ProjectId) -> Result<Option<Residency>, ResidencyError> {
        let found = self.store.get(&key(project)).await?;
        found.as_ref().map(read).transpose()
    }

    /// The same, as a set that is empty where anything goes.
    pub(crate) async fn places_of(
        &self,
        project: ProjectId,
    ) -> Result<BTreeSet<Place>, ResidencyError> {
        let residency = self.residency(project).await?;
        Ok(residency.map(|known| known.places).unwrap_or_default())
    }

    /// Says where the data of a project may be, for runs that are created from now on; an empty set: anywhere. Setting
    /// what stands changes nothing. Costs a read, a query and a put.
    pub async fn set_residency(
        &self,
        project: ProjectId,
        places: BTreeSet<Place>,
        actor: &Actor,
    ) -> Result<Residency, ResidencyError> {
        let targets = self.targets(project).await?;
        let outside: Vec<(Name, Place)> = targets
            .iter()
            .filter_map(|target| {
                let place = first_outside(&target.spec, &places)?;
                Some((target.spec.name.clone(), place.clone()))
            })
            .collect();
        if !outside.is_empty() {
            return Err(ResidencyError::Targets(outside));
        }
        for _ in 0..TRIES_MAX {
            let found = self.store.get(&key(project)).await?;
            let stands = found.as_ref().map(read).transpose()?;
            if let Some(stands) = stands.filter(|stands| stands.places == places) {
                return Ok(stands);
            }
            let before = found.map_or(0, |item| item.revision);
            let residency = Residency {
                places: places.clone(),
                revision: before + 1,
                actor: actor.clone(),
                at: self.now(),
            };
            let item = Item {
                key: key(project),
                revision: residency.revision,
                body: minicbor::to_vec((1_u8, &residency))
                    .unwrap_or_default()
                    .into(),
            };
            let condition = Condition::follows(before);
            if self.store.put(item, condition).await? {
                return Ok(residency);
            }
        }
        Err(ResidencyError::Contended)
    }
}

fn read(item: &Item) -> Result<Residency, ResidencyError> {
    match minicbor::decode::<(u8, Residency)>(&item.body) {
        Ok((1, residency)) => Ok(residency),
        Ok((form, _)) => {
            let message = format!("it is written in form {form}, this release knows form 1");
            Err(ResidencyError::Unreadable(
                minicbor::decode::Error::message(message),
            ))
        }
        Err(error) => Err(ResidencyError::Unreadable(error)),
    }
}
