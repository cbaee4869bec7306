//! What can go wrong at a call of a port or on the way of a message, and how often it did.

use std::fmt;

use crate::random::Chance;

/// A call of a port by its effect, or a thing that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// A read of one item.
    Read,
    /// A read of a range.
    Query,
    /// A record appended to a log.
    PutRecord,
    /// An entry of the open index.
    PutOpen,
    /// An entry of the open index removed.
    DeleteOpen,
    /// A snapshot.
    PutSnapshot,
    /// A job's item.
    PutJob,
    /// An entry of the index of jobs.
    PutJobEntry,
    /// An entry of the index of jobs removed.
    DeleteJobEntry,
    /// The item of the poll loop.
    PutLoop,
    /// The bucket of a budget.
    PutBudget,
    /// An order for a site, or who serves it.
    PutOrder,
    /// An order that was recorded at its site.
    DeleteOrder,
    /// That an attempt was sent to a site.
    PutSent,
    /// A line of a list of runs.
    PutLine,
    /// That a task waits for runs of a workflow.
    PutWait,
    /// That it does so no more.
    DeleteWait,
    /// A workflow, or a version of one.
    PutWorkflow,
    /// A blob written.
    PutBlob,
    /// A blob read.
    GetBlob,
    /// Inputs sent to aggregates.
    SendInputs,
    /// Intents sent to a dispatcher.
    SendIntents,
    /// A wake asked for.
    ArmWake,
    /// A job submitted.
    Submit,
    /// Jobs asked for.
    List,
    /// A job canceled.
    Cancel,
    /// A poll loop started.
    StartLoop,
    /// A poll loop asked whether it is alive.
    AskLoop,
    /// People told something.
    Notify,
    /// Home asked by the agent of a site.
    Ask,
    /// A batch of inputs at its stepper.
    Inputs,
    /// A batch of intents on its way to its dispatcher.
    Intents,
    /// A wake on its way.
    Wake,
    /// What a target says by itself when a job ends.
    Signal,
    /// A request of an agent on its way, or the answer.
    Request,
    /// A job at its target.
    Job,
    /// A host's memory and clock.
    Host,
}

impl Op {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 37] = [
        Self::Read,
        Self::Query,
        Self::PutRecord,
        Self::PutOpen,
        Self::DeleteOpen,
        Self::PutSnapshot,
        Self::PutJob,
        Self::PutJobEntry,
        Self::DeleteJobEntry,
        Self::PutLoop,
        Self::PutBudget,
        Self::PutOrder,
        Self::DeleteOrder,
        Self::PutSent,
        Self::PutLine,
        Self::PutWait,
        Self::DeleteWait,
        Self::PutWorkflow,
        Self::PutBlob,
        Self::GetBlob,
        Self::SendInputs,
        Self::SendIntents,
        Self::ArmWake,
        Self::Submit,
        Self::List,
        Self::Cancel,
        Self::StartLoop,
        Self::AskLoop,
        Self::Notify,
        Self::Ask,
        Self::Inputs,
        Self::Intents,
        Self::Wake,
        Self::Signal,
        Self::Request,
        Self::Job,
        Self::Host,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read item",
            Self::Query => "query range",
            Self::PutRecord => "append record",
            Self::PutOpen => "put open entry",
            Self::DeleteOpen => "delete open entry",
            Self::PutSnapshot => "put snapshot",
            Self::PutJob => "put job",
            Self::PutJobEntry => "put job entry",
            Self::DeleteJobEntry => "delete job entry",
            Self::PutLoop => "put loop",
            Self::PutBudget => "put budget",
            Self::PutOrder => "put order",
            Self::DeleteOrder => "delete order",
            Self::PutSent => "put sent",
            Self::PutLine => "put list line",
            Self::PutWait => "put wait",
            Self::DeleteWait => "delete wait",
            Self::PutWorkflow => "put workflow",
            Self::PutBlob => "put blob",
            Self::GetBlob => "get blob",
            Self::SendInputs => "send inputs",
            Self::SendIntents => "send intents",
            Self::ArmWake => "arm wake",
            Self::Submit => "submit job",
            Self::List => "list jobs",
            Self::Cancel => "cancel job",
            Self::StartLoop => "start loop",
            Self::AskLoop => "ask loop",
            Self::Notify => "notify",
            Self::Ask => "ask home",
            Self::Inputs => "(inputs)",
            Self::Intents => "(intents)",
            Self::Wake => "(wake)",
            Self::Signal => "(signal)",
            Self::Request => "(request)",
            Self::Job => "(job)",
            Self::Host => "(host)",
        }
    }

    const fn is_table(self) -> bool {
        matches!(
            self,
            Self::Read
                | Self::Query
                | Self::PutRecord
                | Self::PutOpen
                | Self::DeleteOpen
                | Self::PutSnapshot
                | Self::PutJob
                | Self::PutJobEntry
                | Self::DeleteJobEntry
                | Self::PutLoop
                | Self::PutBudget
                | Self::PutOrder
                | Self::DeleteOrder
                | Self::PutSent
                | Self::PutLine
                | Self::PutWait
                | Self::DeleteWait
                | Self::PutWorkflow
        )
    }

    const fn is_read(self) -> bool {
        matches!(
            self,
            Self::Read | Self::Query | Self::GetBlob | Self::List | Self::AskLoop
        )
    }

    const fn is_call(self) -> bool {
        !matches!(
            self,
            Self::Inputs
                | Self::Intents
                | Self::Wake
                | Self::Signal
                | Self::Request
                | Self::Job
                | Self::Host
        )
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A call waits before it takes effect: others come first.
    DelayBefore,
    /// A call waits after it took effect: its caller learns late.
    DelayAfter,
    /// A call is throttled and does nothing.
    Throttled,
    /// A call fails and does nothing.
    FailedBefore,
    /// A call fails after it took effect.
    FailedAfter,
    /// Its caller dies before it takes effect.
    CrashBefore,
    /// Its caller dies after it took effect.
    CrashAfter,
    /// An eventually consistent read that misses the latest write; a batch whose group was given to another as well.
    Stale,
    /// Never arrives; a job that its target forgets.
    Lost,
    /// Arrives twice.
    Duplicated,
    /// Arrives late, behind later ones.
    Late,
    /// A target refuses, or says that it is busy.
    Refused,
    /// A job fails, a host loses its memory, a clock jumps.
    Broken,
}

