//! What is asked of the application: random workflows, runs, commands at random moments, all from the seed.

mod backfill;
pub(crate) mod calendar;
mod command;
pub(crate) mod edit;
mod family;
mod jobless;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;
use porpoise_engine::backfill::NewBackfill;
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::input::BackfillCommand;
use porpoise_engine::run::Ranges;
use porpoise_model::workflow::{
    Backoff, Concurrency, ExcludedDay, FailureStrategy, Kind, MissedFires, Occasion, PoolUse,
    Priority, Retry, Schedule, Task, Timeout, TimeoutAction, TriggerRule, Workflow,
};
use porpoise_model::{Actor, BackfillId, CommandId, Exclusions, Name, RunId, WorkflowId};

pub(crate) use command::command;

use crate::check::project;
use crate::fault::Op;
use crate::random::Chance;
use crate::site::TARGET;
use crate::world::{MINUTE, SECOND, micros};

/// How large simulations are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// For how many seconds clients act, from and to; drawn so that each doubling is as likely as any other.
    pub span: (u64, u64),
    /// Tasks of a workflow, at the most; sizes are drawn so that each doubling is as likely as any other.
    pub tasks: u64,
    /// Runs that clients create, at the most.
    pub runs: u64,
    /// Commands that clients give, at the most.
    pub commands: u64,
    /// One workflow in so many has a schedule; 0: none.
    pub schedules: u64,
    /// One simulation in so many has a site; 0: none.
    pub sites: u64,
    /// One simulation in so many has workflows that are tasks of others; 0: none.
    pub families: u64,
    /// One workflow in so many waits for runs of others, or for earlier ones of its own; 0: none.
    pub waits: u64,
    /// Calls that often take effect late: what hides between two calls comes to light.
    pub slow: Option<Op>,
    /// One workflow in so many is backfilled; 0: none.
    pub backfills: u64,
}

impl Profile {
    /// What a long run checks: 1 to 2,000 tasks.
    pub const FULL: Self = Self {
        span: (60, 5_400),
        tasks: 2_000,
        runs: 6,
        commands: 12,
        schedules: 4,
        sites: 3,
        families: 3,
        waits: 3,
        slow: None,
        backfills: 4,
    };
    /// Small and quick: for finding mutants.
    pub const SMALL: Self = Self {
        span: (60, 5_400),
        tasks: 12,
        runs: 4,
        commands: 8,
        schedules: 3,
        sites: 3,
        families: 3,
        waits: 3,
        slow: None,
        backfills: 4,
    };
    /// Between the two.
    pub const MEDIUM: Self = Self {
        span: (60, 5_400),
        tasks: 100,
        runs: 5,
        commands: 12,
        schedules: 4,
        sites: 3,
        families: 3,
        waits: 3,
        slow: None,
        backfills: 4,
    };
    /// Small, with workflows that are tasks of others.
    pub const FAMILIES: Self = Self {
        families: 1,
        ..Self::SMALL
    };
    /// Large DAGs only: logs that outgrow their snapshots.
    pub const LARGE: Self = Self {
        span: (60, 5_400),
        tasks: 2_001,
        runs: 1,
        commands: 3,
        schedules: 0,
        sites: 0,
        families: 0,
        waits: 0,
        slow: None,
        backfills: 0,
    };

    /// The profile of a seed in a long run: mostly small, where events of different sorts meet most often.
    pub const fn of_seed(seed: u64) -> Self {
        match seed % 64 {
            63 => Self::LARGE,
            15 | 31 | 47 => Self::FULL,
            other if other % 4 == 1 => Self::MEDIUM,
            other if other % 4 == 2 => Self::FAMILIES,
            _ => Self::SMALL,
        }
    }

