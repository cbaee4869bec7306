//! What functions call, beside tables. What a call is billed as, the adapters say.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use porpoise_functions::batch::{Attributes, SqsMessage};
use porpoise_model::{Address, ProjectId, VersionHash};
use porpoise_ports::queue::Message;
use porpoise_ports::timers::Wake;
use porpoise_ports::usage::Line;
use porpoise_ports::{Blobs, Bus, Clock as _, Loops, Queue, Timers, Unavailable};
use porpoise_queue_sqs::{DELAY_MAX, WAKE, rounds};
use porpoise_store_memory::MemoryBlobs;
use porpoise_timers_scheduler::{EARLY, NEAR_MAX, SCHEDULED};

use super::assumed::{INVOCATION_BEGINS, Service};
use super::region::Region;
use super::world::Caller;

/// The ports of a copy of a function.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    pub(crate) caller: Caller,
    pub(crate) region: Weak<Region>,
}

impl Cloud {
    fn region(&self) -> Result<Arc<Region>, Unavailable> {
        let gone = || Unavailable::new("the region", "it is over");
        self.region.upgrade().ok_or_else(gone)
    }
}

#[async_trait]
impl Queue for Cloud {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let region = self.region()?;
        let (caller, region) = (&self.caller, &region);
        for round in rounds(messages)? {
            let calls = round.into_iter().map(|call| async move {
                caller.call(Service::Sqs, "SendMessageBatch").await;
                caller.ledger.count(Line::FifoRequests, call.requests);
                region.take_inputs(call.messages);
            });
            futures_util::future::join_all(calls).await;
        }
        Ok(())
    }
}

/// The region is at home: its dispatcher is invoked.
#[async_trait]
impl Bus for Cloud {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        let region = self.region()?;
        let calls = porpoise_bus_lambda::outline(place, &intents)?;
        let calls = calls.into_iter().map(|(detail, beyond)| {
            let region = Arc::clone(&region);
            async move {
                self.caller.call(Service::Lambda, "Invoke").await;
                // The first one is counted when the function runs.
                self.caller.ledger.count(Line::FunctionRequests, beyond);
                let world = Arc::clone(&region.world);
                self.caller.world.time.spawn(async move {
                    let to = || "invocation of dispatcher".to_owned();
                    world.deliver(to, INVOCATION_BEGINS).await;
                    region.dispatch(&detail).await;
                });
            }
        });
        futures_util::future::join_all(calls).await;
        Ok(())
    }
}

#[async_trait]
impl Timers for Cloud {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        let region = self.region()?;
        let wake = Wake { aggregate, at };
        let wait = Duration::try_from(at.duration_since(self.caller.world.now()));
        let wait = wait.unwrap_or_default();
        let comes_in = if wait <= NEAR_MAX {
            self.caller.call(Service::Sqs, "SendMessage (a wake)").await;
            let (line, pieces) = WAKE;
            self.caller.ledger.count(line, pieces);
            wait.min(DELAY_MAX)
        } else {
            self.caller.call(Service::Scheduler, "CreateSchedule").await;
            if !region.is_new_schedule(wake) {
                return Ok(());
            }
            for (line, pieces) in SCHEDULED {
                self.caller.ledger.count(line, pieces);
            }
            wait.saturating_sub(EARLY)
        };
        self.caller.world.time.spawn(async move {
            region.world.time.sleep(comes_in).await;
            let message = SqsMessage {
                message_id: wake.to_string(),
                body: wake.to_string(),
                attributes: Attributes::default(),
            };
            region.wake(message).await;
        });
        Ok(())
    }
}

#[async_trait]
impl Loops for Cloud {
    async fn start(&self, _: &str, epoch: u64) -> Result<(), Unavailable> {
        let region = self.region()?;
        self.caller
            .call(Service::StepFunctions, "StartExecution")
            .await;
        region.start_loop(epoch);
        Ok(())
    }

    async fn is_alive(&self, _: &str, epoch: u64) -> Result<bool, Unavailable> {
        let region = self.region()?;
        self.caller
            .call(Service::StepFunctions, "DescribeExecution")
            .await;
        Ok(region.is_loop_alive(epoch))
    }
}

/// A bucket as a copy of a function has it.
#[derive(Debug)]
pub(crate) struct CloudBlobs {
    pub(crate) caller: Caller,
    pub(crate) blobs: Arc<MemoryBlobs>,
}

#[async_trait]
impl Blobs for CloudBlobs {
    async fn put(
        &self,
        place: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable> {
        self.caller.call(Service::S3, "PutObject").await;
        self.caller.ledger.count(Line::BlobPuts, 1);
        self.blobs.put(place, project, bytes).await
    }

    async fn get(
        &self,
        place: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        self.caller.call(Service::S3, "GetObject").await;
        self.caller.ledger.count(Line::BlobGets, 1);
        self.blobs.get(place, project, hash).await
    }
}
