//! The suites that every adapter of a port passes: one test for each promise.
//!
//! An adapter's integration test names the suite and says how a fresh, empty instance is made, together with whatever
//! must outlive it:
//!
//! ```ignore
//! porpoise_ports::table_conformance!(memory, async || (MemoryTable::new(), ()));
//! porpoise_ports::blobs_conformance!(memory_blobs, async || (MemoryBlobs::new(), ()));
//! ```

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "the functions are tests: they fail by panicking"
)]

pub mod blobs;
pub mod executor;
pub mod table;
pub mod table_model;
pub mod table_pages;

use std::future::Future;

/// Runs a test to its end, on a runtime with several threads.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    runtime().block_on(test)
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime starts")
}

/// One test for each promise of [`Table`](crate::Table): `table_conformance!(name, make)`, where `make` is an async
/// closure that returns a fresh table and what must outlive it.
#[macro_export]
macro_rules! table_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                table::what_is_put_is_read_back
                table::a_put_replaces_what_stood_there
                table::a_put_happens_only_if_its_condition_holds
                table::a_delete_happens_only_if_its_condition_holds
                table::a_deleted_item_is_gone_and_can_be_put_again
                table::partitions_are_apart
                table::items_are_taken_up_to_the_limit_and_refused_beyond
                table::keys_are_taken_up_to_the_limit_and_refused_beyond
                table::reads_of_impossible_keys_find_nothing
                table::one_of_several_writers_that_put_if_absent_wins
                table::counters_of_several_writers_add_up
                table::a_strong_read_sees_what_was_acknowledged
                table_pages::sort_keys_are_ordered_by_their_bytes
                table_pages::a_range_includes_both_ends
                table_pages::a_prefix_finds_what_starts_with_it
                table_pages::pages_of_a_limit_give_every_item_once
                table_pages::pages_hold_a_megabyte_at_most
                table_pages::a_cursor_stays_valid_when_its_item_is_removed
            }

            #[test]
            fn a_table_behaves_as_a_sorted_map() {
                $crate::conformance::table_model::a_table_behaves_as_a_sorted_map($make);
            }
        }
    };
}

/// One test for each promise of [`Blobs`](crate::Blobs): `blobs_conformance!(name, make)`, where `make` is an async
/// closure that returns an empty store of blobs and what must outlive it.
#[macro_export]
macro_rules! blobs_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                blobs::what_is_put_is_read_back_under_its_hash
                blobs::what_was_never_put_is_not_found
                blobs::the_same_bytes_can_be_put_again
                blobs::projects_are_apart
                blobs::several_writers_may_put_the_same_bytes_at_once
            }
        }
    };
}

/// One test for each promise of [`Executor`](crate::Executor): `executor_conformance!(name, make)`, where `make` is an
/// async closure that returns a fresh target, the [`Works`](executor::Works) that it takes, and what must outlive it.
#[macro_export]
macro_rules! executor_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                executor::a_job_submitted_again_is_the_same_job
                executor::a_job_canceled_before_it_was_submitted_never_starts
                executor::a_list_leaves_out_what_it_never_saw
                executor::a_job_that_is_over_stays_as_it_is
                executor::a_running_job_that_is_canceled_ends_canceled
                executor::a_log_is_read_piece_by_piece
            }
        }
    };
}

/// The tests of a suite.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($make:expr; $($suite:ident :: $promise:ident)*) => {
        $(
            #[test]
            fn $promise() {
                $crate::conformance::run($crate::conformance::$suite::$promise($make));
            }
        )*
    };
}
