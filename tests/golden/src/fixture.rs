//! The workflows of DolphinScheduler's own engine tests, through the importer and the real engine.
//!
//! `EXPECTED.csv` names a fixture in each row, what its test does, the states that it asserts of runs, and those of
//! tasks. Runs play over a store in memory and in a time of their own, scripts in a real `sh`. A row that is held to be
//! wrong stands in [`HELD`] with the reason, and is played all the same.
//!
//! Start reading at [`row`].

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
use porpoise_model::RunId;

use crate::Table;
use play::{Look, Play, Start};
use project::{Instance, Project};
use remark::Remark;

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
/// Rows that nothing can play yet.
const LACKING: [(&str, &str); 1] = [("backfillWorkflow", "there are no backfills yet")];

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
        if let Some((_, why)) = LACKING.iter().find(known) {
            table.lack(format!("{what}: {why}"));
            continue;
        }
        let difference = play_row(folder, &row).unwrap_or_else(|error| Some(format!("{error:#}")));
        match (difference, HELD.iter().find(known)) {
            (Some(difference), Some((_, why))) => {
                table.hold(format!("{what}: {difference}; {why}"));
            }
            (None, Some(_)) => table.row(Some(format!("{what}: held to be wrong, and is equal"))),
            (difference, None) => table.row(difference.map(|text| format!("{what}: {text}"))),
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
        (Some(instance), ["repeatRunningWorkflowInstance"]) => {
            let run = again(&mut play, instance)?;
            play.moment()?;
            looks.push(play.look(run)?);
        }
        (None, operations) => {
            for operation in operations {
                operate(&mut play, operation, &start, &mut looks)?;
            }
        }
        (Some(_), other) => bail!("nothing here does {other:?} to a run that is there"),
    }
    if is_for_ever(row) {
        play.machine.pass(SignedDuration::from_hours(24))?;
    } else {
        play.to_the_end()?;
    }
    compare(&play, row, &looks)
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
        nodes => {
            let codes = nodes
                .strip_prefix("startNodes=[")
                .and_then(|rest| rest.strip_suffix(']'));
            let codes = codes.with_context(|| format!("nothing here starts with `{nodes}`"))?;
            let name = |code: &str| project.names.get(code.trim()).cloned();
            let names: Option<Vec<String>> = codes.split(',').map(name).collect();
            start.nodes = names.context("a start node is not there")?;
        }
    }
    Ok((project, start))
}

/// One thing that a test does, and a moment after it.
fn operate(
    play: &mut Play,
    operation: &str,
    start: &Start,
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
            let mut start = start.clone();
            match how {
                "" => {}
                "(dryRun)" => start.dry = true,
                "(failureStrategy END)" => start.end_at_failure = true,
                "(second workflow)" => start.workflow = 1,
                other => bail!("nothing here starts a run `{other}`"),
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
            play.until_paused(run)?;
            looks.push(play.look(run)?);
            play.give(run, RunCommand::Resume)?;
        }
        ("schedulingWorkflow", "") => play.fire_for(SignedDuration::from_secs(25))?,
        // Done with the one before.
        ("unSchedulingWorkflow", "") => {}
        _ => bail!("nothing here does `{operation}`"),
    }
    play.moment()?;
    for run in play.all()? {
        looks.push(play.look(run)?);
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
        other => bail!("a task that is {other}"),
    }
    if let Some(command) = command {
        play.give(run, command)?;
        play.machine.decide_only()?;
    }
    play.machine.crash()
}

/// A run that ended as the fixture says, and is run again as a whole.
fn again(play: &mut Play, instance: &Instance) -> anyhow::Result<RunId> {
    for (task, state) in &instance.tasks {
        if state == "FAILURE" {
            play.machine.fail(task);
        }
    }
    let run = play.start(&Start::default())?;
    play.to_the_end()?;
    let ended = play.look(run)?.run;
    if ended != instance.state {
        bail!("the run before ended as {ended}, not {}", instance.state);
    }
    play.machine.fail_none();
    play.repeat(run)?;
    Ok(run)
}

fn compare(play: &Play, row: &Row<'_>, looks: &[Look]) -> anyhow::Result<Option<String>> {
    let all = play.all()?;
    let mut finals = Vec::new();
    for run in &all {
        finals.push(play.look(*run)?);
    }
    if let Some(difference) = runs_differ(play, row, looks, &finals)? {
        return Ok(Some(difference));
    }
    let main = play.runs.last().copied().context("nothing ran")?;
    let main_look = play.look(main)?;
    let remarks = match remark::read(row.remarks) {
        Ok(remarks) => remarks,
        Err(strange) => return Ok(Some(strange)),
    };
    for (at, remark) in remarks.iter().enumerate() {
        let later = remarks.get(at + 1..).unwrap_or_default();
        let difference = differs(play, main, &main_look, remark, later, looks, &finals)?;
        if difference.is_some() {
            return Ok(difference);
        }
    }
    Ok(None)
}

