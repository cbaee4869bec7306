//! The generic step: load, decide, append, send. The only writer of logs.
//!
//! One put if absent is commit and lock in one. Everything before it only decides; everything after it may happen
//! twice. A step that is cut off is done again by whoever delivers its messages again, or by the sweep.

use jiff::{SignedDuration, Timestamp};
use porpoise_engine::input::Annotation;
use porpoise_engine::mutant::{self, Mutant};
use porpoise_model::Address;
use porpoise_ports::Unavailable;
use porpoise_ports::table::Consistency;

use crate::app::App;
use crate::context::{ContextError, Steppable};
use crate::decide::{Decided, Prefetched, Undecided, decide};
use crate::log::{Appended, LoadError};
use crate::send::SendError;
use crate::snapshot;
use crate::stepper::Delivery;
use crate::store::StoreError;
use crate::warm::{Copy, Sent};
use crate::way::Way;

/// Times that a step is decided again because another one was committed first, or a context was missing.
const TRIES_MAX: u32 = 8;
/// Commits of one step: its own, and those of what this process itself carried out.
const COMMITS_MAX: u32 = 4;

/// After a wake, the next one comes no sooner.
const PAUSE: SignedDuration = SignedDuration::from_millis(5);

/// What a step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepReport {
    /// The last record of the log.
    pub sequence: u64,
    /// Facts that were recorded.
    pub facts: usize,
    /// Records that were appended.
    pub records: u64,
    /// Bytes of those records.
    pub bytes: usize,
    /// Effects that were sent, replies included.
    pub sent: usize,
    /// Whether anything may still happen by itself.
    pub open: bool,
    /// The wake that was asked for.
    pub armed: Option<Timestamp>,
    /// Inputs that could not be decided, and were kept as notes.
    pub rejected: usize,
    /// Whether a record carries the annotations that came with the inputs.
    pub noted: bool,
}

impl StepReport {
    fn and(self, later: &Self) -> Self {
        Self {
            sequence: later.sequence,
            facts: self.facts + later.facts,
            records: self.records + later.records,
            bytes: self.bytes + later.bytes,
            sent: self.sent + later.sent,
            open: later.open,
            armed: later.armed.or(self.armed),
            rejected: self.rejected + later.rejected,
            noted: self.noted || later.noted,
        }
    }
}

