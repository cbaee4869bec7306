//! What came from the queue, read again.

use bytes::Bytes;
use porpoise_model::Address;
use porpoise_model::address::ParseAddressError;

use crate::pack::unpack;

/// Inputs of one aggregate, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The aggregate.
    pub group: Address,
    /// Its inputs, encoded as they were sent.
    pub bodies: Vec<Bytes>,
}

/// A message that [`SqsQueue`](crate::SqsQueue) did not send, or a later release did.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Its group is no aggregate.
    #[error("a message of the queue is for no aggregate")]
    Group(#[from] ParseAddressError),
    /// Its body is none of ours.
    #[error("a message for `{group}` is not written in a form that this release knows: `{start}`")]
    Form {
        /// Whose it is.
        group: Address,
        /// How it begins.
        start: String,
    },
}

/// Reads one message: its attribute `MessageGroupId` and its body.
///
/// # Errors
/// It is none of ours: receiving it again changes nothing.
pub fn receive(group: &str, body: &str) -> Result<Received, ReceiveError> {
    let group: Address = group.parse()?;
    let bodies = unpack(body).ok_or_else(|| ReceiveError::Form {
        group,
        start: body.chars().take(20).collect(),
    })?;
    Ok(Received { group, bodies })
}

#[cfg(test)]
mod tests {
    use porpoise_model::{ProjectId, RunId};

    use super::*;

    #[test]
    fn messages_of_others_are_refused() {
        let group = Address::run(ProjectId::of_name("p"), RunId::from_bytes([1; 16])).to_string();
        receive(&group, "1:YQ").unwrap();
        let refused = receive("orders", "1:YQ");
        assert!(matches!(refused, Err(ReceiveError::Group(_))));
        let error = receive(&group, "{\"some\": \"JSON of somebody else\"}").unwrap_err();
        let said = error.to_string();
        assert!(said.ends_with("`{\"some\": \"JSON of so`"), "{said}");
    }
}