    /// The profile in which a bug is hunted.
    #[cfg(feature = "mutants")]
    pub const fn for_mutant(mutant: porpoise_engine::mutant::Mutant) -> Self {
        use porpoise_engine::mutant::Mutant as M;
        match mutant {
            M::ScheduleLinkLost => Self {
                schedules: 1,
                ..Self::SMALL
            },
            M::CommandTwice | M::HandedOverUnheard => Self {
                commands: 30,
                ..Self::SMALL
            },
            M::ChildOfTask | M::ParentUnheard | M::WindowIgnored | M::ElementsAnew => {
                Self::FAMILIES
            }
            M::RecoveredAnew => Self {
                commands: 30,
                ..Self::FAMILIES
            },
            M::BackfillSparesUncreated | M::BackfillCountsCreated | M::DependentsAtOnce => Self {
                backfills: 1,
                ..Self::SMALL
            },
            M::SentForgotten | M::ReportUnheard => Self {
                sites: 1,
                ..Self::SMALL
            },
            M::TasksUntold => Self {
                waits: 1,
                ..Self::SMALL
            },
            // It hides between two calls: runs have to end just while others begin to wait for them.
            M::SubscribersReadEarly => Self {
                span: (1, 20),
                tasks: 4,
                runs: 4,
                waits: 1,
                families: 0,
                commands: 0,
                schedules: 0,
                sites: 0,
                slow: Some(Op::PutLine),
                backfills: 0,
            },
            M::NoResend
            | M::StaleCopyTrusted
            | M::ContentAsDeduplication
            | M::CancelBeforeDispatchIgnored
            | M::CreateWithoutStart
            | M::RecordOverwritten
            | M::SubmitTwice
            | M::SlotKeptOnKill
            | M::LateReportAccepted
            | M::ForeignSnapshot
            | M::LoopEndsBlind
            | M::LoopStoppedUnnoticed
            | M::NoticeLost
            | M::NotPickedGoesOn
            | M::LeftOutAwaited
            | M::NothingRecalled
            | M::EditedCountsAnew => Self::SMALL,
        }
    }
}

/// What a client does, until it is acknowledged.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Applies a version of a workflow.
    Apply(Box<Workflow>),
    /// Creates a run, once that action is acknowledged.
    Create(Box<NewRun>, usize),
    /// Gives a command to some run that there is.
    Command(CommandId),
    /// Gives some run that is over another version, and perhaps its workflow, too.
    Edit(CommandId, bool),
    /// Gives a pool another size.
    Resize(CommandId, String, u32),
    /// Somebody who waits for a pool may go first.
    LetGo(CommandId, String),
    /// Puts the calendar.
    Put(Exclusions),
    /// Switches the schedule of a workflow.
    Switch(CommandId, WorkflowId, bool),
    /// Has a backfill begin, once that action is acknowledged.
    Backfill(Box<NewBackfill>, usize),
    /// Gives a command to a backfill.
    Steer(CommandId, BackfillId, BackfillCommand),
}

/// All that clients do, and when.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) actions: Vec<(i64, Action)>,
    pub(crate) workflows: Vec<Workflow>,
    pub(crate) pools: Vec<String>,
    /// How many of the tasks that can be are for a site; `None`: there is none.
    pub(crate) sited: Option<f64>,
    /// Workflows that tasks of others are, the upper ones first.
    below: Vec<String>,
    /// When faults stop.
    pub(crate) calm: i64,
    /// Tasks of the largest workflow.
    pub(crate) largest: u64,
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(crate) fn actor() -> Actor {
    Actor {
        principal: "someone".to_owned(),
        via: "api".to_owned(),
        request: None,
    }
}

pub(crate) fn command_id(chance: &mut Chance) -> CommandId {
    CommandId::from_bytes(chance.bits128().to_be_bytes())
}

