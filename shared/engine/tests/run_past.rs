//! Reports of attempts that are over, or that say what was said before.

use porpoise_engine::aggregate::Aggregate as _;
use porpoise_engine::effect::Attempt;
use porpoise_engine::input::{Report, ReportKind, RunInput};
use porpoise_engine::run::Run;

use crate::support;
use crate::support::{Scenario, scenario};

#[test]
fn a_report_is_past_once_its_attempt_is_and_one_of_an_attempt_to_come_is_not() {
    let run = scenario("a -> b").retries("a", 1).start();
    let of = |task, number, what| {
        let attempt = Attempt::of(task, number);
        RunInput::Reported(vec![Report { attempt, what }])
    };
    let past = |run: &Scenario, input: &RunInput| Run::is_past(&run.state, input);
    let start = || ReportKind::Started {
        at: support::start_of_day(),
        external_id: "job".to_owned(),
    };
    let (accepted, started) = (of(0, 1, ReportKind::Accepted), of(0, 1, start()));
    assert!(!past(&run, &accepted) && !past(&run, &started));
    assert!(!past(&run, &of(0, 2, start())) && !past(&run, &of(1, 1, start())));
    let run = run.input(&started);
    assert!(past(&run, &accepted) && past(&run, &started));
}
