//! Clients: each acts until it is acknowledged, and repeats itself now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use porpoise_app::App;
use porpoise_app::along::Backfilled;
use porpoise_app::edit::{EditError, WriteBack};
use porpoise_app::workflow_store::ApplyError;
use porpoise_engine::Plan;
use porpoise_engine::backfill::NewBackfill;
use porpoise_engine::effect::Holder;
use porpoise_engine::input::{
    BackfillInput, Command, Input, PoolCommand, PoolInput, RunCommand, RunInput, ScheduleCommand,
    ScheduleInput,
};
use porpoise_model::workflow::Workflow;
use porpoise_model::{Address, CommandId, Exclusions, PoolId, RunId, ScheduleId};

use super::{Done, Kind, Sim, Work};
use crate::check::project;
use crate::workload::calendar::CALENDAR;
use crate::workload::edit::edited;
use crate::workload::{Action, actor, command};
use crate::world::{Event, SECOND, lock};

/// A client's action on its way.
pub(super) struct Client {
    pub(super) action: Action,
    pub(super) acknowledged: bool,
    pub(super) under_way: bool,
    pub(super) repeats: u32,
    /// What a command turned out to be, when it was first given.
    pub(super) given: Option<(Address, RunCommand)>,
    /// What it wants a run to go on with, if that is its action.
    pub(super) edit: Option<Wanted>,
    /// Who may go first, if that is its action.
    pub(super) holder: Option<Holder>,
}

/// An edit of a run, drawn once, however often it is wanted.
#[derive(Clone)]
pub(super) struct Wanted {
    run: Address,
    workflow: Arc<Workflow>,
    all: bool,
    /// The command was given: the run will have it in its log.
    given: Arc<AtomicBool>,
}

impl Sim {
    pub(super) fn act(&mut self, at: usize) {
        let needed = match &self.clients[at].action {
            Action::Create(_, applied) | Action::Backfill(_, applied) => Some(*applied),
            Action::Apply(_)
            | Action::Put(_)
            | Action::Command(_)
            | Action::Edit(..)
            | Action::Resize(..)
            | Action::LetGo(..)
            | Action::Switch(..)
            | Action::Steer(..) => None,
        };
        if needed.is_some_and(|needed| !self.clients[needed].acknowledged) {
            return lock(&self.world).after(2 * SECOND, Event::Act(at));
        }
        if self.clients[at].under_way {
            return;
        }
        let host = self.any_host();
        let app = Arc::clone(&self.hosts[host]);
        let action = self.clients[at].action.clone();
        let work: Work = match action {
            Action::Apply(workflow) => {
                Box::pin(async move { Done::Acted(app.apply(&workflow, &actor()).await.is_ok()) })
            }
            Action::Put(days) => {
                let put = Arc::clone(&lock(&self.world).checks.calendars.put);
                Box::pin(async move { Done::Acted(put_days(&app, days, &put).await) })
            }
            Action::Create(new, _) => {
                Box::pin(async move { Done::Acted(app.create_run(*new).await.is_ok()) })
            }
            Action::Command(id) => {
                let Some((to, what)) = self.choose(at) else {
                    self.clients[at].acknowledged = true;
                    return;
                };
                let what = Command {
                    id,
                    actor: actor(),
                    what,
                };
                give(app, to, Input::Run(RunInput::Commanded(what)))
            }
            Action::Edit(id, back) => {
                let Some(wanted) = self.choose_edit(at) else {
                    self.clients[at].acknowledged = true;
                    return;
                };
                Box::pin(async move { Done::Acted(edit(&app, id, wanted, back).await) })
            }
            Action::Resize(id, name, slots) => {
                let to = Address::pool(project(), PoolId::of_name(project(), &name));
                let what = PoolCommand::Resize { slots, name };
                let what = Command {
                    id,
                    actor: actor(),
                    what,
                };
                give(app, to, Input::Pool(PoolInput::Commanded(what)))
            }
            Action::LetGo(id, name) => {
                let to = Address::pool(project(), PoolId::of_name(project(), &name));
                let Some(holder) = self.choose_holder(at, to) else {
                    self.clients[at].acknowledged = true;
                    return;
                };
                let what = Command {
                    id,
                    actor: actor(),
                    what: PoolCommand::Grant(holder),
                };
                give(app, to, Input::Pool(PoolInput::Commanded(what)))
            }
            Action::Switch(id, workflow, online) => {
                let to = Address::schedule(project(), ScheduleId::of_workflow(workflow));
                let what = match online {
                    true => ScheduleCommand::Online,
                    false => ScheduleCommand::Offline,
                };
                let what = Command {
                    id,
                    actor: actor(),
                    what,
                };
                give(app, to, Input::Schedule(ScheduleInput::Commanded(what)))
            }
            Action::Backfill(new, _) => {
                Box::pin(async move { Done::Acted(begin(&app, *new).await) })
            }
            Action::Steer(id, backfill, what) => {
                let to = Address::backfill(project(), backfill);
                let what = Command {
                    id,
                    actor: actor(),
                    what,
                };
                give(app, to, Input::Backfill(BackfillInput::Commanded(what)))
            }
        };
        self.clients[at].under_way = true;
        self.start(host, Kind::Act(at), work);
    }