impl Workload {
    pub(crate) fn draw(profile: Profile, chance: &mut Chance) -> Self {
        let begin = crate::world::BEGIN;
        let span = chance.log_between(profile.span.0, profile.span.1) as i64 * SECOND;
        let mut it = Self {
            actions: Vec::new(),
            workflows: Vec::new(),
            below: Vec::new(),
            pools: (0..chance.below(4)).map(|n| format!("pool {n}")).collect(),
            calm: begin + span + chance.log_between(60, 1_800) as i64 * SECOND,
            largest: 0,
            sited: (profile.sites > 0 && chance.below(profile.sites) == 0)
                .then(|| *chance.pick(&[0.2, 0.7, 1.0])),
        };
        let some_time = |chance: &mut Chance| begin + chance.below(span as u64) as i64;
        for pool in it.pools.clone() {
            for _ in 0..chance.between(0, 2) {
                let size = chance.log_between(1, 12) as u32;
                let action = Action::Resize(command_id(chance), pool.clone(), size);
                it.actions.push((some_time(chance), action));
            }
        }
        for pool in it.pools.clone() {
            for _ in 0..chance.below(4) {
                let action = Action::LetGo(command_id(chance), pool.clone());
                it.actions.push((some_time(chance), action));
            }
        }
        it.add_family(profile, span, chance);
        for n in 0..chance.between(1, 2) {
            it.add_workflow(n, profile, span, chance);
        }
        for _ in 0..chance.below(profile.commands + 1) {
            let at = some_time(chance);
            it.actions.push((at, Action::Command(command_id(chance))));
        }
        it.add_calendar(span);
        for _ in 0..chance.below(profile.commands / 2 + 1) {
            let at = some_time(chance) + chance.below(span as u64) as i64;
            let at = at.min(it.calm);
            let action = Action::Edit(command_id(chance), chance.happens(0.3));
            it.actions.push((at, action));
        }
        it
    }

    fn add_workflow(&mut self, n: u64, profile: Profile, span: i64, chance: &mut Chance) {
        let begin = crate::world::BEGIN;
        let scheduled = profile.schedules > 0 && chance.below(profile.schedules) == 0;
        let backfilled = profile.backfills > 0 && chance.below(profile.backfills) == 0;
        let most = match (scheduled || backfilled, n) {
            (true, _) => profile.tasks.min(20),
            (false, 0) => profile.tasks,
            (false, _) => profile.tasks.min(50),
        };
        let least = if profile.tasks > 2_000 { 600 } else { 1 };
        let tasks = chance.log_between(least.min(most), most);
        self.largest = self.largest.max(tasks);
        let mut workflow = self.workflow(&format!("workflow {n}"), tasks, chance);
        if scheduled {
            workflow.schedule = Some(schedule(span, chance));
        }
        let waits = profile.waits > 0 && chance.below(profile.waits) == 0;
        if waits && tasks <= 100 {
            jobless::waiting(&mut workflow.tasks, n, chance);
        }
        let applied = self.actions.len();
        let at = begin + chance.below(10 * SECOND as u64) as i64;
        self.apply(at, &workflow);
        if chance.happens(0.2) {
            // Another version, later.
            "changed".clone_into(&mut workflow.description);
            if chance.happens(0.3) {
                workflow.schedule = None;
            }
            let at = at + MINUTE + chance.below(span as u64) as i64;
            self.apply(at, &workflow);
        }
        let id = WorkflowId::first_named(project(), workflow.name.as_str());
        if scheduled {
            for _ in 0..chance.below(4) {
                let action = Action::Switch(command_id(chance), id, chance.happens(0.6));
                let at = begin + chance.below(span as u64) as i64;
                self.actions.push((at, action));
            }
        }
        if backfilled {
            self.add_backfills(id, &workflow, applied, span, chance);
        }
        let runs = chance.below(profile.runs + 1).max(u64::from(!scheduled));
        let runs = runs.min((profile.tasks * 2 / tasks).max(1));
        for _ in 0..runs {
            let at = begin + chance.below(span as u64) as i64;
            let new = new_run(id, &workflow, at, chance);
            self.actions
                .push((at, Action::Create(Box::new(new), applied)));
        }
    }

    fn apply(&mut self, at: i64, workflow: &Workflow) {
        self.workflows.push(workflow.clone());
        let action = Action::Apply(Box::new(workflow.clone()));
        self.actions.push((at, action));
    }

