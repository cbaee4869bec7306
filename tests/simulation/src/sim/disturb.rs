//! What goes wrong beside calls and messages: hosts that are lost, clocks that are off, loops that somebody stops,
//! snapshots of other releases.

use porpoise_engine::Aggregate as _;
use porpoise_engine::record::Snapshot;
use porpoise_engine::run::Run;
use porpoise_ports::table::{Condition, Item, Key};

use super::Sim;
use crate::fault::{Fault, Op};
use crate::world::{Event, SECOND, lock};

impl Sim {
    pub(super) fn disturb(&mut self) {
        // the agent is like another host
        let hosts = self.hosts.len() + usize::from(self.agent.is_some());
        let host = lock(&self.world).chance.index(hosts);
        let what = {
            let mut world = lock(&self.world);
            if world.calm {
                return;
            }
            let next = world.chance.log_between(5, 600) as i64 * SECOND;
            world.after(next, Event::Disturb);
            world.matrix.passed(Op::Host);
            world.chance.below(5)
        };
        match what {
            0 => {
                lock(&self.world).matrix.count(Fault::Broken, Op::Host);
                self.kill(host);
            }
            1 => {
                let mut world = lock(&self.world);
                let far = *world.chance.pick(&[2, 2, 60, 60, 900]) * SECOND;
                let skew = world.chance.below(2 * far as u64) as i64 - far;
                world.skews[host] = skew;
                world.tell(|| format!("the clock of host {host} is off by {skew} µs"));
            }
            2 => {
                let mut world = lock(&self.world);
                let alive = world.loops.iter().rfind(|(_, alive)| **alive);
                if let Some(epoch) = alive.map(|(epoch, _)| *epoch) {
                    world.loops.insert(epoch, false);
                    world.tell(|| format!("somebody stops the poll loop of epoch {epoch}"));
                }
            }
            _ => self.old_snapshot(),
        }
    }

    /// Another release writes the snapshot of a run: this one, or one whose fold made something else of the facts.
    fn old_snapshot(&self) {
        let mut guard = lock(&self.world);
        let world = &mut *guard;
        let at = world.chance.index(world.checks.runs.len().max(1));
        let Some((address, (run, _))) = world.checks.runs.iter().nth(at) else {
            return;
        };
        let address = *address;
        let mut state = run.state.clone();
        let foreign = world.chance.happens(0.5);
        if foreign {
            state.outbox = porpoise_engine::outbox::Outbox::default();
            state.ready.clear();
            state.listed += 1_000;
        }
        let snapshot = Snapshot {
            fold: Run::FOLD_VERSION - u32::from(foreign),
            sequence: run.sequence,
            version: run.version,
            state: Some(state),
        };
        let item = Item {
            key: Key::new(address.to_string(), "snapshot"),
            revision: run.sequence,
            body: minicbor::to_vec((
                1_u8,
                <&minicbor::bytes::ByteSlice>::from(&*snapshot.to_bytes()),
            ))
            .unwrap_or_default()
            .into(),
        };
        let condition = Condition::OlderThan(run.sequence);
        if item.size() < 390 * 1024 {
            drop(world.put(item, condition));
        }
        drop(guard);
        if foreign {
            self.audit(address);
        }
    }
}
