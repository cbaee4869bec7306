//! The invariants: each record is checked when it is written, each job when it starts, and all that is left at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use porpoise_engine::backfill::Backfill;
use porpoise_engine::commands::Outcome;
use porpoise_engine::effect::{Holder, Trigger};
use porpoise_engine::gate::Gate;
use porpoise_engine::pool::{Pool, PoolFact};
use porpoise_engine::record::Record;
use porpoise_engine::run::{Ranges, Run, RunFact};
use porpoise_engine::schedule::{Schedule, ScheduleFact};
use porpoise_engine::{Aggregate, Plan};
use porpoise_model::limits::{POOL_SLOTS_DEFAULT, SCHEDULE_GRACE_SECONDS};
use porpoise_model::{
    Address, AggregateKind, CommandId, PoolId, ProjectId, RunId, ScheduleId, VersionHash,
    WorkflowId,
};
use porpoise_ports::notices::Notice;

use crate::backfill::Backfills;
use crate::calendar::Calendars;
use crate::family::Families;
use crate::naive::{Naive, Wrong};
use crate::notice::Bulletin;
use crate::target::{Target, Who};
use crate::waits::Waits;

/// An aggregate as its records make it, folded as they come.
pub(crate) struct Folded<A: Aggregate> {
    pub(crate) state: A::State,
    pub(crate) context: Arc<A::Context>,
    pub(crate) sequence: u64,
    pub(crate) version: Option<VersionHash>,
}

/// What a naive reader knows of a pool.
#[derive(Debug)]
struct Book {
    size: u32,
    asked: BTreeMap<Holder, u32>,
    held: BTreeMap<Holder, u32>,
    /// A person lets one that waits go first, with the fact that comes next.
    lets_go: bool,
}

/// What a naive reader knows of a schedule, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    pub(crate) fired: BTreeSet<i64>,
    pub(crate) created: BTreeSet<i64>,
}

/// All that is known of all logs.
#[derive(Default)]
pub(crate) struct Checks {
    plans: BTreeMap<VersionHash, Arc<Plan>>,
    pub(crate) runs: BTreeMap<Address, (Folded<Run>, Naive)>,
    pub(crate) pools: BTreeMap<Address, Folded<Pool>>,
    pub(crate) gates: BTreeMap<Address, Folded<Gate>>,
    pub(crate) schedules: BTreeMap<Address, Folded<Schedule>>,
    books: BTreeMap<Address, Book>,
    pub(crate) diaries: BTreeMap<Address, Diary>,
    /// Runs that a gate let in and that are not over, by workflow.
    inside: BTreeMap<WorkflowId, BTreeSet<RunId>>,
    /// Runs of instants.
    instants: BTreeMap<(ScheduleId, i64), RunId>,
    /// How often each command is in the logs.
    commands: BTreeMap<CommandId, u32>,
    /// Commands that were acknowledged to their clients.
    pub(crate) acknowledged: BTreeMap<CommandId, Address>,
    /// Runs whose creation was acknowledged.
    pub(crate) created: BTreeSet<Address>,
    bulletin: Bulletin,
    families: Families,
    pub(crate) waits: Waits,
    pub(crate) backfills: Backfills,
    pub(crate) calendars: Calendars,
    pub(crate) records: u64,
    pub(crate) facts: u64,
}

const TRUTH: &str = "log-is-truth";

fn read<A: Aggregate>(body: &[u8]) -> Result<Record<A::Fact>, Wrong> {
    Record::from_bytes(body).map_err(|error| (TRUTH, format!("unreadable: {error}")))
}

impl<A: Aggregate> Folded<A> {
    pub(crate) fn new(context: Arc<A::Context>) -> Self {
        Self {
            state: A::State::default(),
            context,
            sequence: 0,
            version: None,
        }
    }

    pub(crate) fn take(&mut self, sequence: u64, record: &Record<A::Fact>) -> Result<(), Wrong> {
        self.take_with(sequence, record, &BTreeMap::new()).map(drop)
    }

