//! What one event carries: intents for one place.

use bytes::Bytes;
use data_encoding::BASE64_NOPAD;
use porpoise_ports::usage::chunks;
use serde::{Deserialize, Serialize};

use crate::error::SendError;

/// The source of the events, which rules match.
pub const SOURCE: &str = "porpoise";
/// Their detail type, which rules match.
pub const DETAIL_TYPE: &str = "Intents";

/// Bytes of all events of a call, which have to be fewer than a megabyte. Source: EventBridge API reference,
/// `PutEvents`.
pub(crate) const CALL_BYTES_MAX: usize = 1_000_000 - 1;
/// Bytes that intents share an event up to: each 64 KB that are begun are billed as an event of their own, so that
/// fuller events save nothing, and several are carried out side by side. Source: EventBridge pricing.
const SHARED_BYTES_MAX: usize = 64 * 1024;
/// Room for what stands around the intents: source, detail type, time, place.
const ENVELOPE_BYTES: usize = 1024;
/// Says how the rest is written. Readers of a next form come before its writers.
const FORM: u32 = 1;

/// Intents that arrived for a place, from an event's `detail`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Detail")]
pub struct Intents {
    /// Where they are to be carried out.
    pub place: String,
    /// Encoded as they were sent.
    pub intents: Vec<Bytes>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Detail {
    form: u32,
    place: String,
    intents: Vec<String>,
}

/// An event that [`EventBridgeBus`](crate::EventBridgeBus) did not send, or a later release did.
#[derive(Debug, thiserror::Error)]
enum DetailError {
    #[error("the intents are written in form {0}, this release knows form {FORM}")]
    Form(u32),
    #[error("an intent for place `{0}` is not base64")]
    Intent(String),
}

impl TryFrom<Detail> for Intents {
    type Error = DetailError;

    fn try_from(detail: Detail) -> Result<Self, DetailError> {
        if detail.form != FORM {
            return Err(DetailError::Form(detail.form));
        }
        let texts = detail.intents.iter();
        let intents: Result<Vec<Bytes>, _> = texts
            .map(|text| BASE64_NOPAD.decode(text.as_bytes()).map(Bytes::from))
            .collect();
        match intents {
            Ok(intents) => Ok(Self {
                place: detail.place,
                intents,
            }),
            Err(_) => Err(DetailError::Intent(detail.place)),
        }
    }
}

/// The details of as few events as hold the intents without a chunk more than they need, in order.
pub(crate) fn details(place: &str, intents: &[Bytes]) -> Result<Vec<String>, SendError> {
    let mut events: Vec<Vec<String>> = Vec::new();
    let mut used = 0;
    for intent in intents {
        let text = BASE64_NOPAD.encode(intent);
        // with its quotes and a comma
        let bytes = text.len() + 3;
        if bytes + place.len() + ENVELOPE_BYTES > CALL_BYTES_MAX {
            let (place, bytes) = (place.to_owned(), intent.len());
            return Err(SendError::TooLarge { place, bytes });
        }
        match events.last_mut() {
            Some(event) if used + bytes + ENVELOPE_BYTES <= SHARED_BYTES_MAX => {
                used += bytes;
                event.push(text);
            }
            Some(_) | None => {
                used = bytes;
                events.push(vec![text]);
            }
        }
    }
    let details = events.into_iter().map(|intents| Detail {
        form: FORM,
        place: place.to_owned(),
        intents,
    });
    let texts = details.map(|detail| serde_json::json!(detail).to_string());
    Ok(texts.collect())
}

/// How many events an event is billed as: by the chunks of its size. Source: EventBridge user guide, "Calculating event
/// entry size": 14 bytes for its time, which is never given here.
pub(crate) fn billed(detail: &str) -> u64 {
    chunks(SOURCE.len() + DETAIL_TYPE.len() + detail.len())
}

/// What an event counts for in a call: its detail and what stands around it.
pub(crate) const fn event_bytes(detail: &str) -> usize {
    detail.len() + ENVELOPE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(details: &[String]) -> Vec<Vec<usize>> {
        let read = details.iter().map(|detail| {
            let intents: Intents = serde_json::from_str(detail).unwrap();
            assert_eq!(intents.place, "eu");
            intents.intents.iter().map(Bytes::len).collect()
        });
        read.collect()
    }

    #[test]
    fn intents_share_events_up_to_a_billed_chunk() {
        let intents: Vec<Bytes> = [20_000, 20_000, 20_000, 300_000, 0, 1]
            .map(|size| vec![7; size].into())
            .into();
        let events = details("eu", &intents).unwrap();
        let wanted = [
            vec![20_000, 20_000],
            vec![20_000],
            vec![300_000],
            vec![0, 1],
        ];
        assert_eq!(sizes(&events), wanted);
        let many = vec![Bytes::from(vec![7; 100]); 1_000];
        for detail in details("eu", &many).unwrap() {
            assert!(event_bytes(&detail) <= SHARED_BYTES_MAX, "{}", detail.len());
        }
    }

    #[test]
    fn what_no_event_can_hold_is_refused_before_anything_is_sent() {
        let error = details("eu", &["a".into(), vec![7; 750_000].into()]).unwrap_err();
        assert!(matches!(error, SendError::TooLarge { bytes: 750_000, .. }));
        let large = details("eu", &[vec![7; 745_000].into()]).unwrap();
        assert_eq!(large.len(), 1);
    }

    #[test]
    fn events_of_others_and_of_later_releases_are_refused_and_new_fields_are_not() {
        let read = |text: &str| serde_json::from_str::<Intents>(text);
        let known = r#"{"form":1,"place":"eu","intents":["YQ"],"trace":"new"}"#;
        assert_eq!(read(known).unwrap().intents, ["a"]);
        for text in [
            r#"{"form":2,"place":"eu","intents":["YQ"]}"#,
            r#"{"form":1,"place":"eu","intents":["Y Q"]}"#,
            r#"{"form":1,"intents":["YQ"]}"#,
            r#"{"bucket":"theirs"}"#,
        ] {
            read(text).unwrap_err();
        }
    }
}
