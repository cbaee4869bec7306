//! What was used, by what caused it.

use std::collections::BTreeMap;

use porpoise_ports::usage::{Line, Usage};

/// Why a function ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Somebody started a run through the API.
    Start,
    /// Inputs of aggregates.
    Inputs,
    /// Intents for a place.
    Intents,
    /// A service said something of a job.
    News,
    /// The poll loop.
    Tick,
    /// Wakes.
    Wakes,
    /// The sweep of what is open.
    Sweep,
    /// Somebody may have stopped the poll loop.
    Mend,
}

impl Cause {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Start => "api, a start",
            Self::Inputs => "stepper, inputs",
            Self::Intents => "dispatcher, intents",
            Self::News => "poller, an event",
            Self::Tick => "poller, a tick",
            Self::Wakes => "trigger, wakes",
            Self::Sweep => "trigger, the sweep",
            Self::Mend => "poller, mending",
        }
    }
}

/// What a cause used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) invocations: u64,
    /// Of them in new copies of the function.
    pub(crate) cold: u64,
    /// Calls of AWS.
    pub(crate) calls: u64,
    pub(crate) usage: Usage,
}

/// All accounts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) accounts: BTreeMap<Cause, Account>,
    /// Calls by what they are.
    pub(crate) calls: BTreeMap<String, u64>,
}

impl Books {
    /// What the poll loop itself uses: its transitions, and what a tick costs however many jobs there are. What a tick
    /// writes and sends is for single jobs.
    pub(crate) fn of_the_loop(&self) -> Usage {
        let mut usage = Usage::default();
        for cause in [Cause::Tick, Cause::Mend] {
            let Some(account) = self.accounts.get(&cause) else {
                continue;
            };
            for (line, pieces) in account.usage.lines() {
                if !for_jobs(line) {
                    usage.add(line, pieces);
                }
            }
        }
        usage
    }

    /// All other usage.
    pub(crate) fn of_the_tasks(&self) -> Usage {
        let mut usage = Usage::default();
        for (cause, account) in &self.accounts {
            let of_a_loop = matches!(cause, Cause::Tick | Cause::Mend);
            for (line, pieces) in account.usage.lines() {
                if !of_a_loop || for_jobs(line) {
                    usage.add(line, pieces);
                }
            }
        }
        usage
    }

    pub(crate) fn invocations(&self, count: impl Fn(Cause) -> bool) -> u64 {
        let counted = self.accounts.iter().filter(|(cause, _)| count(**cause));
        counted.map(|(_, account)| account.invocations).sum()
    }
}

const fn for_jobs(line: Line) -> bool {
    matches!(
        line,
        Line::TableWrites | Line::FifoRequests | Line::BlobPuts
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tick_writes_is_the_tasks_and_the_rest_is_the_loop_s() {
        let mut books = Books::default();
        for cause in [Cause::Tick, Cause::News] {
            let account = books.accounts.entry(cause).or_default();
            account.usage.add(Line::TableWrites, 3);
            account.usage.add(Line::FunctionRequests, 1);
        }
        let ticks = books.accounts.entry(Cause::Tick).or_default();
        ticks.usage.add(Line::Transitions, 2);
        let (own, tasks) = (books.of_the_loop(), books.of_the_tasks());
        let lines = [Line::TableWrites, Line::FunctionRequests, Line::Transitions];
        assert_eq!(lines.map(|line| own.of(line)), [0, 1, 2]);
        assert_eq!(lines.map(|line| tasks.of(line)), [6, 1, 0]);
    }
}
