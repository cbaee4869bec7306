//! Who waits for the runs of a workflow.
//!
//! Keys: partition `{project}/waits/{workflow}`, both of what is waited for; sort key
//! `{project}/{run}/{task:08x}/{wait:08x}` of who waits. Body: CBOR `[2, from, to, tasks]`, in milliseconds since 1970: runs
//! that stand for an instant before `from`, or at `to` or later, do not matter; `tasks`: single tasks of them do. Written
//! once and never changed. (`[1, from, to]` before that was known: tasks may matter.)
//!
//! Who waits writes its subscription and then reads the list of runs; who lists that a run has ended, or has begun where
//! tasks matter, reads the subscriptions afterwards. Both reads are strongly consistent: one of the two sees the other.

use futures_util::future::join_all;
use jiff::Timestamp;
use porpoise_engine::Input;
use porpoise_engine::effect::{Listing, Unsubscription, Wait};
use porpoise_engine::input::RunInput;
use porpoise_engine::period::Interval;
use porpoise_model::{Address, Name, ProjectId, RunId, WorkflowId};
use porpoise_ports::Unavailable;
use porpoise_ports::table::{Condition, Item, Key, Query};

use crate::app::App;
use crate::store::StoreError;

/// Who waits, in milliseconds for which instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) waiter: Waiter,
    from: i64,
    to: i64,
    /// Single tasks matter, also while their run goes on.
    tasks: bool,
}

/// Who is to be told of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody who waits for it.
    All,
    /// Those who wait for single tasks of it: it has begun.
    OfTasks,
}

/// A wait of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) project: ProjectId,
    pub(crate) run: RunId,
    pub(crate) wait: Wait,
}

