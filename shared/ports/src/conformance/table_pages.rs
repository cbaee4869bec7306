//! What every table promises of ranges and pages.

use porpoise_model::limits::PAGE_BYTES_MAX;

use super::table::{item, put};
use crate::table::{Condition, Consistency, Item, Page, Query, Table};

/// One, two, three and four bytes of UTF-8, and a private-use character that UTF-16 would order after the last.
const SORTS: [&str; 10] = [
    "\u{0}", "A", "a", "a\u{0}", "aa", "b", "ä", "依", "\u{ffff}", "😀",
];

async fn put_all(table: &impl Table, partition: &str, sorts: &[&str]) {
    for sort in sorts.iter().rev() {
        put(table, item(partition, sort, 1, "")).await;
    }
}

fn sorts(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.key.sort.as_str()).collect()
}

/// Every page of a query, in order.
async fn pages(table: &impl Table, query: &Query) -> Vec<Page> {
    let mut query = query.clone();
    let mut pages = Vec::new();
    loop {
        let page = table.query(&query).await.expect("query");
        let next = page.next.clone();
        pages.push(page);
        assert!(pages.len() < 1000, "the pages of {query:?} have no end");
        match next {
            Some(next) => query.after = Some(next),
            None => return pages,
        }
    }
}

async fn all(table: &impl Table, query: &Query) -> Vec<Item> {
    let pages = pages(table, query).await;
    pages.into_iter().flat_map(|page| page.items).collect()
}

fn query(partition: &str, from: &str, to: &str, descending: bool) -> Query {
    Query {
        partition: partition.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        descending,
        limit: usize::MAX,
        after: None,
        consistency: Consistency::Strong,
    }
}

/// In both directions, whatever the script.
pub async fn sort_keys_are_ordered_by_their_bytes<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let (table, _guard) = make().await;
    put_all(&table, "p", &SORTS).await;
    let mut expected = SORTS.to_vec();
    expected.sort_unstable_by_key(|sort| sort.as_bytes());
    assert_eq!(expected, SORTS);
    let found = all(&table, &query("p", "", "", false)).await;
    assert_eq!(sorts(&found), expected);
    expected.reverse();
    let found = all(&table, &query("p", "", "", true)).await;
    assert_eq!(sorts(&found), expected);
}

/// And nothing else; a range that ends before it begins is empty.
pub async fn a_range_includes_both_ends<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let (table, _guard) = make().await;
    put_all(&table, "p", &SORTS).await;
    for from in SORTS.iter().chain(&["", "a!", "zz"]) {
        for to in SORTS.iter().chain(&["", "a!", "zz"]) {
            for descending in [false, true] {
                let query = query("p", from, to, descending);
                let mut expected: Vec<&str> =
                    SORTS.into_iter().filter(|sort| query.wants(sort)).collect();
                if descending {
                    expected.reverse();
                }
                assert_eq!(sorts(&all(&table, &query).await), expected, "{query:?}");
            }
        }
    }
}

/// The prefix itself included, its neighbours not.
pub async fn a_prefix_finds_what_starts_with_it<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let (table, _guard) = make().await;
    let stored = [
        "log", "log#", "log#1", "log#2", "log#依", "log#😀", "log$", "lo",
    ];
    put_all(&table, "p", &stored).await;
    let found = all(&table, &Query::prefix("p", "log#")).await;
    assert_eq!(
        sorts(&found),
        ["log#", "log#1", "log#2", "log#依", "log#😀"]
    );
    assert_eq!(
        all(&table, &Query::prefix("p", "")).await.len(),
        stored.len()
    );
    assert_eq!(all(&table, &Query::prefix("p", "logs")).await, []);
}

/// Whatever the limit and the direction; the last page alone has no successor.
pub async fn pages_of_a_limit_give_every_item_once<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let (table, _guard) = make().await;
    put_all(&table, "p", &SORTS).await;
    put_all(&table, "q", &SORTS).await;
    for descending in [false, true] {
        let whole = query("p", "A", "依", descending);
        let expected = all(&table, &whole).await;
        assert_eq!(expected.len(), 7);
        for limit in 1..=9 {
            let pages = pages(
                &table,
                &Query {
                    limit,
                    ..whole.clone()
                },
            )
            .await;
            assert!(pages.iter().all(|page| page.items.len() <= limit));
            let found: Vec<Item> = pages.into_iter().flat_map(|page| page.items).collect();
            assert_eq!(found, expected, "limit {limit}, descending {descending}");
        }
    }
}

/// Also when no limit was asked for.
pub async fn pages_hold_a_megabyte_at_most<T: Table, G>(make: impl AsyncFn() -> (T, G)) {
    let (table, _guard) = make().await;
    for number in 0..9_u8 {
        let size = 250_000 + usize::from(number);
        put(
            &table,
            item("p", &format!("{number}"), 1, vec![number; size]),
        )
        .await;
    }
    for descending in [false, true] {
        for limit in [3, 100] {
            let whole = query("p", "", "", descending);
            let pages = pages(&table, &Query { limit, ..whole }).await;
            for page in &pages {
                let bytes: usize = page.items.iter().map(Item::size).sum();
                assert!(bytes <= PAGE_BYTES_MAX, "a page of {bytes} bytes");
            }
            let found: Vec<Item> = pages.into_iter().flat_map(|page| page.items).collect();
            let mut expected: Vec<u8> = (0..9).collect();
            if descending {
                expected.reverse();
            }
            let first_bytes: Vec<u8> = found
                .iter()
                .filter_map(|item| item.body.first().copied())
                .collect();
            assert_eq!(first_bytes, expected);
        }
    }
}

/// A reader between two pages loses nothing by it.
pub async fn a_cursor_stays_valid_when_its_item_is_removed<T: Table, G>(
    make: impl AsyncFn() -> (T, G),
) {
    let (table, _guard) = make().await;
    put_all(&table, "p", &["a", "b", "c", "d"]).await;
    for (descending, rest) in [(false, ["c", "d"]), (true, ["c", "a"])] {
        let first = Query {
            limit: if descending { 1 } else { 2 },
            ..query("p", "", "", descending)
        };
        let page = table.query(&first).await.expect("query");
        let last = page.items.last().expect("a page").clone();
        table
            .delete(&last.key, Condition::None)
            .await
            .expect("delete");
        let next = Query {
            after: page.next,
            limit: 10,
            ..first
        };
        let found = table.query(&next).await.expect("query").items;
        assert_eq!(sorts(&found), rest);
    }
}
