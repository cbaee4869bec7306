//! How times and durations are written in CBOR: whole milliseconds, so that records stay small and exact.

/// `#[cbor(with = "porpoise_model::codec::timestamp")]`: milliseconds since 1970 as an integer.
pub mod timestamp {
    use jiff::Timestamp;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the time, cut to milliseconds.
    pub fn encode<C, W: Write>(
        at: &Timestamp,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.i64(at.as_millisecond())?.ok()
    }

    /// Reads the time back.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Timestamp, DecodeError> {
        Timestamp::from_millisecond(d.i64()?).map_err(DecodeError::custom)
    }
}

/// The same for an optional time: `null` when there is none.
pub mod timestamp_option {
    use jiff::Timestamp;
    use minicbor::data::Type;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the time or `null`.
    pub fn encode<C, W: Write>(
        at: &Option<Timestamp>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match at {
            Some(at) => e.i64(at.as_millisecond())?.ok(),
            None => e.null()?.ok(),
        }
    }

    /// Reads the time back.
    pub fn decode<C>(d: &mut Decoder<'_>, c: &mut C) -> Result<Option<Timestamp>, DecodeError> {
        if d.datatype()? == Type::Null {
            d.skip()?;
            return Ok(None);
        }
        super::timestamp::decode(d, c).map(Some)
    }
}
