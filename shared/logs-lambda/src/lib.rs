//! Logs of jobs from the places where they are: one function of each place is invoked, and its answer waited for.
//!
//! [`LambdaLogs`] hands the function a [`LogCall`](porpoise_ports::logs::LogCall) and is answered with a
//! [`LogReply`](porpoise_ports::logs::LogReply). Asking twice does no harm, so what failed on its way is asked again, by
//! the client of the SDK.
//!
//! What is left out on purpose: memory of what was read, since whoever follows a log asks for what is new; compression,
//! since a log between two regions costs two cents a GB.
//!
//! Start reading at [`LambdaLogs`].

mod error;
mod logs;

pub use error::{NotAFunction, ReadError};
pub use logs::{LambdaLogs, Settings};
