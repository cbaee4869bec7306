//! Parameters and date expressions: `${name}` and `$[yyyyMMdd-1]` in the texts of a definition.
//!
//! A text is parsed once into a [`Template`] and rendered against a [`Scope`] (names and their values) and an
//! [`Instant`] (the logical date of the run in the zone of its schedule). Rendering first replaces `${name}`, nested
//! and recursively, then `$[...]`. So `$[yyyyMMdd-${n}]` works.
//!
//! | written | becomes |
//! | --- | --- |
//! | `${name}`, `${task.output}` | the value of that name: the caller's scope first, then [`builtin`] |
//! | `${prefix_${name}}` | the name is put together first |
//! | `${secret:NAME}` | itself: only the target knows secrets |
//! | `$[...]` | a date, see [`date::evaluate`] |
//!
//! What a [`Dialect`] changes: in `porpoise/1` a date expression that cannot be evaluated is a fault, in the
//! DolphinScheduler dialects it stays as written; the other differences are listed at [`date::evaluate`] and
//! [`resolve_parameters`]. In script bodies ([`Unknown::Keep`]) whatever is not understood belongs to the shell and
//! stays as written, in every dialect. There is no way to escape a `$`: none of the dialects has one. A `${` or `$[`
//! that is never closed is plain text.
//!
//! Rendering takes time and memory in proportion to the text plus [`EXPANSION_BYTES_MAX`], whatever the text is.
//!
//! Beside them stand the conditions of a switch, `${rows} > 100`: see [`Condition`].
//!
//! Left out on purpose: a clock, the precedence of the layers that make up a scope (the caller's), declared types of
//! values, and the resolution of secrets.
//!
//! Start reading at [`render`], then `date.rs`. `scan.rs` finds the placeholders in a text.

mod condition;
pub mod date;
mod dialect;
mod fault;
mod instant;
mod parameters;
mod render;
mod scan;
mod scope;
mod template;

pub use condition::{
    CONDITION_BYTES_MAX, CONDITION_NESTING_MAX, CONDITION_TEXT_BYTES_MAX, Condition,
    ConditionError, ConditionFault, Operand,
};
pub use dialect::{Dialect, UnknownDialect};
pub use fault::{DateProblem, ExpressionError, UnknownName};
pub use instant::{Instant, builtin};
pub use parameters::{PARAMETERS_BYTES_MAX, ParameterError, resolve_parameters, resolve_with_data};
pub use render::{
    EXPANSION_BYTES_MAX, EXPANSION_DEPTH_MAX, Rendered, SecretReference, Unknown, render,
    render_with_secrets,
};
pub use scope::{Data, Lookup, Scope, Value};
pub use template::{NESTING_MAX, PROJECT_PREFIX, Piece, Reference, Template};