    /// The run that a command is for, and what it is: drawn once, however often it is given.
    fn choose(&mut self, at: usize) -> Option<(Address, RunCommand)> {
        if self.clients[at].given.is_none() {
            let world = &mut *lock(&self.world);
            let runs = world.checks.runs.len();
            let chosen = world.chance.index(runs.max(1));
            let (address, (run, _)) = world.checks.runs.iter().nth(chosen)?;
            let (address, now) = (*address, crate::world::micros(world.now));
            let what = command(&run.state, now, &mut world.chance);
            world.tell(|| format!("  a client wants {what:?} of {address}"));
            self.clients[at].given = Some((address, what));
        }
        self.clients[at].given.clone()
    }

    /// A run that is over, and what somebody makes of its version.
    fn choose_edit(&mut self, at: usize) -> Option<Wanted> {
        if self.clients[at].edit.is_none() {
            let world = &mut *lock(&self.world);
            let runs = world.checks.runs.iter();
            let over = runs.filter(|(_, (run, _))| {
                run.state.run_state().is_terminal() && !run.state.tasks.is_empty()
            });
            let over: Vec<_> = over.map(|(address, _)| *address).collect();
            let chosen = *over.get(world.chance.index(over.len().max(1)))?;
            let (run, _) = world.checks.runs.get(&chosen)?;
            let before = Arc::clone(run.context.workflow());
            let workflow = edited(&before, &self.pools, &mut world.chance);
            let (_, version) = workflow.to_stored().expect("a stored form");
            let workflow = Arc::new(workflow);
            let plan = Plan::compile(Arc::clone(&workflow)).expect("a plan");
            world.tell(|| format!("  a client edits {chosen}: {version}"));
            world.checks.know(version, plan);
            self.clients[at].edit = Some(Wanted {
                run: chosen,
                workflow,
                all: world.chance.happens(0.2),
                given: Arc::default(),
            });
        }
        self.clients[at].edit.clone()
    }

    /// Somebody who waits for a pool: drawn once, however often it is told.
    fn choose_holder(&mut self, at: usize, pool: Address) -> Option<Holder> {
        if self.clients[at].holder.is_none() {
            let world = &mut *lock(&self.world);
            let line = &world.checks.pools.get(&pool)?.state.line;
            let chosen = world.chance.index(line.len().max(1));
            let (holder, _) = line.iter().nth(chosen)?;
            self.clients[at].holder = Some(holder);
        }
        self.clients[at].holder
    }

