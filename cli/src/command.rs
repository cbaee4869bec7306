//! The commands. Each gives its exit code, or what went wrong.

mod backfill;
mod calendar;
mod control;
mod define;
mod entity;
mod find;
pub(crate) mod import;
mod list;
mod logs;
mod parameters;
pub(crate) mod project_parameters;
mod rerun;
mod run;
mod schedule;
mod show;
mod target;
mod tree;
mod watch;

use serde_json::{Value, json};

use crate::agent;
use crate::args::{Command, Import};
use crate::cloud;
use crate::failure::Failure;
use crate::output::Session;
use crate::server;

pub(crate) use define::apply_text;
pub(crate) use run::run as run_workflow;

/// Carries a command out.
pub(crate) fn run(session: &Session, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Up(up) => server::up(session, &up).map(|()| 0),
        Command::Agent(args) => agent::agent(session, &args).map(|()| 0),
        Command::Check { files } => define::check(session, &files),
        Command::Apply { files } => define::apply(session, &files),
        Command::Run(args) => run::run(session, &session.client()?, &args),
        Command::Workflows => list::workflows(session),
        Command::Runs(args) => list::runs(session, &args),
        Command::Show {
            run,
            task: Some(task),
            parameters: true,
            ..
        } => parameters::show(session, &run, &task),
        Command::Show {
            run,
            definition: true,
            ..
        } => show::definition(session, &run),
        Command::Show { run, task, .. } => show::show(session, &run, task.as_deref()),
        Command::Logs(args) => logs::logs(session, &args),
        Command::Pause(run) => control::send(session, &run, &json!({"command": "pause"})),
        Command::Resume(run) => control::send(session, &run, &json!({"command": "resume"})),
        Command::Kill { run, tasks } if tasks.is_empty() => {
            control::send(session, &run, &json!({"command": "kill"}))
        }
        Command::Kill { run, tasks } => on_tasks(session, &run, "kill_tasks", &tasks),
        Command::Hold {
            run,
            tasks,
            why,
            until,
        } => control::hold(session, &run, &tasks, why.as_deref(), until.as_deref()),
        Command::Release { run, tasks } => on_tasks(session, &run, "release", &tasks),
        Command::MarkSucceeded(args) => on_tasks(session, &args.run, "mark_succeeded", &args.tasks),
        Command::Skip(args) => on_tasks(session, &args.run, "skip", &args.tasks),
        Command::Approve(args) => control::answer(session, &args, "approve"),
        Command::Decline(args) => control::answer(session, &args, "decline"),
        Command::Rerun(args) => rerun::rerun(session, &args),
        Command::Schedule {
            workflow,
            online,
            offline,
        } => schedule::schedule(session, &workflow, online, offline),
        Command::Backfill(args) => backfill::backfill(session, &args),
        Command::Pools => list::pools(session),
        Command::Pool { name, slots, grant } => list::pool(session, &name, slots, grant.as_deref()),
        Command::Parameters(args) => project_parameters::parameters(session, &args),
        Command::Calendars => calendar::calendars(session),
        Command::Calendar(args) => calendar::calendar(session, &args),
        Command::Target(command) => target::target(session, &command),
        Command::Deploy(args) => cloud::deploy(session, &args),
        Command::Doctor(args) => cloud::doctor(session, &args),
        Command::Import(Import::Dolphinscheduler {
            files,
            out,
            apply,
            verbose,
            from_version,
            timezone,
            switch_date,
            env,
            report,
            report_html,
            plan,
            mapping,
            catalogue,
            replace,
            token_file,
            answers,
        }) => {
            let options = import::Options {
                out,
                apply,
                verbose,
                from_version,
                timezone,
                switch_date,
                env,
                report,
                report_html,
                plan,
                mapping,
                catalogue,
                token_file,
                answers,
                replace,
            };
            import::dolphinscheduler(session, &files, &options)
        }
    }
}

fn on_tasks(
    session: &Session,
    run: &crate::args::RunRef,
    command: &str,
    tasks: &[String],
) -> Result<u8, Failure> {
    let mut body = json!({"command": command});
    control::put_tasks(&mut body, tasks);
    control::send(session, run, &body)
}

/// A value of an object, or null.
fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// A text of an object, or nothing.
fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    field(value, name).as_str().unwrap_or_default()
}
