//! The parameters of a project, which all of its workflows can name.
//!
//! Key: partition `{project}/parameters`, sort key `all`; its revision counts the changes. Body: CBOR `[1, parameters]`, by
//! name. They are one item so that who creates a run reads them with one call, and so that a change of several is one.
//! The run keeps those that it can name in its first record; nothing else is told of a change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_engine::Plan;
use porpoise_engine::effect::NewRun;
use porpoise_engine::run::parameters::{may_name, named_of};
use porpoise_model::limits::PROJECT_PARAMETERS_BYTES_MAX;
use porpoise_model::{Actor, Name, ProjectId, Value};
use porpoise_ports::table::{Condition, Item, Key};

use crate::app::App;
use crate::store::StoreError;

/// Times that a change starts over because somebody else changed parameters of the same project.
const TRIES_MAX: u32 = 4;

/// A parameter of a project, and its latest change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredParameter {
    /// Its type, and its text, which may hold expressions.
    #[n(0)]
    pub value: Value,
    /// Who changed it last.
    #[n(1)]
    pub actor: Actor,
    /// When.
    #[n(2)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub at: Timestamp,
}

/// The parameters of a project, by name.
pub type Parameters = BTreeMap<String, StoredParameter>;

/// The parameters of a project could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// The same call may succeed later.
    #[error("cannot store the parameters")]
    Store(#[from] StoreError),
    /// More than every run of the project should carry.
    #[error(
        "the parameters of the project would be {0} bytes together, more than \
         {PROJECT_PARAMETERS_BYTES_MAX}"
    )]
    TooLarge(usize),
    /// Others changed them at the same time, each time.
    #[error("the parameters were changed by somebody else {TRIES_MAX} times meanwhile")]
    Contended,
    /// They cannot be read: writing would lose them.
    #[error("the parameters that are stored cannot be read")]
    Unreadable,
}

fn key(project: ProjectId) -> Key {
    Key::new(format!("{project}/parameters"), "all".to_owned())
}

impl App {
    /// The parameters of a project. Costs a read.
    pub async fn parameters(&self, project: ProjectId) -> Result<Parameters, ParameterError> {
        let item = self.store.get(&key(project)).await?;
        item.map_or_else(|| Ok(Parameters::new()), |item| read(&item))
    }

    /// Changes parameters of a project, and makes it if it is new: those with a value are put, those without taken away,
    /// all of them or none; others stay. What is as it was keeps who changed it. Costs two reads and two puts.
    pub async fn change_parameters(
        &self,
        project: &Name,
        changes: &BTreeMap<String, Option<Value>>,
        actor: &Actor,
    ) -> Result<Parameters, ParameterError> {
        let id = ProjectId::of_name(project.as_str());
        self.note_project(id, project).await?;
        let key = key(id);
        for _ in 0..TRIES_MAX {
            let found = self.store.get(&key).await?;
            let revision = found.as_ref().map_or(0, |item| item.revision);
            let before = found.as_ref().map_or_else(|| Ok(Parameters::new()), read)?;
            let after = changed(&before, changes, actor, self.now());
            if after == before {
                return Ok(after);
            }
            let size = size(&after);
            if size > PROJECT_PARAMETERS_BYTES_MAX {
                return Err(ParameterError::TooLarge(size));
            }
            let item = Item {
                key: key.clone(),
                revision: revision + 1,
                body: minicbor::to_vec((1_u8, &after)).unwrap_or_default().into(),
            };
            if self.store.put(item, Condition::follows(revision)).await? {
                return Ok(after);
            }
        }
        Err(ParameterError::Contended)
    }

    /// Those that a run can name, as they are now. Costs a read, if it can name any.
    pub(crate) async fn parameters_for(
        &self,
        new: &NewRun,
        plan: &Plan,
    ) -> Result<Option<BTreeMap<String, Value>>, ParameterError> {
        if new.project_parameters.is_some() || !may_name(new, plan.workflow(), plan.named()) {
            return Ok(new.project_parameters.clone());
        }
        let all = self.parameters(new.project).await?.into_iter();
        let all = all.map(|(name, stored)| (name, stored.value)).collect();
        Ok(named_of(new, plan.workflow(), plan.named(), &all))
    }
}

fn changed(
    before: &Parameters,
    changes: &BTreeMap<String, Option<Value>>,
    actor: &Actor,
    at: Timestamp,
) -> Parameters {
    let mut after = before.clone();
    for (name, change) in changes {
        let Some(value) = change else {
            after.remove(name);
            continue;
        };
        if after.get(name).is_none_or(|known| known.value != *value) {
            let stored = StoredParameter {
                value: value.clone(),
                actor: actor.clone(),
                at,
            };
            after.insert(name.clone(), stored);
        }
    }
    after
}

/// Bytes of the names and the texts.
fn size(parameters: &Parameters) -> usize {
    let each = parameters.iter();
    each.map(|(name, stored)| name.len() + stored.value.text.len())
        .sum()
}

fn read(item: &Item) -> Result<Parameters, ParameterError> {
    let read: Result<(u8, Parameters), _> = minicbor::decode(&item.body);
    let read = read.inspect_err(|error| {
        tracing::error!(partition = item.key.partition, %error, "parameters cannot be read");
    });
    read.map(|(_, parameters)| parameters)
        .map_err(|_| ParameterError::Unreadable)
}
