//! Queries: by their ids, and by where their results go when the id was lost.

use std::time::Duration;

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecution, UnprocessedQueryExecutionId};
use jiff::Timestamp;
use porpoise_ports::executor::JobRef;

use crate::error::{Failure, unusable};
use crate::settings::Settings;
use crate::state::instant;

/// Ids of one call. Source: `BatchGetQueryExecution` in the API reference of Athena.
const BATCH: usize = 50;

/// Clocks differ: queries are looked for from this long before a job was submitted by ours.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);

/// What is known of the queries with these ids.
pub(crate) async fn get(client: &Client, ids: &[String]) -> Result<Vec<QueryExecution>, Failure> {
    let mut queries = Vec::new();
    for ids in ids.chunks(BATCH) {
        let get = client
            .batch_get_query_execution()
            .set_query_execution_ids(Some(ids.to_vec()));
        let answer = get.send().await.map_err(Failure::of)?;
        // one that Athena does not know is left out; one that it could not look at is not
        let unread = answer.unprocessed_query_execution_ids();
        if let Some(unread) = unread.iter().find(|unread| !is_unknown(unread)) {
            let (code, says) = (unread.error_code(), unread.error_message());
            let text = [code, says].map(Option::unwrap_or_default).join(": ");
            return Err(Failure::Unknown(unusable(text)));
        }
        queries.extend(answer.query_executions.unwrap_or_default());
    }
    Ok(queries)
}

/// The query of a job whose id was lost, if its target has results where they can be found by the key.
pub(crate) async fn lost(
    client: &Client,
    settings: &Settings,
    job: &JobRef,
) -> Result<Option<QueryExecution>, Failure> {
    if settings.output_location.is_none() {
        return Ok(None);
    }
    let folder = format!("/{}/", job.key);
    let since = job.since.checked_sub(CLOCKS_DIFFER).unwrap_or(job.since);
    let list = client
        .list_query_executions()
        .work_group(&settings.workgroup);
    let mut pages = list.into_paginator().send();
    while let Some(page) = pages.next().await {
        let ids = page
            .map_err(Failure::of)?
            .query_execution_ids
            .unwrap_or_default();
        let queries = get(client, &ids).await?;
        let is_it = |query: &QueryExecution| {
            let results = query.result_configuration();
            let location = results.and_then(|results| results.output_location());
            location.is_some_and(|location| location.contains(&folder))
        };
        let older = |query: &QueryExecution| submitted(query).is_some_and(|at| at < since);
        let passed = queries.iter().any(older);
        if let Some(query) = queries.into_iter().find(is_it) {
            return Ok(Some(query));
        }
        // the newest come first
        if passed {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Whether a query could not be looked at because there is none of its id.
fn is_unknown(unread: &UnprocessedQueryExecutionId) -> bool {
    matches!(
        unread.error_code(),
        Some("INVALID_INPUT" | "QUERY_EXECUTION_NOT_FOUND")
    )
}

fn submitted(query: &QueryExecution) -> Option<Timestamp> {
    query.status()?.submission_date_time().map(instant)
}
