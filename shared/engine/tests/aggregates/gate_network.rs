//! A gate and runs that want in, with a network between them that repeats, delays and loses: at most one is in, and
//! every run that wants to wait gets in.

use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::effect::Effect;
use porpoise_engine::gate::Gate;
use porpoise_engine::input::{GateAnswerKind, GateInput};
use porpoise_model::workflow::Concurrency;
use proptest::prelude::*;

use super::driver::{Driver, run};
use super::gate_scenarios::{enter, leave, noted, words};

const RUNS: u8 = 6;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Outside,
    Asked,
    Waiting,
    Inside,
}

/// What a run does about its gate.
#[derive(Debug)]
struct Client {
    number: u8,
    concurrency: Concurrency,
    stage: Stage,
    entry: u32,
    /// Entries whose end the gate has not confirmed.
    leaving: Vec<u32>,
    let_in: u32,
    discarded: u32,
    gave_up: u32,
}

impl Client {
    fn outbox(&self) -> Vec<GateInput> {
        let ask =
            (self.stage == Stage::Asked).then(|| enter(self.number, self.concurrency, self.entry));
        let left = self.leaving.iter().map(|entry| leave(self.number, *entry));
        ask.into_iter().chain(left).collect()
    }

    fn begin(&mut self) {
        if self.stage == Stage::Outside {
            self.entry += 1;
            self.stage = Stage::Asked;
        }
    }

    fn end(&mut self) {
        if self.stage != Stage::Outside {
            self.gave_up += u32::from(self.stage != Stage::Inside);
            self.stage = Stage::Outside;
            self.leaving.push(self.entry);
        }
    }

    fn hear(&mut self, entry: u32, what: GateAnswerKind) -> Option<GateInput> {
        let waits = matches!(self.stage, Stage::Asked | Stage::Waiting) && entry == self.entry;
        match what {
            GateAnswerKind::Waiting if waits => {
                self.stage = Stage::Waiting;
                return None;
            }
            GateAnswerKind::Waiting => return None,
            GateAnswerKind::Left => {
                self.leaving.retain(|left| *left != entry);
                return None;
            }
            GateAnswerKind::Admitted if waits => {
                self.stage = Stage::Inside;
                self.let_in += 1;
            }
            GateAnswerKind::Discarded if waits => {
                self.stage = Stage::Outside;
                self.discarded += 1;
            }
            GateAnswerKind::Superseded if self.stage == Stage::Inside && entry == self.entry => {
                self.stage = Stage::Outside;
                self.leaving.push(entry);
            }
            GateAnswerKind::Admitted | GateAnswerKind::Discarded | GateAnswerKind::Superseded => {}
        }
        Some(noted(self.number, entry))
    }
}

#[derive(Debug)]
enum Message {
    Up(GateInput),
    Down(u8, u32, GateAnswerKind),
}

#[derive(Debug)]
struct World {
    gate: Driver<Gate>,
    clients: Vec<Client>,
    network: Vec<Message>,
}

impl World {
    fn down(&mut self, effects: &[Effect]) {
        let words = words(effects).into_iter();
        self.network
            .extend(words.map(|(number, entry, what)| Message::Down(number, entry, what)));
    }

    fn give(&mut self, input: GateInput) {
        let (facts, replies) = self.gate.give(&[input]);
        self.down(&replies);
        if !facts.is_empty() {
            let pending = self.gate.pending();
            self.down(&pending);
        }
    }

    fn deliver(&mut self, at: usize, twice: bool) {
        if self.network.is_empty() {
            return;
        }
        let message = self.network.remove(at % self.network.len());
        for _ in 0..=u8::from(twice) {
            match &message {
                Message::Up(input) => self.give(input.clone()),
                Message::Down(number, entry, what) => {
                    let said = self.clients[usize::from(*number)].hear(*entry, *what);
                    self.network.extend(said.map(Message::Up));
                }
            }
        }
    }

    fn resend(&mut self) {
        let asked: Vec<GateInput> = self.clients.iter().flat_map(Client::outbox).collect();
        self.network.extend(asked.into_iter().map(Message::Up));
        let pending = self.gate.pending();
        self.down(&pending);
    }

    fn check(&self) {
        let inside = self
            .clients
            .iter()
            .filter(|client| client.stage == Stage::Inside);
        let inside: Vec<u8> = inside.map(|client| client.number).collect();
        assert!(inside.len() <= 1, "{inside:?} are in");
        assert!(self.gate.state.inside.len() <= 1);
        for number in inside {
            assert!(self.gate.state.inside.contains_key(&run(number)));
        }
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Begin(who) => {
                self.clients[usize::from(who)].begin();
                let asked = self.clients[usize::from(who)].outbox();
                self.network.extend(asked.into_iter().map(Message::Up));
            }
            Step::End(who) => {
                self.clients[usize::from(who)].end();
                let asked = self.clients[usize::from(who)].outbox();
                self.network.extend(asked.into_iter().map(Message::Up));
            }
            Step::Deliver(at) => self.deliver(at, false),
            Step::DeliverTwice(at) => self.deliver(at, true),
            Step::Lose(at) if !self.network.is_empty() => {
                self.network.remove(at % self.network.len());
            }
            Step::Lose(_) => {}
            Step::Resend => self.resend(),
            Step::Restart => self.gate.restart(),
        }
        self.gate.pass(7);
    }

    fn calm(&mut self) {
        self.resend();
        while !self.network.is_empty() {
            self.deliver(0, false);
            self.check();
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Begin(u8),
    End(u8),
    Deliver(usize),
    DeliverTwice(usize),
    Lose(usize),
    Resend,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..RUNS).prop_map(Step::Begin),
        3 => (0..RUNS).prop_map(Step::End),
        12 => any::<usize>().prop_map(Step::Deliver),
        3 => any::<usize>().prop_map(Step::DeliverTwice),
        3 => any::<usize>().prop_map(Step::Lose),
        2 => Just(Step::Resend),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn every_run_whose_predecessor_left_is_let_in_and_never_two_are(
        discarding in prop::collection::vec(prop::bool::weighted(0.25), usize::from(RUNS)),
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let client = |(number, discards): (u8, bool)| Client {
            number,
            concurrency: if discards { Concurrency::SerialDiscard } else { Concurrency::SerialWait },
            stage: Stage::Outside,
            entry: 0,
            leaving: Vec::new(),
            let_in: 0,
            discarded: 0,
            gave_up: 0,
        };
        let mut world = World {
            gate: Driver::new(),
            clients: (0..RUNS).zip(discarding).map(client).collect(),
            network: Vec::new(),
        };
        for step in &steps {
            world.act(step);
            world.check();
        }
        // From here on nothing is lost, and whoever is in leaves.
        for _ in 0..=RUNS {
            world.calm();
            let inside = world.clients.iter_mut().find(|client| client.stage == Stage::Inside);
            if let Some(client) = inside {
                client.end();
            }
        }
        world.calm();
        for client in &world.clients {
            prop_assert_eq!(client.stage, Stage::Outside, "{} is stuck", client.number);
            prop_assert!(client.leaving.is_empty());
            prop_assert_eq!(client.let_in + client.discarded + client.gave_up, client.entry);
            let waits = client.concurrency == Concurrency::SerialWait;
            prop_assert!(!waits || client.discarded == 0);
        }
        prop_assert!(!Gate::is_open(&world.gate.state));
    }
}
