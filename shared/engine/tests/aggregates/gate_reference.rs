//! Gates against a list that is searched anew each time.

use porpoise_engine::gate::Gate;
use porpoise_engine::input::GateInput;
use porpoise_model::workflow::{Concurrency, Priority};
use proptest::prelude::*;

use super::driver::{Driver, run};
use super::gate_scenarios::{enter_as, leave, noted};

#[derive(Debug, Clone)]
enum Step {
    Enter(u8, Concurrency, Priority, u32),
    Leave(u8, u32),
    Note(u8, u32),
    Repeat(usize),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let concurrency = prop_oneof![
        1 => Just(Concurrency::Parallel),
        5 => Just(Concurrency::SerialWait),
        2 => Just(Concurrency::SerialDiscard),
        2 => Just(Concurrency::SerialPriority),
    ];
    let priority = prop_oneof![Just(Priority::High), Just(Priority::Medium)];
    let who = 0_u8..10;
    prop_oneof![
        6 => (who.clone(), concurrency, priority, 1_u32..4).prop_map(|(w, c, p, e)| Step::Enter(w, c, p, e)),
        6 => (who.clone(), 1_u32..4).prop_map(|(w, e)| Step::Leave(w, e)),
        2 => (who, 1_u32..4).prop_map(|(w, e)| Step::Note(w, e)),
        2 => any::<usize>().prop_map(Step::Repeat),
        1 => Just(Step::Restart),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Where {
    Line(Priority),
    Inside,
    Gone,
}

/// Where the latest entry of each run is. Numbers are also the order of creation.
#[derive(Debug, Default)]
struct Reference {
    runs: Vec<(u8, u32, Where)>,
}

impl Reference {
    fn known(&self, who: u8) -> u32 {
        let entries = self.runs.iter().filter(|(other, ..)| *other == who);
        entries.map(|(_, entry, _)| *entry).max().unwrap_or(0)
    }

    fn put(&mut self, who: u8, entry: u32, place: Where) {
        self.runs.retain(|(other, ..)| *other != who);
        self.runs.push((who, entry, place));
    }

    fn line(&self) -> Vec<u8> {
        let mut line: Vec<(u8, u8)> = Vec::new();
        for (who, _, place) in &self.runs {
            if let Where::Line(priority) = place {
                line.push((priority.rank(), *who));
            }
        }
        line.sort_unstable();
        line.into_iter().map(|(_, who)| who).collect()
    }

    fn inside(&self) -> Vec<u8> {
        let inside = self
            .runs
            .iter()
            .filter(|(_, _, place)| *place == Where::Inside);
        let mut inside: Vec<u8> = inside.map(|(who, ..)| *who).collect();
        inside.sort_unstable();
        inside
    }

    fn give(&mut self, input: &GateInput) {
        match input {
            GateInput::Entered {
                run,
                concurrency,
                priority,
                entry,
                ..
            } => {
                let who = run.as_bytes()[0];
                if self.known(who) < *entry {
                    self.put(who, *entry, Where::Gone);
                    let empty = self.inside().is_empty() && self.line().is_empty();
                    let place = match concurrency {
                        Concurrency::Parallel => Where::Inside,
                        Concurrency::SerialDiscard if !empty => Where::Gone,
                        _ if empty => Where::Inside,
                        Concurrency::SerialPriority => {
                            let line = self.line();
                            for other in line {
                                let entry = self.known(other);
                                self.put(other, entry, Where::Gone);
                            }
                            Where::Line(*priority)
                        }
                        Concurrency::SerialDiscard | Concurrency::SerialWait => {
                            Where::Line(*priority)
                        }
                    };
                    self.put(who, *entry, place);
                }
            }
            GateInput::Left { run, entry } => {
                let who = run.as_bytes()[0];
                if self.known(who) <= *entry {
                    self.put(who, *entry, Where::Gone);
                }
            }
            GateInput::Noted { .. } | GateInput::Woken => {}
        }
        if self.inside().is_empty()
            && let Some(who) = self.line().first()
        {
            let entry = self.known(*who);
            self.put(*who, entry, Where::Inside);
        }
    }
}

proptest! {
    #[test]
    fn a_gate_lets_in_whom_the_naive_one_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut gate = Driver::<Gate>::new();
        let mut naive = Reference::default();
        let mut given = vec![GateInput::Woken];
        for step in steps {
            let input = match step {
                Step::Enter(who, concurrency, priority, entry) => enter_as(who, concurrency, entry, priority),
                Step::Leave(who, entry) => leave(who, entry),
                Step::Note(who, entry) => noted(who, entry),
                Step::Repeat(at) => given[at % given.len()].clone(),
                Step::Restart => {
                    gate.restart();
                    GateInput::Woken
                }
            };
            gate.give(std::slice::from_ref(&input));
            naive.give(&input);
            given.push(input);
            let inside: Vec<u8> = gate.state.inside.keys().map(|run| run.as_bytes()[0]).collect();
            prop_assert_eq!(inside, naive.inside());
            let line = naive.line().into_iter().map(run).collect::<Vec<_>>();
            prop_assert_eq!(gate.state.line(), line);
        }
        gate.restart();
    }
}
