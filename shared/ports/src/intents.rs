//! Intents as a bus carries them in JSON: what a dispatcher is handed by whichever bus its place has.

use bytes::Bytes;
use data_encoding::BASE64_NOPAD;
use serde::{Deserialize, Serialize};

/// What a batch of intents has to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that intents share a batch up to. A single intent may be larger.
    pub shared_bytes: usize,
    /// Bytes that no batch may exceed.
    pub bytes_max: usize,
}

/// Room for what stands around the intents: form, place, and what the bus itself adds.
pub const ENVELOPE_BYTES: usize = 1024;
/// Says how the rest is written. Readers of a next form come before its writers.
const FORM: u32 = 1;

/// Intents that arrived for a place, from the `detail` of what the dispatcher is handed.
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

/// A detail that no bus of this release wrote.
#[derive(Debug, thiserror::Error)]
enum DetailError {
    #[error("the intents are written in form {0}, this release knows form {FORM}")]
    Form(u32),
    #[error("an intent for place `{0}` is not base64")]
    Intent(String),
}

/// One intent is larger than a batch may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an intent for place `{place}` has {bytes} bytes, which no batch can hold")]
pub struct TooLarge {
    /// Where it was to go.
    pub place: String,
    /// Its own, before it is encoded.
    pub bytes: usize,
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

/// The details of as few batches as hold the intents, in order.
///
/// # Errors
/// One of them fits in no batch.
pub fn details(place: &str, intents: &[Bytes], room: Room) -> Result<Vec<String>, TooLarge> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut used = 0;
    for intent in intents {
        let text = BASE64_NOPAD.encode(intent);
        // with its quotes and a comma
        let bytes = text.len() + 3;
        if bytes + place.len() + ENVELOPE_BYTES > room.bytes_max {
            let (place, bytes) = (place.to_owned(), intent.len());
            return Err(TooLarge { place, bytes });
        }
        match batches.last_mut() {
            Some(batch) if used + bytes + ENVELOPE_BYTES <= room.shared_bytes => {
                used += bytes;
                batch.push(text);
            }
            Some(_) | None => {
                used = bytes;
                batches.push(vec![text]);
            }
        }
    }
    let details = batches.into_iter().map(|intents| Detail {
        form: FORM,
        place: place.to_owned(),
        intents,
    });
    let texts = details.map(|detail| serde_json::json!(detail).to_string());
    Ok(texts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        shared_bytes: 64 * 1024,
        bytes_max: 1_000_000 - 1,
    };

    fn sizes(details: &[String]) -> Vec<Vec<usize>> {
        let read = details.iter().map(|detail| {
            let intents: Intents = serde_json::from_str(detail).unwrap();
            assert_eq!(intents.place, "eu");
            intents.intents.iter().map(Bytes::len).collect()
        });
        read.collect()
    }

    #[test]
    fn intents_share_batches_up_to_a_size() {
        let intents: Vec<Bytes> = [20_000, 20_000, 20_000, 300_000, 0, 1]
            .map(|size| vec![7; size].into())
            .into();
        let batches = details("eu", &intents, ROOM).unwrap();
        let wanted = [
            vec![20_000, 20_000],
            vec![20_000],
            vec![300_000],
            vec![0, 1],
        ];
        assert_eq!(sizes(&batches), wanted);
        let many = vec![Bytes::from(vec![7; 100]); 1_000];
        for detail in details("eu", &many, ROOM).unwrap() {
            let bytes = detail.len() + ENVELOPE_BYTES;
            assert!(bytes <= ROOM.shared_bytes, "{bytes}");
        }
    }

    #[test]
    fn what_no_batch_can_hold_is_refused_before_anything_is_sent() {
        let error = details("eu", &["a".into(), vec![7; 750_000].into()], ROOM).unwrap_err();
        let wanted = TooLarge {
            place: "eu".to_owned(),
            bytes: 750_000,
        };
        assert_eq!(error, wanted);
        let large = details("eu", &[vec![7; 745_000].into()], ROOM).unwrap();
        assert_eq!(large.len(), 1);
    }

    #[test]
    fn details_of_others_and_of_later_releases_are_refused_and_new_fields_are_not() {
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