    /// The same, with versions that facts may name; gives what each fact was folded with.
    fn take_with(
        &mut self,
        sequence: u64,
        record: &Record<A::Fact>,
        contexts: &BTreeMap<VersionHash, Arc<A::Context>>,
    ) -> Result<Vec<Arc<A::Context>>, Wrong> {
        if sequence <= self.sequence {
            let what = format!(
                "record {sequence} is written again, the log is at {}",
                self.sequence
            );
            return Err((TRUTH, what));
        }
        if sequence != self.sequence + 1 {
            return Err((TRUTH, format!("a gap after record {}", self.sequence)));
        }
        if record.facts.is_empty() {
            return Err((TRUTH, "a record without facts".to_owned()));
        }
        self.sequence = sequence;
        let mut with = Vec::new();
        for fact in &record.facts {
            let other = A::version(fact).filter(|version| Some(*version) != self.version);
            if let Some(version) = other {
                let context = contexts.get(&version);
                let context = context.ok_or_else(|| (TRUTH, format!("{version} is unknown")))?;
                (self.context, self.version) = (Arc::clone(context), Some(version));
            }
            A::evolve(&mut self.state, &self.context, fact, record.at);
            with.push(Arc::clone(&self.context));
        }
        Ok(with)
    }
}

impl Checks {
    pub(crate) fn know(&mut self, version: VersionHash, plan: Plan) {
        self.plans.insert(version, Arc::new(plan));
    }

    /// A record was written.
    pub(crate) fn record(
        &mut self,
        address: Address,
        sequence: u64,
        body: &[u8],
        target: &Target,
    ) -> Result<(), Wrong> {
        self.records += 1;
        match address.kind {
            AggregateKind::Run => self.run_record(address, sequence, &read::<Run>(body)?, target),
            AggregateKind::Pool => self.pool_record(address, sequence, &read::<Pool>(body)?),
            AggregateKind::Gate => {
                let record = read::<Gate>(body)?;
                self.facts += record.facts.len() as u64;
                let gate = self.gates.entry(address);
                gate.or_insert_with(|| Folded::new(Arc::new(address.project)))
                    .take(sequence, &record)
            }
            AggregateKind::Schedule => {
                self.schedule_record(address, sequence, &read::<Schedule>(body)?)
            }
            AggregateKind::Backfill => {
                let record = read::<Backfill>(body)?;
                self.facts += record.facts.len() as u64;
                let commands = self.backfills.record(address, sequence, &record)?;
                let mut commands = commands.into_iter();
                commands.try_for_each(|id| count_command(&mut self.commands, id))
            }
        }
    }

    fn run_record(
        &mut self,
        address: Address,
        sequence: u64,
        record: &Record<RunFact>,
        target: &Target,
    ) -> Result<(), Wrong> {
        self.facts += record.facts.len() as u64;
        if !self.runs.contains_key(&address) {
            self.first_record(address, record)?;
        }
        let (folded, naive) = self.runs.get_mut(&address).ok_or((TRUTH, String::new()))?;
        let plans = folded.take_with(sequence, record, &self.plans)?;
        let run = RunId::from_bytes(address.id);
        for (fact, plan) in record.facts.iter().zip(&plans) {
            self.waits.read(run, plan, fact, record.at)?;
        }
        self.waits.folded(run, &folded.state, record.at);
        let workflow = folded.state.new.as_ref().map(|new| new.workflow);
        let first = usize::from(sequence == 1);
        for (fact, plan) in record.facts.iter().zip(&plans).skip(first) {
            let was_live = naive.live;
            let run = RunId::from_bytes(address.id);
            self.bulletin.read(run, fact, naive, plan, record.at);
            self.families.read(run, plan, fact, naive)?;
            self.backfills.read(run, fact);
            naive.read(fact, target)?;
            if let RunFact::Edited(edited) = fact {
                naive.edited(edited, plan)?;
            }
            if naive.serial && was_live != naive.live {
                let run = RunId::from_bytes(address.id);
                let workflow = workflow.unwrap_or(WorkflowId::from_bytes([0; 16]));
                let inside = self.inside.entry(workflow).or_default();
                if naive.live {
                    inside.insert(run);
                } else {
                    inside.remove(&run);
                }
                if inside.len() > 1 {
                    let what = format!("runs {inside:?} of workflow {workflow} are active at once");
                    return Err(("serial-gate", what));
                }
            }
            let dispatched = match fact {
                RunFact::Dispatched { tasks } => Some(tasks.clone()),
                RunFact::Mapped { task, .. } => Some(Ranges::one(*task)),
                _ => None,
            };
            if let Some(tasks) = dispatched {
                let run = RunId::from_bytes(address.id);
                for task in tasks.iter().filter(|task| plan.has_pool(*task)) {
                    let under_way = naive.attempts_under_way();
                    let attempt = under_way.into_iter().find(|attempt| attempt.task == task);
                    let name = plan.task(task).and_then(|t| t.pool.as_ref());
                    let (Some(attempt), Some(name)) = (attempt, name) else {
                        continue;
                    };
                    let pool = PoolId::of_name(address.project, name.name.as_str());
                    let book = self.books.get(&Address::pool(address.project, pool));
                    let holder = Holder { run, attempt };
                    if !book.is_some_and(|book| book.held.contains_key(&holder)) {
                        let what =
                            format!("{attempt:?} is dispatched, its pool knows nothing of it");
                        return Err(("slots-balance", what));
                    }
                }
            }
            if let RunFact::Commanded { id, .. } = fact {
                count_command(&mut self.commands, *id)?;
            }
        }
        naive.slots_return(&folded.state)
    }

