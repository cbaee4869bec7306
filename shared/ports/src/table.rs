//! The store: items under a partition and a sort key, conditional writes of single items, nothing more.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_model::limits::PAGE_BYTES_MAX;

use crate::Unavailable;

/// Items in partitions, ordered within each by the bytes of their sort key.
///
/// The shape is DynamoDB's and so are the limits: an item (both keys and the body) has at most
/// [`ITEM_BYTES_MAX`](porpoise_model::limits::ITEM_BYTES_MAX), a page at most
/// [`PAGE_BYTES_MAX`]. There are no transactions, no expiry and no secondary
/// indexes: multi-region tables with strong consistency lack them.
///
/// A write that returned `Ok` is durable. After [`Unavailable`] it may have taken effect or not.
#[async_trait]
pub trait Table: Debug + Send + Sync {
    /// Reads one item.
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError>;

    /// Reads a page of a range of one partition.
    async fn query(&self, query: &Query) -> Result<Page, ReadError>;

    /// Writes one item if `condition` holds of what stands under its key.
    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError>;

    /// Removes one item if `condition` holds of it. Removing what is not there succeeds, unless the condition asks
    /// for a revision.
    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError>;

    /// [`put`](Self::put) of what nothing waits for: an adapter that syncs may hold it back for a few milliseconds,
    /// until there is another write to share a sync with.
    async fn put_unhurried(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        self.put(item, condition).await
    }

    /// [`delete`](Self::delete) of what nobody waits for, in the same way.
    async fn delete_unhurried(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        self.delete(key, condition).await
    }
}

#[async_trait]
impl<T: Table + ?Sized> Table for Arc<T> {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        (**self).get(key, consistency).await
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        (**self).query(query).await
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        (**self).put(item, condition).await
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        (**self).delete(key, condition).await
    }

    async fn put_unhurried(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        (**self).put_unhurried(item, condition).await
    }

    async fn delete_unhurried(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        (**self).delete_unhurried(key, condition).await
    }
}

/// Where an item stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What is stored and read together. 1 to 2048 bytes.
    pub partition: String,
    /// The place within the partition, ordered by bytes. 1 to 1024 bytes.
    pub sort: String,
}

impl Key {
    /// A key of these two parts.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self {
            partition: partition.into(),
            sort: sort.into(),
        }
    }
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where.
    pub key: Key,
    /// A number that conditions look at; what it means is the writer's affair.
    pub revision: u64,
    /// The stored bytes.
    pub body: Bytes,
}

impl Item {
    /// Bytes that count against the limit of an item: keys, body and eight for the revision.
    pub fn size(&self) -> usize {
        self.key.partition.len() + self.key.sort.len() + self.body.len() + 8
    }
}

/// What must hold of the stored item for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    None,
    /// No item stands there.
    Absent,
    /// An item stands there with exactly this revision.
    Revision(u64),
    /// No item stands there, or one with a smaller revision.
    OlderThan(u64),
}

impl Condition {
    /// What is written replaces the revision that was read; 0: nothing stood there.
    pub const fn follows(revision: u64) -> Self {
        match revision {
            0 => Self::Absent,
            revision => Self::Revision(revision),
        }
    }
}

impl Condition {
    /// Whether it holds of what stands there: `None` for no item, else its revision.
    pub fn holds(self, stored: Option<u64>) -> bool {
        match (self, stored) {
            (Self::None, _) | (Self::Absent | Self::OlderThan(_), None) => true,
            (Self::Absent, Some(_)) | (Self::Revision(_), None) => false,
            (Self::Revision(wanted), Some(revision)) => revision == wanted,
            (Self::OlderThan(limit), Some(revision)) => revision < limit,
        }
    }
}

/// Whether a read sees every write that was acknowledged before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// It does; twice the price.
    Strong,
    /// It may be late.
    Eventual,
}

/// A range of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of which partition.
    pub partition: String,
    /// Sort keys from this one on, included. Empty: from the first.
    pub from: String,
    /// Sort keys up to this one, included. Empty: to the last.
    pub to: String,
    /// Largest first.
    pub descending: bool,
    /// At most this many items; a page may hold fewer and still have a successor.
    pub limit: usize,
    /// Items after this sort key (before, when descending): [`Page::next`] of the page before.
    pub after: Option<String>,
    /// How fresh.
    pub consistency: Consistency,
}

impl Query {
    /// All of a partition whose sort keys start with `prefix`, ascending, strongly consistent.
    pub fn prefix(partition: impl Into<String>, prefix: &str) -> Self {
        Self {
            partition: partition.into(),
            from: prefix.to_owned(),
            to: if prefix.is_empty() {
                String::new()
            } else {
                format!("{prefix}\u{10ffff}")
            },
            descending: false,
            limit: usize::MAX,
            after: None,
            consistency: Consistency::Strong,
        }
    }

    /// Whether a sort key lies in the range and behind the cursor.
    pub fn wants(&self, sort: &str) -> bool {
        let behind = |after: &str| {
            if self.descending {
                sort < after
            } else {
                sort > after
            }
        };
        sort >= self.from.as_str()
            && (self.to.is_empty() || sort <= self.to.as_str())
            && self.after.as_deref().is_none_or(behind)
    }

