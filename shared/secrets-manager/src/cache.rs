//! What was read lately.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use porpoise_ports::secrets::Secret;

/// Secrets that are remembered: the jobs that one function starts at a time name fewer.
const SECRETS_MAX: usize = 256;

/// Secrets by what Secrets Manager calls them, each with when it was read.
#[derive(Debug)]
pub(crate) struct Cache {
    age_max: Duration,
    secrets: Mutex<BTreeMap<String, (Timestamp, Secret)>>,
}

impl Cache {
    pub(crate) fn new(age_max: Duration) -> Self {
        Self {
            age_max,
            secrets: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Timestamp, Secret)>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read no longer ago than allowed. After a clock that jumped back, nothing is young enough.
    pub(crate) fn get(&self, id: &str, now: Timestamp) -> Option<Secret> {
        let secrets = self.lock();
        let (read, secret) = secrets.get(id)?;
        let age = Duration::try_from(now.duration_since(*read)).ok()?;
        (age < self.age_max).then(|| secret.clone())
    }

    pub(crate) fn put(&self, id: String, secret: Secret, now: Timestamp) {
        let mut secrets = self.lock();
        secrets.insert(id, (now, secret));
        if secrets.len() > SECRETS_MAX {
            let oldest = secrets.iter().min_by_key(|(_, (read, _))| *read);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.and_then(|id| secrets.remove(&id));
        }
    }

    pub(crate) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn secret(value: &str) -> Secret {
        Secret {
            value: value.to_owned(),
            version: "1".to_owned(),
        }
    }

    #[test]
    fn secrets_are_remembered_for_a_while() {
        let cache = Cache::new(Duration::from_mins(1));
        cache.put("a".to_owned(), secret("x"), at(100));
        let known = |now| cache.get("a", at(now)).is_some();
        assert!(known(100) && known(159));
        assert!(!known(160), "too old");
        assert!(!known(99), "read in the future: the clock has jumped");
        cache.forget("a");
        assert!(!known(100));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let cache = Cache::new(Duration::from_hours(1));
        let id = |number: i64| format!("{:03}", 999 - number);
        for number in 0..300 {
            cache.put(id(number), secret("x"), at(number));
        }
        let known = |number: &i64| cache.get(&id(*number), at(300)).is_some();
        let left: Vec<i64> = (0..300).filter(known).collect();
        assert_eq!(left, (44..300).collect::<Vec<_>>());
    }
}
