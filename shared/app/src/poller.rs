//! The poll loop of a place: submits what waits, asks what became of jobs, carries it home. Works from the jobs table
//! alone; what this process remembers only spares reads.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use porpoise_model::AttemptKey;
use porpoise_ports::table::Query;

use crate::app::{App, Pace};
use crate::budget::Standing;
use crate::job_index::{index_jobs, index_partition};
use crate::job_item::JobId;
use crate::job_view::{Known, View};
use crate::submit::{Changes, JobsError, told};

/// Between two ticks that cost nothing.
const TICK: SignedDuration = SignedDuration::from_secs(1);
/// Between two ticks that are billed, while jobs wait for calls that may be made later: a bucket is full by then.
const TICK_WAITING: SignedDuration = SignedDuration::from_secs(20);
/// Between two ticks that are billed, while a job is young.
const TICK_YOUNG: SignedDuration = SignedDuration::from_secs(30);
/// Between two ticks that are billed, while all jobs are old.
const TICK_OLD: SignedDuration = SignedDuration::from_secs(60);
/// From this age on, a job is old: its end a minute late is little.
const YOUNG_MAX: SignedDuration = SignedDuration::from_mins(20);
/// By which name the jobs table rests. No kind of work has it.
const TABLE: &str = "";
/// Items that are read at the same time.
const AT_ONCE: usize = 64;

/// When the poll loop has to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After this time, or when an executor says that something ended.
    In(SignedDuration),
    /// No job is open: when something is dispatched.
    Idle,
}

impl App {
    /// One tick of the poll loop of a place.
    ///
    /// Costs a query of the index, a delete of each entry whose jobs are over, a read of each job that was not submitted
    /// when it was listed and that this process has not seen, a list call for each hundred submitted jobs of a kind, a
    /// share of a message for each job of which there is news, and a put for each that is submitted here.
    pub async fn tick(&self, place: &str) -> Result<Next, JobsError> {
        let mut result = self.refresh(place).await;
        let jobs = self.views.with(place, |view| view.to_ask());
        result = result.and(self.advance(place, jobs).await);
        result = result.and(self.collect_bills(place).await);
        result = result.and(self.drop_spent(place).await);
        self.next(place, result)
    }

    /// An executor says that something happened to these jobs: they are asked for at once, and what waits for their
    /// place at the target is submitted. Saying it twice, late or of others is harmless.
    ///
    /// Costs what a tick costs, for these jobs alone.
    pub async fn check(&self, place: &str, keys: &[AttemptKey]) -> Result<Next, JobsError> {
        let find = |view: &mut crate::job_view::View| -> Vec<Known> {
            keys.iter()
                .filter_map(|key| view.by_key(key).cloned())
                .collect()
        };
        let mut jobs = self.views.with(place, find);
        let mut result = Ok(());
        if jobs.len() < keys.len() {
            result = self.refresh(place).await;
            jobs = self.views.with(place, find);
        }
        result = result.and(self.advance(place, jobs).await);
        self.next(place, result)
    }

    /// The service of a target says something by itself (JSON, as EventBridge delivers it): the job that it is about is
    /// asked for at once. `false`: it is about no job that is open here; an event that nobody can read says nothing of
    /// which jobs it is about, so all are looked at.
    ///
    /// An event that comes twice, late or never is harmless: the poll loop finds what it would have told.
    ///
    /// Costs what [`App::check`] costs for one job, without a call of the target if the event tells all; for a job that
    /// this process has not seen, a query of the index and the reads of what is new there.
    pub async fn on_news(&self, place: &str, event: &str) -> Result<bool, JobsError> {
        let Some(news) = self.executors.read_event(event) else {
            self.tick(place).await?;
            return Ok(true);
        };
        if let Some(usage) = news.usage {
            return self.on_bill(place, &news.external_id, usage).await;
        }
        let find = |view: &mut View| view.by_external(&news.external_id);
        let mut keys = self.views.with(place, find);
        if keys.is_empty() {
            self.refresh(place).await?;
            keys = self.views.with(place, find);
        }
        if keys.is_empty() {
            return Ok(false);
        }
        if let ([key], Some(ended)) = (keys.as_slice(), news.succeeded)
            && let Some((job, end)) = self.views.with(place, |view| view.succeeded(key, ended))
            && let Some(executor) = self.executors.of(&job.item.kind)
        {
            let mut changes = Changes::default();
            changes.add(job.item.id, told(&end, executor.remembers()));
            let result = self.carry_on(place, changes, Ok(())).await;
            self.next(place, result)?;
            return Ok(true);
        }
        self.check(place, &keys).await?;
        Ok(true)
    }

