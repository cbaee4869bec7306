//! What every channel of notices promises. A suite says how what arrived is read.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use porpoise_model::{RunId, RunState};

use crate::Notices;
use crate::notices::{FAILED_MAX, Notice, What};

/// Who reads a channel.
#[async_trait]
pub trait Reader: Send + Sync {
    /// The next notice that has arrived; `None` if nothing has come for about a second.
    async fn next(&self) -> Option<Notice>;
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_841_600 + second).expect("an instant")
}

/// How a run ended that began with this second.
pub fn notice(second: i64, state: RunState) -> Notice {
    Notice {
        project: "retail".to_owned(),
        workflow: "daily".to_owned(),
        run: RunId::from_bytes([7; 16]),
        trigger: "schedule",
        logical_date: instant(0),
        created: instant(second),
        started: Some(instant(second + 1)),
        what: ended(state, 0, Vec::new()),
        at: instant(second + 61),
    }
}

fn ended(state: RunState, failed_count: u32, failed: Vec<String>) -> What {
    What::Ended {
        state,
        tasks: 10_000,
        failed,
        failed_count,
    }
}

async fn arrivals(reader: &impl Reader, count: usize) -> Vec<Notice> {
    let mut arrived = Vec::new();
    let mut keys = BTreeSet::new();
    while keys.len() < count {
        let Some(notice) = reader.next().await else {
            break;
        };
        if keys.insert(notice.key()) {
            arrived.push(notice);
        }
    }
    arrived.sort_by_key(Notice::key);
    arrived
}

/// Also of a run that never began, and with names that are no plain words.
pub async fn a_notice_arrives_with_all_that_it_says<N: Notices, R: Reader, G>(
    make: impl AsyncFn() -> (N, R, G),
) {
    let (notices, reader, _guard) = make().await;
    let plain = notice(0, RunState::Succeeded);
    let odd = Notice {
        project: "verkäufe \"nord\"".to_owned(),
        workflow: "日次 & <b>".to_owned(),
        started: None,
        trigger: "manual",
        logical_date: instant(-86_400),
        at: instant(99) + jiff::SignedDuration::from_millis(7),
        what: ended(
            RunState::Failed,
            2,
            vec!["load".to_owned(), "größe, 2".to_owned()],
        ),
        ..notice(1, RunState::Failed)
    };
    let canceled = notice(500, RunState::Canceled);
    for one in [plain, odd, canceled].iter().chain(&of_tasks()) {
        notices.send(one).await.expect("send");
        assert_eq!(arrivals(&reader, 1).await, std::slice::from_ref(one));
    }
}

/// What is told of a run while it goes on.
fn of_tasks() -> Vec<Notice> {
    let task = || "größe / 2".to_owned();
    let whats = [
        What::TaskFailed {
            task: task(),
            attempt: 3,
        },
        What::TaskLate {
            task: task(),
            attempt: 3,
            stopped: true,
        },
        What::TaskLate {
            task: task(),
            attempt: 4,
            stopped: false,
        },
        What::Late { stopped: false },
        What::Late { stopped: true },
    ];
    let plain = notice(0, RunState::Failed);
    let of = |what| Notice {
        what,
        ..plain.clone()
    };
    whats.into_iter().map(of).collect()
}

/// The same run may end several times; what is said twice may arrive twice, and has one key.
pub async fn notices_of_different_ends_are_told_apart<N: Notices, R: Reader, G>(
    make: impl AsyncFn() -> (N, R, G),
) {
    let (notices, reader, _guard) = make().await;
    let mut ends: Vec<Notice> = (0..5)
        .map(|end| notice(100 * end, RunState::Failed))
        .collect();
    for end in &ends {
        for _ in 0..2 {
            notices.send(end).await.expect("send");
        }
    }
    ends.sort_by_key(Notice::key);
    assert_eq!(arrivals(&reader, ends.len()).await, ends);
}

/// As many failed tasks as are named, with the longest names.
pub async fn the_largest_notice_arrives<N: Notices, R: Reader, G>(
    make: impl AsyncFn() -> (N, R, G),
) {
    let (notices, reader, _guard) = make().await;
    let name = |number: usize| format!("{number:0>3}{}", "ü".repeat(60));
    let large = Notice {
        what: ended(RunState::Failed, 9_999, (0..FAILED_MAX).map(name).collect()),
        ..notice(0, RunState::Failed)
    };
    notices.send(&large).await.expect("send");
    assert_eq!(arrivals(&reader, 1).await, [large]);
}
