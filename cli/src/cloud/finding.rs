//! What a look at a deployment found.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;
use serde::Serialize;

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It is.
    Well,
    /// It could not be looked at.
    Unknown,
    /// It is not.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) state: State,
    /// `rule porpoise-sweep`.
    pub(super) object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    /// What is the matter with it.
    pub(super) says: String,
    /// The command that mends it, or where it says how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Finding {
    fn new(state: State, object: impl Into<String>, says: impl Into<String>) -> Self {
        Self {
            state,
            object: object.into(),
            region: None,
            says: says.into(),
            mend: None,
        }
    }

    pub(super) fn well(object: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(State::Well, object, says)
    }

    pub(super) fn unknown(object: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(State::Unknown, object, says)
    }

    pub(super) fn wrong(object: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(State::Wrong, object, says)
    }

    pub(super) fn at(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    pub(super) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// On one line, and the mending on another.
    pub(super) fn text(&self) -> String {
        let state = match self.state {
            State::Well => "well   ".green().to_string(),
            State::Unknown => "unknown".yellow().to_string(),
            State::Wrong => "wrong  ".red().bold().to_string(),
        };
        let region = self.region.as_ref();
        let region = region.map_or_else(String::new, |region| format!(" in {region}"));
        let mut text = format!("{state}  {}{region}: {}\n", self.object, self.says);
        if let Some(mend) = &self.mend {
            let _ = writeln!(text, "         {}: {mend}", "mend".cyan().bold());
        }
        text
    }
}
