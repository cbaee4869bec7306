//! Rules about the tree, one module each.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what tests share: a tree that cannot be read is a failed test"
)]

mod arrows;
mod documents;
mod fences;
mod manifests;
mod tree;
mod workspace;
