//! Bugs on purpose, for the tests that prove that the simulator would find them.
//!
//! Compiled only with the feature `mutants`, which no binary of the product turns on. One of them can be switched on
//! at a time, per thread; [`on`] is `false` in every other build.

/// The bugs that the simulator must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutant {
    /// What nobody acknowledged is never sent again.
    NoResend,
    /// An empty decision on a warm copy is believed without a look at the log.
    StaleCopyTrusted,
    /// The queue's deduplication id is made from the content.
    ContentAsDeduplication,
    /// A cancel that arrives before its dispatch leaves no tombstone.
    CancelBeforeDispatchIgnored,
    /// A command that comes twice is applied twice.
    CommandTwice,
    /// A run is created without the open index entry, and a second delivery does not repeat the start.
    CreateWithoutStart,
    /// A record is written without the condition that its place is free.
    RecordOverwritten,
    /// A job is submitted again although the jobs table says that it was.
    SubmitTwice,
    /// A slot is not freed when its task is killed.
    SlotKeptOnKill,
    /// A report of an attempt that was replaced is taken for one of the current attempt.
    LateReportAccepted,
    /// An instant whose run could not be created at once is forgotten.
    ScheduleLinkLost,
    /// A snapshot is used although another version of the fold wrote it.
    ForeignSnapshot,
    /// The poll loop ends without a last look at what was dispatched meanwhile, and mending does not look either.
    LoopEndsBlind,
    /// A poll loop that somebody stopped is taken for one that is alive.
    LoopStoppedUnnoticed,
    /// What people could not be told is taken for told.
    NoticeLost,
    /// What a switch or conditions did not pick goes on all the same.
    NotPickedGoesOn,
    /// Tasks that a run was started without keep those below them waiting.
    LeftOutAwaited,
    /// That an attempt was sent to a site is remembered, and not written down.
    SentForgotten,
    /// A server whose queue died with it tells no run what that may have lost.
    NothingRecalled,
    /// Who hands over a command is answered when it is in the queue, whether that is durable or not.
    HandedOverUnheard,
    /// An agent is answered that home has heard it, whether that is so or not.
    ReportUnheard,
    /// The run of a task is told by its task alone, not by its attempt.
    ChildOfTask,
    /// What a run says to the one above is taken for heard when it is sent.
    ParentUnheard,
    /// Who waits for an ended run is looked up before lists show that it ended.
    SubscribersReadEarly,
    /// Nobody is told that a task has ended for which they wait.
    TasksUntold,
    /// Who kills a backfill stops only those of its runs that are known to be there.
    BackfillSparesUncreated,
    /// A backfill counts only those of its runs that are known to be there.
    BackfillCountsCreated,
    /// A workflow that goes along with a backfill does not wait for others that go along.
    DependentsAtOnce,
    /// Runs of a mapped task start however many of them are there.
    WindowIgnored,
    /// Another attempt of a mapped task runs all elements again.
    ElementsAnew,
    /// A task that an edit has put somewhere else counts its attempts from there on as if it were new.
    EditedCountsAnew,
    /// A run that is to go on below is made anew.
    RecoveredAnew,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::NoResend,
        Self::StaleCopyTrusted,
        Self::ContentAsDeduplication,
        Self::CancelBeforeDispatchIgnored,
        Self::CommandTwice,
        Self::CreateWithoutStart,
        Self::RecordOverwritten,
        Self::SubmitTwice,
        Self::SlotKeptOnKill,
        Self::LateReportAccepted,
        Self::ScheduleLinkLost,
        Self::ForeignSnapshot,
        Self::LoopEndsBlind,
        Self::LoopStoppedUnnoticed,
        Self::NoticeLost,
        Self::NotPickedGoesOn,
        Self::LeftOutAwaited,
        Self::SentForgotten,
        Self::NothingRecalled,
        Self::HandedOverUnheard,
        Self::ReportUnheard,
        Self::ChildOfTask,
        Self::ParentUnheard,
        Self::SubscribersReadEarly,
        Self::TasksUntold,
        Self::BackfillSparesUncreated,
        Self::BackfillCountsCreated,
        Self::DependentsAtOnce,
        Self::WindowIgnored,
        Self::ElementsAnew,
        Self::EditedCountsAnew,
        Self::RecoveredAnew,
    ];
}

#[cfg(feature = "mutants")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Switches a bug on for this thread, or all off.
#[cfg(feature = "mutants")]
pub fn activate(mutant: Option<Mutant>) {
    ACTIVE.with(|active| active.set(mutant));
}

/// Whether this bug is switched on for this thread.
#[cfg(feature = "mutants")]
pub fn on(mutant: Mutant) -> bool {
    ACTIVE.with(|active| active.get() == Some(mutant))
}

/// Without the feature no bug is ever on.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[expect(clippy::inline_always, reason = "the whole branch has to vanish")]
pub const fn on(_mutant: Mutant) -> bool {
    false
}
