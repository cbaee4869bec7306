//! A run without a world: inputs in, facts out, and a text of what happened.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use porpoise_engine::aggregate::{Aggregate, decide_batch};
use porpoise_engine::effect::{Attempt, Effect, NewRun, Trigger};
use porpoise_engine::input::{Command, Report, ReportKind, RunCommand, RunInput};
use porpoise_engine::run::{Run, RunFact, State, View};
use porpoise_engine::{EffectKey, Plan};
use porpoise_model::job::Job;
use porpoise_model::workflow::{Kind, STORED_FORM, Task, Workflow};
use porpoise_model::{Actor, Cause, CommandId, Outputs, ProjectId, RunId, TaskState, WorkflowId};

/// A workflow from lines such as `extract -> load -> report` and `a, b -> c`.
pub(crate) fn workflow(edges: &str) -> Workflow {
    let mut names: Vec<String> = Vec::new();
    let mut after: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in edges
        .split(';')
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let groups: Vec<Vec<String>> = line
            .split("->")
            .map(|group| {
                group
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect()
            })
            .collect();
        for name in groups
            .iter()
            .flatten()
            .filter(|name| !names.contains(name))
            .cloned()
            .collect::<Vec<_>>()
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for pair in groups.windows(2) {
            for below in &pair[1] {
                after
                    .entry(below.clone())
                    .or_default()
                    .extend(pair[0].iter().cloned());
            }
        }
    }
    let index =
        |name: &String| u32::try_from(names.iter().position(|n| n == name).unwrap()).unwrap();
    let tasks = names.iter().map(|name| {
        let mut task = Task::new(name.parse().unwrap(), Kind::Noop);
        task.after = after.get(name).into_iter().flatten().map(index).collect();
        task.after.sort_unstable();
        task.after.dedup();
        task
    });
    Workflow {
        form: STORED_FORM,
        project: "test".parse().unwrap(),
        name: "scenario".parse().unwrap(),
        description: String::new(),
        dialect: "porpoise/1".to_owned(),
        schedule: None,
        parameters: indexmap::IndexMap::new(),
        outputs: indexmap::IndexMap::new(),
        timeout: None,
        on_failure: porpoise_model::workflow::FailureStrategy::default(),
        concurrency: porpoise_model::workflow::Concurrency::default(),
        priority: porpoise_model::workflow::Priority::default(),
        notify: std::collections::BTreeSet::new(),
        labels: BTreeMap::new(),
        tasks: tasks.collect(),
    }
}

/// A run being driven.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) workflow: Workflow,
    pub(crate) new: NewRun,
    pub(crate) plan: Option<Plan>,
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    pub(crate) facts: Vec<(Timestamp, RunFact)>,
    pub(crate) replies: Vec<Effect>,
    commands: u8,
    text: String,
    shown: BTreeMap<u32, (TaskState, u32)>,
    /// What was reported, and whether it was past once.
    reports: Vec<(RunInput, bool)>,
}

pub(crate) fn start_of_day() -> Timestamp {
    "2026-03-02T00:00:00Z".parse().unwrap()
}

pub(crate) fn me() -> Actor {
    Actor {
        principal: "ada".to_owned(),
        via: "test".to_owned(),
        request: None,
    }
}

/// A scenario over the tasks of these lines.
pub(crate) fn scenario(edges: &str) -> Scenario {
    let project = ProjectId::of_name("test");
    let new = NewRun {
        project,
        run: RunId::from_bytes([1; 16]),
        workflow: WorkflowId::first_named(project, "scenario"),
        workflow_name: "scenario".to_owned(),
        version: None,
        trigger: Trigger::Manual,
        logical_date: start_of_day(),
        timezone: "UTC".to_owned(),
        parameters: BTreeMap::new(),
        actor: me(),
        priority: None,
        on_failure: None,
        concurrency: None,
        dry_run: false,
        simulate: false,
        created: start_of_day(),
        placement: porpoise_engine::placement::Placement::default(),
        only: None,
        project_parameters: None,
    };
    Scenario {
        workflow: workflow(edges),
        new,
        plan: None,
        state: State::default(),
        now: start_of_day(),
        facts: Vec::new(),
        replies: Vec::new(),
        commands: 0,
        text: String::new(),
        shown: BTreeMap::new(),
        reports: Vec::new(),
    }
}

