//! The workflows of DolphinScheduler's own engine tests, through the importer and the real engine.
//!
//! `EXPECTED.csv` names a fixture in each row, what its test does, the states that it asserts of runs, and those of
//! tasks. Runs play over a store in memory and in a time of their own, scripts in a real `sh`. A row that is held to be
//! wrong stands in [`HELD`] with the reason, and is played all the same.
//!
//! Start reading at [`row`].

mod compare;
mod own;
mod play;
mod project;
mod remark;
mod world;
mod yaml;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use porpoise_engine::input::RunCommand;
use porpoise_model::RunState;

use crate::Table;
use play::{Look, Play, Start};
use project::{Instance, Project};

/// Rows that are held to be wrong: a part of what they name and do, and why.
const HELD: [(&str, &str); 6] = [
    (
        "readyStop_workflowInstance_with_one_failed",
        "a task that fails while it is being stopped counts as stopped: what is told to end often ends with an error",
    ),
    (
        "readyPause_workflowInstance_with_one_dispatched",
        "what was handed over before the pause may have begun: it ends by itself, as in pause/workflow_with_one_fake_task_success",
    ),
    (
        "workflow_with_timeout_kill_task",
        "a run with a task that took too long has failed, as in 3.1; nobody stopped it",
    ),
    (
        "two tasks with the same name",
        "it is refused before anything can run, with the names",
    ),
    (
        "worker group that does not exist, dispatch timeout on",
        "a worker group becomes a label, which keeps nothing waiting; a target that is not there is refused when the run is created",
    ),
    (
        "worker group that does not exist, dispatch timeout off",
        "a worker group becomes a label: nothing waits for ever (users' complaint)",
    ),
];

/// A row of the table.
#[derive(Debug)]
struct Row<'r> {
    fixture: &'r str,
    operations: Vec<&'r str>,
    /// States of runs, in the order of the assertions.
    states: Vec<&'r str>,
    remarks: &'r str,
}

