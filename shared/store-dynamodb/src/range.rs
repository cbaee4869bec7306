//! The range of a query in the terms of DynamoDB.

use porpoise_ports::table::Query;

/// Bytes of a sort key that DynamoDB takes, also as the end of a range.
const SORT_BYTES_MAX: usize = 1024;

/// The last character, in its 4 bytes.
const LAST: char = '\u{10ffff}';

/// A range that holds all that a query wants, and more only where a bound is too long for DynamoDB.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Sort keys from here on; empty: from the first.
    pub(crate) from: String,
    /// Up to here, included; empty: to the last.
    pub(crate) to: String,
    /// Behind this one, which lies in the range: DynamoDB takes no other.
    pub(crate) after: Option<String>,
}

impl Range {
    /// `None`: the query wants nothing at all. DynamoDB refuses a range that ends before it begins.
    pub(crate) fn of(query: &Query) -> Option<Self> {
        let (from, to) = (query.from.as_str(), query.to.as_str());
        let endless = to.is_empty();
        if !endless && from > to {
            return None;
        }
        let after = match query.after.as_deref() {
            None => None,
            Some(after) if query.descending => {
                if after <= from {
                    return None;
                }
                Some(after).filter(|after| endless || *after <= to)
            }
            Some(after) => {
                if !endless && after >= to {
                    return None;
                }
                Some(after).filter(|after| !after.is_empty() && *after >= from)
            }
        };
        let mut range = Self {
            from: below(from),
            to: above(to),
            after: None,
        };
        match after {
            Some(after) if after.len() <= SORT_BYTES_MAX => range.after = Some(after.to_owned()),
            Some(after) if query.descending => range.to = above(after),
            Some(after) => range.from = below(after),
            None => {}
        }
        Some(range)
    }

    /// The condition on the keys, in which `:p`, `:from` and `:to` stand for values.
    pub(crate) fn expression(&self) -> &'static str {
        match (self.from.is_empty(), self.to.is_empty()) {
            (true, true) => "p = :p",
            (false, true) => "p = :p AND s >= :from",
            (true, false) => "p = :p AND s <= :to",
            (false, false) => "p = :p AND s BETWEEN :from AND :to",
        }
    }
}

/// The largest bound that is not too long and not above `bound`.
fn below(bound: &str) -> String {
    prefix(bound, SORT_BYTES_MAX).to_owned()
}

/// A bound that is not too long, with no key between `bound` and it but those that begin as `bound` does.
fn above(bound: &str) -> String {
    if bound.len() <= SORT_BYTES_MAX {
        return bound.to_owned();
    }
    let mut above = prefix(bound, SORT_BYTES_MAX - LAST.len_utf8()).to_owned();
    above.push(LAST);
    above
}

/// As many whole characters as fit.
fn prefix(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether DynamoDB would find it.
    fn finds(range: &Range, descending: bool, sort: &str) -> bool {
        let behind = |after: &str| {
            if descending {
                sort < after
            } else {
                sort > after
            }
        };
        sort >= range.from.as_str()
            && (range.to.is_empty() || sort <= range.to.as_str())
            && range.after.as_deref().is_none_or(behind)
    }

    /// Short ones, and some around the limit.
    fn bound() -> impl Strategy<Value = String> {
        let long =
            (1015..1030_usize, "[aä😀]{0,4}").prop_map(|(length, end)| "a".repeat(length) + &end);
        prop_oneof![3 => "[ab\u{0}ä]{0,3}", 1 => long]
    }

    proptest! {
        #[test]
        fn a_range_finds_what_the_query_wants_and_dynamodb_takes_it(
            from in bound(), to in bound(), after in prop::option::of(bound()), descending: bool, sort in bound(),
        ) {
            let short = [&from, &to].iter().all(|bound| bound.len() <= SORT_BYTES_MAX)
                && after.as_ref().is_none_or(|after| after.len() <= SORT_BYTES_MAX);
            let query = Query { from, to, descending, after, ..Query::prefix("p", "") };
            let sort = prefix(&sort, SORT_BYTES_MAX);
            let range = Range::of(&query);
            let found = range.as_ref().is_some_and(|range| finds(range, descending, sort));
            if !sort.is_empty() {
                prop_assert!(found || !query.wants(sort), "lost: {range:?}");
                prop_assert!(!short || found == query.wants(sort), "too much: {range:?}");
            }
            if let Some(Range { from, to, after }) = range {
                prop_assert!(to.is_empty() || from <= to);
                prop_assert!(from.len().max(to.len()) <= SORT_BYTES_MAX);
                let inside = |after: &String| {
                    (1..=SORT_BYTES_MAX).contains(&after.len()) && *after >= from && (to.is_empty() || *after <= to)
                };
                prop_assert!(after.as_ref().is_none_or(inside));
            }
        }
    }
}
