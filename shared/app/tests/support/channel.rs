//! The channel of notices of the world.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use porpoise_app::App;
use porpoise_ports::notices::Notice;
use porpoise_ports::{Notices, Unavailable};

use super::{Port, counts_down, lost};

#[derive(Debug, Default)]
pub struct Channel {
    /// Whether there is one.
    pub tells: AtomicBool,
    pub told: Mutex<Vec<Notice>>,
    /// How often it will not listen.
    pub deaf: AtomicU64,
}

impl Channel {
    pub fn of(&self, app: App, notices: Arc<Port>) -> App {
        if self.tells.load(Ordering::SeqCst) {
            app.with_notices(notices)
        } else {
            app
        }
    }
}

#[async_trait]
impl Notices for Port {
    async fn send(&self, notice: &Notice) -> Result<(), Unavailable> {
        let heard = self.0.fuse.pass("notice").await;
        if counts_down(&self.0.channel.deaf) {
            return Err(lost());
        }
        self.0.channel.told.lock().unwrap().push(notice.clone());
        if heard { Ok(()) } else { Err(lost()) }
    }
}
