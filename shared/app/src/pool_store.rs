//! The names of a project's pools.
//!
//! Key: partition `{project}/pools`, sort key the pool's id. Body: CBOR `[1, name]`. Written when a workflow that names
//! the pool is applied, and when the pool is sized; never deleted.

use porpoise_model::workflow::Workflow;
use porpoise_model::{Name, PoolId, ProjectId};
use porpoise_ports::table::{Condition, Item, Key, Query};
use std::collections::BTreeSet;

use crate::app::App;
use crate::store::StoreError;

fn partition(project: ProjectId) -> String {
    format!("{project}/pools")
}

impl App {
    /// Remembers that there is a pool of this name. Costs a put.
    pub async fn note_pool(&self, project: ProjectId, name: &Name) -> Result<(), StoreError> {
        let id = PoolId::of_name(project, name.as_str());
        let item = Item {
            key: Key::new(partition(project), id.to_string()),
            revision: 0,
            body: minicbor::to_vec((1_u8, name)).unwrap_or_default().into(),
        };
        self.store.put(item, Condition::Absent).await.map(drop)
    }

    /// The pools that a workflow names. Costs a put for each.
    pub(crate) async fn note_pools(
        &self,
        project: ProjectId,
        workflow: &Workflow,
    ) -> Result<(), StoreError> {
        let pools = workflow.tasks.iter().filter_map(|task| task.pool.as_ref());
        let names: BTreeSet<&Name> = pools.map(|pool| &pool.name).collect();
        for name in names {
            self.note_pool(project, name).await?;
        }
        Ok(())
    }

    /// The names of a project's pools, in no order that means anything. Costs a query.
    pub async fn pools(&self, project: ProjectId) -> Result<Vec<Name>, StoreError> {
        let items = self
            .store
            .all(Query::prefix(partition(project), ""))
            .await?;
        let name = |item: &Item| {
            let read: Result<(u8, Name), _> = minicbor::decode(&item.body);
            read.inspect_err(|error| tracing::error!(sort = item.key.sort, %error, "name of a pool cannot be read"))
                .ok()
        };
        Ok(items
            .iter()
            .filter_map(name)
            .map(|(_, name)| name)
            .collect())
    }
}
