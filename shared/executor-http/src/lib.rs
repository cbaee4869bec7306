//! Calls over HTTP, and whether their answers are what they should be.
//!
//! [`call`] makes one call, in the process of its attempt: it blocks, and whoever wants it to stop ends the process.
//! What is sent may have taken effect by then, or when the answer is lost: a call is made once for an attempt, and
//! whether it may be made again is what the retries of its task say.
//!
//! An address that answers with another one is followed for `GET` and `HEAD` alone, ten times at most, and without the
//! headers that prove who asks, if that is another host's.
//!
//! Left out on purpose: cookies, proxies, certificates of clients, answers that are streams, and secrets (whoever calls
//! has put them in, and masks them in what is printed).

mod answer;
mod call;

pub use call::{CallError, Called, call};