/// Every state that is asserted was seen, and every run ended in one of them, the run that was started in the last.
fn runs_differ(
    play: &Play,
    row: &Row<'_>,
    looks: &[Look],
    finals: &[Look],
) -> anyhow::Result<Option<String>> {
    let ends: Vec<&str> = finals.iter().map(|look| look.run).collect();
    let seen: Vec<&str> = looks
        .iter()
        .map(|look| look.run)
        .chain(ends.iter().copied())
        .collect();
    let words = |state: &str| -> Vec<String> {
        let upper = |c: char| !(c.is_ascii_uppercase() || c == '_');
        let words = state.split(upper).filter(|word| word.len() > 3);
        words.map(str::to_owned).collect()
    };
    let asserted: Vec<String> = row.states.iter().flat_map(|state| words(state)).collect();
    if let Some(missing) = asserted
        .iter()
        .find(|state| !seen.contains(&state.as_str()))
    {
        return Ok(Some(format!("no run was {missing}: {seen:?}")));
    }
    if asserted.is_empty() {
        let all_well = ends.iter().all(|end| *end == "SUCCESS");
        return Ok((!all_well).then(|| format!("not all runs succeeded: {ends:?}")));
    }
    if row.fixture.contains("SERIAL_WAIT") {
        return in_turn(play);
    }
    if row.fixture.contains("SERIAL_DISCARD") {
        let ends: Result<Vec<&str>, _> = play
            .runs
            .iter()
            .map(|run| Ok::<_, anyhow::Error>(play.look(*run)?.run))
            .collect();
        let ends = ends?;
        return Ok((ends != ["SUCCESS", "STOP", "STOP"]).then(|| format!("they ended as {ends:?}")));
    }
    let main = play
        .look(play.runs.last().copied().context("nothing ran")?)?
        .run;
    let last = asserted.last().map(String::as_str).unwrap_or_default();
    if main != last {
        return Ok(Some(format!("it ended as {main}, not {last}")));
    }
    let strange = ends
        .iter()
        .find(|end| !asserted.iter().any(|state| state == *end));
    Ok(strange.map(|end| format!("a run ended as {end}")))
}

/// All succeeded, each after the one before.
fn in_turn(play: &Play) -> anyhow::Result<Option<String>> {
    let mut before: Option<Timestamp> = None;
    for run in &play.runs {
        let look = play.look(*run)?;
        if look.run != "SUCCESS" {
            return Ok(Some(format!("a run ended as {}", look.run)));
        }
        let (began, ended) = play.times(*run, "A")?;
        if before.is_some_and(|before| began < before) {
            return Ok(Some("a run began while another was there".to_owned()));
        }
        before = Some(ended);
    }
    Ok(None)
}

fn differs(
    play: &Play,
    main: RunId,
    look: &Look,
    remark: &Remark,
    later: &[Remark],
    looks: &[Look],
    finals: &[Look],
) -> anyhow::Result<Option<String>> {
    let of = |look: &Look, task: &str| look.tasks.get(task).copied();
    Ok(match remark {
        Remark::State(task, state) => {
            let again = |other: &Remark| matches!(other, Remark::State(name, _) if name == task);
            let known = finals.iter().any(|look| of(look, task).is_some());
            if !known {
                Some(format!("there is no task {task}"))
            } else if later.iter().any(again) {
                let was = |look: &Look| of(look, task).flatten() == Some(state);
                let seen = looks.iter().any(was);
                (!seen).then(|| format!("{task} was never {state}"))
            } else {
                let mut ends = finals.iter().filter_map(|look| of(look, task));
                let end = of(look, task).or_else(|| ends.next()).flatten();
                let same = end == Some(state.as_str());
                (!same).then(|| format!("{task} ended as {end:?}, not {state}"))
            }
        }
        Remark::After(task, seconds) => {
            let view = play.view(main)?;
            let index = view.plan.find(task).context("no such task")?;
            let ended = view.view.task(&view.plan, index).ended;
            let began = view.view.state.started.map(|started| started.0);
            let took = ended
                .zip(began)
                .map(|(ended, began)| ended.duration_since(began).as_secs());
            let within = took.is_some_and(|took| (*seconds..=*seconds + 1).contains(&took));
            (!within).then(|| format!("{task} ended after {took:?} s, not {seconds}"))
        }
        Remark::None(tasks) => {
            let there = tasks.iter().find(|task| of(look, task) != Some(None));
            there.map(|task| format!("{task} is {:?}", of(look, task)))
        }
        Remark::Only(tasks) => {
            let differ = look
                .tasks
                .iter()
                .find(|(task, state)| tasks.contains(task) != state.is_some());
            differ.map(|(task, state)| format!("{task} is {state:?}"))
        }
        Remark::NoTask => {
            let there = look.tasks.iter().find(|(_, state)| state.is_some());
            there.map(|(task, state)| format!("{task} is {state:?}"))
        }
        Remark::NoChild => {
            let runs = finals.len();
            (runs != 1).then(|| format!("there are {runs} runs"))
        }
        Remark::Before(first, second) => {
            let (first, second) = (play.times(main, first)?, play.times(main, second)?);
            (first.1 > second.0)
                .then(|| format!("one ended at {}, the other began at {}", first.1, second.0))
        }
        Remark::Pool(tasks, name, value) => given(play, main, tasks, name, value)?,
        Remark::Nothing => None,
    })
}

/// A task that sets a value has it, one that reads it was given it.
fn given(
    play: &Play,
    run: RunId,
    tasks: &[String],
    name: &str,
    value: &str,
) -> anyhow::Result<Option<String>> {
    let view = play.view(run)?;
    for task in tasks {
        let index = view.plan.find(task).context("no such task")?;
        let outputs = view.view.state.outputs.get(&index);
        let set = outputs
            .and_then(|outputs| outputs.get(name))
            .is_some_and(|set| set.text == value);
        let scripts = play.machine.scripts(task);
        let read = scripts
            .iter()
            .any(|script| script.contains(&format!("'{value}'")));
        if !set && !read {
            return Ok(Some(format!(
                "{task} neither set nor was given {name}={value}: {scripts:?}"
            )));
        }
    }
    Ok(None)
}
