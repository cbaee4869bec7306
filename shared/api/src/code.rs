//! The codes of errors that a user can meet. Each has a page, `docs/errors/PPxxxx.md`; a code is never reused.

/// A stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// No token, or a wrong one.
    NoToken,
    /// A host or origin that is not this server's.
    WrongHost,
    /// The principal may not do that.
    Forbidden,
    /// No such address, or no such method there.
    NoRoute,
    /// No such project.
    NoProject,
    /// No such workflow.
    NoWorkflow,
    /// No such version of a workflow.
    NoVersion,
    /// No such run.
    NoRun,
    /// No such task in the run.
    NoTask,
    /// No such attempt, or it has no log yet.
    NoLog,
    /// The workflow has no schedule.
    NoSchedule,
    /// No such pool.
    NoPool,
    /// The request cannot be read.
    BadRequest,
    /// The body is too large.
    TooLarge,
    /// The definition has faults.
    Faults,
    /// The same idempotency key came with another request.
    KeyReused,
    /// What is asked for cannot be done in this state.
    Refused,
    /// Somebody else changed the same thing at the same time.
    Contended,
    /// The store, or something else that is needed, does not answer.
    Unavailable,
    /// A mistake of Porpoise's own.
    Bug,
    /// The command line makes no sense.
    Usage,
    /// A file cannot be read or written.
    File,
    /// No server answers.
    NoServer,
    /// A server runs there already, or the port is taken.
    ServerRuns,
    /// No such target.
    NoTarget,
    /// No credentials of AWS to sign with, or AWS does not take them.
    NoCredentials,
    /// The log of a job is where this server cannot read it, or may not.
    LogElsewhere,
    /// No such backfill.
    NoBackfill,
    /// No such calendar.
    NoCalendar,
    /// Workflows use the calendar.
    CalendarInUse,
}

impl Code {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 30] = [
        Self::NoToken,
        Self::WrongHost,
        Self::Forbidden,
        Self::NoRoute,
        Self::NoProject,
        Self::NoWorkflow,
        Self::NoVersion,
        Self::NoRun,
        Self::NoTask,
        Self::NoLog,
        Self::NoSchedule,
        Self::NoPool,
        Self::BadRequest,
        Self::TooLarge,
        Self::Faults,
        Self::KeyReused,
        Self::Refused,
        Self::Contended,
        Self::Unavailable,
        Self::Bug,
        Self::Usage,
        Self::File,
        Self::NoServer,
        Self::ServerRuns,
        Self::NoTarget,
        Self::NoCredentials,
        Self::LogElsewhere,
        Self::NoBackfill,
        Self::NoCalendar,
        Self::CalendarInUse,
    ];

    /// `PP0007`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoToken => "PP0001",
            Self::WrongHost => "PP0002",
            Self::Forbidden => "PP0003",
            Self::NoRoute => "PP0004",
            Self::NoProject => "PP0005",
            Self::NoWorkflow => "PP0006",
            Self::NoVersion => "PP0007",
            Self::NoRun => "PP0008",
            Self::NoTask => "PP0009",
            Self::NoLog => "PP0010",
            Self::NoSchedule => "PP0011",
            Self::NoPool => "PP0012",
            Self::BadRequest => "PP0013",
            Self::TooLarge => "PP0014",
            Self::Faults => "PP0015",
            Self::KeyReused => "PP0016",
            Self::Refused => "PP0017",
            Self::Contended => "PP0018",
            Self::Unavailable => "PP0019",
            Self::Bug => "PP0020",
            Self::Usage => "PP0021",
            Self::File => "PP0022",
            Self::NoServer => "PP0023",
            Self::ServerRuns => "PP0024",
            Self::NoTarget => "PP0025",
            Self::NoCredentials => "PP0026",
            Self::LogElsewhere => "PP0027",
            Self::NoBackfill => "PP0028",
            Self::NoCalendar => "PP0029",
            Self::CalendarInUse => "PP0030",
        }
    }
}