impl Scenario {
    /// Changes a task before the run starts.
    pub(crate) fn with(mut self, name: &str, change: impl FnOnce(&mut Task)) -> Self {
        change(
            self.workflow
                .tasks
                .iter_mut()
                .find(|task| task.name.as_str() == name)
                .unwrap(),
        );
        self
    }

    pub(crate) fn retries(self, name: &str, limit: u32) -> Self {
        self.with(name, |task| {
            task.retry.limit = limit;
            task.retry.delay = Duration::from_mins(1);
        })
    }

    pub(crate) fn index(&self, name: &str) -> u32 {
        u32::try_from(
            self.workflow
                .tasks
                .iter()
                .position(|task| task.name.as_str() == name)
                .unwrap(),
        )
        .unwrap()
    }

    pub(crate) fn indices(&self, names: &[&str]) -> Vec<u32> {
        names.iter().map(|name| self.index(name)).collect()
    }

    /// Creates and starts the run.
    pub(crate) fn start(mut self) -> Self {
        let plan = Plan::compile(Arc::new(self.workflow.clone())).unwrap();
        Run::evolve(
            &mut self.state,
            &plan,
            &RunFact::Created(Box::new(self.new.clone())),
            self.now,
        );
        self.plan = Some(plan);
        self.input(&RunInput::Start)
    }

    /// Decides an input at the current time.
    pub(crate) fn input(mut self, input: &RunInput) -> Self {
        let plan = self.plan.take().expect("started");
        let before = self.state.run_state();
        let decided = decide_batch::<Run>(&mut self.state, &plan, [input], self.now);
        assert_eq!(
            Run::settle(&self.state, &plan, self.now),
            vec![],
            "settled means settled"
        );
        self.look_back(&plan, input);
        self.facts
            .extend(decided.facts.into_iter().map(|fact| (self.now, fact)));
        self.replies.extend(decided.replies);
        self.plan = Some(plan);
        self.show(before);
        self
    }

    /// What was past once changes nothing, however it goes on.
    fn look_back(&mut self, plan: &Plan, input: &RunInput) {
        if matches!(input, RunInput::Reported(_)) {
            self.reports.push((input.clone(), false));
        }
        for (report, past) in &mut self.reports {
            *past |= Run::is_past(&self.state, report);
            if *past {
                let decided = Run::decide(&self.state, plan, report, self.now);
                assert_eq!(decided.facts, vec![], "{report:?} is past");
            }
        }
    }

    fn show(&mut self, before: porpoise_model::RunState) {
        let time = self.now.strftime("%H:%M").to_string();
        for task in self.state.tasks.indices() {
            let now = (
                self.state.tasks.phase(task).state(),
                self.state.tasks.attempts(task),
            );
            let was = self
                .shown
                .insert(task, now)
                .unwrap_or((TaskState::Pending, 0));
            if was == now {
                continue;
            }
            let name = &self.workflow.tasks[task as usize].name;
            let attempt = if now.1 > 0 {
                format!("#{}", now.1)
            } else {
                String::new()
            };
            let until = self
                .state
                .parked
                .get(&task)
                .map(|at| format!(" until {}", at.0.strftime("%H:%M")));
            writeln!(
                self.text,
                "{time} {name}{attempt} {}{}",
                now.0,
                until.unwrap_or_default()
            )
            .unwrap();
        }
        if self.state.run_state() != before {
            let cause = self.state.cause.as_ref().map(|cause| format!(" ({cause})"));
            writeln!(
                self.text,
                "{time} run {}{}",
                self.state.run_state(),
                cause.unwrap_or_default()
            )
            .unwrap();
        }
    }

