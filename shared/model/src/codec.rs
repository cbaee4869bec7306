//! How times and durations are written in CBOR: whole milliseconds, so that records stay small and exact.

/// `#[cbor(with = "porpoise_model::codec::timestamp")]`: milliseconds since 1970 as an integer.
pub mod timestamp {
    use jiff::Timestamp;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// The last millisecond that can be read back: what comes after it in the last second of all time cannot.
    const LAST: i64 = 253_402_207_200_000;

    /// Writes the time, cut to milliseconds.
    pub fn encode<C, W: Write>(
        at: &Timestamp,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.i64(at.as_millisecond().min(LAST))?.ok()
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
        c: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match at {
            Some(at) => super::timestamp::encode(at, e, c),
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use minicbor::{Decoder, Encoder};

    use super::timestamp;

    #[test]
    fn every_time_that_is_written_can_be_read() {
        for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let mut bytes = Vec::new();
            timestamp::encode(&at, &mut Encoder::new(&mut bytes), &mut ()).unwrap();
            let read = timestamp::decode(&mut Decoder::new(&bytes), &mut ()).unwrap();
            assert_eq!(read.as_second(), at.as_second());
        }
    }
}
