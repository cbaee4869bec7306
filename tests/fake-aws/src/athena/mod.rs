//! Athena in one account and region.

mod query;
mod result;
mod workgroup;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::Value;

use crate::answer::Fault;
use crate::caller::Caller;
use crate::world::Context;
use query::Query;
use workgroup::Workgroup;

pub(crate) const SOURCE: &str = "aws.athena";

/// Its queries and workgroups.
#[derive(Debug)]
pub(crate) struct Athena {
    home: Caller,
    workgroups: IndexMap<String, Workgroup>,
    queries: IndexMap<String, Query>,
    /// By request token: what was asked with it, and which query it is.
    tokens: BTreeMap<String, (Value, String)>,
    agenda: BTreeMap<(Timestamp, u64), (String, u64)>,
    number: u64,
}

impl Athena {
    pub(crate) fn new(home: Caller) -> Self {
        let mut workgroups = IndexMap::new();
        workgroups.insert("primary".to_owned(), Workgroup::primary());
        Self {
            home,
            workgroups,
            queries: IndexMap::new(),
            tokens: BTreeMap::new(),
            agenda: BTreeMap::new(),
            number: 0,
        }
    }

    /// Answers a request that its model admits. Everything that was due has happened.
    pub(crate) fn answer(
        &mut self,
        operation: &str,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        match operation {
            "StartQueryExecution" => self.start(input, now, context),
            "GetQueryExecution" => self.get(input),
            "BatchGetQueryExecution" => Ok(self.batch_get(input)),
            "GetQueryResults" => self.results(input),
            "StopQueryExecution" => self.stop(input, now, context),
            "ListQueryExecutions" => self.list(input),
            "CreateWorkGroup" => self.create_workgroup(input, now),
            "GetWorkGroup" => self.get_workgroup(input),
            other => Err(Fault::bug(&format!("`{other}` is not faked"))),
        }
    }

    /// Has everything happen that is due by `now`, in its order.
    pub(crate) fn settle(&mut self, now: Timestamp, context: &mut Context<'_>) {
        while let Some(entry) = self.agenda.first_entry() {
            let at = entry.key().0;
            if at > now {
                return;
            }
            let (id, serial) = entry.remove();
            self.query_due(&id, serial, at, context);
        }
    }

    /// The workgroup of a query.
    pub(crate) fn workgroup_of(&self, query: &str) -> Option<&str> {
        self.queries
            .get(query)
            .map(|query| query.workgroup.as_str())
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}
