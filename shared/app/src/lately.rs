//! What was used last, up to a bound.

use std::collections::BTreeMap;

/// Values by key; beyond its bounds the ones that were not used for longest are forgotten. The last one is always
/// kept.
#[derive(Debug)]
pub(crate) struct Lately<K, V> {
    by_key: BTreeMap<K, Used<V>>,
    by_age: BTreeMap<u64, K>,
    weight: u32,
    uses: u64,
    count_max: usize,
    weight_max: u32,
}

#[derive(Debug)]
struct Used<V> {
    at: u64,
    weight: u32,
    value: V,
}

impl<K: Copy + Ord, V> Lately<K, V> {
    /// At most so many values, and of so much weight together.
    pub(crate) fn new(count_max: usize, weight_max: u32) -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_age: BTreeMap::new(),
            weight: 0,
            uses: 0,
            count_max,
            weight_max,
        }
    }

    /// Uses a value.
    pub(crate) fn get(&mut self, key: K) -> Option<&V> {
        let used = self.by_key.get_mut(&key)?;
        self.uses += 1;
        self.by_age.remove(&used.at);
        self.by_age.insert(self.uses, key);
        used.at = self.uses;
        Some(&used.value)
    }

    pub(crate) fn take(&mut self, key: K) -> Option<V> {
        let used = self.by_key.remove(&key)?;
        self.by_age.remove(&used.at);
        self.weight = self.weight.saturating_sub(used.weight);
        Some(used.value)
    }

    pub(crate) fn put(&mut self, key: K, weight: u32, value: V) {
        self.take(key);
        self.uses += 1;
        let at = self.uses;
        self.weight = self.weight.saturating_add(weight);
        self.by_age.insert(at, key);
        self.by_key.insert(key, Used { at, weight, value });
        while self.is_over()
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.take(oldest);
        }
    }

    fn is_over(&self) -> bool {
        let count = self.by_key.len();
        count > 1 && (count > self.count_max || self.weight > self.weight_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(lately: &Lately<u32, u32>) -> Vec<u32> {
        lately.by_key.keys().copied().collect()
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten_first() {
        let mut lately = Lately::new(3, 100);
        for key in 1..=3 {
            lately.put(key, 1, key);
        }
        assert_eq!(lately.get(1), Some(&1));
        lately.put(4, 1, 4);
        assert_eq!(keys(&lately), [1, 3, 4]);
        assert_eq!((lately.take(3), lately.take(3)), (Some(3), None));
        assert_eq!(lately.weight, 2);
    }

    #[test]
    fn weight_is_bounded_but_the_last_one_is_kept() {
        let mut lately = Lately::new(10, 100);
        for key in 1..=4 {
            lately.put(key, 40, key);
        }
        assert_eq!(keys(&lately), [3, 4]);
        lately.put(4, 10, 4);
        assert_eq!((keys(&lately), lately.weight), (vec![3, 4], 50));
        lately.put(5, 1_000, 5);
        assert_eq!((keys(&lately), lately.by_age.len()), (vec![5], 1));
    }
}