    fn first_record(&mut self, address: Address, record: &Record<RunFact>) -> Result<(), Wrong> {
        let Some(RunFact::Created(new)) = record.facts.first() else {
            return Err((
                TRUTH,
                "the first fact of a run is not its creation".to_owned(),
            ));
        };
        let plan = new.version.and_then(|version| self.plans.get(&version));
        let Some(plan) = plan else {
            return Err((TRUTH, format!("of an unknown version: {:?}", new.version)));
        };
        if let Trigger::Schedule { schedule } = new.trigger {
            let instant = new.logical_date.as_millisecond();
            let other = self.instants.insert((schedule, instant), new.run);
            if other.is_some() {
                let what = format!("{} has a second run {}", new.logical_date, new.run);
                return Err(("once-per-instant", what));
            }
        }
        self.families.created(new)?;
        self.backfills.created(new)?;
        let folded = Folded {
            version: new.version,
            ..Folded::new(Arc::clone(plan))
        };
        let naive = Naive::new(new, plan);
        self.waits.created(new);
        self.runs.insert(address, (folded, naive));
        Ok(())
    }

    fn pool_record(
        &mut self,
        address: Address,
        sequence: u64,
        record: &Record<PoolFact>,
    ) -> Result<(), Wrong> {
        self.facts += record.facts.len() as u64;
        let folded = self.pools.entry(address);
        let folded = folded.or_insert_with(|| Folded::new(Arc::new(address.project)));
        folded.take(sequence, record)?;
        let book = self.books.entry(address).or_insert_with(|| Book {
            size: POOL_SLOTS_DEFAULT,
            asked: BTreeMap::new(),
            held: BTreeMap::new(),
            lets_go: false,
        });
        for fact in &record.facts {
            book.read(fact)?;
            if let PoolFact::Commanded { id, .. } = fact {
                count_command(&mut self.commands, *id)?;
            }
        }
        let used: u64 = book.held.values().map(|slots| u64::from(*slots)).sum();
        if used != folded.state.used() || book.held.len() != folded.state.held.len() {
            let what = format!(
                "the fold says {} held, the facts {used}",
                folded.state.used()
            );
            return Err((TRUTH, what));
        }
        Ok(())
    }