impl Fault {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 13] = [
        Self::DelayBefore,
        Self::DelayAfter,
        Self::Throttled,
        Self::FailedBefore,
        Self::FailedAfter,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Stale,
        Self::Lost,
        Self::Duplicated,
        Self::Late,
        Self::Refused,
        Self::Broken,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::DelayBefore => "delay<",
            Self::DelayAfter => "delay>",
            Self::Throttled => "throttle",
            Self::FailedBefore => "fail<",
            Self::FailedAfter => "fail>",
            Self::CrashBefore => "crash<",
            Self::CrashAfter => "crash>",
            Self::Stale => "stale",
            Self::Lost => "lost",
            Self::Duplicated => "twice",
            Self::Late => "late",
            Self::Refused => "refused",
            Self::Broken => "broken",
        }
    }

    /// Whether this can happen to that.
    pub const fn hits(self, op: Op) -> bool {
        match self {
            Self::DelayBefore | Self::DelayAfter | Self::CrashBefore | Self::CrashAfter => {
                op.is_call()
            }
            Self::Throttled => op.is_table(),
            Self::FailedBefore => op.is_call(),
            Self::FailedAfter => op.is_call() && !op.is_read(),
            Self::Stale => matches!(op, Op::Read | Op::Query | Op::Inputs),
            Self::Lost => matches!(
                op,
                Op::Inputs | Op::Intents | Op::Wake | Op::Signal | Op::Request | Op::Job
            ),
            Self::Duplicated => matches!(
                op,
                Op::Inputs | Op::Intents | Op::Wake | Op::Signal | Op::Request
            ),
            Self::Late => matches!(
                op,
                Op::Inputs | Op::Intents | Op::Wake | Op::Signal | Op::Request | Op::Job
            ),
            Self::Refused => matches!(op, Op::Submit),
            Self::Broken => matches!(op, Op::Job | Op::Host),
        }
    }
}

/// How often each fault hit each effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix(
    [[u64; Fault::ALL.len()]; Op::ALL.len()],
    [u64; Op::ALL.len()],
);

impl Default for Matrix {
    fn default() -> Self {
        Self([[0; Fault::ALL.len()]; Op::ALL.len()], [0; Op::ALL.len()])
    }
}

impl Matrix {
    pub(crate) fn count(&mut self, fault: Fault, op: Op) {
        debug_assert!(fault.hits(op), "{fault:?} does not hit {op:?}");
        self.0[op as usize][fault as usize] += 1;
    }

    pub(crate) fn add_to(&mut self, fault: Fault, op: Op, count: usize) {
        debug_assert!(fault.hits(op), "{fault:?} does not hit {op:?}");
        self.0[op as usize][fault as usize] += count as u64;
    }

    pub(crate) fn passed(&mut self, op: Op) {
        self.1[op as usize] += 1;
    }

    /// How often that hit this.
    pub fn of(&self, fault: Fault, op: Op) -> u64 {
        self.0[op as usize][fault as usize]
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        for (row, theirs) in self.0.iter_mut().zip(&other.0) {
            row.iter_mut().zip(theirs).for_each(|(n, m)| *n += m);
        }
        self.1.iter_mut().zip(&other.1).for_each(|(n, m)| *n += m);
    }