/// A step was not finished: its inputs are to be delivered again.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The log or what it is read with could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A version that a decision names could not be loaded.
    #[error("cannot load what `{0}` is to go on with")]
    Context(Address, #[source] ContextError),
    /// The decision was not recorded, or nobody knows.
    #[error("cannot append to the log of `{0}`")]
    Append(Address, #[source] StoreError),
    /// Others were faster each time.
    #[error("`{0}` moved on {TRIES_MAX} times while it was decided")]
    Contended(Address),
    /// It is recorded, and something of what follows could not be sent.
    #[error("cannot send what follows for `{0}`")]
    Send(Address, #[source] SendError),
    /// It is recorded, and the open index or a note could not be written.
    #[error("cannot keep the books of `{0}`")]
    Books(Address, #[source] StoreError),
    /// It is recorded, and its wake could not be armed.
    #[error("cannot arm a wake for `{0}`")]
    Wake(Address, #[source] Unavailable),
}

/// How a try went that was no error.
enum Tried<A: Steppable> {
    Done(StepReport),
    /// Load again, decide again; with this context if one was missing.
    Again(Option<Prefetched<A>>),
    /// The inputs can't be decided together.
    Fault(String),
}

/// How a try came about, and when.
#[derive(Debug, Clone, Copy)]
struct Cause {
    way: Way,
    /// One of its inputs is a wake.
    woken: bool,
    now: Timestamp,
}

impl App {
    /// Takes an aggregate further by a batch of inputs, and sends whatever of its outbox is due.
    ///
    /// Costs, beside what it sends: on a warm copy one put, or one query when nothing follows (a query more after a quiet
    /// minute, for half the price, and where other processes step it, too); cold, a read and a
    /// query more.
    pub async fn step<A: Steppable>(
        &self,
        address: Address,
        inputs: Vec<A::Input>,
    ) -> Result<StepReport, StepError> {
        self.step_so::<A>(address, Delivery::Again, inputs, &[])
            .await
    }

    /// A step by the sweep: a wake that comes again, so that it may overlook what was written just now. An aggregate that
    /// had a step lately is left alone.
    ///
    /// Costs, beside what it sends, a query at half the price; cold, a read more.
    pub(crate) async fn step_swept<A: Steppable>(
        &self,
        address: Address,
    ) -> Result<StepReport, StepError> {
        let swept = Way {
            swept: true,
            ..Way::of(Delivery::Again)
        };
        let woken = [A::woken()];
        let stepped = self.step_together::<A>(address, swept, &woken, &[]);
        match stepped.await? {
            Ok(report) => Ok(report),
            Err(fault) => {
                tracing::error!(%address, fault, "aggregate cannot be woken");
                Ok(StepReport::default())
            }
        }
    }

    /// The same, by inputs of which it is known how they came, and with annotations that the record may carry: whoever has
    /// some looks whether it did.
    pub(crate) async fn step_so<A: Steppable>(
        &self,
        address: Address,
        delivery: Delivery,
        inputs: Vec<A::Input>,
        notes: &[Annotation],
    ) -> Result<StepReport, StepError> {
        let together = self.step_together::<A>(address, Way::of(delivery), &inputs, notes);
        match together.await? {
            Ok(report) => Ok(report),
            Err(fault) => {
                self.step_apart::<A>(address, delivery, inputs, &fault)
                    .await
            }
        }
    }

    /// Each input alone: the ones that cannot be decided are kept as notes, the others take hold.
    async fn step_apart<A: Steppable>(
        &self,
        address: Address,
        delivery: Delivery,
        inputs: Vec<A::Input>,
        fault: &str,
    ) -> Result<StepReport, StepError> {
        tracing::error!(%address, fault, inputs = inputs.len(), "batch cannot be decided");
        let mut whole = StepReport::default();
        for input in inputs {
            let alone = std::slice::from_ref(&input);
            let stepped = self.step_together::<A>(address, Way::of(delivery), alone, &[]);
            match stepped.await? {
                Ok(report) => whole = whole.and(&report),
                Err(fault) => {
                    let body = minicbor::to_vec(&input).unwrap_or_default();
                    self.reject(address, body.into(), &fault).await?;
                    whole.rejected += 1;
                }
            }
        }
        Ok(whole)
    }

    async fn step_together<A: Steppable>(
        &self,
        address: Address,
        mut way: Way,
        inputs: &[A::Input],
        notes: &[Annotation],
    ) -> Result<Result<StepReport, String>, StepError> {
        let mut prefetched = None;
        for _ in 0..TRIES_MAX {
            let tried = self.try_step::<A>(address, way, inputs, notes, prefetched);
            way.first = false;
            match tried.await? {
                Tried::Done(report) => return Ok(Ok(report)),
                Tried::Again(context) => prefetched = context,
                Tried::Fault(fault) => return Ok(Err(fault)),
            }
        }
        Err(StepError::Contended(address))
    }

    /// One try. The copy goes back only when all went well: after anything else the next try loads.
    async fn try_step<A: Steppable>(
        &self,
        address: Address,
        way: Way,
        inputs: &[A::Input],
        mut notes: &[Annotation],
        prefetched: Option<Prefetched<A>>,
    ) -> Result<Tried<A>, StepError> {
        let now = self.now();
        let (mut copy, mut current) = self.copy::<A>(address, way, now).await?;
        if way.swept && copy.is_under_way(now) {
            let report = StepReport {
                open: true,
                sequence: copy.loaded.sequence,
                ..StepReport::default()
            };
            self.warm.give(address, copy);
            return Ok(Tried::Done(report));
        }
        let woken = inputs.contains(&A::woken());
        copy.armed.begin(now, woken);
        let cause = Cause { way, woken, now };
        self.credit_others(&mut copy, cause);
        let mut report = StepReport::default();
        let mut inputs = inputs;
        for commit in 1..=COMMITS_MAX {
            let decided = self
                .decide_now(
                    address,
                    &mut copy,
                    inputs,
                    prefetched.as_ref(),
                    &mut current,
                    cause,
                )
                .await?;
            let mut decided = match decided {
                Ok(decided) => decided,
                // What it was decided on may not be all.
                Err(Undecided::Fault(_)) if !current && way.first => {
                    return Ok(Tried::Again(prefetched));
                }
                Err(undecided) => return self.undecided::<A>(address, undecided).await,
            };
            let open = A::is_open(&copy.loaded.state);
            copy.unlisted &= !open;
            report.facts += decided.facts.len();
            if !decided.facts.is_empty() {
                let committed = self.commit(address, &mut copy, now, &mut decided, notes);
                match committed.await? {
                    Appended::Written { records, bytes } => {
                        report.noted |= !std::mem::take(&mut notes).is_empty();
                        report.records += records;
                        report.bytes += bytes;
                    }
                    Appended::Conflict => return Ok(Tried::Again(prefetched)),
                }
                current = true;
            }
            let replies = decided.replies;
            report.sent += self.send(address, &mut copy, replies, now).await?;
            let said_now = copy.nothing_else_comes() || copy.has_told();
            let nothing_to_say = copy.acks.is_empty() || !said_now;
            if (nothing_to_say && copy.refusals.is_empty()) || commit == COMMITS_MAX {
                break;
            }
            inputs = &[];
        }
        report.open = A::is_open(&copy.loaded.state);
        report.sequence = copy.loaded.sequence;
        report.armed = self.finish(address, &mut copy, now, woken).await?;
        copy.at = now;
        self.warm.give(address, copy);
        Ok(Tried::Done(report))
    }

    /// What others recorded and sent is not sent again by whoever takes over from them: after a fan-out of thousands, each
    /// of its steps elsewhere would do so. Where one of them may have been cut off, all of it is.
    ///
    /// Only where the queue gives an input back whose step was cut off, before any later one, and says that it does. What
    /// was lost on its way is sent again by whoever the sweep wakes.
    fn credit_others<A: Steppable>(&self, copy: &mut Copy<A>, cause: Cause) {
        if !self.swept {
            return;
        }
        let outbox = A::outbox(&copy.loaded.state);
        match cause.way.delivery {
            Delivery::First if cause.woken => copy.sent.assume(outbox, None),
            Delivery::First => copy.sent.assume(outbox, Some(cause.now)),
            Delivery::Again => copy.sent = Sent::default(),
        }
    }

    /// What is known of an aggregate, and whether that is all of its log.
    async fn copy<A: Steppable>(
        &self,
        address: Address,
        way: Way,
        now: Timestamp,
    ) -> Result<(Box<Copy<A>>, bool), StepError> {
        let Some(mut copy) = self.warm.take::<A>(address) else {
            let reads = way.reads();
            let loaded = self.look_as::<A>(address, reads).await?;
            let current = reads == Consistency::Strong;
            return Ok((Box::new(Copy::cold(loaded, now)), current));
        };
        let doubt = if way.swept {
            Some(Consistency::Eventual)
        } else {
            copy.doubt(now)
        };
        if let Some(reads) = doubt {
            copy.shared = self.refresh_copy(address, &mut copy, reads).await?;
        }
        Ok((copy, doubt == Some(Consistency::Strong)))
    }

    /// Reads what others have appended; says whether there was anything. What this process carried out for the copy may
    /// not be what the log waits for then: it is sent again.
    async fn refresh_copy<A: Steppable>(
        &self,
        address: Address,
        copy: &mut Copy<A>,
        reads: Consistency,
    ) -> Result<bool, StepError> {
        let moved = self.catch_up(address, &mut copy.loaded, reads).await?;
        if moved {
            let refused = std::mem::take(&mut copy.refusals).into_iter();
            let refused = refused.map(|(key, _)| key);
            copy.told = false;
            for key in std::mem::take(&mut copy.acks).into_iter().chain(refused) {
                copy.sent.acknowledge(key);
            }
        }
        Ok(moved)
    }

    /// Decides on what is current: an empty decision on a copy counts only once the log's tail was read, unless the same
    /// question comes again, or is about something that is over for good.
    async fn decide_now<A: Steppable>(
        &self,
        address: Address,
        copy: &mut Copy<A>,
        inputs: &[A::Input],
        prefetched: Option<&Prefetched<A>>,
        current: &mut bool,
        cause: Cause,
    ) -> Result<Result<Decided<A>, Undecided>, StepError> {
        let acks = std::mem::take(&mut copy.acks);
        let refusals = std::mem::take(&mut copy.refusals);
        copy.told = false;
        let refused = refusals.iter().map(|(key, _)| key);
        for key in acks.iter().chain(refused) {
            copy.sent.acknowledge(*key);
        }
        let decided = if acks.is_empty() && refusals.is_empty() {
            decide(&mut copy.loaded, inputs, cause.now, prefetched)
        } else {
            let acks = acks.into_iter().map(A::acknowledged);
            let refusals = refusals.into_iter().map(|(key, why)| A::refused(key, why));
            let said = acks.chain(refusals);
            let all: Vec<A::Input> = said.chain(inputs.iter().cloned()).collect();
            decide(&mut copy.loaded, &all, cause.now, prefetched)
        };
        let empty = match &decided {
            Ok(decided) => decided.facts.is_empty(),
            // Its first record may have been overlooked.
            Err(Undecided::Unborn) => true,
            Err(Undecided::Needs(_) | Undecided::Fault(_)) => false,
        };
        let asked_again = cause.way.swept && copy.has_nothing_to_do();
        let state = &copy.loaded.state;
        let past = inputs.iter().all(|input| A::is_past(state, input)) && !copy.has_own_to_do();
        if !empty || *current || asked_again || past || mutant::on(Mutant::StaleCopyTrusted) {
            return Ok(decided);
        }
        *current = true;
        let reads = Consistency::Strong;
        if !self.catch_up(address, &mut copy.loaded, reads).await? {
            return Ok(decided);
        }
        if cause.way.delivery == Delivery::First {
            self.credit_others(copy, cause);
        }
        // What this process carried out for the copy may not be what the log now waits for: it is sent again.
        Ok(decide(&mut copy.loaded, inputs, cause.now, prefetched))
    }

    async fn undecided<A: Steppable>(
        &self,
        address: Address,
        undecided: Undecided,
    ) -> Result<Tried<A>, StepError> {
        match undecided {
            Undecided::Needs(version) => {
                let context = A::context(self, address.project, Some(version)).await;
                let context = context.map_err(|error| StepError::Context(address, error))?;
                Ok(Tried::Again(context.map(|context| (version, context))))
            }
            // Its creation is not finished: whoever creates it, or sweeps it, will start it.
            Undecided::Unborn => Ok(Tried::Done(StepReport::default())),
            Undecided::Fault(fault) => Ok(Tried::Fault(fault)),
        }
    }

    /// The commit. An aggregate that it opens is in the open index before.
    async fn commit<A: Steppable>(
        &self,
        address: Address,
        copy: &mut Copy<A>,
        now: Timestamp,
        decided: &mut Decided<A>,
        notes: &[Annotation],
    ) -> Result<Appended, StepError> {
        let sequence = copy.loaded.sequence;
        if !decided.was_open && A::is_open(&copy.loaded.state) {
            self.index
                .open(address, sequence + 1, bytes::Bytes::new())
                .await
                .map_err(|error| StepError::Books(address, error))?;
        }
        let facts = std::mem::take(&mut decided.facts);
        let appended = self
            .append::<A>(address, sequence, now, facts, &decided.breaks, notes)
            .await
            .map_err(|error| StepError::Append(address, error))?;
        if let Appended::Written { records, bytes } = &appended {
            copy.loaded.written = Some(now);
            copy.loaded.sequence += records;
            copy.loaded.tail_bytes += bytes;
        }
        Ok(appended)
    }

    async fn send<A: Steppable>(
        &self,
        address: Address,
        copy: &mut Copy<A>,
        replies: Vec<porpoise_engine::Effect>,
        now: Timestamp,
    ) -> Result<usize, StepError> {
        self.send_due(address, copy, replies, now)
            .await
            .map_err(|error| StepError::Send(address, error))
    }

    /// Wake, open index, snapshot. Returns the wake that was asked for.
    async fn finish<A: Steppable>(
        &self,
        address: Address,
        copy: &mut Copy<A>,
        now: Timestamp,
        woken: bool,
    ) -> Result<Option<Timestamp>, StepError> {
        let state = &copy.loaded.state;
        if !A::is_open(state) && !copy.unlisted {
            self.index
                .close(address, copy.loaded.sequence)
                .await
                .map_err(|error| StepError::Books(address, error))?;
            copy.unlisted = true;
        }
        let resend = (!self.swept)
            .then(|| copy.sent.next_resend(A::outbox(state)))
            .flatten();
        let wake = [A::deadline(state), resend];
        // A deadline that a wake did not settle must not turn into a loop without a pause.
        let earliest = if woken { now + PAUSE } else { now };
        let wake = wake.into_iter().flatten().min().map(|at| at.max(earliest));
        let wake = wake.filter(|at| copy.armed.lacks(*at));
        if let Some(at) = wake {
            let armed = self.ports.timers.wake(address, at).await;
            armed.map_err(|error| StepError::Wake(address, error))?;
            copy.armed.note(at);
        }
        if snapshot::is_due(&copy.loaded) {
            let written = snapshot::write(self, address, &mut copy.loaded).await;
            if let Err(error) = written {
                tracing::warn!(%address, %error, "snapshot not written");
            }
        }
        Ok(wake)
    }

    /// Keeps an input that cannot be decided: the bytes as a blob, a note under the aggregate, an error in the log.
    pub(crate) async fn reject(
        &self,
        address: Address,
        body: bytes::Bytes,
        why: &str,
    ) -> Result<(), StepError> {
        let kept = self
            .ports
            .blobs
            .put(crate::app::HOME, address.project, body)
            .await
            .map_err(|error| StepError::Books(address, error.into()))?;
        tracing::error!(%address, blob = %kept, why, "input rejected");
        let note = minicbor::to_vec((1_u8, kept, why, self.now().as_millisecond()));
        self.note(
            address,
            &format!("rejected/{kept}"),
            note.unwrap_or_default().into(),
        )
        .await
        .map_err(|error| StepError::Books(address, error))
    }
}
