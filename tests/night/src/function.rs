//! Environments of functions: the app as a function has it, for as long as Lambda lets it live.

use std::path::Path;
use std::sync::Arc;

use porpoise_app::{App, Executors, Ports};
use porpoise_executor_emr_serverless::KIND;
use porpoise_executor_local::InstantExecutor;
use porpoise_functions::place::Place;
use porpoise_functions::ports::Never;
use porpoise_ports::{Clock, Executor};

use crate::ports::{Guarded, PLACES};
use crate::world::{Hub, Shared, lock};

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Stepper,
    Trigger,
    Dispatcher(usize),
    Poller(usize),
}

impl Function {
    /// Seconds that a call may take, as the templates have it.
    pub(crate) const fn seconds(self) -> i64 {
        match self {
            Self::Stepper => 30,
            Self::Trigger => 120,
            Self::Dispatcher(_) | Self::Poller(_) => 60,
        }
    }
}

/// What a function keeps from one call to the next.
#[derive(Debug, Clone)]
pub(crate) enum Memory {
    Home(Arc<App>),
    Place(Arc<Place>),
}

/// A function, started.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) function: Function,
    pub(crate) memory: Memory,
    pub(crate) busy: bool,
}

impl Environment {
    pub(crate) fn cold(world: &Shared, function: Function, scratch: &Path) -> Self {
        let memory = match function {
            Function::Stepper | Function::Trigger => Memory::Home(home(world, false)),
            Function::Dispatcher(number) | Function::Poller(number) => {
                Memory::Place(place(world, number, scratch))
            }
        };
        Self {
            function,
            memory,
            busy: false,
        }
    }
}

fn hub(world: &Shared, store: usize, spared: bool) -> Hub {
    Hub {
        world: Arc::clone(world),
        watch: lock(world).watch.clone(),
        store,
        spared,
    }
}

fn is_home() -> porpoise_model::Place {
    PLACES[0].parse().expect("a place")
}

/// The app of the control plane; nothing befalls whoever is spared.
pub(crate) fn home(world: &Shared, spared: bool) -> Arc<App> {
    let hub = Arc::new(hub(world, 0, spared));
    let ports = Ports {
        table: hub.clone(),
        blobs: hub.clone(),
        queue: hub.clone(),
        bus: hub.clone(),
        timers: hub.clone(),
        clock: hub.clone(),
        ids: hub,
    };
    Arc::new(
        App::new(ports, Executors::none())
            .at_home(is_home())
            .swept(),
    )
}

/// The app of a place, as `functions/runtime` puts it together.
fn place(world: &Shared, number: usize, scratch: &Path) -> Arc<Place> {
    let hub = hub(world, number + 1, false);
    let clock: Arc<dyn Clock> = Arc::new(hub.watch.clone());
    let noop = InstantExecutor::open(scratch, clock).expect("a folder of our own");
    let jobs = Arc::new(lock(world).service.executor());
    let guarded = |executor: Arc<dyn Executor>, spared: bool| -> Arc<dyn Executor> {
        let hub = Hub {
            spared,
            ..hub.clone()
        };
        Arc::new(Guarded { hub, executor })
    };
    // what is in the function itself cannot fail without it: it is killed at the calls before and after
    let executors = Executors::none()
        .with_prompt(["noop"], &guarded(noop, true))
        .with([KIND], &guarded(jobs, false));
    let hub = Arc::new(hub);
    let ports = Ports {
        table: hub.clone(),
        blobs: hub.clone(),
        queue: hub.clone(),
        bus: Arc::new(Never),
        timers: Arc::new(Never),
        clock: hub.clone(),
        ids: hub.clone(),
    };
    let app = App::new(ports, executors).at_home(is_home());
    Arc::new(Place {
        app: app.with_loops(hub),
        name: PLACES[number].to_owned(),
    })
}
