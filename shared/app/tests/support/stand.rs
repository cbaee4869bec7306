//! A process that stands still at one call while all others go on.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use porpoise_app::Delivery;
use porpoise_app::stepper::Returned;
use porpoise_model::Address;

use super::Host;

/// Whoever polls asks again.
pub async fn until(goes_on: &AtomicBool) -> bool {
    poll_fn(|_| {
        if goes_on.load(Ordering::SeqCst) {
            Poll::Ready(true)
        } else {
            Poll::Pending
        }
    })
    .await
}

type Batch = Vec<(Address, Delivery, Vec<Bytes>)>;

impl Host {
    /// Delivers messages of one aggregate. If their process stands still, everything else that is under way comes
    /// first, but no more messages of that aggregate: a queue hands them to one at a time.
    pub fn deliver_standing(&mut self, address: Address, batch: Batch) -> Vec<Returned> {
        let app = self.world.app();
        let mut work = pin!(app.on_messages(batch));
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(returned) = work.as_mut().poll(&mut context) {
            return returned;
        }
        let last_wake = std::mem::replace(&mut self.last_wake, self.world.now_millis());
        self.standing = Some(address);
        self.drive(2);
        self.standing = None;
        self.last_wake = last_wake;
        self.world.fuse.goes_on.store(true, Ordering::SeqCst);
        let Poll::Ready(returned) = work.as_mut().poll(&mut context) else {
            panic!("it goes on");
        };
        returned
    }
}
