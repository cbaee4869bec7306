//! Timers beyond a quarter of an hour: one-time schedules of EventBridge Scheduler.
//!
//! [`SchedulerTimers`] stands before the timers that know short waits. A wake that is further away becomes a schedule
//! that sends it to their queue a minute before its time, since a schedule fires somewhere within a minute; whoever
//! receives it there finds that it is not due yet, and asks for it again, now within reach of a delay. So it comes on
//! time, and never before.
//!
//! What is left out on purpose: schedules of users, which are chains of such wakes; deleting schedules, which delete
//! themselves when they have fired; making the group, the queue and the role, which are the deployment's.
//!
//! Start reading at [`SchedulerTimers`].

mod error;
mod timers;

pub use error::ScheduleError;
pub use timers::{EARLY, NEAR_MAX, SCHEDULED, SchedulerTimers, Settings};