    /// Moves the clock to `HH:MM` of the day, and wakes the run if something is due by then.
    pub(crate) fn at(mut self, time: &str) -> Self {
        let (hours, minutes) = time.split_once(':').unwrap();
        let since = SignedDuration::from_mins(
            hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap(),
        );
        self.now = start_of_day().checked_add(since).unwrap();
        if self.state.deadline().is_some_and(|due| due <= self.now) {
            self.input(&RunInput::Woken)
        } else {
            self
        }
    }

    pub(crate) fn attempt(&self, name: &str) -> Attempt {
        let task = self.index(name);
        Attempt::of(task, self.state.tasks.attempts(task))
    }

    pub(crate) fn report(self, name: &str, what: ReportKind) -> Self {
        let attempt = self.attempt(name);
        self.input(&RunInput::Reported(vec![Report { attempt, what }]))
    }

    pub(crate) fn starts(self, name: &str) -> Self {
        let at = self.now;
        self.report(
            name,
            ReportKind::Started {
                at,
                external_id: "job".to_owned(),
            },
        )
    }

    pub(crate) fn succeeds(self, name: &str) -> Self {
        self.succeeds_with(name, Outputs::new())
    }

    /// Its attempt sets these outputs.
    pub(crate) fn succeeds_with(self, name: &str, outputs: Outputs) -> Self {
        let at = self.now;
        self.report(
            name,
            ReportKind::Succeeded {
                started: at,
                ended: at,
                outputs,
            },
        )
    }

    /// What the current attempt of a task hands to its target.
    pub(crate) fn job(&self, name: &str) -> Job {
        let key = EffectKey::Dispatch(self.attempt(name));
        match Run::effect(&self.state, self.plan.as_ref().unwrap(), key) {
            Some(Effect::Dispatch(intent)) => intent.job,
            other => panic!("{name} is not dispatched: {other:?}"),
        }
    }

    pub(crate) fn fails(self, name: &str) -> Self {
        let at = self.now;
        self.report(
            name,
            ReportKind::Failed {
                started: Some(at),
                ended: at,
                cause: Cause::Exit { code: 1 },
            },
        )
    }

    pub(crate) fn stops(self, name: &str) -> Self {
        let at = self.now;
        self.report(name, ReportKind::Canceled { ended: at })
    }

    pub(crate) fn command(mut self, what: RunCommand) -> Self {
        self.commands += 1;
        let id = CommandId::from_bytes([self.commands; 16]);
        self.input(&RunInput::Commanded(Command {
            id,
            actor: me(),
            what,
        }))
    }

    /// What came of the latest command.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.facts.iter().rev().find_map(|(_, fact)| match fact {
            RunFact::Commanded {
                outcome: porpoise_engine::commands::Outcome::Refused { reason },
                ..
            } => Some(Some(reason.clone())),
            RunFact::Commanded { .. } => Some(None),
            _ => None,
        })?
    }

    /// What people read of the end of a task.
    pub(crate) fn cause_of(&self, name: &str) -> String {
        let plan = self.plan.as_ref().expect("started");
        let mut view = View::default();
        let created = RunFact::Created(Box::new(self.new.clone()));
        view.apply(plan, &created, start_of_day());
        for (at, fact) in &self.facts {
            view.apply(plan, fact, *at);
        }
        let cause = view.task(plan, self.index(name)).cause;
        cause.map_or_else(String::new, |cause| cause.to_string())
    }

    pub(crate) fn state_of(&self, name: &str) -> TaskState {
        self.state.tasks.phase(self.index(name)).state()
    }

    pub(crate) fn pending(&self) -> Vec<EffectKey> {
        self.state
            .outbox
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !matches!(key, EffectKey::Listing(_)))
            .collect()
    }

    /// Everything that happened since the last call, a line each.
    pub(crate) fn log(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}
