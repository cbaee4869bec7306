//! Statements of SQL on PostgreSQL, `MySQL` and `MariaDB`, and SQLite.
//!
//! [`run`] does the work of one attempt, in the process of that attempt: statements before, the statement, statements
//! after, one after the other over one connection. Values are bound. Rows come back as texts, so that no digit of a
//! number is lost, and are printed as a table. When it is to stop, the statement that is under way is canceled at the
//! server.
//!
//! Each statement stands by itself, as the database has it, unless one of them begins a transaction. A statement is sent
//! once: when the connection breaks, nobody knows what became of it, and whether it may be sent again is what the
//! retries of its task say.
//!
//! Left out on purpose: pools of connections (an attempt is a process), results that do not fit in memory, and secrets
//! (whoever calls has the password).
//!
//! Start reading at [`run`], then at `bind`.

mod bind;
mod cell;
mod found;
mod mysql;
mod postgres;
mod reason;
mod run;
mod split;
mod sqlite;

pub use run::{Error, Job, run};
