//! Virtual time, and the futures that live in it: one thread, no sleeping, the same order in every run.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use jiff::Timestamp;
use porpoise_ports::Clock;
use rustix::time::{ClockId, clock_gettime};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Nanoseconds since the beginning.
pub(crate) type Nanos = u64;

/// When it began, for the clock.
const BEGINNING_SECOND: i64 = 1_795_219_200; // 2026-11-21T00:00:00Z

/// Clones are the same time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Time(Arc<Inner>);

#[derive(Default)]
struct Inner {
    now: Mutex<Nanos>,
    /// Each moment wakes one sleeper: no two things happen at the same time, so that what came of what can be told.
    sleepers: Mutex<BTreeMap<Nanos, Waker>>,
    tasks: Mutex<Vec<Option<Task>>>,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Time")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Of the task that is to be polled again.
struct Waking {
    task: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        lock(&self.ready).push_back(self.task);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Time {
    pub(crate) fn now(&self) -> Nanos {
        *lock(&self.0.now)
    }

    pub(crate) async fn sleep(&self, wait: Duration) {
        let until = self.now().saturating_add(nanos(wait));
        let mut at = None;
        poll_fn(|context| {
            let mut sleepers = lock(&self.0.sleepers);
            let moment = at.unwrap_or_else(|| {
                let mut moment = until.max(self.now() + 1);
                while sleepers.contains_key(&moment) {
                    moment += 1;
                }
                moment
            });
            at = Some(moment);
            if self.now() >= moment {
                return Poll::Ready(());
            }
            sleepers.insert(moment, context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.0.tasks);
        lock(&self.0.ready).push_back(tasks.len());
        tasks.push(Some(Box::pin(task)));
    }

    /// Lets time pass until `done` says so, or nothing will ever happen again: then `false`.
    pub(crate) fn run(&self, mut done: impl FnMut() -> bool) -> bool {
        loop {
            if done() {
                return true;
            }
            let next = lock(&self.0.ready).pop_front();
            if let Some(number) = next {
                self.poll(number);
                continue;
            }
            let Some((moment, waker)) = lock(&self.0.sleepers).pop_first() else {
                return false;
            };
            *lock(&self.0.now) = moment;
            waker.wake();
        }
    }

    fn poll(&self, number: usize) {
        let taken = lock(&self.0.tasks).get_mut(number).and_then(Option::take);
        let Some(mut task) = taken else { return };
        let waking = Waking {
            task: number,
            ready: Arc::clone(&self.0.ready),
        };
        let waker = Waker::from(Arc::new(waking));
        if task
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
            && let Some(place) = lock(&self.0.tasks).get_mut(number)
        {
            *place = Some(task);
        }
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        let now = Self::now(self);
        let seconds = i64::try_from(now / 1_000_000_000).unwrap_or_default();
        let rest = i32::try_from(now % 1_000_000_000).unwrap_or_default();
        Timestamp::new(BEGINNING_SECOND + seconds, rest).unwrap_or(Timestamp::MAX)
    }
}

pub(crate) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

thread_local! {
    /// Bytes of log lines, and how many.
    static LOGGED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Where functions log to.
pub(crate) fn logged(line: &str) {
    let (bytes, lines) = LOGGED.get();
    LOGGED.set((bytes + line.len() + 1, lines + 1));
}

/// What some work took of the processor, and what it logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Took {
    pub(crate) cpu: Duration,
    pub(crate) log_bytes: usize,
    pub(crate) log_lines: usize,
}

/// Does some work, and counts what the processor did for it: not for others, however busy this machine is.
pub(crate) async fn watched<T>(work: impl Future<Output = T>) -> (T, Took) {
    let mut work = pin!(work);
    let mut took = Took::default();
    let done = poll_fn(|context| {
        LOGGED.set((0, 0));
        let begun = cpu();
        let polled = work.as_mut().poll(context);
        took.cpu += cpu().saturating_sub(begun);
        let (bytes, lines) = LOGGED.get();
        took.log_bytes += bytes;
        took.log_lines += lines;
        polled
    })
    .await;
    (done, took)
}

/// What this thread has had of the processor.
fn cpu() -> Duration {
    let had = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(had.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(had.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleepers_wake_in_the_order_of_their_times_and_no_two_at_once() {
        let time = Time::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        for (name, seconds) in [("c", 3), ("a", 1), ("b", 2), ("also b", 2)] {
            let (clock, seen) = (time.clone(), Arc::clone(&seen));
            time.spawn(async move {
                clock.sleep(Duration::from_secs(seconds)).await;
                lock(&seen).push((name, clock.now()));
            });
        }
        assert!(!time.run(|| false));
        let second = 1_000_000_000;
        let wanted = [
            ("a", second),
            ("b", 2 * second),
            ("also b", 2 * second + 1),
            ("c", 3 * second),
        ];
        assert_eq!(*lock(&seen), wanted);
    }

    #[test]
    fn it_stops_when_it_is_told_to() {
        let time = Time::default();
        let clock = time.clone();
        time.spawn(async move {
            loop {
                clock.sleep(Duration::from_secs(1)).await;
            }
        });
        assert!(time.run(|| time.now() >= 5_000_000_000));
        assert_eq!(time.now(), 5_000_000_000);
    }
}
