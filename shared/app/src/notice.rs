//! Telling people what became of a run: that it ended, that a task of it failed for good, that something is late. Only
//! what the workflow asks for ([`Occasion`]) is told; of all others nothing is computed, sent or recorded.
//!
//! That a run has ended follows the line of the lists that tells of the end, and both are one effect: it is acknowledged
//! when the line is written and the notice handed over, and comes again until then. What happens before the end is an
//! effect of its own. So everything is told at least once. A channel that is out of order holds up nothing else of the
//! run, whose step goes well without it; and it is not waited for for ever, because a run that has something to say stays
//! open. After [`PATIENCE`] a notice is given up, with an error in the log. A run that is run again before its end could
//! be told tells only of its next end.

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use porpoise_engine::Effect;
use porpoise_engine::effect::{EffectKey, Listing, News};
use porpoise_engine::mutant::{self, Mutant};
use porpoise_engine::plan::Plan;
use porpoise_engine::run::{Phase, State};
use porpoise_model::workflow::{Occasion, Timeout, TimeoutAction};
use porpoise_ports::Notices;
use porpoise_ports::notices::{FAILED_MAX, Notice, What};

use crate::app::App;

/// For this long after something happened, it is tried to tell of it.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);

/// Notices that are on their way at the same time. If one of them fails, the rest of the step's are left for later: a
/// channel that does not answer holds up a step once.
const CALLS_MAX: usize = 8;

/// What is to be told together with an effect of a run.
pub(crate) fn notice(state: &State, plan: &Plan, effect: &Effect) -> Option<Notice> {
    let (what, at) = match effect {
        Effect::List(listing) => ended(state, plan, listing)?,
        Effect::Announce { news, at } => (happened(plan, *news)?, *at),
        Effect::Tell { .. }
        | Effect::Dispatch(_)
        | Effect::Cancel(_)
        | Effect::CreateRun(_)
        | Effect::CreateBehind { .. }
        | Effect::StopRun { .. }
        | Effect::GoOn { .. }
        | Effect::Look(_)
        | Effect::Unsubscribe(_)
        | Effect::Stir(_)
        | Effect::ListBackfill { .. } => return None,
    };
    let new = state.new.as_deref()?;
    Some(Notice {
        project: plan.workflow().project.to_string(),
        workflow: new.workflow_name.clone(),
        run: new.run,
        trigger: new.trigger.as_str(),
        logical_date: new.logical_date,
        created: new.created,
        started: state.started.map(|time| time.0),
        what,
        at,
    })
}

/// `None` if it has not ended, or if nobody wants to know that it ended so.
fn ended(state: &State, plan: &Plan, listing: &Listing) -> Option<(What, Timestamp)> {
    let occasion = Occasion::of_end(listing.state)?;
    if !plan.workflow().notify.contains(&occasion) {
        return None;
    }
    let failed = (0..state.tasks.len()).filter(|task| state.tasks.phase(*task) == Phase::Failed);
    let failed: Vec<u32> = failed.collect();
    let names = failed.iter().take(FAILED_MAX);
    let names = names.filter_map(|task| plan.task(*task));
    let what = What::Ended {
        state: listing.state,
        tasks: listing.tasks,
        failed: names.map(|task| task.name.to_string()).collect(),
        failed_count: u32::try_from(failed.len()).unwrap_or(u32::MAX),
    };
    Some((what, listing.ended?))
}

fn happened(plan: &Plan, news: News) -> Option<What> {
    let stops = |timeout: Option<Timeout>| {
        timeout.is_some_and(|timeout| timeout.action == TimeoutAction::Fail)
    };
    Some(match news {
        News::TaskFailed(attempt) => What::TaskFailed {
            task: plan.task(attempt.task)?.name.to_string(),
            attempt: attempt.number,
        },
        News::TaskLate(attempt) => {
            let task = plan.task(attempt.task)?;
            What::TaskLate {
                task: task.name.to_string(),
                attempt: attempt.number,
                stopped: stops(task.timeout),
            }
        }
        News::RunLate(_) => What::Late {
            stopped: stops(plan.workflow().timeout),
        },
    })
}

impl App {
    /// The same app, which tells this channel what workflows ask for.
    #[must_use]
    pub fn with_notices(mut self, notices: Arc<dyn Notices>) -> Self {
        self.notices = Some(notices);
        self
    }

    /// Which of these effects are done: what they tell was handed over, or given up. The others come again, and the step
    /// goes well without them. Costs a call of the channel for each.
    pub(crate) async fn announce(
        &self,
        notices: Vec<(Option<EffectKey>, Box<Notice>)>,
    ) -> Vec<EffectKey> {
        let Some(channel) = &self.notices else {
            return notices.into_iter().filter_map(|(key, _)| key).collect();
        };
        let mut done = Vec::new();
        for some in notices.chunks(CALLS_MAX) {
            let calls = some
                .iter()
                .map(|(_, notice)| self.hand_over(channel, notice));
            let told = join_all(calls).await;
            let keys = some.iter().zip(&told).filter(|(_, told)| **told);
            done.extend(keys.filter_map(|((key, _), _)| *key));
            if told.contains(&false) {
                break;
            }
        }
        done
    }

    /// Whether there is nothing left to tell.
    async fn hand_over(&self, channel: &Arc<dyn Notices>, notice: &Notice) -> bool {
        let Err(error) = channel.send(notice).await else {
            return true;
        };
        if mutant::on(Mutant::NoticeLost) {
            return true;
        }
        let (key, what) = (notice.key(), notice.what.word());
        let error = chain(&error);
        if self.now().duration_since(notice.at) > PATIENCE {
            tracing::error!(run_id = %notice.run, key, what, error, "notice given up");
            return true;
        }
        tracing::warn!(run_id = %notice.run, key, what, error, "notice not sent yet");
        false
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
