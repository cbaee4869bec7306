//! What the REST API calls things, by version.

/// The names of the API, which 3.3 changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// 2.0 to 3.2.
    Process,
    /// 3.3 and later.
    Workflow,
}

impl Words {
    /// In the order in which they are tried: most servers are older than 3.3.
    pub(super) const ALL: [Self; 2] = [Self::Process, Self::Workflow];

    /// What stands in paths.
    pub(super) const fn definition(self) -> &'static str {
        match self {
            Self::Process => "process-definition",
            Self::Workflow => "workflow-definition",
        }
    }

    pub(super) const fn versions(self) -> &'static str {
        match self {
            Self::Process => "2.0 to 3.2",
            Self::Workflow => "3.3 or later",
        }
    }
}

/// A list that tells what ids are called. A user may not be allowed to read it, and older servers do not have it.
#[derive(Debug)]
pub(super) struct List {
    pub(super) noun: &'static str,
    pub(super) path: &'static str,
    pub(super) file: &'static str,
    pub(super) paged: bool,
}

/// Source: the controllers of the API server of 3.1.9, 3.2.2 and 3.3.
pub(super) const LISTS: [List; 9] = [
    List {
        noun: "data sources",
        path: "datasources",
        file: "data-sources",
        paged: true,
    },
    List {
        noun: "resources",
        path: "resources/list?type=FILE&fullName=",
        file: "resources",
        paged: false,
    },
    List {
        noun: "task groups",
        path: "task-group/list-paging",
        file: "task-groups",
        paged: true,
    },
    List {
        noun: "environments",
        path: "environment/query-environment-list",
        file: "environments",
        paged: false,
    },
    List {
        noun: "alert groups",
        path: "alert-groups/list",
        file: "alert-groups",
        paged: false,
    },
    List {
        noun: "tenants",
        path: "tenants/list",
        file: "tenants",
        paged: false,
    },
    List {
        noun: "queues",
        path: "queues/list",
        file: "queues",
        paged: false,
    },
    List {
        noun: "worker groups",
        path: "worker-groups",
        file: "worker-groups",
        paged: true,
    },
    List {
        noun: "UDFs",
        path: "resources/udf-func",
        file: "udfs",
        paged: true,
    },
];
