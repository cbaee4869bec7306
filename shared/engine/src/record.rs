//! Records: what one step appends to a log, and snapshots of a fold.
//!
//! Both are CBOR with numbered fields: a reader skips fields that it does not know. A record names the least reader
//! version that understands it; docs/adr says how forms change. Golden files in `tests/golden` prove that what older
//! releases wrote still reads.

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::VersionHash;

use crate::input::Annotation;
use crate::mutant::{self, Mutant};

/// What this reader understands. A writer states what its records need, not what it could read itself.
pub const READER: u16 = 1;

/// What one step decided: one item of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<F> {
    /// When it was decided, by the clock of the step.
    pub at: Timestamp,
    /// What is now so, in order.
    pub facts: Vec<F>,
}

/// The state of an aggregate after a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot<S> {
    /// The fold that made it: another one folds again.
    pub fold: u32,
    /// The last record that is in it.
    pub sequence: u64,
    /// The version whose context it needs.
    pub version: Option<VersionHash>,
    /// The state; `None` when another fold made it: it is not even looked at.
    pub state: Option<S>,
}

/// Stored bytes that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadRecordError {
    /// Written for a later release.
    #[error("the record needs reader {needed}, this release is reader {READER}: upgrade it")]
    TooNew {
        /// What it needs.
        needed: u16,
    },
    /// Damaged.
    #[error("the record cannot be decoded")]
    Damaged(#[from] minicbor::decode::Error),
}

impl<F: Encode<()> + for<'b> Decode<'b, ()>> Record<F> {
    /// The stored form: `[reader, milliseconds, [fact, …]]`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut e = minicbor::Encoder::new(Vec::with_capacity(64));
        let written = e
            .array(3)
            .and_then(|e| e.u16(1))
            .and_then(|e| e.i64(self.at.as_millisecond()))
            .and_then(|e| e.encode(&self.facts));
        debug_assert!(written.is_ok(), "a vector takes everything");
        e.into_writer()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// Written for a later reader, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadRecordError> {
        let mut d = minicbor::Decoder::new(bytes);
        let fields = d.array()?;
        check_reader(d.u16()?)?;
        let at = porpoise_model::codec::timestamp::decode(&mut d, &mut ())?;
        let facts = d.decode()?;
        skip_rest(&mut d, fields, 3)?;
        Ok(Self { at, facts })
    }
}

/// The stored form of a record that carries annotations: `[reader, milliseconds, [fact, …], [annotation, …]]`. They are
/// no facts: nothing is decided by them, and whoever reads the record passes over them.
pub fn with_notes(mut record: Vec<u8>, notes: &[Annotation]) -> Vec<u8> {
    if notes.is_empty() {
        return record;
    }
    if let Some(head) = record.first_mut().filter(|head| **head == ARRAY_OF_3) {
        *head += 1;
        record.extend(minicbor::to_vec(notes).unwrap_or_default());
    }
    record
}

/// The first byte of a record without annotations.
const ARRAY_OF_3: u8 = 0x83;

/// When a record was decided, whatever its facts are.
///
/// # Errors
/// Written for a later reader, or damaged.
pub fn time(record: &[u8]) -> Result<Timestamp, ReadRecordError> {
    let mut d = minicbor::Decoder::new(record);
    d.array()?;
    check_reader(d.u16()?)?;
    Ok(porpoise_model::codec::timestamp::decode(&mut d, &mut ())?)
}

/// The annotations that a record carries.
///
/// # Errors
/// Written for a later reader, or damaged.
pub fn notes(record: &[u8]) -> Result<Vec<Annotation>, ReadRecordError> {
    let mut d = minicbor::Decoder::new(record);
    let fields = d.array()?;
    check_reader(d.u16()?)?;
    if fields.is_none_or(|fields| fields < 4) {
        return Ok(Vec::new());
    }
    d.skip()?;
    d.skip()?;
    Ok(d.decode()?)
}

impl<S: Encode<()> + for<'b> Decode<'b, ()>> Snapshot<S> {
    /// The stored form: `[reader, fold, sequence, version or null, state]`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut e = minicbor::Encoder::new(Vec::with_capacity(256));
        let written = e
            .array(5)
            .and_then(|e| e.u16(1))
            .and_then(|e| e.u32(self.fold))
            .and_then(|e| e.u64(self.sequence))
            .and_then(|e| e.encode(self.version))
            .and_then(|e| e.encode(&self.state));
        debug_assert!(written.is_ok(), "a vector takes everything");
        e.into_writer()
    }

    /// Reads the stored form; the state only if `fold` made it.
    ///
    /// # Errors
    /// Written for a later reader, or damaged.
    pub fn from_bytes(bytes: &[u8], fold: u32) -> Result<Self, ReadRecordError> {
        let mut d = minicbor::Decoder::new(bytes);
        d.array()?;
        check_reader(d.u16()?)?;
        let (made_by, sequence, version) = (d.u32()?, d.u64()?, d.decode()?);
        let usable = made_by == fold || mutant::on(Mutant::ForeignSnapshot);
        let state = if usable { d.decode()? } else { None };
        Ok(Self {
            fold: made_by,
            sequence,
            version,
            state,
        })
    }
}

fn check_reader(needed: u16) -> Result<(), ReadRecordError> {
    if needed > READER {
        Err(ReadRecordError::TooNew { needed })
    } else {
        Ok(())
    }
}

/// Fields that a later writer added behind those that this reader knows.
fn skip_rest(
    d: &mut minicbor::Decoder<'_>,
    fields: Option<u64>,
    known: u64,
) -> Result<(), minicbor::decode::Error> {
    (known..fields.unwrap_or(known)).try_for_each(|_| d.skip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_ride_in_a_record_and_change_nothing_of_it() {
        let record = Record {
            at: Timestamp::from_millisecond(7).unwrap(),
            facts: vec![1_u32, 2],
        };
        let plain = record.to_bytes();
        assert_eq!(notes(&plain).unwrap(), []);
        assert_eq!(time(&plain).unwrap(), record.at);
        assert_eq!(with_notes(plain.clone(), &[]), plain);
        let note = Annotation {
            name: "usage/1".to_owned(),
            body: vec![1, 2, 3],
        };
        let noted = with_notes(plain, std::slice::from_ref(&note));
        assert_eq!(notes(&noted).unwrap(), [note]);
        assert_eq!(Record::from_bytes(&noted).unwrap(), record);
        notes(&noted[..noted.len() - 1]).unwrap_err();
    }
}