    /// The sort keys that the query wants, cursor included, as the first that it wants and the first beyond
    /// (`None`: there is no end). The range is empty if the second is not larger than the first.
    pub fn half_open(&self) -> (Cow<'_, str>, Option<Cow<'_, str>>) {
        let successor = |sort: &str| Cow::Owned(format!("{sort}\0"));
        let from = Cow::Borrowed(self.from.as_str());
        let to = (!self.to.is_empty()).then(|| successor(&self.to));
        match self.after.as_deref() {
            None => (from, to),
            Some(after) if self.descending => {
                let after = Cow::Borrowed(after);
                (from, Some(to.map_or(after.clone(), |to| to.min(after))))
            }
            Some(after) => (from.max(successor(after)), to),
        }
    }
}

/// Some items of a range, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The items.
    pub items: Vec<Item>,
    /// Where the next page begins; `None`: there is no more.
    pub next: Option<String>,
}

impl Page {
    /// Fills a page from items in the order of the query, as DynamoDB does: it ends before the item that would make
    /// it larger than [`PAGE_BYTES_MAX`], and a page of `limit` items names a successor, which may turn out empty.
    /// A limit of zero gives an empty page.
    ///
    /// # Errors
    /// The first error among the items.
    pub fn fill<E>(
        limit: usize,
        items: impl IntoIterator<Item = Result<Item, E>>,
    ) -> Result<Self, E> {
        let mut page = Self::default();
        let mut bytes = 0;
        if limit == 0 {
            return Ok(page);
        }
        for item in items {
            let item = item?;
            bytes += item.size();
            if bytes > PAGE_BYTES_MAX {
                page.next = page.items.last().map(|last| last.key.sort.clone());
                break;
            }
            page.items.push(item);
            if page.items.len() == limit {
                page.next = page.items.last().map(|last| last.key.sort.clone());
                break;
            }
        }
        Ok(page)
    }
}

/// A read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Too many calls; the same call succeeds later.
    #[error("reads of the table are throttled")]
    Throttled,
    /// The same call may succeed later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A write failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The condition did not hold; nothing was written.
    #[error("the condition on item `{}` of `{}` does not hold", .0.sort, .0.partition)]
    Condition(Key),
    /// The item is larger than a table takes; nothing was written.
    #[error("item `{}` of `{}` has {size} bytes, a table takes {} at most", .key.sort, .key.partition, porpoise_model::limits::ITEM_BYTES_MAX)]
    TooLarge {
        /// Which.
        key: Key,
        /// How large.
        size: usize,
    },
    /// A key is empty or too long; nothing was written.
    #[error("`{}` / `{}` is no key: a partition has 1 to 2048 bytes, a sort key 1 to 1024", .0.partition, .0.sort)]
    BadKey(Key),
    /// Too many calls; nothing was written, the same call succeeds later.
    #[error("writes to the table are throttled")]
    Throttled,
    /// The write may have happened or not.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Checks keys and size, as every adapter does before it writes.
///
/// # Errors
/// [`WriteError::BadKey`] or [`WriteError::TooLarge`].
pub fn check_item(item: &Item) -> Result<(), WriteError> {
    check_key(&item.key)?;
    if item.size() > porpoise_model::limits::ITEM_BYTES_MAX {
        return Err(WriteError::TooLarge {
            key: item.key.clone(),
            size: item.size(),
        });
    }
    Ok(())
}

/// Checks the lengths of a key.
///
/// # Errors
/// [`WriteError::BadKey`].
pub fn check_key(key: &Key) -> Result<(), WriteError> {
    let fits = (1..=2048).contains(&key.partition.len()) && (1..=1024).contains(&key.sort.len());
    if fits {
        Ok(())
    } else {
        Err(WriteError::BadKey(key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sort() -> impl Strategy<Value = String> {
        "[ab\u{0}ä]{0,3}"
    }

    fn item(number: usize, size: usize) -> Item {
        let key = Key::new("p", format!("{number:03}"));
        let body = vec![0; size - 8 - 1 - 3].into();
        Item {
            key,
            revision: 0,
            body,
        }
    }

    fn fill(limit: usize, items: Vec<Item>) -> Page {
        Page::fill(limit, items.into_iter().map(Ok::<_, ReadError>)).unwrap()
    }

    proptest! {
        #[test]
        fn a_half_open_range_holds_exactly_what_a_query_wants(
            from in sort(), to in sort(), after in prop::option::of(sort()), descending: bool, sort in sort(),
        ) {
            let query = Query { from, to, descending, after, ..Query::prefix("p", "") };
            let (first, beyond) = query.half_open();
            let inside = sort.as_str() >= &*first && beyond.is_none_or(|beyond| sort.as_str() < &*beyond);
            prop_assert_eq!(inside, query.wants(&sort));
        }
    }

    #[test]
    fn a_page_ends_before_the_item_that_exceeds_a_megabyte() {
        let exact = fill(
            9,
            (0..4)
                .map(|number| item(number, PAGE_BYTES_MAX / 4))
                .collect(),
        );
        assert_eq!((exact.items.len(), exact.next), (4, None));
        let mut items: Vec<Item> = (0..3)
            .map(|number| item(number, PAGE_BYTES_MAX / 4))
            .collect();
        items.push(item(3, PAGE_BYTES_MAX / 4 + 1));
        let short = fill(9, items);
        assert_eq!((short.items.len(), short.next.as_deref()), (3, Some("002")));
    }

    #[test]
    fn a_page_of_the_limit_names_a_successor() {
        let items = || (0..3).map(|number| item(number, 100)).collect();
        assert_eq!(fill(2, items()).next.as_deref(), Some("001"));
        assert_eq!(fill(3, items()).next.as_deref(), Some("002"));
        assert_eq!(fill(4, items()).next, None);
        assert_eq!(fill(0, items()), Page::default());
    }
}
