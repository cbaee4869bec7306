//! The app as the functions of the control plane have it.

use std::sync::Arc;

use porpoise_app::{App, Executors, HOME, Ports, PullBus};
use porpoise_ports::{Clock, Ids};
use porpoise_queue_sqs::DeadLetters;
use porpoise_system::{OsIds, SystemClock};

use crate::aws::Aws;
use crate::config::{
    Common, ConfigError, Reader, Timing, Ways, dead_inputs_url, inputs_url, log_readers,
    notices_topic,
};
use crate::ports;

/// What functions are told that step aggregates.
#[derive(Debug)]
struct Writer {
    aws: Aws,
    common: Common,
    inputs_url: String,
    timing: Timing,
    ways: Ways,
    notices_topic: Option<String>,
}

impl Writer {
    fn read(env: &mut Reader<'_>) -> Self {
        Self {
            aws: Aws::read(env),
            common: Common::read(env),
            inputs_url: inputs_url(env),
            timing: Timing::read(env),
            ways: Ways::read(env),
            notices_topic: notices_topic(env),
        }
    }

    fn app(self) -> Result<Arc<App>, ConfigError> {
        let Self {
            aws,
            common,
            inputs_url,
            timing,
            ways,
            notices_topic,
        } = self;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn Ids> = Arc::new(OsIds::default());
        let table = ports::table(&aws, &common);
        let pulled = PullBus::new(Arc::clone(&table), Arc::clone(&ids));
        let ports = Ports {
            table,
            blobs: ports::blobs(&aws, &common, &[HOME]),
            queue: ports::queue(&aws, &inputs_url),
            bus: ports::bus(&aws, ways, &common.home.to_string(), pulled)?,
            timers: ports::timers(&aws, &timing, &clock),
            clock,
            ids,
        };
        let app = App::new(ports, Executors::none()).at_home(common.home);
        let app = match notices_topic {
            Some(topic) => app.with_notices(ports::notices(&aws, topic)),
            None => app,
        };
        Ok(Arc::new(app.swept()))
    }
}

/// For functions that step aggregates: everything that follows a step can be sent. Nothing is dispatched here.
///
/// # Errors
/// Everything that is wrong with the environment.
pub fn writer(mut env: Reader<'static>) -> Result<Arc<App>, ConfigError> {
    let writer = Writer::read(&mut env);
    env.finish(writer)?.app()
}

/// The same for who sweeps, with the inputs that nobody could handle.
///
/// # Errors
/// Everything that is wrong with the environment.
pub fn watcher(mut env: Reader<'static>) -> Result<(Arc<App>, DeadLetters), ConfigError> {
    let config = (Writer::read(&mut env), dead_inputs_url(&mut env));
    let (writer, url) = env.finish(config)?;
    let dead = ports::dead_inputs(&writer.aws, &url);
    Ok((writer.app()?, dead))
}

/// For the API: reads, and hands over inputs. It arms no wake and sends nothing to a place; logs of jobs it asks for there.
///
/// # Errors
/// Everything that is wrong with the environment.
pub fn reader(mut env: Reader<'static>) -> Result<Arc<App>, ConfigError> {
    let config = (
        Aws::read(&mut env),
        Common::read(&mut env),
        inputs_url(&mut env),
        log_readers(&env),
    );
    let (aws, common, inputs_url, readers) = env.finish(config)?;
    let logs = ports::logs(&aws, readers)?;
    let ports = Ports {
        table: ports::table(&aws, &common),
        blobs: ports::blobs(&aws, &common, &[HOME]),
        queue: ports::queue(&aws, &inputs_url),
        bus: Arc::new(ports::Never),
        timers: Arc::new(ports::Never),
        clock: Arc::new(SystemClock),
        ids: Arc::new(OsIds::default()),
    };
    let app = App::new(ports, Executors::none()).at_home(common.home);
    Ok(Arc::new(app.swept().reading_logs_from(logs)))
}
