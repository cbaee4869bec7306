//! What follows a commit: effects to their receivers, as few calls as they fit in. All of it may happen twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_engine::effect::{
    Attempt, CancelIntent, EffectKey, Intent, Listing, LookOut, NewRun, Trigger, Unsubscription,
};
use porpoise_engine::input::{Command, RunCommand, RunInput};
use porpoise_engine::mutant::{self, Mutant};
use porpoise_engine::run::Run;
use porpoise_engine::{Aggregate as _, Effect, Input};
use porpoise_model::{Actor, Address, RunState};
use porpoise_ports::Unavailable;
use porpoise_ports::notices::Notice;
use porpoise_ports::queue::Message;

use crate::app::App;
use crate::backfill_store::BackfillLine;
use crate::context::Steppable;
use crate::create::CreateRunError;
use crate::dependent::LookError;
use crate::job_item::JobId;
use crate::log::LoadError;
use crate::store::StoreError;
use crate::subscription::{TellError, Who};
use crate::warm::Copy;

/// Bytes of one batch on the bus or one message of reports: an EventBridge event and an SQS message have 256 KB.
pub(crate) const BATCH_BYTES_MAX: usize = 200 * 1024;

/// What travels on the bus to a place.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives only while it is encoded or carried out"
)]
pub enum Order {
    /// Start a job.
    #[n(0)]
    Dispatch(#[n(0)] Intent),
    /// Stop one, or never start it.
    #[n(1)]
    Cancel(#[n(0)] CancelIntent),
}

impl Order {
    /// Whose job it is about.
    pub fn job(&self) -> JobId {
        match self {
            Self::Dispatch(intent) => JobId::of_intent(intent),
            Self::Cancel(cancel) => JobId::of_cancel(cancel),
        }
    }
}

/// Something of what follows could not be sent; the rest was.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The queue or the bus.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The lists.
    #[error("cannot write its line in the lists")]
    List(#[source] StoreError),
    /// Who waits for the run.
    #[error(transparent)]
    Waiters(#[from] TellError),
    /// Runs that are waited for.
    #[error("cannot look at runs of other workflows")]
    Look(#[source] Box<LookError>),
    /// A wait that is over.
    #[error("cannot take a subscription away")]
    Unsubscribe(#[source] StoreError),
    /// A run that is to be created.
    #[error("cannot create the run")]
    Create(#[source] Box<CreateRunError>),
}

/// What the shell carries out by itself.
enum Own {
    Create(Box<NewRun>),
    /// With the runs that it waits for.
    CreateBehind(Box<NewRun>, Vec<Address>),
    /// With the command that stops it.
    Stop(Box<NewRun>, Command<RunCommand>),
    /// For this attempt above, or only to be stopped.
    GoOn(Box<NewRun>, Attempt, Option<Actor>),
    /// With what is to be told then.
    List(Listing, Option<Box<Notice>>),
    /// To nobody, if there is no channel.
    Announce(Option<Box<Notice>>),
    /// What it finds acknowledges it.
    Look(Box<LookOut>),
    Stir(Listing),
    Unsubscribe(Unsubscription),
    Backfill(BackfillLine),
}

/// What became of what the shell carried out by itself.
enum Done {
    Whole,
    /// And those who wait for it were told, who would be told again by whoever steps next.
    Told,
    /// To be told now.
    But(Box<Notice>),
    /// Whoever it was done for says so.
    Unsaid,
    /// It can never be done.
    Never(String),
}

/// What the aggregate is to hear of that.
#[derive(Default)]
struct Said {
    acks: Vec<EffectKey>,
    /// Somebody was told who waits.
    told: bool,
    refusals: Vec<(EffectKey, String)>,
}

#[derive(Default)]
struct Outgoing {
    messages: Vec<Message>,
    orders: BTreeMap<String, Vec<Bytes>>,
    own: Vec<(Option<EffectKey>, Own)>,
    /// Taken for heard, by a bug on purpose.
    unheard: Option<EffectKey>,
    /// Effects of the outbox.
    count: usize,
}

impl App {
    /// Sends replies, and what of the outbox this process has not sent lately. Returns how many effects.
    pub(crate) async fn send_due<A: Steppable>(
        &self,
        address: Address,
        copy: &mut Copy<A>,
        replies: Vec<Effect>,
        now: Timestamp,
    ) -> Result<usize, SendError> {
        let state = &copy.loaded.state;
        let due = copy.sent.due(A::outbox(state), now);
        if due.is_empty() && replies.is_empty() {
            return Ok(0);
        }
        let mut outgoing = Outgoing::default();
        for effect in replies {
            outgoing.add(self, None, effect, None);
        }
        for key in due.iter().copied() {
            let context = copy.loaded.context.as_deref();
            let effect =
                context.and_then(|context| Some((context, A::effect(state, context, key)?)));
            if let Some((context, effect)) = effect {
                let notice = self.notice::<A>(state, context, &effect);
                outgoing.add(self, Some(key), effect, notice);
            } else {
                tracing::error!(%address, ?key, "effect of the outbox cannot be built");
            }
        }
        let count = outgoing.count.max(outgoing.messages.len());
        let said = self.send_out(&mut outgoing).await?;
        copy.sent.note(&due, A::outbox(state), now);
        copy.acks.extend(said.acks);
        copy.told |= said.told;
        copy.refusals.extend(said.refusals);
        Ok(count)
    }

    fn notice<A: Steppable>(
        &self,
        state: &A::State,
        context: &A::Context,
        effect: &Effect,
    ) -> Option<Notice> {
        self.notices.as_ref()?;
        A::notice(state, context, effect)
    }

    /// Orders first: jobs start while the rest is sent. Everything is tried before the first error is returned.
    async fn send_out(&self, outgoing: &mut Outgoing) -> Result<Said, SendError> {
        let mut result = Ok(());
        for (place, orders) in std::mem::take(&mut outgoing.orders) {
            for batch in batches(orders, Bytes::len) {
                let sent = self.ports.bus.send(&place, batch).await;
                result = result.and(sent.map_err(SendError::from));
            }
        }
        if !outgoing.messages.is_empty() {
            let messages = std::mem::take(&mut outgoing.messages);
            let sent = self.ports.queue.send(messages).await;
            result = result.and(sent.map_err(SendError::from));
        }
        let (mut said, mut notices) = (Said::default(), Vec::new());
        said.acks.extend(std::mem::take(&mut outgoing.unheard));
        for (key, own) in std::mem::take(&mut outgoing.own) {
            match self.carry_out(own).await {
                Ok(Done::Whole) => said.acks.extend(key),
                Ok(Done::Told) => {
                    said.acks.extend(key);
                    said.told = true;
                }
                Ok(Done::But(notice)) => notices.push((key, notice)),
                Ok(Done::Unsaid) => {}
                Ok(Done::Never(why)) => said.refusals.extend(key.map(|key| (key, why))),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result?;
        // People last: nothing waits for them, and they hear nothing twice because something else failed.
        said.acks.extend(self.announce(notices).await);
        Ok(said)
    }

    async fn carry_out(&self, own: Own) -> Result<Done, SendError> {
        match own {
            Own::List(listing, notice) => {
                // Who waits for a task has to look once the run is there.
                let who = match listing.state {
                    RunState::Succeeded | RunState::Failed | RunState::Canceled => Some(Who::All),
                    RunState::Running => Some(Who::OfTasks),
                    RunState::Queued
                    | RunState::Pausing
                    | RunState::Paused
                    | RunState::Canceling => None,
                };
                let early = who.filter(|_| mutant::on(Mutant::SubscribersReadEarly));
                if let Some(who) = early {
                    self.tell_waiters(&listing, who).await?;
                }
                self.list(&listing).await.map_err(SendError::List)?;
                let told = match who.filter(|_| early.is_none()) {
                    Some(who) => self.tell_waiters(&listing, who).await?,
                    None => 0,
                };
                Ok(match notice {
                    Some(notice) => Done::But(notice),
                    None if told > 0 => Done::Told,
                    None => Done::Whole,
                })
            }
            Own::Look(look) => {
                let looked = self.look_for(&look).await;
                looked.map_err(|error| SendError::Look(Box::new(error)))?;
                Ok(Done::Unsaid)
            }
            // Whoever is told reads the lists.
            Own::Stir(listing) => {
                self.list(&listing).await.map_err(SendError::List)?;
                let told = self.tell_waiters(&listing, Who::All).await?;
                Ok(if told > 0 { Done::Told } else { Done::Whole })
            }
            Own::Unsubscribe(ended) => {
                let gone = self.unsubscribe(&ended).await;
                gone.map_err(SendError::Unsubscribe)?;
                Ok(Done::Whole)
            }
            Own::Announce(notice) => Ok(notice.map_or(Done::Whole, Done::But)),
            Own::Backfill(line) => {
                self.list_backfill(&line).await.map_err(SendError::List)?;
                Ok(Done::Whole)
            }
            Own::Create(new) => self.create(*new).await,
            Own::CreateBehind(new, behind) => {
                self.list_all(behind).await?;
                self.create(*new).await
            }
            Own::Stop(new, command) => self.tell_created(*new, RunInput::Commanded(command)).await,
            Own::GoOn(new, attempt, stop) => {
                self.tell_created(*new, RunInput::GoOn { attempt, stop })
                    .await
            }
        }
    }

    /// Tells a run something, which is created first where that was not done.
    async fn tell_created(&self, new: NewRun, input: RunInput) -> Result<Done, SendError> {
        let address = Address::run(new.project, new.run);
        if let Done::Never(why) = self.create(new).await? {
            return Ok(Done::Never(why));
        }
        let message = self.message(address, &Input::Run(input));
        self.ports.queue.send(vec![message]).await?;
        Ok(Done::Unsaid)
    }

    /// Has lists show runs as they stand. What waits for them looks there, and their own lines may still be on their way:
    /// it would find a run of before.
    async fn list_all(&self, runs: Vec<Address>) -> Result<(), SendError> {
        for run in runs {
            let loaded = match self.look::<Run>(run).await {
                Ok(loaded) => loaded,
                Err(error @ LoadError::Store(..)) => {
                    return Err(SendError::Look(Box::new(error.into())));
                }
                Err(error) => {
                    tracing::error!(%run, %error, "run that is waited for cannot be read");
                    continue;
                }
            };
            let line = loaded.context.as_deref().and_then(|plan| {
                let key = EffectKey::Listing(loaded.state.listed);
                Run::effect(&loaded.state, plan, key)
            });
            if let Some(Effect::List(listing)) = line {
                self.list(&listing).await.map_err(SendError::List)?;
            }
        }
        Ok(())
    }

    /// What can never be created is told to the run above it or the backfill, or else to the log alone: nothing that
    /// anybody does later makes it possible.
    async fn create(&self, new: NewRun) -> Result<Done, SendError> {
        let (below, awaited) = match new.trigger {
            Trigger::Parent { .. } => (true, true),
            Trigger::Backfill { .. } => (false, true),
            Trigger::Schedule { .. } | Trigger::Manual | Trigger::Api | Trigger::Test => {
                (false, false)
            }
        };
        match self.create_run(new).await {
            Ok(_) if below => Ok(Done::Unsaid),
            Ok(_) => Ok(Done::Whole),
            Err(error) if !error.is_final() => Err(SendError::Create(Box::new(error))),
            Err(error) if awaited => Ok(Done::Never(error.in_words())),
            Err(error) => {
                tracing::error!(%error, "run of a schedule cannot be created");
                Ok(Done::Whole)
            }
        }
    }
}

impl Outgoing {
    fn add(&mut self, app: &App, key: Option<EffectKey>, effect: Effect, notice: Option<Notice>) {
        self.count += usize::from(key.is_some());
        if mutant::on(Mutant::ParentUnheard) {
            let told = key.filter(|key| matches!(key, EffectKey::TellParent(_)));
            self.unheard = told.or(self.unheard);
        }
        match effect {
            Effect::Tell { to, input } => self.messages.push(app.message(to, &input)),
            Effect::Dispatch(intent) => self.order(intent.place.clone(), &Order::Dispatch(intent)),
            Effect::Cancel(cancel) => self.order(cancel.place.clone(), &Order::Cancel(cancel)),
            Effect::CreateRun(new) => self.own.push((key, Own::Create(Box::new(new)))),
            Effect::CreateBehind { new, behind } => {
                self.own.push((key, Own::CreateBehind(new, behind)));
            }
            Effect::StopRun { new, command } => self.own.push((key, Own::Stop(new, command))),
            Effect::GoOn { new, attempt, stop } => {
                self.own.push((key, Own::GoOn(new, attempt, stop)));
            }
            Effect::Look(look) => self.own.push((None, Own::Look(look))),
            Effect::Stir(ended) => self.own.push((key, Own::Stir(ended))),
            Effect::Unsubscribe(ended) => self.own.push((key, Own::Unsubscribe(ended))),
            Effect::ListBackfill {
                project,
                backfill,
                workflow,
                created,
            } => {
                let line = BackfillLine {
                    project,
                    backfill,
                    workflow,
                    created,
                };
                self.own.push((key, Own::Backfill(line)));
            }
            Effect::Announce { .. } => {
                let own = Own::Announce(notice.map(Box::new));
                self.own.push((key, own));
            }
            Effect::List(listing) => {
                let own = Own::List(listing, notice.map(Box::new));
                self.own.push((key, own));
            }
        }
    }

    fn order(&mut self, place: String, order: &Order) {
        let bytes = minicbor::to_vec(order).unwrap_or_default();
        self.orders.entry(place).or_default().push(bytes.into());
    }
}

/// Cuts a list into batches of at most [`BATCH_BYTES_MAX`], in order; what is larger goes alone.
pub(crate) fn batches<T>(all: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    let mut used = 0;
    for one in all {
        let bytes = size(&one);
        match batches.last_mut() {
            Some(batch) if used + bytes <= BATCH_BYTES_MAX => {
                used += bytes;
                batch.push(one);
            }
            Some(_) | None => {
                used = bytes;
                batches.push(vec![one]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_order_and_size_and_what_is_larger_goes_alone() {
        let third = BATCH_BYTES_MAX / 3;
        let cut = batches(
            vec![third, third, third, 3, BATCH_BYTES_MAX * 2, 5],
            |size| *size,
        );
        assert_eq!(
            cut,
            [
                vec![third, third, third],
                vec![3],
                vec![BATCH_BYTES_MAX * 2],
                vec![5]
            ]
        );
    }
}