    fn workflow(&self, title: &str, count: u64, chance: &mut Chance) -> Workflow {
        let plain = count > 600 || chance.happens(0.5);
        let pooled = match (self.pools.is_empty(), count) {
            (true, _) => 0.0,
            (false, 0..50) => *chance.pick(&[0.0, 0.2, 0.9]),
            (false, _) => 10.0 / count as f64,
        };
        let sited = match count {
            0..100 => self.sited.unwrap_or(0.0),
            _ => self.sited.map_or(0.0, |_| 20.0 / count as f64),
        };
        let shape = chance.below(5);
        let mut tasks = Vec::new();
        for at in 0..count {
            let mut task = task(&format!("t{at}"), plain, chance);
            task.after = above(shape, at, count, chance);
            let fits = matches!(task.kind, Kind::Shell { .. } | Kind::Python { .. });
            if fits && chance.happens(sited) {
                task.target = Some(TARGET.to_owned());
            }
            if chance.happens(pooled) {
                task.pool = Some(PoolUse {
                    name: name(chance.pick(&self.pools).as_str()),
                    slots: *chance.pick(&[1, 1, 1, 2, 3]),
                    weight: chance.below(3) as i32,
                });
            }
            tasks.push(task);
        }
        if !plain && chance.happens(0.5) {
            jobless::branches(&mut tasks, chance);
        }
        family::call(&mut tasks, &self.below, chance);
        Workflow {
            form: 1,
            project: name("sim"),
            name: name(title),
            description: String::new(),
            dialect: "porpoise/1".to_owned(),
            schedule: None,
            parameters: IndexMap::new(),
            outputs: IndexMap::new(),
            timeout: (count <= 600 && chance.happens(0.08))
                .then(|| timeout(chance, 1_000, 3_600_000)),
            on_failure: match count {
                0..=600 => *chance.pick(&[FailureStrategy::Continue, FailureStrategy::End]),
                _ => FailureStrategy::Continue,
            },
            concurrency: *chance.pick(&[
                Concurrency::Parallel,
                Concurrency::Parallel,
                Concurrency::SerialWait,
                Concurrency::SerialDiscard,
                Concurrency::SerialPriority,
            ]),
            priority: priority(chance),
            notify: notify(chance),
            labels: BTreeMap::new(),
            tasks,
        }
    }
}

/// Nothing in one half of the workflows.
fn notify(chance: &mut Chance) -> BTreeSet<Occasion> {
    let share = *chance.pick(&[0.0, 0.0, 0.5, 1.0]);
    let all = [
        Occasion::Succeeded,
        Occasion::Failed,
        Occasion::Canceled,
        Occasion::TaskFailed,
        Occasion::Late,
    ];
    all.into_iter().filter(|_| chance.happens(share)).collect()
}

/// The tasks above one: chain, fan out and in, layers, diamonds, anything.
fn above(shape: u64, at: u64, count: u64, chance: &mut Chance) -> Vec<u32> {
    let mut above: Vec<u32> = match shape {
        _ if at == 0 => Vec::new(),
        0 => vec![at as u32 - 1],
        1 if at == count - 1 => (1..at as u32).collect(),
        1 => vec![0],
        2 => {
            let width = (count as f64).sqrt().ceil() as u64;
            let layer = at / width * width;
            match layer {
                0 => Vec::new(),
                _ => (0..3)
                    .map(|_| (layer - width + chance.below(width)) as u32)
                    .collect(),
            }
        }
        3 => match at % 3 {
            0 => vec![at as u32 - 1, at as u32 - 2],
            1 => vec![at as u32 - 1],
            _ => vec![at as u32 - 2],
        },
        _ => (0..chance.below(4))
            .map(|_| chance.below(at) as u32)
            .collect(),
    };
    above.sort_unstable();
    above.dedup();
    above
}