    fn schedule_record(
        &mut self,
        address: Address,
        sequence: u64,
        record: &Record<ScheduleFact>,
    ) -> Result<(), Wrong> {
        self.facts += record.facts.len() as u64;
        let folded = self.schedules.entry(address);
        let folded = folded.or_insert_with(|| Folded::new(Arc::new(address.project)));
        let diary = self.diaries.entry(address).or_default();
        for fact in &record.facts {
            self.calendars.read(address, fact)?;
            match fact {
                ScheduleFact::Commanded { id, .. } => count_command(&mut self.commands, *id)?,
                ScheduleFact::Came { fired, missed, .. } => {
                    for instant in fired {
                        if !diary.fired.insert(instant.0.as_millisecond()) {
                            let what = format!("{} fires again", instant.0);
                            return Err(("once-per-instant", what));
                        }
                    }
                    // What is passed over was late, or passed over for a later one; clocks are off by minutes here.
                    let grace = SCHEDULE_GRACE_SECONDS * 1_000;
                    let young = |instant: jiff::Timestamp| {
                        record.at.as_millisecond() - instant.as_millisecond() < grace
                    };
                    if missed.is_some_and(|missed| young(missed.to)) {
                        let what = format!("an instant on time is passed over: {fact:?}");
                        return Err(("once-per-instant", what));
                    }
                }
                ScheduleFact::Created { instant } => {
                    diary.created.insert(instant.as_millisecond());
                }
                ScheduleFact::Set { .. }
                | ScheduleFact::WentOnline { .. }
                | ScheduleFact::WentOffline
                | ScheduleFact::Unset
                | ScheduleFact::CalendarChanged { .. }
                | ScheduleFact::Halted { .. } => {}
            }
        }
        folded.take(sequence, record)
    }

    /// A job physically starts, for the `starts`th time for its attempt.
    pub(crate) fn job_starts(&self, address: Address, who: Who, starts: u32) -> Result<(), Wrong> {
        let (_, task, attempt) = who;
        if starts > 1 {
            let what = format!("{address}: task {task} attempt {attempt} has {starts} jobs");
            return Err(("one-job-per-attempt", what));
        }
        let run = self.runs.get(&address);
        if run.is_some_and(|(_, naive)| naive.under_way(task, attempt)) {
            return Ok(());
        }
        let what = format!("{address}: task {task} attempt {attempt} starts, and is not under way");
        Err(("terminal-is-final", what))
    }

    /// People are told something.
    pub(crate) fn told(&mut self, notice: &Notice) -> Result<(), Wrong> {
        self.bulletin.told(notice)
    }

    /// The folds agree with what a naive reader of the facts says.
    pub(crate) fn compare(&self, address: Address) -> Result<(), Wrong> {
        match self.runs.get(&address) {
            Some((folded, naive)) => naive.compare(&folded.state),
            None => Ok(()),
        }
    }

    /// Why the world is not at rest; `None`: it is.
    pub(crate) fn restless(&self) -> Option<String> {
        let run = self
            .runs
            .iter()
            .find(|(_, (folded, _))| Run::is_open(&folded.state));
        if let Some((address, (folded, naive))) = run {
            let state = &folded.state;
            let tasks = state
                .tasks
                .indices()
                .map(|task| (task, state.tasks.phase(task)));
            let open: Vec<_> = tasks.filter(|(_, p)| !p.is_terminal()).take(5).collect();
            return Some(format!(
                "{address} is {}, outbox {:?}, open tasks {open:?}, gate {:?}, hold {:?}, let in {}",
                state.run_state(),
                state.outbox.iter().take(5).collect::<Vec<_>>(),
                state.gate,
                state.hold,
                naive.live,
            ));
        }
        let pool = self
            .pools
            .iter()
            .find(|(_, pool)| Pool::is_open(&pool.state));
        if let Some((address, pool)) = pool {
            return Some(format!("{address} is open: {:?}", pool.state));
        }
        let gate = self
            .gates
            .iter()
            .find(|(_, gate)| Gate::is_open(&gate.state));
        if let Some((address, gate)) = gate {
            return Some(format!("{address} is open: {:?}", gate.state));
        }
        if let Some((address, state)) = self.backfills.open() {
            return Some(format!("{address} is open: {state:?}"));
        }
        let open = |schedule: &&Folded<Schedule>| Schedule::is_open(&schedule.state);
        let schedule = self.schedules.values().find(open);
        schedule.map(|schedule| format!("a schedule is open: {:?}", schedule.state))
    }

