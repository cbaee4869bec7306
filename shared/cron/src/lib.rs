//! Cron expressions and their fire times, as pure functions of an instant and a time zone.
//!
//! Two dialects, told apart by the number of fields:
//!
//! | fields | dialect | order |
//! | --- | --- | --- |
//! | 5, or `@daily` and its like | [`Dialect::Unix`] | minute, hour, day of month, month, day of week (0 and 7 are Sunday) |
//! | 6 or 7 | [`Dialect::Quartz`] | second, minute, hour, day of month, month, day of week (1 is Sunday), year |
//!
//! **Clock changes.** A local time that a clock change skips does not fire. A local time that occurs twice fires
//! once, at its second occurrence, as Quartz does; so under Quartz even an every-minute expression is silent
//! during the first pass of the repeated hour. A Unix expression whose hour field admits all 24 hours means "every
//! hour that really passes" and fires in both passes.
//!
//! **Years.** Nothing fires outside 1970 to 2099. Quartz accepts other years in its year field; they never come.
//!
//! Left out on purpose: a clock (callers pass instants), what to do about missed fires (callers ask
//! [`Cron::previous_at_or_before`] or [`Cron::fires_between`]), and prose descriptions of an expression.
//!
//! Start reading at [`Cron`]; `parse` turns text into a `calendar::Calendar` of bit sets, which finds local times;
//! `zone` maps those to instants.

mod calendar;
mod cron;
mod day;
mod day_form;
mod fault;
mod field;
mod parse;
mod token;
mod zone;

pub use cron::{Cron, Dialect};
pub use fault::{CronError, CronFault, Field};
pub use zone::Fires;
