//! Pools against a list that is sorted anew each time.

use porpoise_engine::input::{PoolCommand, PoolInput};
use porpoise_engine::pool::Pool;
use proptest::prelude::*;

use super::driver::{Driver, command, holder};
use super::pool_scenarios::{ask_as, free};

#[derive(Debug, Clone)]
enum Step {
    Ask(u8, u32, i32, (u8, u8)),
    Free(u8),
    Take(u8),
    Resize(u32),
    Grant(u8),
    Repeat(usize),
    Pass(i64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let rank = (0_u8..3, 0_u8..3);
    prop_oneof![
        8 => (0_u8..24, 0_u32..6, -1_i32..2, rank).prop_map(|(n, s, w, r)| Step::Ask(n, s, w, r)),
        6 => (0_u8..24).prop_map(Step::Free),
        3 => (0_u8..24).prop_map(Step::Take),
        1 => (0_u32..8).prop_map(Step::Resize),
        1 => (0_u8..24).prop_map(Step::Grant),
        2 => any::<usize>().prop_map(Step::Repeat),
        1 => (0_i64..900).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ]
}

#[derive(Debug, Default)]
struct Reference {
    size: u64,
    /// Who, slots.
    held: Vec<(u8, u64)>,
    /// Who, slots, weight, rank, in order of arrival.
    line: Vec<(u8, u64, i32, (u8, u8))>,
}

impl Reference {
    fn used(&self) -> u64 {
        self.held.iter().map(|(_, slots)| slots).sum()
    }

    fn knows(&self, who: u8) -> bool {
        let in_line = self.line.iter().any(|(other, ..)| *other == who);
        in_line || self.held.iter().any(|(other, _)| *other == who)
    }

    fn sorted(&self) -> Vec<(u8, u64, i32, (u8, u8))> {
        let mut line = self.line.clone();
        line.sort_by_key(|(_, _, weight, rank)| (-*weight, *rank)); // stable: then arrival
        line
    }

    fn grant(&mut self) {
        while let Some((who, slots, ..)) = self.sorted().first().copied() {
            let alone = self.held.is_empty();
            if self.size == 0 || !(alone || self.used() + slots <= self.size) {
                return;
            }
            self.line.retain(|(other, ..)| *other != who);
            self.held.push((who, slots));
        }
    }

    /// Whether it waited.
    fn let_go_first(&mut self, who: u8) -> bool {
        let found = self.line.iter().position(|(other, ..)| *other == who);
        let Some(at) = found else { return false };
        let (_, slots, ..) = self.line.remove(at);
        self.held.push((who, slots));
        true
    }

    fn give(&mut self, input: &PoolInput) {
        match input {
            PoolInput::Asked {
                holder,
                slots,
                weight,
                rank,
            } => {
                let who = holder.run.as_bytes()[0];
                if !self.knows(who) {
                    self.line
                        .push((who, u64::from(*slots).max(1), *weight, *rank));
                }
            }
            PoolInput::Freed { holder } => {
                let who = holder.run.as_bytes()[0];
                self.line.retain(|(other, ..)| *other != who);
                self.held.retain(|(other, _)| *other != who);
            }
            _ => {}
        }
        self.grant();
    }
}

proptest! {
    #[test]
    fn a_pool_holds_and_lines_up_what_the_naive_one_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut pool = Driver::<Pool>::new();
        let mut naive = Reference { size: 1, ..Reference::default() };
        let mut given = vec![PoolInput::Woken];
        let mut commands = 0;
        for step in steps {
            let mut granted = false;
            let input = match step {
                Step::Ask(who, slots, weight, rank) => ask_as(who, slots, weight, rank),
                Step::Free(who) => free(who),
                Step::Take(who) => PoolInput::Taken { holder: holder(who) },
                Step::Resize(slots) => {
                    commands += 1;
                    naive.size = u64::from(slots);
                    let what = PoolCommand::Resize { slots, name: "p".to_owned() };
                    PoolInput::Commanded(command(commands, what))
                }
                Step::Grant(who) => {
                    commands += 1;
                    granted = naive.let_go_first(who);
                    let what = PoolCommand::Grant(holder(who));
                    PoolInput::Commanded(command(commands, what))
                }
                Step::Repeat(at) => given[at % given.len()].clone(),
                Step::Pass(seconds) => {
                    pool.pass(seconds);
                    PoolInput::Woken
                }
                Step::Restart => {
                    pool.restart();
                    PoolInput::Woken
                }
            };
            let before = pool.state.used();
            pool.give(std::slice::from_ref(&input));
            naive.give(&input);
            given.push(input);
            let held: Vec<_> = pool.state.held.iter().map(|(h, held)| (h.run.as_bytes()[0], u64::from(held.slots))).collect();
            naive.held.sort_unstable();
            prop_assert_eq!(&held, &naive.held);
            let line: Vec<_> = pool.state.line.iter().map(|(h, slots)| (h.run.as_bytes()[0], u64::from(slots))).collect();
            let expected: Vec<_> = naive.sorted().iter().map(|(who, slots, ..)| (*who, *slots)).collect();
            prop_assert_eq!(line, expected);
            let used = pool.state.used();
            let lawful = used <= u64::from(pool.state.size()) || used <= before || held.len() == 1 || granted;
            prop_assert!(lawful, "{} of {} slots", used, pool.state.size());
        }
        pool.restart();
    }
}