fn task(title: &str, plain: bool, chance: &mut Chance) -> Task {
    let kind = match chance.below(100) {
        0..10 => Kind::Noop,
        10..20 => Kind::Sleep {
            duration: Duration::from_millis(chance.log_between(1, 20_000)),
        },
        20..30 => Kind::Python {
            script: "pass".to_owned(),
        },
        30..40 => Kind::External {
            system: "dolphinscheduler".to_owned(),
            name: match !plain && chance.below(10) == 0 {
                true => "NOWHERE".to_owned(),
                false => "SPARK".to_owned(),
            },
            parameters: serde_json::Value::Null,
        },
        _ => Kind::Shell {
            script: "true".to_owned(),
        },
    };
    let mut task = Task::new(name(title), kind);
    task.priority = priority(chance);
    if chance.happens(0.4) {
        task.retry = Retry {
            limit: chance.between(1, 3) as u32,
            delay: Duration::from_millis(chance.log_between(1, 120_000)),
            backoff: *chance.pick(&[Backoff::Fixed, Backoff::Exponential]),
            delay_max: chance.happens(0.5).then(|| Duration::from_mins(3)),
            jitter_percent: *chance.pick(&[0, 0, 20, 100]),
        };
    }
    if plain {
        return task;
    }
    task.trigger = chance.weighted(&[
        (8, TriggerRule::AllSucceeded),
        (2, TriggerRule::AllDone),
        (1, TriggerRule::OneSucceeded),
        (1, TriggerRule::OneFailed),
        (1, TriggerRule::NoneFailed),
        (1, TriggerRule::NoneFailedMinOneSucceeded),
        (1, TriggerRule::AllDoneMinOneRan),
        (1, TriggerRule::Always),
    ]);
    task.disabled = chance.happens(0.03);
    if chance.happens(0.15) {
        task.timeout = Some(timeout(chance, 100, 600_000));
    }
    if chance.happens(0.1) {
        task.delay = Duration::from_millis(chance.log_between(1, 120_000));
    }
    task
}

fn timeout(chance: &mut Chance, least: u64, most: u64) -> Timeout {
    Timeout {
        after: Duration::from_millis(chance.log_between(least, most)),
        action: *chance.pick(&[
            TimeoutAction::Fail,
            TimeoutAction::Fail,
            TimeoutAction::Warn,
        ]),
    }
}

fn priority(chance: &mut Chance) -> Priority {
    *chance.pick(&[
        Priority::Highest,
        Priority::High,
        Priority::Medium,
        Priority::Medium,
        Priority::Low,
        Priority::Lowest,
    ])
}

fn schedule(span: i64, chance: &mut Chance) -> Schedule {
    // At most about twenty instants.
    let minutes = (span / MINUTE / 20 + 1).min(30) as u64;
    let every = chance.between(minutes, minutes + 2);
    Schedule {
        cron: format!("*/{every} * * * *"),
        timezone: (*chance.pick(&["UTC", "Europe/Berlin", "Asia/Shanghai"])).to_owned(),
        start: None,
        end: None,
        missed: *chance.pick(&[MissedFires::Latest, MissedFires::Skip]),
        offline: chance.happens(0.2),
        calendar: None,
        excluded: ExcludedDay::default(),
    }
}

fn new_run(id: WorkflowId, workflow: &Workflow, at: i64, chance: &mut Chance) -> NewRun {
    let created = micros(at - at % 1_000);
    NewRun {
        project: project(),
        run: RunId::of_command(command_id(chance)),
        workflow: id,
        workflow_name: workflow.name.to_string(),
        version: None,
        trigger: Trigger::Manual,
        logical_date: created,
        timezone: "UTC".to_owned(),
        parameters: BTreeMap::new(),
        actor: actor(),
        priority: chance.happens(0.2).then(|| priority(chance)),
        on_failure: None,
        concurrency: chance.happens(0.1).then(|| {
            *chance.pick(&[
                Concurrency::Parallel,
                Concurrency::SerialWait,
                Concurrency::SerialDiscard,
                Concurrency::SerialPriority,
            ])
        }),
        dry_run: chance.happens(0.03),
        simulate: chance.happens(0.1),
        created,

        placement: porpoise_engine::placement::Placement::default(),
        only: chance.happens(0.1).then(|| some_of(workflow, chance)),
        project_parameters: None,
    }
}

/// Some of its tasks, whether they lead to each other or not.
fn some_of(workflow: &Workflow, chance: &mut Chance) -> Ranges {
    let count = workflow.tasks.len() as u64;
    let some = chance.log_between(1, count);
    Ranges::of((0..some).map(|_| chance.below(count) as u32))
}
