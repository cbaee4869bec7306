//! Definition files: the YAML or JSON that people write, read into a [`Workflow`] and written from one.
//!
//! [`read()`] takes a whole file and gives every workflow in it, or every [`Fault`] in it, each with its place, its path
//! and where possible a suggestion: all or nothing. [`write`](fn@write) makes a file that reads back as the same workflow.
//! [`schema()`] describes the format for editors; it is made from the tables that the reader itself uses
//! (`field`, `fields`), so that the two cannot differ.
//!
//! A file goes through three stages: `tree` turns bytes into nodes with places, within budgets of bytes, depth, nodes
//! and alias expansion; `read` turns nodes into a workflow and collects the faults; its `graph` and `reference` parts
//! check what tasks say of each other. Hostile files end in a fault, in bounded time and memory.
//!
//! Left out on purpose: file access (callers pass bytes), evaluation of expressions (`porpoise-expression`), and what
//! only a server can know: whether a pool, a target or a project exists.
//!
//! Business calendars are files too: lists of days, or iCalendar files (`calendar`, `icalendar`); so are parameters of a
//! project (`parameters`).
//!
//! Start reading at `read/workflow.rs`.

mod calendar;
mod duration;
mod fault;
mod field;
mod fields;
mod fields_of_kinds;
mod icalendar;
mod parameters;
mod read;
mod schema;
mod suggest;
mod tree;
mod word;
mod write;

pub use calendar::read_calendar;
pub use fault::{Fault, FaultKind, Faults, Note, Place};
pub use parameters::read_parameters;
pub use read::{Checked, fits, read};
pub use schema::schema;
pub use write::{write, write_parameters};

#[doc(no_inline)]
pub use porpoise_model::workflow::Workflow;
