//! The control plane as it is deployed, in this process and in virtual time: what it does is counted call by call, as
//! AWS bills it.
//!
//! The code of the functions is the product's ([`porpoise_functions`]): each copy of a function has an app of its own,
//! and forgets what it knows when Lambda would throw it away. Everything around is played: `ports` has what functions
//! call, `region` what calls functions, `target` what runs jobs, `time` the clock. Tables are metered tables in
//! memory; what a queue, a bus or a schedule is billed as is said by their adapters.
//!
//! Start reading at `scenario`.

mod assumed;
mod books;
mod fifo;
mod functions;
pub(crate) mod month;
mod ports;
mod region;
#[cfg(test)]
mod replay;
pub(crate) mod scenario;
mod table;
mod target;
pub(crate) mod template;
mod time;
pub(crate) mod trips;
mod world;

pub(crate) use assumed::assumptions;
pub(crate) use books::Cause;
