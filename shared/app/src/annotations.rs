//! What is kept beside the facts of an aggregate: nothing is decided by it.
//!
//! An annotation is an item of its own, `note/{name}` below the aggregate's address, or rides in a record, behind the
//! facts ([`record::notes`]). The same one may stand in both.

use bytes::Bytes;
use porpoise_engine::input::Annotation;
use porpoise_engine::record::{self, ReadRecordError};
use porpoise_model::Address;
use porpoise_ports::table::{Condition, Item, Key, Query};

use crate::app::App;
use crate::store::StoreError;

const BESIDE: &str = "note/";

/// Annotations could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AnnotationsError {
    /// The same call may succeed later.
    #[error("cannot read the annotations of `{0}`")]
    Store(Address, #[source] StoreError),
    /// A record that may carry one was written by a later release, or is damaged.
    #[error("record {1} of `{0}` cannot be read")]
    Record(Address, u64, #[source] ReadRecordError),
}

impl App {
    /// Keeps an annotation under an aggregate; one of the same name stays as it is.
    pub(crate) async fn note(
        &self,
        address: Address,
        name: &str,
        body: Bytes,
    ) -> Result<(), StoreError> {
        let item = Item {
            key: Key::new(address.to_string(), format!("{BESIDE}{name}")),
            revision: 0,
            body,
        };
        self.store.put(item, Condition::Absent).await.map(drop)
    }

    /// The annotations of an aggregate whose names begin so. Costs a query of its log and one of what stands beside it.
    pub(crate) async fn annotations(
        &self,
        address: Address,
        prefix: &str,
    ) -> Result<Vec<Annotation>, AnnotationsError> {
        let store = |error| AnnotationsError::Store(address, error);
        let mut found = Vec::new();
        let beside = Query::prefix(address.to_string(), &format!("{BESIDE}{prefix}"));
        for item in self.store.all(beside).await.map_err(store)? {
            let name = item.key.sort.strip_prefix(BESIDE);
            found.push(Annotation {
                name: name.unwrap_or_default().to_owned(),
                body: item.body.into(),
            });
        }
        for item in self.log_items(address).await.map_err(store)? {
            let carried = record::notes(&item.body)
                .map_err(|error| AnnotationsError::Record(address, item.revision, error))?;
            let wanted = carried.into_iter();
            found.extend(wanted.filter(|note| note.name.starts_with(prefix)));
        }
        Ok(found)
    }
}
