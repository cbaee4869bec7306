//! The chaos test: the real server, killed at random moments under load, and started again in the same directory.
//!
//! Everything is in `tests/chaos/`: start reading at its `main.rs`. `docs/dev/chaos.md` says what is proved and how.
//!
//! Left out on purpose: power failures and torn disks (the store's conformance suite has those), and all that one
//! thread and virtual time show faster (the simulator).
