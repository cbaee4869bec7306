//! The bus of intents to dispatchers of the control plane's own region: each is invoked, and nothing stands between.
//!
//! [`LambdaBus`] asks Lambda to invoke the dispatcher of a place asynchronously: Lambda keeps what it took, tries it
//! again, and leaves what the dispatcher could not handle in the queue that the deployment names. What the dispatcher is
//! handed has the shape of an event of a bus, so that it need not know which way it came. Why not EventBridge there too:
//! an event of a bus costs five times what the invocation costs that follows from it either way, and is a hop more.
//!
//! What is left out on purpose: other regions, which a bus of EventBridge may lead to; order and deduplication, which an
//! asynchronous invocation does not have; the trace of what caused the intents, which the SDK itself puts into every
//! call of a function.
//!
//! Start reading at [`LambdaBus`].

mod bus;
mod error;

pub use bus::{LambdaBus, Settings, outline};
pub use error::{NoRegion, SendError};
