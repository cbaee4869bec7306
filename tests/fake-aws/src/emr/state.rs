//! The states of applications and jobs.

/// ```text
/// Submitted ─▶ [Queued ─▶] Pending ─▶ Scheduled ─▶ Running ─▶ Success | Failed
///     └───────────┴───────────┴───────────┴───────────┴─▶ Cancelling ─▶ Cancelled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum JobState {
    Submitted,
    Queued,
    Pending,
    Scheduled,
    Running,
    Success,
    Failed,
    Cancelling,
    Cancelled,
}

impl JobState {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Queued => "QUEUED",
            Self::Pending => "PENDING",
            Self::Scheduled => "SCHEDULED",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
        }
    }

    pub(crate) const fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }

    /// Whether it takes one of the places of its application's scheduler.
    pub(crate) const fn is_admitted(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::Scheduled | Self::Running | Self::Cancelling
        )
    }
}

/// ```text
/// Creating ─▶ Created ─▶ Starting ─▶ Started ─▶ Stopping ─▶ Stopped ─▶ Starting …
///                └───────────────────────────────────────────┴─▶ Terminated
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApplicationState {
    Creating,
    Created,
    Starting,
    Started,
    Stopping,
    Stopped,
    Terminated,
}

impl ApplicationState {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Created => "CREATED",
            Self::Starting => "STARTING",
            Self::Started => "STARTED",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Terminated => "TERMINATED",
        }
    }
}