    /// When to look again. A table that takes no more calls is left alone for a while; all else that failed is for the
    /// host to speak of.
    fn next(&self, place: &str, result: Result<(), JobsError>) -> Result<Next, JobsError> {
        let throttled = result.as_ref().is_err_and(JobsError::is_throttled);
        if !throttled {
            result?;
        }
        let now = self.now();
        let dice = throttled.then(|| self.ports.ids.fresh());
        Ok(self.views.with(place, |view| {
            match dice {
                Some(dice) => view.rests.rest(TABLE, now, dice),
                None => view.rests.calm(TABLE),
            }
            match (view.rests.left(TABLE, now), view.rests.first(now)) {
                (Some(rest), _) => Next::In(rest),
                (None, _) if view.is_empty() => Next::Idle,
                (None, rest) => {
                    let tick = tick_of(self.pace, view, now);
                    Next::In(rest.map_or(tick, |rest| rest.min(tick)))
                }
            }
        }))
    }

    /// Asks for these jobs, cancels those that are to be stopped again, and submits what waits.
    async fn advance(&self, place: &str, jobs: Vec<Known>) -> Result<(), JobsError> {
        let mut changes = Changes::default();
        let mut result = Ok(());
        let mut by_kind: BTreeMap<String, Vec<Known>> = BTreeMap::new();
        // Also jobs whose item does not say yet that they were submitted: a job may end before that is durable.
        for job in jobs {
            by_kind.entry(job.item.kind.clone()).or_default().push(job);
        }
        for (kind, jobs) in by_kind {
            let asked = self.ask_kind(&kind, &jobs, &mut changes).await;
            result = result.and(asked);
        }
        self.carry_on(place, changes, result).await
    }

    /// Submits what waits, and carries home what is known.
    async fn carry_on<'a>(
        &'a self,
        place: &str,
        mut changes: Changes<'a>,
        result: Result<(), JobsError>,
    ) -> Result<(), JobsError> {
        let submitted = self
            .submit_waiting(place, Standing::InLine, &mut changes)
            .await;
        let listed = self.list_unlisted(place, &mut changes).await;
        let home = self.carry_home(place, changes).await;
        result.and(submitted).and(listed).and(home)
    }

    async fn ask_kind(
        &self,
        kind: &str,
        jobs: &[Known],
        changes: &mut Changes<'_>,
    ) -> Result<(), JobsError> {
        let Some(executor) = self.executors.of(kind) else {
            tracing::error!(
                kind,
                jobs = jobs.len(),
                "executor of submitted jobs is gone"
            );
            return Ok(());
        };
        for job in jobs.iter().filter(|job| job.item.cancel) {
            executor.cancel(&job.job_ref()).await?;
        }
        self.ask(&**executor, jobs, changes).await
    }

    /// Reads the index, and the items of jobs of which it does not say enough and this process knows nothing.
    pub(crate) async fn refresh(&self, place: &str) -> Result<(), JobsError> {
        let store = |error| JobsError::Store(place.to_owned(), error);
        let mut gone = self.views.with(place, |view| view.entries());
        let query = Query::prefix(index_partition(place), "");
        let entries = self.store.all(query).await.map_err(store)?;
        for entry in &entries {
            gone.remove(&entry.key.sort);
        }
        self.views.with(place, |view| {
            for sort in &gone {
                view.drop_entry(sort);
            }
        });
        for entry in entries {
            let (sort, revision) = (&entry.key.sort, entry.revision);
            if self
                .views
                .with(place, |view| view.has_entry(sort, revision))
            {
                continue;
            }
            match index_jobs(&entry.body) {
                Ok(jobs) => self
                    .views
                    .with(place, |view| view.add_entry(sort, revision, jobs)),
                Err(error) => {
                    tracing::error!(place, sort, %error, "index entry of jobs cannot be read");
                }
            }
        }
        let unread = self.views.with(place, |view| view.unread());
        self.read_jobs(place, &unread).await
    }

    /// One that has no item yet stays unseen: its dispatcher is about to write it, or will do so when it is
    /// dispatched again.
    async fn read_jobs(&self, place: &str, ids: &[JobId]) -> Result<(), JobsError> {
        for ids in ids.chunks(AT_ONCE) {
            for read in join_all(ids.iter().map(|id| self.read_job(place, id))).await {
                if let Some((item, revision)) = read? {
                    self.views
                        .with(place, |view| view.see_or_drop(item, revision));
                }
            }
        }
        Ok(())
    }
}

/// When to look again at what is in flight.
fn tick_of(pace: Pace, view: &View, now: Timestamp) -> SignedDuration {
    match pace {
        Pace::Local => TICK,
        Pace::Billed if view.has_waiting() => TICK_WAITING,
        Pace::Billed => match view.youngest() {
            Some(since) if now.duration_since(since) > YOUNG_MAX => TICK_OLD,
            None if view.awaits_bills_only() => TICK_OLD,
            Some(_) | None => TICK_YOUNG,
        },
    }
}
