//! The ports of a function: adapters of AWS, and refusals for what its role may not do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use porpoise_app::{HOME, PullBus};
use porpoise_blobs_s3::S3Blobs;
use porpoise_bus_eventbridge::EventBridgeBus;
use porpoise_bus_lambda::LambdaBus;
use porpoise_logs_lambda::LambdaLogs;
use porpoise_loops_step_functions::StepFunctionsLoops;
use porpoise_model::{Address, Place};
use porpoise_notices_sns::SnsNotices;
use porpoise_ports::{Blobs, Bus, Clock, Logs, Loops, Notices, Queue, Table, Timers, Unavailable};
use porpoise_queue_sqs::{DeadLetters, SqsQueue, SqsTimers};
use porpoise_store_dynamodb::{DynamoTable, Patience};
use porpoise_timers_scheduler::SchedulerTimers;

use crate::aws::{self, Aws};
use crate::config::{Common, ConfigError, Timing, Ways};

/// How long a send may take, repeats included: a step has several, and a function 30 seconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// The same of a notice, which is nothing to hold up a step for.
const NOTICE_PATIENCE: Duration = Duration::from_secs(3);

/// How long a log may take: what reads it asks its target and S3, and a request of the API has 29 seconds, some of which
/// it may have waited.
const LOG_PATIENCE: Duration = Duration::from_secs(15);

/// The table of this function.
pub fn table(aws: &Aws, common: &Common) -> Arc<dyn Table> {
    let config = aws::dynamodb(aws, aws.region());
    Arc::new(DynamoTable::new(config, &common.table, Patience::default()))
}

/// The blobs of this function's place. `also` are other names for it.
pub fn blobs(aws: &Aws, common: &Common, also: &[&str]) -> Arc<dyn Blobs> {
    // an emulator has no names for buckets
    let path_style = aws.endpoint("S3").is_some();
    let config = aws::s3(aws, aws.region()).force_path_style(path_style);
    let place = common.place.to_string();
    let names = also.iter().copied().chain([place.as_str()]);
    let settings = porpoise_blobs_s3::Settings {
        buckets: names
            .map(|place| (place.to_owned(), common.bucket.clone()))
            .collect(),
        prefix: "blobs/".to_owned(),
        patience: PATIENCE,
    };
    let client = aws_sdk_s3::Client::from_conf(config.build());
    Arc::new(S3Blobs::new(client, settings))
}

/// The queue of inputs, which is at home.
pub fn queue(aws: &Aws, url: &str) -> Arc<dyn Queue> {
    Arc::new(SqsQueue::new(sqs(aws, url), settings(url)))
}

/// Inputs that nobody could handle.
pub fn dead_inputs(aws: &Aws, url: &str) -> DeadLetters {
    DeadLetters::new(sqs(aws, url), settings(url))
}

/// Notices of runs, to a topic.
pub fn notices(aws: &Aws, topic_arn: String) -> Arc<dyn Notices> {
    let settings = porpoise_notices_sns::Settings {
        topic_arn,
        patience: NOTICE_PATIENCE,
    };
    let client = aws_sdk_sns::Client::from_conf(aws::sns(aws, aws.region()).build());
    Arc::new(SnsNotices::new(client, settings))
}

/// Timers, near and far.
pub fn timers(aws: &Aws, timing: &Timing, clock: &Arc<dyn Clock>) -> Arc<dyn Timers> {
    let url = &timing.queue_url;
    let near = SqsTimers::new(sqs(aws, url), settings(url), Arc::clone(clock));
    let far = porpoise_timers_scheduler::Settings {
        group: timing.schedule_group.clone(),
        queue_arn: timing.queue_arn.clone(),
        role_arn: timing.scheduler_role_arn.clone(),
        dead_letter_arn: timing.dead_letters_arn.clone(),
        patience: PATIENCE,
    };
    let client = aws_sdk_scheduler::Client::from_conf(aws::scheduler(aws, aws.region()).build());
    Arc::new(SchedulerTimers::new(
        client,
        far,
        Arc::new(near),
        Arc::clone(clock),
    ))
}

/// The poll loop of this function's place.
///
/// # Errors
/// `arn` names no state machine.
pub fn loops(aws: &Aws, arn: String) -> Result<Arc<dyn Loops>, ConfigError> {
    let settings = porpoise_loops_step_functions::Settings {
        machine_arn: arn,
        patience: PATIENCE,
    };
    let client = aws_sdk_sfn::Client::from_conf(aws::sfn(aws, aws.region()).build());
    let loops = StepFunctionsLoops::new(client, settings);
    let loops =
        loops.map_err(|error| ConfigError(vec![format!("`PORPOISE_LOOP_ARN`: {error}")]))?;
    Ok(Arc::new(loops))
}

