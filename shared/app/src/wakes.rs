//! Wakes that come through a queue of their own, which may bring them too early.

use porpoise_engine::Input;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::backfill::Backfill;
use porpoise_engine::gate::Gate;
use porpoise_engine::pool::Pool;
use porpoise_engine::run::Run;
use porpoise_engine::schedule::Schedule;
use porpoise_model::AggregateKind;
use porpoise_ports::Unavailable;
use porpoise_ports::timers::Wake;

use crate::app::App;

/// A wake that is to be delivered again.
#[derive(Debug)]
pub struct Unforwarded {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why.
    pub error: String,
}

impl App {
    /// Sends each wake that is due on to its aggregate, and asks for the others again. Doing it twice is harmless: a
    /// wake only ever says "look again".
    ///
    /// Costs one call of the queue for all that are due, and one of the timers for each that is not. Returns those that
    /// are to be delivered again.
    pub async fn on_wakes(&self, wakes: &[Wake]) -> Vec<Unforwarded> {
        let now = self.ports().clock.now(); // to the nanosecond, as wakes are written
        let (mut due, mut messages) = (Vec::new(), Vec::new());
        let mut failed = Vec::new();
        for (index, wake) in wakes.iter().enumerate() {
            if wake.is_due(now) {
                due.push(index);
                let input = woken(wake.aggregate.kind);
                messages.push(self.message(wake.aggregate, &input));
            } else {
                let asked = self.ports().timers.wake(wake.aggregate, wake.at).await;
                failed.extend(asked.err().map(|error| unforwarded(index, &error)));
            }
        }
        if !messages.is_empty()
            && let Err(error) = self.ports().queue.send(messages).await
        {
            failed.extend(due.into_iter().map(|index| unforwarded(index, &error)));
        }
        failed
    }
}

fn unforwarded(index: usize, error: &Unavailable) -> Unforwarded {
    let source = &error.source;
    Unforwarded {
        index,
        error: format!("{error}: {source}"),
    }
}

/// "Look again", for an aggregate of that sort.
fn woken(kind: AggregateKind) -> Input {
    match kind {
        AggregateKind::Run => Input::Run(Run::woken()),
        AggregateKind::Pool => Input::Pool(Pool::woken()),
        AggregateKind::Gate => Input::Gate(Gate::woken()),
        AggregateKind::Schedule => Input::Schedule(Schedule::woken()),
        AggregateKind::Backfill => Input::Backfill(Backfill::woken()),
    }
}