    /// All that must be so once the world is at rest.
    pub(crate) fn last(&self) -> Result<(), Wrong> {
        for address in self.runs.keys() {
            self.compare(*address)?;
        }
        for (address, book) in &self.books {
            if !book.held.is_empty() || !book.asked.is_empty() {
                return Err(("slots-balance", format!("{address} is not empty: {book:?}")));
            }
        }
        self.bulletin.last()?;
        self.backfills.last()?;
        self.calendars.last()?;
        for (id, address) in &self.acknowledged {
            if !self.commands.contains_key(id) {
                let what = format!("command {id} to {address} was acknowledged and is in no log");
                return Err((TRUTH, what));
            }
        }
        for address in &self.created {
            if !self.runs.contains_key(address) {
                let what = format!("{address} was acknowledged and has no log");
                return Err((TRUTH, what));
            }
        }
        for (address, diary) in &self.diaries {
            let schedule = ScheduleId::from_bytes(address.id);
            for instant in &diary.fired {
                if !self.instants.contains_key(&(schedule, *instant)) {
                    let what = format!("instant {instant} of {address} fired and has no run");
                    return Err(("once-per-instant", what));
                }
            }
        }
        let fired = |(schedule, instant): &(ScheduleId, i64)| {
            let mut diaries = self.diaries.iter();
            diaries.any(|(address, diary)| {
                address.id == *schedule.as_bytes() && diary.fired.contains(instant)
            })
        };
        match self.instants.keys().find(|key| !fired(key)) {
            Some(key) => Err((
                "once-per-instant",
                format!("{key:?} has a run and did not fire"),
            )),
            None => Ok(()),
        }
    }

    /// A record for the story.
    pub(crate) fn in_words(address: Address, body: &[u8]) -> String {
        fn words<A: Aggregate>(body: &[u8]) -> String {
            read::<A>(body).map_or_else(
                |(_, what)| what,
                |record| {
                    let facts = record.facts.iter().map(short);
                    facts.collect::<Vec<_>>().join("; ")
                },
            )
        }
        match address.kind {
            AggregateKind::Run => words::<Run>(body),
            AggregateKind::Pool => words::<Pool>(body),
            AggregateKind::Gate => words::<Gate>(body),
            AggregateKind::Schedule => words::<Schedule>(body),
            AggregateKind::Backfill => words::<Backfill>(body),
        }
    }
}

fn short(fact: &impl Debug) -> String {
    let mut text = format!("{fact:?}");
    if let Some((end, _)) = text.char_indices().nth(300) {
        text.truncate(end);
    }
    text
}

fn count_command(commands: &mut BTreeMap<CommandId, u32>, id: CommandId) -> Result<(), Wrong> {
    let count = commands.entry(id).or_default();
    *count += 1;
    if *count > 1 {
        return Err((TRUTH, format!("command {id} is applied twice")));
    }
    Ok(())
}

impl Book {
    fn read(&mut self, fact: &PoolFact) -> Result<(), Wrong> {
        match fact {
            PoolFact::Asked { holder, request } => {
                self.asked.insert(*holder, request.slots);
            }
            PoolFact::Granted { holder } => {
                let Some(slots) = self.asked.remove(holder) else {
                    return Err(("slots-balance", format!("{holder:?} did not ask")));
                };
                let used: u32 = self.held.values().sum();
                let in_turn = !std::mem::take(&mut self.lets_go);
                if in_turn && used > 0 && used + slots > self.size {
                    let what = format!("{slots} granted over {used} of {}: {holder:?}", self.size);
                    return Err(("slots-balance", what));
                }
                self.held.insert(*holder, slots);
            }
            PoolFact::Freed { holder } => {
                self.asked.remove(holder);
                self.held.remove(holder);
            }
            PoolFact::Resized { slots, .. } => self.size = *slots,
            PoolFact::Commanded { what, outcome, .. } => {
                self.lets_go = what == "grant" && *outcome == Outcome::Accepted;
            }
            PoolFact::Taken { .. } | PoolFact::Checked { .. } | PoolFact::Heard { .. } => {}
        }
        Ok(())
    }
}

/// Nothing but what the type needs.
impl Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} runs", self.runs.len())
    }
}

/// The project of everything.
pub(crate) fn project() -> ProjectId {
    ProjectId::of_name("sim")
}