/// The way to each place, each spoken to in its own region: a dispatcher that is named is invoked, what is for a site waits
/// for its agent, all others are reached by their bus. What is for no place in particular is for `home`.
///
/// # Errors
/// One of them has no ARN that says its region.
pub fn bus(
    aws: &Aws,
    ways: Ways,
    home: &str,
    pulled: PullBus,
) -> Result<Arc<dyn Bus>, ConfigError> {
    let near = porpoise_bus_lambda::Settings {
        dispatchers: ways.dispatchers,
        patience: PATIENCE,
    };
    let near = LambdaBus::new(near, |region: &str| {
        aws_sdk_lambda::Client::from_conf(aws::lambda(aws, region).build())
    });
    let fault = |name: &str, error: String| ConfigError(vec![format!("`{name}`: {error}")]);
    let near = near.map_err(|error| fault("PORPOISE_DISPATCHERS", error.to_string()))?;
    let far = porpoise_bus_eventbridge::Settings {
        buses: ways.buses,
        patience: PATIENCE,
    };
    let far = EventBridgeBus::new(far, |region: &str| {
        aws_sdk_eventbridge::Client::from_conf(aws::eventbridge(aws, region).build())
    });
    let far = far.map_err(|error| fault("PORPOISE_BUSES", error.to_string()))?;
    let home = home.to_owned();
    Ok(Arc::new(ByPlace {
        near,
        far,
        pulled,
        home,
    }))
}

/// Logs of jobs, by the functions that read them at their places.
///
/// # Errors
/// One of them has no ARN that says its place.
pub fn logs(aws: &Aws, readers: Vec<String>) -> Result<Arc<dyn Logs>, ConfigError> {
    let settings = porpoise_logs_lambda::Settings {
        readers,
        patience: LOG_PATIENCE,
    };
    let logs = LambdaLogs::new(settings, |region: &str| {
        let timeouts = aws_sdk_lambda::config::timeout::TimeoutConfig::builder()
            .connect_timeout(aws::CONNECT)
            .operation_timeout(LOG_PATIENCE)
            .build();
        let config = aws::lambda(aws, region).timeout_config(timeouts);
        aws_sdk_lambda::Client::from_conf(config.build())
    });
    let logs =
        logs.map_err(|error| ConfigError(vec![format!("`PORPOISE_LOG_READERS`: {error}")]))?;
    Ok(Arc::new(logs))
}

/// The core calls the place of the control plane by one name wherever it is.
#[derive(Debug)]
struct ByPlace {
    near: LambdaBus,
    far: EventBridgeBus,
    pulled: PullBus,
    home: String,
}

#[async_trait]
impl Bus for ByPlace {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        let place = if place == HOME { &self.home } else { place };
        if self.near.leads_to(place) {
            return self.near.send(place, intents).await;
        }
        if matches!(place.parse(), Ok(Place::Site(_))) {
            return self.pulled.send(place, intents).await;
        }
        self.far.send(place, intents).await
    }
}

fn settings(url: &str) -> porpoise_queue_sqs::Settings {
    porpoise_queue_sqs::Settings {
        url: url.to_owned(),
        patience: PATIENCE,
    }
}

/// The inputs of a data place go to a queue of another region: its URL says which.
fn sqs(aws: &Aws, url: &str) -> aws_sdk_sqs::Client {
    let region = region_of_queue(url).unwrap_or(aws.region());
    aws_sdk_sqs::Client::from_conf(aws::sqs(aws, region).build())
}

/// The region in the URL of a queue: `https://sqs.eu-west-1.amazonaws.com/…`.
fn region_of_queue(url: &str) -> Option<&str> {
    let (_, host) = url.split_once("://sqs.")?;
    host.split('.').next()
}

/// Refuses: this function's role may not do it, and no path of its code leads there.
#[derive(Debug, Clone, Copy)]
pub struct Never;

#[async_trait]
impl Bus for Never {
    async fn send(&self, place: &str, _: Vec<Bytes>) -> Result<(), Unavailable> {
        let why = format!("bug: this function sends nothing to place `{place}`");
        Err(Unavailable::new("the bus", why))
    }
}

#[async_trait]
impl Timers for Never {
    async fn wake(&self, aggregate: Address, _: Timestamp) -> Result<(), Unavailable> {
        let why = format!("bug: this function arms no wake for `{aggregate}`");
        Err(Unavailable::new("the timers", why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_asked_in_its_own_region() {
        let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/porpoise-inputs.fifo";
        assert_eq!(region_of_queue(url), Some("eu-west-1"));
        assert_eq!(region_of_queue("http://127.0.0.1:4566/1/q.fifo"), None);
    }
}
