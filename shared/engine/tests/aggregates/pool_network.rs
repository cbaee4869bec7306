//! A pool and attempts that want its slots, with a network between them that repeats, delays and loses: nobody
//! starves, and in the end nothing is held.

use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::effect::Effect;
use porpoise_engine::input::{Input, PoolCommand, PoolInput, RunInput, SlotAnswerKind};
use porpoise_engine::pool::Pool;
use proptest::prelude::*;

use super::driver::{Driver, command, holder};
use super::pool_scenarios::{ask_as, free};

const ATTEMPTS: u8 = 12;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Idle,
    Asking,
    Queued,
    Held,
    Freeing,
    Done,
}

/// What the run of an attempt does about its slots.
#[derive(Debug)]
struct Client {
    number: u8,
    slots: u32,
    weight: i32,
    stage: Stage,
    held_once: bool,
    gave_up: bool,
}

impl Client {
    fn outbox(&self) -> Option<PoolInput> {
        match self.stage {
            Stage::Asking => Some(ask_as(self.number, self.slots, self.weight, (2, 2))),
            Stage::Freeing => Some(free(self.number)),
            Stage::Idle | Stage::Queued | Stage::Held | Stage::Done => None,
        }
    }

    fn hear(&mut self, answer: SlotAnswerKind) -> Option<PoolInput> {
        let holder = holder(self.number);
        match (answer, self.stage) {
            (SlotAnswerKind::Queued, Stage::Asking) => {
                self.stage = Stage::Queued;
                None
            }
            (SlotAnswerKind::Granted, Stage::Asking | Stage::Queued) => {
                (self.stage, self.held_once) = (Stage::Held, true);
                Some(PoolInput::Taken { holder })
            }
            (SlotAnswerKind::Granted, Stage::Held) => Some(PoolInput::Taken { holder }),
            (SlotAnswerKind::StillHolding, Stage::Held) => Some(PoolInput::Holding { holder }),
            (SlotAnswerKind::StillHolding, Stage::Asking | Stage::Queued) => {
                panic!("asked before it knew that it holds anything")
            }
            (SlotAnswerKind::Granted | SlotAnswerKind::StillHolding, _) => {
                Some(PoolInput::Freed { holder })
            }
            (SlotAnswerKind::Freed, Stage::Freeing) => {
                self.stage = Stage::Done;
                None
            }
            (SlotAnswerKind::Queued | SlotAnswerKind::Freed, _) => None,
        }
    }
}

#[derive(Debug)]
enum Message {
    Up(PoolInput),
    Down(u8, SlotAnswerKind),
}

#[derive(Debug)]
struct World {
    pool: Driver<Pool>,
    clients: Vec<Client>,
    network: Vec<Message>,
}

impl World {
    fn send_all(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let Effect::Tell {
                to,
                input: Input::Run(RunInput::Slot(answer)),
            } = effect
            else {
                panic!("{effect:?}");
            };
            self.network.push(Message::Down(to.id[0], answer.what));
        }
    }

    fn give(&mut self, inputs: &[PoolInput]) {
        let (facts, replies) = self.pool.give(inputs);
        self.send_all(replies);
        if !facts.is_empty() {
            self.send_all(self.pool.pending());
        }
    }

    fn deliver(&mut self, at: usize, twice: bool) {
        if self.network.is_empty() {
            return;
        }
        let message = self.network.remove(at % self.network.len());
        for _ in 0..=u8::from(twice) {
            match &message {
                Message::Up(input) => self.give(std::slice::from_ref(input)),
                Message::Down(number, answer) => {
                    let said = self.clients[usize::from(*number)].hear(*answer);
                    self.network.extend(said.map(Message::Up));
                }
            }
        }
    }

    /// Who has not heard an answer asks again; the pool does the same.
    fn resend(&mut self) {
        let asked: Vec<PoolInput> = self.clients.iter().filter_map(Client::outbox).collect();
        self.network.extend(asked.into_iter().map(Message::Up));
        self.send_all(self.pool.pending());
    }

    fn check(&self) {
        for client in self
            .clients
            .iter()
            .filter(|client| client.stage == Stage::Held)
        {
            let held = self.pool.state.held.contains_key(&holder(client.number));
            assert!(held, "{} believes that it holds slots", client.number);
        }
        let used = self.pool.state.used();
        let alone = self.pool.state.held.len() == 1;
        assert!(used <= u64::from(self.pool.state.size()) || alone);
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Begin(who) => {
                let client = &mut self.clients[usize::from(who)];
                if client.stage == Stage::Idle {
                    client.stage = Stage::Asking;
                    let ask = client.outbox();
                    self.network.extend(ask.map(Message::Up));
                }
            }
            Step::End(who) => {
                let client = &mut self.clients[usize::from(who)];
                if matches!(client.stage, Stage::Asking | Stage::Queued | Stage::Held) {
                    client.gave_up = client.stage != Stage::Held;
                    client.stage = Stage::Freeing;
                    let free = client.outbox();
                    self.network.extend(free.map(Message::Up));
                }
            }
            Step::Deliver(at) => self.deliver(at, false),
            Step::DeliverTwice(at) => self.deliver(at, true),
            Step::Lose(at) if !self.network.is_empty() => {
                self.network.remove(at % self.network.len());
            }
            Step::Lose(_) => {}
            Step::Resend => self.resend(),
            Step::Restart => self.pool.restart(),
            Step::Pass(seconds) => {
                self.pool.pass(seconds);
                self.give(&[PoolInput::Woken]);
            }
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
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..ATTEMPTS).prop_map(Step::Begin),
        3 => (0..ATTEMPTS).prop_map(Step::End),
        12 => any::<usize>().prop_map(Step::Deliver),
        3 => any::<usize>().prop_map(Step::DeliverTwice),
        3 => any::<usize>().prop_map(Step::Lose),
        2 => Just(Step::Resend),
        1 => Just(Step::Restart),
        1 => (-60_i64..900).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn every_attempt_gets_its_slots_and_every_slot_comes_back(
        wants in prop::collection::vec((1_u32..5, -1_i32..2), usize::from(ATTEMPTS)),
        size in 1_u32..5,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let client = |(number, (slots, weight)): (u8, (u32, i32))| Client {
            number, slots, weight, stage: Stage::Idle, held_once: false, gave_up: false,
        };
        let mut world = World {
            pool: Driver::new(),
            clients: (0..ATTEMPTS).zip(wants).map(client).collect(),
            network: Vec::new(),
        };
        let what = PoolCommand::Resize { slots: size, name: "p".to_owned() };
        world.give(&[PoolInput::Commanded(command(1, what))]);
        for step in &steps {
            world.act(step);
            world.check();
        }
        // From here on nothing is lost, and everybody goes on.
        for _ in 0..100 {
            if world.clients.iter().all(|client| client.stage == Stage::Done) {
                break;
            }
            (0..ATTEMPTS).for_each(|who| world.act(&Step::Begin(who)));
            world.resend();
            while !world.network.is_empty() {
                world.deliver(0, false);
                world.check();
            }
            for who in 0..ATTEMPTS {
                if world.clients[usize::from(who)].stage == Stage::Held {
                    world.act(&Step::End(who));
                }
            }
        }
        for client in &world.clients {
            prop_assert_eq!(client.stage, Stage::Done);
            prop_assert!(client.held_once || client.gave_up);
        }
        while Pool::is_open(&world.pool.state) && !world.pool.pending().is_empty() {
            world.resend();
            while !world.network.is_empty() {
                world.deliver(0, false);
            }
        }
        prop_assert!(!Pool::is_open(&world.pool.state));
    }
}
