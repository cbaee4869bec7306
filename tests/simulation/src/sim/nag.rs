//! Once faults have stopped: a person sees to it that nothing waits for one.

use porpoise_engine::Input;
use porpoise_engine::input::{
    BackfillCommand, BackfillInput, Command, PoolCommand, PoolInput, RunCommand, RunInput,
    ScheduleCommand, ScheduleInput,
};
use porpoise_model::{Address, PoolId, RunId, RunState};

use super::Sim;
use crate::check::project;
use crate::waits::Idle;
use crate::workload::{actor, command_id};
use crate::world::{Event, MINUTE, SECOND, lock};

impl Sim {
    /// From now on nothing goes wrong, and a person sees to it that nothing waits for one.
    pub(super) fn calm(&mut self) {
        let mut world = lock(&self.world);
        world.tell(|| "faults stop".to_owned());
        world.calm = true;
        world.skews.iter_mut().for_each(|skew| *skew = 0);
        world.target.resize(1_000);
        self.last_news = (world.checks.records, world.now);
        self.calm_since = world.now;
        world.after(SECOND, Event::Nag);
        let schedules: Vec<Address> = world.checks.schedules.keys().copied().collect();
        let ids: Vec<_> = (0..schedules.len() + self.pools.len())
            .map(|_| command_id(&mut world.chance))
            .collect();
        drop(world);
        for (to, id) in schedules.iter().zip(&ids) {
            let (id, actor, what) = (*id, actor(), ScheduleCommand::Offline);
            let given = ScheduleInput::Commanded(Command { id, actor, what });
            self.tell(*to, Input::Schedule(given));
        }
        for (name, id) in self.pools.iter().zip(ids.iter().skip(schedules.len())) {
            let to = Address::pool(project(), PoolId::of_name(project(), name));
            let (slots, name) = (1_000, name.clone());
            let what = PoolCommand::Resize { slots, name };
            let (id, actor) = (*id, actor());
            self.tell(
                to,
                Input::Pool(PoolInput::Commanded(Command { id, actor, what })),
            );
        }
    }

    pub(super) fn nag(&mut self) {
        let mut wanted = Vec::new();
        let mut guard = lock(&self.world);
        let world = &mut *guard;
        world.after(3 * MINUTE, Event::Nag);
        let (mut stuck, calm) = (None, self.calm_since);
        for (address, (run_of, naive)) in &world.checks.runs {
            let state = &run_of.state;
            if state.run_state().is_terminal() {
                continue;
            }
            if matches!(state.run_state(), RunState::Paused | RunState::Pausing) {
                wanted.push((*address, RunCommand::Resume));
            }
            if state.hold.is_some() {
                wanted.push((*address, RunCommand::Release { tasks: Vec::new() }));
            }
            if !state.holds.is_empty() {
                let tasks = state.holds.keys().copied().collect();
                wanted.push((*address, RunCommand::Release { tasks }));
            }
            wanted.extend(naive.unanswered().map(|command| (*address, command)));
            let times = (calm / 1_000, world.now / 1_000);
            let run = RunId::from_bytes(address.id);
            for idle in world.checks.waits.idle(run, &run_of.context, state, times) {
                match idle {
                    Idle::Stuck(what) => stuck = Some(what),
                    Idle::Forlorn(task) => {
                        let tasks = vec![task];
                        wanted.push((*address, RunCommand::MarkSucceeded { tasks }));
                    }
                }
            }
        }
        if let Some(what) = stuck {
            world.violate("nothing-stuck", what);
        }
        let schedules = &world.checks.schedules;
        let online: Vec<Address> = schedules
            .iter()
            .filter(|(_, schedule)| schedule.state.online)
            .map(|(address, _)| *address)
            .collect();
        let paused = world.checks.backfills.paused();
        let ids: Vec<_> = (0..wanted.len() + online.len() + paused.len())
            .map(|_| command_id(&mut world.chance))
            .collect();
        let online_count = online.len();
        drop(guard);
        for ((to, what), id) in wanted.iter().cloned().zip(&ids) {
            let command = Command {
                id: *id,
                actor: actor(),
                what,
            };
            self.tell(to, Input::Run(RunInput::Commanded(command)));
        }
        for (to, id) in online.into_iter().zip(ids.iter().skip(wanted.len())) {
            let (id, actor, what) = (*id, actor(), ScheduleCommand::Offline);
            let given = ScheduleInput::Commanded(Command { id, actor, what });
            self.tell(to, Input::Schedule(given));
        }
        let rest = ids.iter().skip(wanted.len() + online_count);
        for (to, id) in paused.into_iter().zip(rest) {
            let (id, actor, what) = (*id, actor(), BackfillCommand::Resume);
            let given = BackfillInput::Commanded(Command { id, actor, what });
            self.tell(to, Input::Backfill(given));
        }
    }
}