/// Plays every row.
pub(crate) fn table(folder: &Path, rows: &[Vec<String>]) -> anyhow::Result<Table> {
    let mut table = Table::new("engine fixtures");
    for cells in rows {
        let [fixture, operations, states, remarks, ..] = cells.as_slice() else {
            bail!("a row of the engine fixtures has too few cells: {cells:?}");
        };
        let of = |text: &'_ str, separator| -> Vec<String> {
            let parts = text.split(separator).map(str::trim);
            parts
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let (operations, states) = (of(operations, " > "), of(states, " > "));
        let row = Row {
            fixture,
            operations: operations.iter().map(String::as_str).collect(),
            states: states.iter().map(String::as_str).collect(),
            remarks,
        };
        let what = format!("{fixture} {}", row.operations.join(" > "));
        let known = |(part, _): &&(&str, &'static str)| what.contains(*part);
        let difference = play_row(folder, &row).unwrap_or_else(|error| Some(format!("{error:#}")));
        match (difference, HELD.iter().find(known)) {
            (Some(difference), Some((_, why))) => {
                table.hold(format!("{what}: {difference}; {why}"));
            }
            (difference, _) => table.row(difference.map(|text| format!("{what}: {text}"))),
        }
    }
    Ok(table)
}

/// What differs.
fn play_row(folder: &Path, row: &Row<'_>) -> anyhow::Result<Option<String>> {
    let (project, start) = project_of(folder, row)?;
    let at: Timestamp = "2026-03-02T00:00:00Z".parse()?;
    let mut play = Play::new(&project, at)?;
    let mut looks: Vec<Look> = Vec::new();
    match (&project.instance, row.operations.as_slice()) {
        (Some(instance), []) => fail_over(&mut play, instance)?,
        (Some(instance), [operation]) => {
            looks.push(again(&mut play, instance, operation)?);
            look_around(&play, &mut looks)?;
        }
        (None, operations) => {
            for operation in operations {
                operate(&mut play, operation, (&project, &start), &mut looks)?;
            }
        }
        (Some(_), other) => bail!("nothing here does {other:?} to a run that is there"),
    }
    if is_for_ever(row) {
        play.machine.pass(SignedDuration::from_hours(24))?;
    } else {
        play.to_the_end()?;
    }
    compare::difference(&play, row, &looks)
}

/// The row's states are those that it stays in.
fn is_for_ever(row: &Row<'_>) -> bool {
    row.states.iter().any(|state| state.ends_with(" for ever"))
}

/// The project of a row, and what a start of it means.
fn project_of(folder: &Path, row: &Row<'_>) -> anyhow::Result<(Project, Start)> {
    if row.fixture.starts_with('(') {
        let described = own::described(row.fixture);
        let described = described.context("nothing here knows what this describes")?;
        return Ok((project::of(&described)?, Start::default()));
    }
    let (file, how) = row.fixture.split_once(" (").unwrap_or((row.fixture, ""));
    let path = folder.join("engine-fixtures").join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
    let project = project::read(&text).with_context(|| format!("cannot use {file}"))?;
    let mut start = Start::default();
    match how.strip_suffix(')').unwrap_or(how) {
        "" => {}
        "dry run" => start.dry = true,
        how => start_with(&mut start, how, &project)?,
    }
    Ok((project, start))
}

/// `startNodes=[6]`, or start-up parameters: `commandParams name=value`.
fn start_with(start: &mut Start, how: &str, project: &Project) -> anyhow::Result<()> {
    let codes = how.strip_prefix("startNodes=[");
    if let Some(codes) = codes.and_then(|rest| rest.strip_suffix(']')) {
        let name = |code: &str| project.names.get(code.trim()).cloned();
        let names: Option<Vec<String>> = codes.split(',').map(name).collect();
        start.nodes = names.context("a start node is not there")?;
        return Ok(());
    }
    let words = how.split([' ', ',', ';', '[', ']', '{', '}', '(', ')', '"']);
    let pairs = words.filter_map(|word| word.split_once('='));
    let pairs = pairs.filter(|(name, value)| !name.is_empty() && !value.is_empty());
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    start.parameters.extend(pairs);
    if start.parameters.is_empty() {
        bail!("nothing here starts with `{how}`");
    }
    Ok(())
}

/// One thing that a test does, and a moment after it.
fn operate(
    play: &mut Play,
    operation: &str,
    (project, start): (&Project, &Start),
    looks: &mut Vec<Look>,
) -> anyhow::Result<()> {
    let (what, how) = operation.split_once(' ').unwrap_or((operation, ""));
    let last = || play.runs.last().copied().context("nothing was started");
    match (what, how) {
        ("manualTriggerWorkflow", "x3 at once") => {
            for _ in 0..3 {
                play.start(start)?;
            }
        }
        ("manualTriggerWorkflow", how) => {
            let mut start = (*start).clone();
            match how {
                "" => {}
                "(dryRun)" => start.dry = true,
                "(failureStrategy END)" => start.end_at_failure = true,
                "(second workflow)" => start.workflow = 1,
                how => start_with(&mut start, how, project)?,
            }
            play.start(&start)?;
        }
        ("pauseWorkflowInstance", "") => {
            let run = last()?;
            play.give(run, RunCommand::Pause)?;
        }
        ("stopWorkflowInstance", "") => {
            let run = last()?;
            play.give(run, RunCommand::Kill)?;
        }
        ("recoverSuspendWorkflowInstance", "") => {
            let run = last()?;
            let state = play.until_it_rests(run)?;
            looks.push(play.look(run)?);
            play.give(run, recovery(state))?;
        }
        ("recoverFailureTasks", "") => {
            let run = last()?;
            play.until_it_rests(run)?;
            looks.push(play.look(run)?);
            play.give(run, RunCommand::RerunFailed)?;
        }
        ("schedulingWorkflow", "") => play.fire_for(SignedDuration::from_secs(25))?,
        // Done with the one before.
        ("unSchedulingWorkflow", "") => {}
        ("backfillWorkflow", "") => play.backfill(3)?,
        _ => bail!("nothing here does `{operation}`"),
    }
    look_around(play, looks)
}

/// At once, and a moment later.
fn look_around(play: &Play, looks: &mut Vec<Look>) -> anyhow::Result<()> {
    play.machine.settle()?;
    for _ in 0..2 {
        for run in play.all()? {
            looks.push(play.look(run)?);
        }
        play.moment()?;
    }
    Ok(())
}

/// Brings a run to where the fixture has it, and has another process go on from there.
fn fail_over(play: &mut Play, instance: &Instance) -> anyhow::Result<()> {
    let [(task, state)] = instance.tasks.as_slice() else {
        bail!("a run with other than one task");
    };
    let command = match instance.state.as_str() {
        "RUNNING_EXECUTION" => None,
        "READY_PAUSE" => Some(RunCommand::Pause),
        "READY_STOP" => Some(RunCommand::Kill),
        other => bail!("a run that is {other}"),
    };
    let run = play.start(&Start::default())?;
    match state.as_str() {
        // Ready, and not handed over.
        "SUBMITTED_SUCCESS" | "PAUSE" => {
            play.machine.take_back();
            let tasks = Vec::new();
            let why = "the test".to_owned();
            play.give(
                run,
                RunCommand::Hold {
                    tasks,
                    why,
                    until: None,
                },
            )?;
            play.machine.settle()?;
            play.machine.give_back();
            play.machine.settle()?;
            if command.is_none() {
                play.give(run, RunCommand::Release { tasks: Vec::new() })?;
                play.machine.decide_only()?;
            }
        }
        "DISPATCH" => play.machine.decide_only()?,
        "RUNNING_EXECUTION" => play.moment()?,
        "SUCCESS" | "FAILURE" => {
            if state == "FAILURE" {
                play.machine.fail(task);
            }
            play.machine.settle()?;
            play.machine.end_unheard();
        }
        // Stopped, and nobody heard of it.
        "KILL" => {
            play.machine.settle()?;
            play.machine.stop_unheard();
        }
        other => bail!("a task that is {other}"),
    }
    if let Some(command) = command {
        play.give(run, command)?;
        play.machine.decide_only()?;
    }
    play.machine.crash()
}

/// What recovers a run: one that is paused goes on, one that is over runs again what did not succeed.
fn recovery(state: RunState) -> RunCommand {
    if state == RunState::Paused {
        RunCommand::Resume
    } else {
        RunCommand::RerunFailed
    }
}

/// A run that ended as the fixture says, and is run again: as a whole, or what failed. How it had ended.
fn again(play: &mut Play, instance: &Instance, operation: &str) -> anyhow::Result<Look> {
    for (task, state) in &instance.tasks {
        if state == "FAILURE" {
            play.machine.fail(task);
        }
    }
    let run = play.start(&Start {
        nodes: instance.nodes.clone(),
        reach: instance.reach,
        ..Start::default()
    })?;
    play.to_the_end()?;
    let ended = play.look(run)?;
    if ended.run != instance.state {
        bail!(
            "the run before ended as {}, not {}",
            ended.run,
            instance.state
        );
    }
    play.machine.fail_none();
    match operation {
        "repeatRunningWorkflowInstance" => play.repeat(run)?,
        "recoverFailureTasks" | "recoverSuspendWorkflowInstance" => {
            play.give(run, RunCommand::RerunFailed)?;
        }
        other => bail!("nothing here does {other:?} to a run that is there"),
    }
    Ok(ended)
}
