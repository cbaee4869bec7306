//! The table, put together.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure as OnRefusal,
};
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, Table, WriteError, check_item,
    check_key,
};
use porpoise_ports::{BoxError, Ledger, Unavailable};

use crate::attribute::{self, Attributes, BODY, BYTES_BESIDE, LIMIT, PARTITION, REVISION, SORT};
use crate::consumed::Meter;
use crate::doubt::Doubt;
use crate::range::Range;
use crate::{Consumed, Patience};

/// A table of DynamoDB. Its client keeps connections for later calls, so a function has one for all its messages.
#[derive(Debug)]
pub struct DynamoTable {
    client: Client,
    table: String,
    meter: Meter,
}

impl DynamoTable {
    /// The table of that name, or of that ARN. Nothing is called yet.
    ///
    /// `config` says where and as whom: it comes from the environment in a function, from a test in a test. How often
    /// and how long is tried is `patience`'s affair, whatever it says.
    pub fn new(config: Builder, table: impl Into<String>, patience: Patience) -> Self {
        Self {
            client: Client::from_conf(patience.apply(config).build()),
            table: table.into(),
            meter: Meter::default(),
        }
    }

    /// Counts what it consumes in `ledger` too, with what is not reported of refused writes.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.meter.ledger = ledger;
        self
    }

    /// What the calls of this table have consumed so far.
    pub fn consumed(&self) -> Consumed {
        self.meter.now()
    }

    /// What becomes of a refused write of so many bytes. `stands` is what DynamoDB found; when in doubt, whether
    /// `is_done` of it tells.
    fn refused(
        &self,
        key: Key,
        bytes: usize,
        in_doubt: bool,
        stands: Option<&Attributes>,
        is_done: impl FnOnce(Option<&Item>) -> bool,
    ) -> Result<(), WriteError> {
        let standing = stands.map_or(0, attribute::bytes);
        self.meter.refused(bytes.max(standing));
        if !in_doubt {
            return Err(WriteError::Condition(key));
        }
        let stands = stands.cloned().map(attribute::item).transpose();
        let stands = stands.map_err(unavailable)?;
        if is_done(stands.as_ref()) {
            Ok(())
        } else {
            Err(unavailable(InDoubt(key)).into())
        }
    }
}

/// A try ended without a word, and the next found something else there.
#[derive(Debug, thiserror::Error)]
#[error("the write to `{}` of `{}` may have happened before another one", .0.sort, .0.partition)]
struct InDoubt(Key);

