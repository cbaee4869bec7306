//! Budgets of calls that AWS limits: a token bucket for each account, region and API, which every process of a place
//! shares. Calls are taken from it before they are made; a throttle empties it.
//!
//! Who takes calls takes a few more for the next time, if there are plenty, so that jobs which come one by one cost no
//! write each. What is not used soon is lost, which only paces. Who does not know whether others wait in line takes
//! nothing from a bucket of which somebody went away with less than was wanted.
//!
//! Item: partition `budget/{place}`, sort key the name of the rate. Body: CBOR `[1, bucket]`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
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
    /// Whether who took last wanted more than there was: others wait in line.
    #[n(2)]
    #[cbor(default)]
    crowded: bool,
}

/// Calls that were taken in advance are good for so long.
const PURSE_AGE_MAX: SignedDuration = SignedDuration::from_secs(120);

/// Whether who wants to submit knows who else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It knows everybody who waits, and comes in their order.
    InLine,
    /// It knows of no one but those that it brings.
    Newcomer,
}

/// Calls that this process has taken in advance, by the name of their budget.
#[derive(Debug, Default)]
pub(crate) struct Purse {
    by_name: Mutex<BTreeMap<String, (u32, Timestamp)>>,
    /// Budgets that were just read, to be taken from next: what was read, and its revision.
    looked_at: Mutex<BTreeMap<String, (Bucket, u64)>>,
}

impl Purse {
    /// Whether there are `wanted` calls in it.
    fn holds(&self, name: &str, wanted: u32, now: Timestamp) -> bool {
        let purses = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let purse = purses.get(name);
        purse.is_some_and(|(left, since)| is_good(*left, *since, wanted, now))
    }

    /// Takes `wanted` calls out of it, or none.
    fn take(&self, name: &str, wanted: u32, now: Timestamp) -> bool {
        let mut purses = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((left, since)) = purses.get_mut(name) else {
            return false;
        };
        let good = is_good(*left, *since, wanted, now);
        if good {
            *left -= wanted;
        }
        good
    }

    fn put(&self, name: &str, calls: u32, now: Timestamp) {
        let mut purses = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        purses.insert(name.to_owned(), (calls, now));
    }
}

fn is_good(left: u32, since: Timestamp, wanted: u32, now: Timestamp) -> bool {
    let age = now.duration_since(since);
    !age.is_negative() && age <= PURSE_AGE_MAX && left >= wanted
}

impl Bucket {
    const fn full(rate: &Rate, at: Timestamp) -> Self {
        Self {
            thousandths: capacity(rate),
            at,
            crowded: false,
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
            crowded: self.crowded,
        }
    }

    /// Takes up to `wanted` calls.
    fn take(self, wanted: u32) -> (Self, u32) {
        let taken = self.whole().min(wanted);
        let left = Self {
            thousandths: self.thousandths - u64::from(taken) * 1_000,
            at: self.at,
            crowded: taken < wanted,
        };
        (left, taken)
    }

    /// How many more to take than `wanted`: two fifths of the burst, if half as many are left after that.
    fn spare(self, rate: &Rate, wanted: u32) -> u32 {
        let spare = rate.burst / 5 * 2;
        let plenty = wanted.saturating_add(spare + spare / 2);
        if self.whole() >= plenty { spare } else { 0 }
    }

    fn whole(self) -> u32 {
        u32::try_from(self.thousandths / 1_000).unwrap_or(u32::MAX)
    }
}

#[expect(clippy::as_conversions, reason = "no `From` in a constant function")]
const fn capacity(rate: &Rate) -> u64 {
    rate.burst as u64 * 1_000
}

impl App {
    /// Reads a budget from which `wanted` calls are about to be taken, while something else is done that takes as long.
    /// A budget that cannot be read is read again when it is needed.
    pub(crate) async fn look_at_budget(&self, place: &str, rate: &Rate, wanted: u32) {
        if self.purse.holds(&rate.name, wanted, self.now()) {
            return;
        }
        if let Ok(found) = self.bucket(place, rate).await {
            let looked_at = &self.purse.looked_at;
            let mut looked_at = looked_at.lock().unwrap_or_else(PoisonError::into_inner);
            looked_at.insert(rate.name.clone(), found);
        }
    }

    fn looked_at(&self, rate: &Rate) -> Option<(Bucket, u64)> {
        let looked_at = &self.purse.looked_at;
        let mut looked_at = looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.remove(&rate.name)
    }

    /// Takes up to `wanted` calls of a budget; returns how many may be made. Costs a read and a put; a read alone if
    /// nothing is left, and nothing if enough was taken in advance.
    pub(crate) async fn spend(
        &self,
        place: &str,
        rate: &Rate,
        wanted: u32,
        standing: Standing,
    ) -> Result<u32, JobsError> {
        if self.purse.take(&rate.name, wanted, self.now()) {
            return Ok(wanted);
        }
        for _ in 0..TRIES_MAX {
            let (bucket, revision) = match self.looked_at(rate) {
                Some(found) => found,
                None => self.bucket(place, rate).await?,
            };
            if bucket.crowded && standing == Standing::Newcomer {
                return Ok(0);
            }
            let spare = bucket.spare(rate, wanted);
            let (left, taken) = bucket.take(wanted + spare);
            if taken == 0 && bucket.crowded {
                return Ok(0);
            }
            if self.keep_bucket(place, rate, left, revision).await? {
                self.purse.put(&rate.name, spare, self.now());
                return Ok(taken.min(wanted));
            }
        }
        // Others take from it all the time: they had their share, and this one comes again.
        Ok(0)
    }

    /// The service says that its own bucket is empty: so is ours.
    pub(crate) async fn empty(&self, place: &str, rate: &Rate) -> Result<(), JobsError> {
        self.purse.put(&rate.name, 0, self.now());
        let (bucket, revision) = self.bucket(place, rate).await?;
        let empty = Bucket {
            thousandths: 0,
            crowded: true,
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
        let condition = Condition::follows(revision);
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
    fn who_finds_plenty_takes_some_for_the_next_time() {
        let rate = rate();
        let full = Bucket::full(&rate, at(0));
        assert_eq!(full.spare(&rate, 1), 10);
        assert_eq!(full.spare(&rate, 10), 10);
        assert_eq!(full.spare(&rate, 11), 0, "others come, too");
        let purse = Purse::default();
        assert!(!purse.take(&rate.name, 1, at(0)));
        purse.put(&rate.name, 5, at(0));
        let taken = [(3, 0), (3, 0), (1, 120_000), (1, 120_001), (1, -1)];
        let taken = taken.map(|(wanted, when)| purse.take(&rate.name, wanted, at(when)));
        assert_eq!(taken, [true, false, true, false, false]);
    }

    #[test]
    fn who_goes_away_with_less_leaves_a_crowd() {
        let rate = rate();
        let (left, taken) = Bucket::full(&rate, at(0)).take(26);
        assert!(left.crowded && taken == 25);
        assert!(left.refilled(&rate, at(5_000)).crowded);
        let (left, taken) = left.refilled(&rate, at(5_000)).take(5);
        assert!(!left.crowded && taken == 5);
    }

    #[test]
    fn buckets_of_the_first_release_still_read() {
        let first = minicbor::to_vec((1_u8, (7_u64, 1_000_i64))).unwrap();
        let (_, bucket): (u8, Bucket) = minicbor::decode(&first).unwrap();
        assert_eq!((bucket.thousandths, bucket.crowded), (7, false));
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
