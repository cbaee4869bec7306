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
pub mod bus;
pub mod executor;
pub mod loops;
pub mod notices;
pub mod queue;
pub mod secrets;
pub mod table;
pub mod table_model;
pub mod table_pages;
pub mod timers;

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
                executor::a_cancel_of_what_was_never_submitted_is_taken
                executor::a_list_leaves_out_what_it_never_saw
                executor::a_job_that_is_over_stays_as_it_is
                executor::a_running_job_that_is_canceled_ends_canceled
                executor::a_log_is_read_piece_by_piece
            }
        }
    };
}

/// What targets promise beside that which keep books of keys: one test for each, as in [`executor_conformance`].
#[macro_export]
macro_rules! executor_books_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                executor::a_job_canceled_before_it_was_submitted_never_starts
            }
        }
    };
}

/// One test for each promise of [`Queue`](crate::Queue): `queue_conformance!(name, make)`, where `make` is an async
/// closure that returns a fresh queue, the [`Receiver`](queue::Receiver) of what is sent, and what must outlive both.
#[macro_export]
macro_rules! queue_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                queue::everything_arrives_in_order_within_its_group
                queue::thousands_sent_at_once_arrive
                queue::bodies_arrive_as_they_are
                queue::large_bodies_of_many_groups_arrive
                queue::equal_bodies_with_ids_of_their_own_all_arrive
                queue::a_repeat_takes_nothing_else_away
                queue::a_group_in_flight_gives_nothing_more
                queue::what_is_returned_comes_again_first
                queue::several_senders_may_send_at_once
                queue::what_is_handed_over_arrives
                queue::no_messages_are_no_fault
            }
        }
    };
}

/// One test for each promise of [`Bus`](crate::Bus): `bus_conformance!(name, make)`, where `make` is an async closure
/// that returns a fresh bus to [`PLACES`](bus::PLACES), where its intents arrive ([`Dispatched`](bus::Dispatched)),
/// and what must outlive both.
#[macro_export]
macro_rules! bus_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                bus::intents_arrive_at_their_place
                bus::thousands_of_intents_arrive
                bus::intents_arrive_as_they_are
                bus::equal_intents_all_arrive
                bus::no_intents_are_no_fault
            }
        }
    };
}

/// One test for each promise of [`Notices`](crate::Notices): `notices_conformance!(name, make)`, where `make` is an async
/// closure that returns a fresh channel, who [reads](notices::Reader) it, and what must outlive both.
#[macro_export]
macro_rules! notices_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                notices::a_notice_arrives_with_all_that_it_says
                notices::notices_of_different_ends_are_told_apart
                notices::the_largest_notice_arrives
            }
        }
    };
}

/// One test for each promise of [`Timers`](crate::Timers): `timers_conformance!(name, make)`, where `make` is an async
/// closure that returns fresh timers, who is [`Woken`](timers::Woken) by them, and what must outlive both.
#[macro_export]
macro_rules! timers_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                timers::a_wake_comes_and_not_before_its_time
                timers::many_wakes_come_each_at_its_time
                timers::a_wake_in_the_past_comes_at_once
                timers::a_wake_asked_for_again_is_no_fault
                timers::a_far_wake_does_not_hold_up_a_near_one
            }
        }
    };
}

/// One test for each promise of [`Loops`](crate::Loops): `loops_conformance!(name, make)`, where `make` is an async
/// closure that returns loops of which none was started, whoever [`Looks`](loops::Looks) at them from outside, and what
/// must outlive both.
#[macro_export]
macro_rules! loops_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                loops::a_loop_lives_from_its_start_until_it_is_stopped
                loops::a_loop_is_started_once_whoever_asks_and_however_often
                loops::one_that_has_ended_is_not_started_again
                loops::places_and_epochs_are_apart
            }
        }
    };
}

/// One test for each promise of [`Secrets`](crate::Secrets): `secrets_conformance!(name, make)`, where `make` is an
/// async closure that returns a resolver that knows no secret, their [`Keeper`](secrets::Keeper), and what must
/// outlive both.
#[macro_export]
macro_rules! secrets_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance_tests! { $make;
                secrets::a_secret_is_resolved
                secrets::an_unknown_secret_is_not_found
                secrets::another_value_is_another_version
                secrets::a_secret_never_prints
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
