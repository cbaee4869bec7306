//! What is fuzzed: texts of strangers that are read before anybody has looked at them.
//!
//! Each function takes any bytes. None of them may panic, hang or grow, and each checks what must hold of whatever it
//! makes of them. `targets/` hands them to libFuzzer (`cargo xtask fuzz`); a test hands them everything that is kept in
//! `corpus/`.

#![expect(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "what must hold and does not is a finding"
)]

mod condition;
mod cron;
mod expression;
mod import;

pub use condition::condition;
pub use cron::cron;
pub use expression::expression;
pub use import::import;

/// A function that is fuzzed.
pub type Target = fn(&[u8]);

/// All of them, by the names of their folders in `corpus/`.
pub const TARGETS: [(&str, Target); 4] = [
    ("import", import),
    ("expression", expression),
    ("cron", cron),
    ("condition", condition),
];

/// The first byte chooses, the rest is a text.
fn choice(bytes: &[u8]) -> Option<(usize, &str)> {
    let (first, rest) = bytes.split_first()?;
    Some((usize::from(*first), std::str::from_utf8(rest).ok()?))
}