    /// Pairs that can happen and did not.
    pub fn missing(&self) -> Vec<(Fault, Op)> {
        let pairs = Op::ALL
            .iter()
            .flat_map(|op| Fault::ALL.iter().map(move |fault| (*fault, *op)));
        pairs
            .filter(|(fault, op)| fault.hits(*op) && self.of(*fault, *op) == 0)
            .collect()
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<18}{:>11}", "", "all")?;
        for fault in Fault::ALL {
            write!(f, "{:>10}", fault.name())?;
        }
        for op in Op::ALL {
            write!(f, "\n{:<18}{:>11}", op.name(), self.1[op as usize])?;
            for fault in Fault::ALL {
                match fault.hits(op) {
                    true => write!(f, "{:>10}", self.of(fault, op))?,
                    false => write!(f, "{:>10}", "·")?,
                }
            }
        }
        Ok(())
    }
}

/// What a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Plain,
    Delay { before: bool },
    Throttled,
    Failed { after: bool },
    Crash { after: bool },
}

/// How likely things go wrong, drawn anew for each seed: each sort of fault may be absent, rare or common.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    pub(crate) delay: f64,
    pub(crate) throttle: f64,
    pub(crate) fail: f64,
    pub(crate) crash: f64,
    /// A crash takes the whole host with it.
    pub(crate) crash_kills: f64,
    pub(crate) stale: f64,
    pub(crate) lose: f64,
    pub(crate) lose_wake: f64,
    pub(crate) duplicate: f64,
    pub(crate) late: f64,
    pub(crate) refuse: f64,
    pub(crate) busy: f64,
    pub(crate) job_fails: f64,
    pub(crate) job_lost: f64,
    pub(crate) signal: f64,
    /// Every second one of these takes effect late.
    pub(crate) slow: Option<Op>,
}

impl Rates {
    /// `tasks`: in the largest batch; a call that dies goes with all of it, so larger batches die more rarely a call.
    pub(crate) fn draw(chance: &mut Chance, tasks: u64) -> Self {
        let mut level = |rare: f64, common: f64| match chance.below(4) {
            0 => 0.0,
            1 | 2 => rare,
            _ => common,
        };
        let thin = 1.0 / (tasks.max(20) as f64 / 20.0);
        // Of a large DAG little would run if jobs failed as often as in a small one.
        let rare = if tasks > 600 { 0.02 } else { 1.0 };
        Self {
            delay: level(0.02, 0.15) * thin.sqrt(),
            throttle: level(0.005, 0.05),
            fail: level(0.005, 0.04) * thin.sqrt(),
            crash: level(0.002, 0.02) * thin,
            crash_kills: level(0.3, 0.9),
            stale: level(0.05, 0.4),
            lose: level(0.02, 0.2),
            lose_wake: level(0.01, 0.1),
            duplicate: level(0.02, 0.2),
            late: level(0.02, 0.2),
            refuse: level(0.001, 0.01) * rare,
            busy: level(0.01, 0.1),
            job_fails: level(0.03, 0.25) * rare,
            job_lost: level(0.005, 0.03) * rare,
            signal: level(0.9, 0.5),
            slow: None,
        }
    }

    pub(crate) fn fate(&self, op: Op, chance: &mut Chance) -> Fate {
        if self.slow == Some(op) && chance.below(2) == 0 {
            return Fate::Delay { before: true };
        }
        // What happens seldom is hit more often.
        if op == Op::PutSnapshot && chance.below(8) > 0 {
            return *chance.pick(&[
                Fate::Delay { before: true },
                Fate::Delay { before: false },
                Fate::Throttled,
                Fate::Failed { after: false },
                Fate::Failed { after: true },
                Fate::Crash { after: false },
                Fate::Crash { after: true },
            ]);
        }
        if op == Op::AskLoop && chance.below(2) == 0 {
            return *chance.pick(&[
                Fate::Delay { before: true },
                Fate::Delay { before: false },
                Fate::Failed { after: false },
                Fate::Crash { after: false },
                Fate::Crash { after: true },
            ]);
        }
        let often = matches!(
            op,
            Op::PutBlob
                | Op::PutWorkflow
                | Op::Cancel
                | Op::PutLoop
                | Op::PutBudget
                | Op::StartLoop
                | Op::AskLoop
                | Op::Notify
                | Op::PutOrder
                | Op::DeleteOrder
                | Op::PutSent
                | Op::Ask
        );
        let mut drawn = chance.unit() / if often { 3.0 } else { 1.0 };
        let mut hit = |probability: f64| {
            let hit = drawn < probability;
            drawn -= probability;
            hit
        };
        if hit(self.delay) {
            let before = chance.bits() & 1 == 0;
            Fate::Delay { before }
        } else if op.is_table() && hit(self.throttle) {
            Fate::Throttled
        } else if hit(self.fail) {
            let after = !op.is_read() && chance.bits() & 1 == 0;
            Fate::Failed { after }
        } else if hit(self.crash) {
            let after = chance.bits() & 1 == 0;
            Fate::Crash { after }
        } else {
            Fate::Plain
        }
    }
}
