//! What the meter counts.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use porpoise_model::limits::ITEM_BYTES_MAX;
use porpoise_ports::meter::{Counts, Metered};
use porpoise_ports::table::{Condition, Consistency, Item, Key, Query, Table};
use porpoise_store_memory::MemoryTable;

/// The memory table's futures are ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a call of the memory table waits"),
    }
}

fn metered() -> Metered<MemoryTable> {
    Metered::with_kinds(MemoryTable::new(), |_, sort| {
        if sort.starts_with("log#") {
            "log"
        } else {
            "other"
        }
    })
}

/// An item of so many bytes, keys and revision included.
fn item(sort: &str, size: usize) -> Item {
    Item {
        key: Key::new("p", sort),
        revision: 1,
        body: vec![0; size - 8 - 1 - sort.len()].into(),
    }
}

#[test]
fn a_put_costs_a_unit_for_each_kilobyte_begun() {
    let table = metered();
    for (size, units) in [(20, 1), (1024, 1), (1025, 2), (ITEM_BYTES_MAX, 400)] {
        let before = table.meter().snapshot();
        now(table.put(item("log#1", size), Condition::None)).unwrap();
        let counts = table.meter().snapshot().since(&before).total;
        let expected = Counts {
            puts: 1,
            write_units: units,
            ..Counts::default()
        };
        assert_eq!(counts, expected, "{size} bytes");
    }
}

#[test]
fn a_put_costs_by_the_larger_of_what_it_writes_and_what_it_replaces() {
    let table = metered();
    let unit = |size| {
        let before = table.meter().snapshot();
        now(table.put(item("log#1", size), Condition::None)).unwrap();
        table.meter().snapshot().since(&before).total.write_units
    };
    assert_eq!([3000, 100, 100, 2000, 100].map(unit), [3, 3, 1, 2, 2]);
    now(table.delete(&Key::new("p", "log#1"), Condition::None)).unwrap();
    assert_eq!(unit(100), 1);
}

#[test]
fn a_refused_write_costs_as_much_as_one_that_happens() {
    let table = metered();
    now(table.put(item("log#1", 3000), Condition::None)).unwrap();
    let before = table.meter().snapshot();
    now(table.put(item("log#1", 3000), Condition::Absent)).unwrap_err();
    now(table.delete(&Key::new("p", "log#1"), Condition::Absent)).unwrap_err();
    now(table.delete(&Key::new("p", "none"), Condition::Revision(1))).unwrap_err();
    let counts = table.meter().snapshot().since(&before).total;
    let expected = Counts {
        puts: 1,
        deletes: 2,
        refused: 3,
        write_units: 3 + 3 + 1,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
}

#[test]
fn a_delete_costs_what_it_removes() {
    let table = metered();
    now(table.put(item("log#1", 5000), Condition::None)).unwrap();
    let before = table.meter().snapshot();
    now(table.delete(&Key::new("p", "log#1"), Condition::None)).unwrap();
    now(table.delete(&Key::new("p", "log#1"), Condition::None)).unwrap();
    let counts = table.meter().snapshot().since(&before).total;
    let expected = Counts {
        deletes: 2,
        write_units: 5 + 1,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
}

#[test]
fn calls_that_are_no_calls_cost_nothing() {
    let table = metered();
    now(table.put(item("log#1", ITEM_BYTES_MAX + 1), Condition::None)).unwrap_err();
    now(table.delete(&Key::new("", "s"), Condition::None)).unwrap_err();
    assert_eq!(table.meter().snapshot().total, Counts::default());
}

#[test]
fn reads_cost_units_of_four_kilobytes_and_a_query_rounds_its_sum() {
    let table = metered();
    for number in 0..5 {
        now(table.put(item(&format!("log#{number}"), 1000), Condition::None)).unwrap();
    }
    now(table.put(item("snapshot", 9000), Condition::None)).unwrap();
    let before = table.meter().snapshot();
    for consistency in [Consistency::Strong, Consistency::Eventual] {
        now(table.get(&Key::new("p", "snapshot"), consistency)).unwrap();
        now(table.get(&Key::new("p", "absent"), consistency)).unwrap();
        let query = Query {
            consistency,
            ..Query::prefix("p", "log#")
        };
        now(table.query(&query)).unwrap();
        now(table.query(&Query {
            from: "z".into(),
            ..query
        }))
        .unwrap();
    }
    let counts = table.meter().snapshot().since(&before);
    let units = 3 + 1 + 2 + 1;
    let expected = Counts {
        gets: 4,
        queries: 4,
        strong_read_units: units,
        eventual_read_units: units,
        ..Counts::default()
    };
    assert_eq!(counts.total, expected);
    assert_eq!(counts.total.calls(), 8);
    assert_eq!(counts.kinds["log"].strong_read_units, 2);
    assert_eq!(counts.kinds["other"].strong_read_units, 3 + 1 + 1);
}
