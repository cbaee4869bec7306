//! Rules about the tree itself, as tests: which crate may depend on which, what a manifest says, what a file may hold,
//! which documents go with which code.
//!
//! The library is empty; start reading at `tests/rules/arrows.rs`. A rule that gets in the way is a design decision:
//! change its table together with a decision record.
