//! Every test of this package in one program, which compiles and links once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod api_page;
mod error_pages;
mod openapi;
mod routes;
mod support;
