//! Runs whose place at the gate a later one takes.

use insta::assert_snapshot;
use porpoise_engine::Effect;
use porpoise_engine::effect::EffectKey;
use porpoise_engine::input::{GateAnswer, GateAnswerKind, GateInput, Input, RunInput};
use porpoise_model::RunState;
use porpoise_model::workflow::Concurrency;

use crate::support::{Scenario, scenario};

fn begun() -> Scenario {
    let mut run = scenario("a -> b");
    run.workflow.concurrency = Concurrency::SerialPriority;
    run.start()
}

fn hear(run: Scenario, what: GateAnswerKind) -> Scenario {
    run.input(&RunInput::Gate(GateAnswer { entry: 1, what }))
}

/// What the run last told its gate.
fn told(run: &Scenario) -> GateInput {
    let Some(Effect::Tell {
        input: Input::Gate(input),
        ..
    }) = run.replies.last()
    else {
        panic!("{:?}", run.replies);
    };
    input.clone()
}

#[test]
fn a_run_whose_place_is_taken_is_stopped() {
    let run = hear(begun(), GateAnswerKind::Admitted).starts("a");
    let run = hear(run, GateAnswerKind::Superseded);
    assert!(matches!(told(&run), GateInput::Noted { entry: 1, .. }));
    let facts = run.facts.len();
    let run = hear(run, GateAnswerKind::Superseded);
    assert_eq!(run.facts.len(), facts, "it is being stopped already");
    let mut run = run.stops("a");
    assert_snapshot!(run.log(), @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 running
    00:00 a#1 canceling
    00:00 b canceled
    00:00 run canceling
    00:00 a#1 canceled
    00:00 run canceled (superseded)
    ");
    assert!(run.pending().contains(&EffectKey::LeaveGate(1)));
    let run = hear(run, GateAnswerKind::Superseded);
    assert!(matches!(told(&run), GateInput::Left { entry: 1, .. }));
}

#[test]
fn a_run_whose_place_is_taken_before_it_knows_of_it_is_discarded() {
    let run = hear(begun(), GateAnswerKind::Superseded);
    assert!(matches!(told(&run), GateInput::Left { entry: 1, .. }));
    assert_eq!(run.state.run_state(), RunState::Canceled);
    let run = hear(run, GateAnswerKind::Admitted);
    assert!(matches!(told(&run), GateInput::Left { entry: 1, .. }));
    assert_eq!(run.state.run_state(), RunState::Canceled);
}
