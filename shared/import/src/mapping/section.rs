//! The parts of a mapping file, and what each entry can say.

use serde::Serialize;

/// A part of a mapping file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// By name.
    WorkerGroups,
    /// Clusters and namespaces of Kubernetes: `CLUSTER/NAMESPACE`.
    Clusters,
    /// Queues of YARN, by name.
    Queues,
    /// By id.
    DataSources,
    /// By code, in files of the Python SDK by name.
    Environments,
    /// By id or by path.
    Resources,
    /// Functions of Hive, by id.
    Udfs,
    /// By id.
    TaskGroups,
    /// By id or by name.
    Tenants,
    /// By id.
    AlertGroups,
    /// Workflows that no file holds, by code.
    Workflows,
}

/// What an entry can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Target,
    Env,
    ServiceAccount,
    Address,
    Pool,
    Slots,
    Label,
    Workflow,
}

impl Section {
    /// All of them, in the order of a file.
    pub const ALL: [Self; 11] = [
        Self::WorkerGroups,
        Self::Clusters,
        Self::Queues,
        Self::DataSources,
        Self::Environments,
        Self::Resources,
        Self::Udfs,
        Self::TaskGroups,
        Self::Tenants,
        Self::AlertGroups,
        Self::Workflows,
    ];

    /// Its key in the file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::WorkerGroups => "worker_groups",
            Self::Clusters => "clusters",
            Self::Queues => "queues",
            Self::DataSources => "data_sources",
            Self::Environments => "environments",
            Self::Resources => "resources",
            Self::Udfs => "udfs",
            Self::TaskGroups => "task_groups",
            Self::Tenants => "tenants",
            Self::AlertGroups => "alert_groups",
            Self::Workflows => "workflows",
        }
    }

    /// One of its entries, in a word or two.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::WorkerGroups => "worker group",
            Self::Clusters => "cluster",
            Self::Queues => "queue",
            Self::DataSources => "data source",
            Self::Environments => "environment",
            Self::Resources => "resource",
            Self::Udfs => "UDF",
            Self::TaskGroups => "task group",
            Self::Tenants => "tenant",
            Self::AlertGroups => "alert group",
            Self::Workflows => "workflow",
        }
    }

    /// What there is to fill in.
    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::WorkerGroups | Self::Queues => "the target that its tasks run on",
            Self::Clusters => {
                "cluster and namespace of Kubernetes: the target that its tasks run on"
            }
            Self::DataSources => "the target that its SQL runs on",
            Self::Environments => "variables of its tasks: `env: { NAME: value }`",
            Self::Resources => "where the file is: `s3://…`, or a path",
            Self::Udfs => "where its archive is: `s3://…`",
            Self::TaskGroups => "the pool, and how many slots it has",
            Self::Tenants => "the service account, kept as a label",
            Self::AlertGroups => "who it is, kept as a label",
            Self::Workflows => "a workflow that no file holds: `PROJECT/NAME`",
        }
    }

    pub(super) const fn fields(self) -> &'static [Field] {
        match self {
            Self::WorkerGroups | Self::Clusters | Self::Queues | Self::DataSources => {
                &[Field::Target]
            }
            Self::Environments => &[Field::Env],
            Self::Resources | Self::Udfs => &[Field::Address],
            Self::TaskGroups => &[Field::Pool, Field::Slots],
            Self::Tenants => &[Field::ServiceAccount],
            Self::AlertGroups => &[Field::Label],
            Self::Workflows => &[Field::Workflow],
        }
    }
}

impl Field {
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Env => "env",
            Self::ServiceAccount => "service_account",
            Self::Address => "address",
            Self::Pool => "pool",
            Self::Slots => "slots",
            Self::Label => "label",
            Self::Workflow => "workflow",
        }
    }
}
