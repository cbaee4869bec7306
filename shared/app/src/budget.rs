//! Budgets of calls that AWS limits: a token bucket for each account, region and API, which every process of a place
//! shares. Calls are taken from it before they are made; a throttle empties it.
//!
//! Item: partition `budget/{place}`, sort key the name of the rate. Body: CBOR `[1, bucket]`.

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_ports::executor::Rate;
use porpoise_ports::table::{Condition, Item, Key};

use crate::app::App;
use crate::submit::{JobsError, TRIES_MAX};

/// What is left, in thousandths of a call, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct Bucket {
    #[n(0)]
    thousandths: u64,
    #[n(1)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    at: Timestamp,
}

impl Bucket {
    const fn full(rate: &Rate, at: Timestamp) -> Self {
        Self {
            thousandths: capacity(rate),
            at,
        }
    }

    /// With what came in since. A clock that is behind brings nothing in and takes nothing away; one that is behind by
    /// more than it takes to fill the bucket is the one that is right.
    fn refilled(self, rate: &Rate, now: Timestamp) -> Self {
        let passed = now.duration_since(self.at).as_millis();
        let to_fill = i128::from(rate.every_ms) * i128::from(rate.burst);
        if passed < 0 && passed > -to_fill {
            return self;
        }
        let passed = u64::try_from(passed).unwrap_or(0);
        let came = passed.saturating_mul(1_000) / u64::from(rate.every_ms.max(1));
        Self {
            thousandths: self.thousandths.saturating_add(came).min(capacity(rate)),
            at: now,
        }
    }

    /// Takes up to `wanted` calls.
    fn take(self, wanted: u32) -> (Self, u32) {
        let whole = u32::try_from(self.thousandths / 1_000).unwrap_or(u32::MAX);
        let taken = whole.min(wanted);
        let left = Self {
            thousandths: self.thousandths - u64::from(taken) * 1_000,
            at: self.at,
        };
        (left, taken)
    }
}

#[expect(clippy::as_conversions, reason = "no `From` in a constant function")]
const fn capacity(rate: &Rate) -> u64 {
    rate.burst as u64 * 1_000
}

impl App {
    /// Takes up to `wanted` calls of a budget; returns how many may be made. Costs a read and a put; a read alone if
    /// nothing is left.
    pub(crate) async fn spend(
        &self,
        place: &str,
        rate: &Rate,
        wanted: u32,
    ) -> Result<u32, JobsError> {
        for _ in 0..TRIES_MAX {
            let (bucket, revision) = self.bucket(place, rate).await?;
            let (left, taken) = bucket.take(wanted);
            if taken == 0 || self.keep_bucket(place, rate, left, revision).await? {
                return Ok(taken);
            }
        }
        // Others take from it all the time: they had their share, and this one comes again.
        Ok(0)
    }

    /// The service says that its own bucket is empty: so is ours.
    pub(crate) async fn empty(&self, place: &str, rate: &Rate) -> Result<(), JobsError> {
        let (bucket, revision) = self.bucket(place, rate).await?;
        let empty = Bucket {
            thousandths: 0,
            ..bucket
        };
        self.keep_bucket(place, rate, empty, revision).await?;
        Ok(())
    }

    async fn bucket(&self, place: &str, rate: &Rate) -> Result<(Bucket, u64), JobsError> {
        let found = self.store.get(&key(place, rate)).await;
        let found = found.map_err(|error| JobsError::Store(place.to_owned(), error))?;
        let now = self.now();
        let Some(item) = found else {
            return Ok((Bucket::full(rate, now), 0));
        };
        // One that cannot be read is made anew: it only paces calls.
        let bucket = minicbor::decode::<(u8, Bucket)>(&item.body);
        let bucket = bucket.map_or_else(|_| Bucket::full(rate, now), |(_, bucket)| bucket);
        Ok((bucket.refilled(rate, now), item.revision))
    }

    async fn keep_bucket(
        &self,
        place: &str,
        rate: &Rate,
        bucket: Bucket,
        revision: u64,
    ) -> Result<bool, JobsError> {
        let item = Item {
            key: key(place, rate),
            revision: revision + 1,
            body: minicbor::to_vec((1_u8, bucket)).unwrap_or_default().into(),
        };
        let condition = match revision {
            0 => Condition::Absent,
            revision => Condition::Revision(revision),
        };
        let put = self.store.put(item, condition).await;
        put.map_err(|error| JobsError::Store(place.to_owned(), error))
    }
}

fn key(place: &str, rate: &Rate) -> Key {
    Key::new(format!("budget/{place}"), rate.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> Rate {
        Rate {
            name: "111122223333/eu-central-1/StartJobRun".to_owned(),
            every_ms: 1_000,
            burst: 25,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + millis).unwrap()
    }

    #[test]
    fn a_bucket_starts_full_and_refills_by_its_rate_up_to_its_burst() {
        let rate = rate();
        let (bucket, taken) = Bucket::full(&rate, at(0)).take(300);
        assert_eq!(taken, 25);
        let later = |millis| bucket.refilled(&rate, at(millis)).take(300).1;
        let taken = [0, 999, 1_000, 7_500, 25_000, 1_000_000].map(later);
        assert_eq!(taken, [0, 0, 1, 7, 25, 25]);
    }

    #[test]
    fn parts_of_a_call_are_kept_until_they_are_a_whole_one() {
        let rate = rate();
        let (mut bucket, _) = Bucket::full(&rate, at(0)).take(25);
        let mut taken = 0;
        for half in 1..=20 {
            let (left, some) = bucket.refilled(&rate, at(half * 500)).take(5);
            (bucket, taken) = (left, taken + some);
        }
        assert_eq!(taken, 10);
    }

    #[test]
    fn a_clock_that_is_behind_neither_takes_nor_gives() {
        let rate = rate();
        let (bucket, _) = Bucket::full(&rate, at(0)).take(20);
        let behind = bucket.refilled(&rate, at(-10_000));
        assert_eq!(behind.take(9).1, 5);
        assert_eq!(behind.refilled(&rate, at(0)), behind);
        let far = bucket.refilled(&rate, at(-900_000));
        assert_eq!(far.take(9).1, 5);
        assert_eq!(far.refilled(&rate, at(-899_000)).take(9).1, 6);
    }
}