/// Those who wait could not be told.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// Who they are could not be read.
    #[error("cannot read who waits for the run")]
    Store(#[from] StoreError),
    /// The queue.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A workflow that is waited for, by how those who wait name it.
pub(crate) fn upstream(
    own: ProjectId,
    project: Option<&Name>,
    workflow: &Name,
) -> (ProjectId, WorkflowId) {
    let project = project.map_or(own, |project| ProjectId::of_name(project.as_str()));
    (project, WorkflowId::first_named(project, workflow.as_str()))
}

fn partition(project: ProjectId, workflow: WorkflowId) -> String {
    format!("{project}/waits/{workflow}")
}

impl Waiter {
    fn sort(&self) -> String {
        let Wait { task, number } = self.wait;
        format!("{}/{}/{task:08x}/{number:08x}", self.project, self.run)
    }

    fn read(sort: &str) -> Option<Self> {
        let mut parts = sort.split('/');
        let mut next = || parts.next();
        let waiter = Self {
            project: next()?.parse().ok()?,
            run: next()?.parse().ok()?,
            wait: Wait {
                task: u32::from_str_radix(next()?, 16).ok()?,
                number: u32::from_str_radix(next()?, 16).ok()?,
            },
        };
        parts.next().is_none().then_some(waiter)
    }
}

impl Subscription {
    /// For all of these intervals; `None`: there is none.
    pub(crate) fn of(waiter: Waiter, intervals: &[Interval], tasks: bool) -> Option<Self> {
        let from = intervals.iter().map(|interval| interval.start).min()?;
        let to = intervals.iter().map(|interval| interval.end).max()?;
        Some(Self {
            waiter,
            from: from.as_millisecond(),
            to: to.as_millisecond(),
            tasks,
        })
    }

    fn concerns(&self, at: Timestamp, who: Who) -> bool {
        let told = match who {
            Who::All => true,
            Who::OfTasks => self.tasks,
        };
        told && (self.from..self.to).contains(&at.as_millisecond())
    }

    fn item(&self, project: ProjectId, workflow: WorkflowId) -> Item {
        let body = minicbor::to_vec((2_u8, self.from, self.to, self.tasks));
        Item {
            key: Key::new(partition(project, workflow), self.waiter.sort()),
            revision: 1,
            body: body.unwrap_or_default().into(),
        }
    }

    fn read(item: &Item) -> Option<Self> {
        let waiter = Waiter::read(&item.key.sort);
        let Some((from, to, tasks)) = read(&item.body) else {
            let sort = &item.key.sort;
            tracing::error!(sort, "subscription cannot be read");
            // It is told of everything rather than of nothing.
            return waiter.map(|waiter| Self {
                waiter,
                from: i64::MIN,
                to: i64::MAX,
                tasks: true,
            });
        };
        waiter.map(|waiter| Self {
            waiter,
            from,
            to,
            tasks,
        })
    }
}

fn read(body: &[u8]) -> Option<(i64, i64, bool)> {
    if let Ok((2_u8, from, to, tasks)) = minicbor::decode(body) {
        return Some((from, to, tasks));
    }
    match minicbor::decode(body) {
        Ok((1_u8, from, to)) => Some((from, to, true)),
        Ok(_) | Err(_) => None,
    }
}

impl App {
    /// Costs a put.
    pub(crate) async fn subscribe(
        &self,
        subscription: &Subscription,
        project: ProjectId,
        workflow: WorkflowId,
    ) -> Result<(), StoreError> {
        let item = subscription.item(project, workflow);
        self.store.put(item, Condition::Absent).await.map(|_| ())
    }

    /// Costs a delete for each workflow. What is not there is gone already.
    pub(crate) async fn unsubscribe(&self, ended: &Unsubscription) -> Result<(), StoreError> {
        let waiter = Waiter {
            project: ended.project,
            run: ended.run,
            wait: ended.wait,
        };
        let deletes = ended.of.iter().map(|(project, workflow)| async move {
            let (project, workflow) = upstream(ended.project, project.as_ref(), workflow);
            let key = Key::new(partition(project, workflow), waiter.sort());
            self.store.delete_unhurried(&key, Condition::None).await
        });
        for deleted in join_all(deletes).await {
            deleted?;
        }
        Ok(())
    }

    /// Tells everybody who waits for a run that has ended, or for tasks of one that has begun, as lists show by now.
    ///
    /// Costs a query, and a message for each who waits for an instant such as the run stands for: how many, is returned.
    pub(crate) async fn tell_waiters(&self, line: &Listing, who: Who) -> Result<usize, TellError> {
        let query = Query::prefix(partition(line.project, line.workflow), "");
        let items = self.store.all(query).await?;
        let waits = items.iter().filter_map(Subscription::read);
        let waits = waits.filter(|waits| waits.concerns(line.logical_date, who));
        let messages: Vec<_> = waits
            .map(|waits| {
                let Waiter { project, run, wait } = waits.waiter;
                let stirred = Input::Run(RunInput::Stirred(wait));
                self.message(Address::run(project, run), &stirred)
            })
            .collect();
        let told = messages.len();
        if told > 0 {
            self.ports.queue.send(messages).await?;
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_as_it_was_written() {
        let project = ProjectId::of_name("retail");
        let at = |second| Timestamp::from_second(second).unwrap();
        let day = |day: i64| Interval {
            start: at(day * 86_400),
            end: at((day + 1) * 86_400),
        };
        let waiter = Waiter {
            project,
            run: RunId::from_bytes([7; 16]),
            wait: Wait {
                task: 3,
                number: 12,
            },
        };
        let subscription = Subscription::of(waiter, &[day(2), day(1)], false).unwrap();
        let item = subscription.item(project, WorkflowId::first_named(project, "orders"));
        assert_eq!(Subscription::read(&item), Some(subscription));
        assert_eq!(
            item.key.sort,
            format!("{project}/{}/00000003/0000000c", waiter.run)
        );
        assert_eq!(
            data_encoding::HEXLOWER.encode(&item.body),
            "84021a05265c001a0f731400f4"
        );
        let concerns = |second| subscription.concerns(at(second), Who::All);
        assert!(concerns(86_400) && concerns(3 * 86_400 - 1));
        assert!(!concerns(86_399) && !concerns(3 * 86_400));
        assert!(!subscription.concerns(at(86_400), Who::OfTasks));
        assert_eq!(Subscription::of(waiter, &[], true), None);
        // As they were written before single tasks were told of.
        let body = data_encoding::HEXLOWER.decode(b"83011a05265c001a0f731400");
        let body = body.unwrap().into();
        let older = Subscription::read(&Item { body, ..item }).unwrap();
        assert_eq!(
            older,
            Subscription {
                tasks: true,
                ..subscription
            }
        );
    }

    #[test]
    fn one_of_a_later_form_is_told_of_everything() {
        let project = ProjectId::of_name("retail");
        let waiter = Waiter {
            project,
            run: RunId::from_bytes([7; 16]),
            wait: Wait { task: 0, number: 1 },
        };
        let body = minicbor::to_vec((3_u8, "later")).unwrap();
        let item = Item {
            key: Key::new("p", waiter.sort()),
            revision: 1,
            body: body.into(),
        };
        let read = Subscription::read(&item).unwrap();
        assert!(read.concerns(Timestamp::MIN, Who::OfTasks));
    }
}