#[async_trait]
impl Table for DynamoTable {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        if check_key(key).is_err() {
            return Ok(None); // nothing can stand there, and DynamoDB would refuse to look
        }
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PARTITION, attribute::string(&key.partition))
            .key(SORT, attribute::string(&key.sort))
            .consistent_read(consistency == Consistency::Strong)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(unread)?;
        self.meter.read(got.consumed_capacity());
        let item = got.item.map(attribute::item).transpose();
        item.map_err(|error| unavailable(error).into())
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let possible = (1..=2048).contains(&query.partition.len()) && query.limit > 0;
        let Some(range) = Range::of(query).filter(|_| possible) else {
            return Ok(Page::default());
        };
        let value = attribute::string;
        let set = |text: &str| Some(text).filter(|text| !text.is_empty()).map(value);
        let mut call = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression(range.expression())
            .expression_attribute_values(":p", value(&query.partition))
            .scan_index_forward(!query.descending)
            .set_limit(i32::try_from(query.limit).ok())
            .consistent_read(query.consistency == Consistency::Strong)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if let Some(from) = set(&range.from) {
            call = call.expression_attribute_values(":from", from);
        }
        if let Some(to) = set(&range.to) {
            call = call.expression_attribute_values(":to", to);
        }
        if let Some(after) = &range.after {
            call = call
                .exclusive_start_key(PARTITION, value(&query.partition))
                .exclusive_start_key(SORT, value(after));
        }
        let found = call.send().await.map_err(unread)?;
        self.meter.read(found.consumed_capacity());
        let items = found.items.unwrap_or_default().into_iter();
        let items: Result<Vec<Item>, _> = items.map(attribute::item).collect();
        let mut items = items.map_err(unavailable)?;
        items.retain(|item| query.wants(&item.key.sort)); // a bound may have been too long to send
        // DynamoDB ends a page with the item that reaches a megabyte, the port before it
        let mut page = Page::fill(query.limit, items.into_iter().map(Ok::<_, ReadError>))?;
        if page.next.is_none() {
            page.next = found.last_evaluated_key.and_then(attribute::sort);
        }
        Ok(page)
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        check_item(&item)?;
        let (expression, limit) = attribute::expression(condition);
        let mut call = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(PARTITION, attribute::string(&item.key.partition))
            .item(SORT, attribute::string(&item.key.sort))
            .item(REVISION, attribute::revision(item.revision))
            .item(BODY, attribute::body(&item))
            .set_condition_expression(expression.map(str::to_owned))
            .return_values_on_condition_check_failure(OnRefusal::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if let Some(limit) = limit {
            call = call.expression_attribute_values(LIMIT, limit);
        }
        let doubt = Doubt::default();
        let sent = call.customize().interceptor(doubt.clone()).send().await;
        let error = match sent {
            Ok(put) => {
                self.meter.written(put.consumed_capacity());
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(PutItemError::ConditionalCheckFailedException(refused)) = error.as_service_error()
        else {
            return Err(unwritten(error, &doubt));
        };
        let is_done = |stands: Option<&Item>| stands == Some(&item);
        let key = item.key.clone();
        let bytes = item.size() + BYTES_BESIDE;
        self.refused(key, bytes, doubt.is_raised(), refused.item(), is_done)
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        check_key(key)?;
        let (expression, limit) = attribute::expression(condition);
        let mut call = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(PARTITION, attribute::string(&key.partition))
            .key(SORT, attribute::string(&key.sort))
            .set_condition_expression(expression.map(str::to_owned))
            .return_values_on_condition_check_failure(OnRefusal::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if let Some(limit) = limit {
            call = call.expression_attribute_values(LIMIT, limit);
        }
        let doubt = Doubt::default();
        let sent = call.customize().interceptor(doubt.clone()).send().await;
        let error = match sent {
            Ok(deleted) => {
                self.meter.written(deleted.consumed_capacity());
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(DeleteItemError::ConditionalCheckFailedException(refused)) =
            error.as_service_error()
        else {
            return Err(unwritten(error, &doubt));
        };
        // a delete of what is absent does nothing, so none of its tries can have done anything
        let in_doubt = doubt.is_raised() && condition != Condition::Absent;
        self.refused(key.clone(), 0, in_doubt, refused.item(), |stands| {
            stands.is_none()
        })
    }
}

fn unread<E>(error: SdkError<E>) -> ReadError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if is_throttled(&error) {
        ReadError::Throttled
    } else {
        unavailable(error).into()
    }
}

/// Throttled means that nothing was written, which is not known when an earlier try had no answer.
fn unwritten<E>(error: SdkError<E>, doubt: &Doubt) -> WriteError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if is_throttled(&error) && !doubt.is_raised() {
        WriteError::Throttled
    } else {
        unavailable(error).into()
    }
}

/// Source: DynamoDB developer guide, "Error messages and codes".
fn is_throttled(error: &impl ProvideErrorMetadata) -> bool {
    const CODES: [&str; 3] = [
        "ProvisionedThroughputExceededException", // of a partition, or of the table
        "RequestLimitExceeded",                   // of the account
        "ThrottlingException", // of a table that is growing, or of the control plane
    ];
    error.code().is_some_and(|code| CODES.contains(&code))
}

fn unavailable(error: impl Into<BoxError>) -> Unavailable {
    Unavailable::new("the table", error)
}
