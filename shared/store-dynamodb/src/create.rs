//! The table itself, made.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use porpoise_ports::BoxError;

use crate::attribute::{PARTITION, SORT};

/// A new table is there after some seconds.
const WAIT_MAX: Duration = Duration::from_mins(2);

/// A table could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the table `{table}`")]
pub struct CreateError {
    /// Its name.
    pub table: String,
    /// What the SDK met.
    #[source]
    pub source: BoxError,
}

/// Makes a table as [`DynamoTable`](crate::DynamoTable) needs it, billed by use, and waits until it is there.
///
/// This is for tests and emulators. In production the CDK app makes it, with backups, encryption and protection
/// against deletion.
///
/// # Errors
/// [`CreateError`], also if there is a table of that name.
pub async fn create(client: &Client, table: &str) -> Result<(), CreateError> {
    let failed = |source: BoxError| CreateError {
        table: table.to_owned(),
        source,
    };
    let mut create = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [(PARTITION, KeyType::Hash), (SORT, KeyType::Range)] {
        create = create
            .key_schema(key(name, kind).map_err(|error| failed(error.into()))?)
            .attribute_definitions(string(name).map_err(|error| failed(error.into()))?);
    }
    let created = create.send().await;
    created.map_err(|error| failed(error.into()))?;
    let there = client.wait_until_table_exists().table_name(table);
    let there = there.wait(WAIT_MAX).await;
    there.map(drop).map_err(|error| failed(error.into()))
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    let key = KeySchemaElement::builder();
    key.attribute_name(name).key_type(kind).build()
}

fn string(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
}