    pub(super) fn acted(&mut self, at: usize, acknowledged: bool) {
        let client = &mut self.clients[at];
        client.under_way = false;
        let mut world = lock(&self.world);
        if !acknowledged {
            let delay = world.chance.between(1, 30) as i64 * SECOND;
            return world.after(delay, Event::Act(at));
        }
        client.acknowledged = true;
        match &client.action {
            Action::Create(new, _) => {
                let address = Address::run(new.project, new.run);
                world.checks.created.insert(address);
            }
            Action::Command(id) => {
                if let Some((address, _)) = &client.given {
                    world.checks.acknowledged.insert(*id, *address);
                }
            }
            Action::Edit(id, _) => {
                if let Some(wanted) = &client.edit
                    && wanted.given.load(Ordering::Relaxed)
                {
                    world.checks.acknowledged.insert(*id, wanted.run);
                }
            }
            Action::Resize(id, name, _) | Action::LetGo(id, name) => {
                let to = Address::pool(project(), PoolId::of_name(project(), name));
                world.checks.acknowledged.insert(*id, to);
            }
            Action::Switch(id, workflow, _) => {
                let to = Address::schedule(project(), ScheduleId::of_workflow(*workflow));
                world.checks.acknowledged.insert(*id, to);
            }
            Action::Backfill(new, _) => {
                let to = Address::backfill(project(), new.backfill);
                world.checks.backfills.begun.insert(to);
            }
            Action::Steer(id, backfill, _) => {
                let to = Address::backfill(project(), *backfill);
                world.checks.acknowledged.insert(*id, to);
            }
            Action::Apply(_) | Action::Put(_) => {}
        }
        // Clients repeat what they do not know to have been heard; here also what they know. An older version that is
        // applied again is another change.
        let repeats = !matches!(client.action, Action::Apply(_) | Action::Put(_));
        if repeats && client.repeats < 2 && !world.calm && world.chance.happens(0.3) {
            client.repeats += 1;
            let delay = world.chance.log_between(10_000, 600_000_000) as i64;
            world.after(delay, Event::Act(at));
        }
    }
}

/// Says of which revision it was told, if it was.
async fn put_days(app: &App, days: Exclusions, put: &AtomicU64) -> bool {
    let calendar = CALENDAR.parse().expect("a name");
    let stored = app
        .put_calendar(&"sim".parse().expect("a name"), &calendar, days, &actor())
        .await;
    let told = stored.inspect(|stored| {
        put.fetch_max(stored.revision, Ordering::Relaxed);
    });
    told.is_ok()
}

/// As the API does: what the run would refuse is no command of it.
async fn edit(app: &App, id: CommandId, wanted: Wanted, back: bool) -> bool {
    let run = RunId::from_bytes(wanted.run.id);
    let Ok(Some(view)) = app.run_view(wanted.run.project, run).await else {
        return false;
    };
    if view.view.commands.iter().any(|given| given.id == id) {
        wanted.given.store(true, Ordering::Relaxed);
        return true;
    }
    let (_, version) = wanted.workflow.to_stored().expect("a stored form");
    let plan = Plan::compile(Arc::clone(&wanted.workflow)).expect("a plan");
    let again = wanted.all.then(|| (0..plan.len()).collect());
    let edit = match app.prepare_edit(&view, version, &plan, again).await {
        Ok(edit) => edit,
        Err(EditError::Refused(_)) => return true,
        Err(_) => return false,
    };
    let back = if back {
        WriteBack::IfUnchanged
    } else {
        WriteBack::No
    };
    let by = (id, actor());
    match app.edit_run(&view, &wanted.workflow, edit, by, back).await {
        Ok(_) => {
            wanted.given.store(true, Ordering::Relaxed);
            true
        }
        Err(EditError::Apply(ApplyError::Moved { .. })) => true,
        Err(_) => false,
    }
}

/// Of the version that is current when it is asked for, with those that wait for it by then.
async fn begin(app: &App, mut new: NewBackfill) -> bool {
    if let Some(asked) = &mut new.dependents {
        let of = Backfilled {
            which: (project(), new.like.workflow),
            cron: "0 0 * * *",
            timezone: &new.like.timezone,
        };
        match app.dependents_of(of, asked.levels).await {
            Ok(along) => asked.found = along.dependents,
            Err(_) => return false,
        }
    }
    let Ok(Some(head)) = app.head(project(), new.like.workflow).await else {
        return false;
    };
    new.like.version = Some(head.version);
    app.begin_backfill(new).await.is_ok()
}

fn give(app: Arc<App>, to: Address, input: Input) -> Work {
    Box::pin(async move { Done::Acted(app.tell(&[(to, input)]).await.is_ok()) })
}
