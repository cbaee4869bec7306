//! What one message of SQS carries: inputs of one group, in their order, as text.

use std::collections::VecDeque;

use bytes::Bytes;
use data_encoding::BASE64_NOPAD;
use indexmap::IndexMap;
use porpoise_model::Address;
use porpoise_model::id::derive;
use porpoise_ports::queue::Message;

use crate::error::SendError;

/// Bytes of a message, and of all messages of a call. Source: SQS API reference, `SendMessageBatch`.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that inputs share a message up to: each 64 KB that are begun are billed as a request of their own, so that
/// fuller messages save nothing. Source: SQS pricing.
const SHARED_BYTES_MAX: usize = 64 * 1024;
/// Says how the rest is written. Readers of a next form come before its writers.
const FORM: &str = "1:";
/// Between inputs: no character of the encoding.
const BETWEEN: char = ',';

/// Inputs of one group that travel together.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) group: Address,
    /// What SQS knows it by for five minutes: stays the same when it is sent again.
    pub(crate) deduplication: String,
    pub(crate) text: String,
}

/// A group's packs, in their order.
pub(crate) type Line = VecDeque<Pack>;

/// Packs messages, for each group a line, in the order in which the groups first occur.
pub(crate) fn lines(messages: Vec<Message>) -> Result<Vec<Line>, SendError> {
    let mut groups: IndexMap<Address, Vec<Message>> = IndexMap::new();
    for message in messages {
        groups.entry(message.group).or_default().push(message);
    }
    let lines = groups
        .into_iter()
        .map(|(group, messages)| line(group, &messages));
    lines.collect()
}

fn line(group: Address, messages: &[Message]) -> Result<Line, SendError> {
    let mut line = Line::new();
    let mut ids: Vec<u128> = Vec::new();
    let mut text = FORM.to_owned();
    for message in messages {
        let piece = BASE64_NOPAD.encode(&message.body);
        if FORM.len() + piece.len() > MESSAGE_BYTES_MAX {
            let bytes = message.body.len();
            return Err(SendError::TooLarge { group, bytes });
        }
        if !ids.is_empty() && text.len() + 1 + piece.len() > SHARED_BYTES_MAX {
            let full = std::mem::replace(&mut text, FORM.to_owned());
            line.push_back(pack(group, &ids, full));
            ids.clear();
        }
        if !ids.is_empty() {
            text.push(BETWEEN);
        }
        text.push_str(&piece);
        ids.push(message.deduplication);
    }
    line.push_back(pack(group, &ids, text));
    Ok(line)
}

/// A pack of one message has that one's id; a pack of several has one made from all of theirs, so that it is never
/// taken for a repeat of a part of it.
fn pack(group: Address, ids: &[u128], text: String) -> Pack {
    let deduplication = match ids {
        [id] => *id,
        ids => {
            let bytes: Vec<[u8; 16]> = ids.iter().map(|id| id.to_le_bytes()).collect();
            let parts: Vec<&[u8]> = bytes.iter().map(<[u8; 16]>::as_slice).collect();
            u128::from_le_bytes(derive("queue/pack", &parts))
        }
    };
    Pack {
        group,
        deduplication: format!("{deduplication:032x}"),
        text,
    }
}

/// The inputs of a pack; `None` if the text is none.
pub(crate) fn unpack(text: &str) -> Option<Vec<Bytes>> {
    let pieces = text.strip_prefix(FORM)?.split(BETWEEN);
    let bodies = pieces.map(|piece| BASE64_NOPAD.decode(piece.as_bytes()).map(Bytes::from));
    bodies.collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    use porpoise_model::{ProjectId, RunId};

    use super::*;

    fn message(group: u8, deduplication: u128, bytes: usize) -> Message {
        Message {
            group: Address::run(ProjectId::of_name("p"), RunId::from_bytes([group; 16])),
            deduplication,
            body: vec![group; bytes].into(),
        }
    }

    #[test]
    fn a_group_s_inputs_share_messages_up_to_a_billed_chunk() {
        let sizes = [20_000, 20_000, 20_000, 100_000, 0, 1];
        let messages = (0..)
            .zip(sizes)
            .map(|(id, size)| message(1, id, size))
            .collect();
        let lines = lines(messages).unwrap();
        let [line] = &lines[..] else {
            panic!("one group, {} lines", lines.len());
        };
        let sizes = |pack: &Pack| {
            let bodies = unpack(&pack.text).unwrap();
            bodies.iter().map(Bytes::len).collect()
        };
        let shared: Vec<Vec<usize>> = line.iter().map(sizes).collect();
        let wanted = [
            vec![20_000, 20_000],
            vec![20_000],
            vec![100_000],
            vec![0, 1],
        ];
        assert_eq!(shared, wanted);
        let bytes = line.iter().map(|pack| pack.text.len());
        assert_eq!(bytes.filter(|bytes| *bytes > SHARED_BYTES_MAX).count(), 1);
    }

    #[test]
    fn groups_are_apart_and_keep_the_order_of_their_first_message() {
        let messages = [2, 1, 2, 3, 1].map(|group| message(group, 7, 3)).into();
        let lines = lines(messages).unwrap();
        let found: Vec<(Address, usize)> = lines
            .iter()
            .map(|line| (line[0].group, unpack(&line[0].text).unwrap().len()))
            .collect();
        let group = |number| message(number, 0, 0).group;
        assert_eq!(found, [(group(2), 2), (group(1), 2), (group(3), 1)]);
    }

    #[test]
    fn a_pack_has_an_id_of_all_that_is_in_it() {
        let id = |ids: &[u128]| {
            let messages = ids.iter().map(|id| message(1, *id, 1)).collect();
            lines(messages).unwrap()[0][0].deduplication.clone()
        };
        assert_eq!(id(&[0xab]), format!("{:032x}", 0xab));
        let ids = [
            id(&[1]),
            id(&[2]),
            id(&[1, 2]),
            id(&[2, 1]),
            id(&[1, 2, 3]),
            id(&[1, 1]),
        ];
        let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(id(&[1, 2]), id(&[1, 2]));
    }

    #[test]
    fn what_no_message_can_hold_is_refused_before_anything_is_sent() {
        let fits = MESSAGE_BYTES_MAX / 4 * 3 - 3;
        lines(vec![message(1, 1, fits)]).unwrap();
        let error = lines(vec![message(1, 1, 5), message(1, 2, fits + 3)]).unwrap_err();
        assert!(matches!(error, SendError::TooLarge { bytes, .. } if bytes == fits + 3));
    }

    #[test]
    fn what_is_no_pack_is_not_read() {
        for text in ["", "2:YQ", "1:Y", "1:YQ==", "1:Y Q", "1:YQ;YQ"] {
            assert_eq!(unpack(text), None, "{text}");
        }
        assert_eq!(unpack("1:"), Some(vec![Bytes::new()]));
        let three = vec!["a".into(), Bytes::new(), "bc".into()];
        assert_eq!(unpack("1:YQ,,YmM"), Some(three));
    }
}
