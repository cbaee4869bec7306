//! What happens to a job or a query: told by whoever starts it, or drawn from a seed.

use std::time::Duration;

/// What becomes of one job or query.
///
/// As a text, which a job carries in an argument that begins with `fake:` and a query in a comment that does: words of
/// the form `name=value`, separated by `;`, such as `fake:running=2s;fails=no such table;billed=1m`. Durations have a
/// unit (`ms`, `s`, `m`, `h`). The names are those of the fields; `columns=n:bigint,name:varchar` and
/// `rows=1,a/2,b` are the result of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// How long a job is submitted, and a query queued.
    pub waiting: Duration,
    /// How long a job is pending.
    pub pending: Duration,
    /// How long a job is scheduled.
    pub scheduled: Duration,
    /// How long it runs.
    pub running: Duration,
    /// It fails, and this is what is said of it.
    pub fails: Option<String>,
    /// Only so many attempts fail, if the service is asked to try again.
    pub failures: u64,
    /// How long it takes to stop when it is canceled and given the time.
    pub stops: Duration,
    /// How long after its end the billed utilisation is known.
    pub billed: Duration,
    /// Virtual processors that it holds while it runs.
    pub vcpu: f64,
    /// GB of memory that it holds while it runs.
    pub memory: f64,
    /// GB of disk that it holds while it runs.
    pub storage: f64,
    /// Bytes that a query scans.
    pub scanned: u64,
    /// The category of a query's error: 1 of the system, 2 of the user, 3 other.
    pub category: u64,
    /// Names and types of the columns of a query's result.
    pub columns: Vec<(String, String)>,
    /// The rows of a query's result.
    pub rows: Vec<Vec<String>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            waiting: Duration::from_millis(5),
            pending: Duration::from_millis(5),
            scheduled: Duration::from_millis(5),
            running: Duration::from_millis(20),
            fails: None,
            failures: u64::MAX,
            stops: Duration::from_millis(10),
            billed: Duration::from_millis(100),
            vcpu: 4.0,
            memory: 16.0,
            storage: 20.0,
            scanned: 10_000_000,
            category: 2,
            columns: vec![("answer".to_owned(), "bigint".to_owned())],
            rows: vec![vec!["42".to_owned()]],
        }
    }
}

/// What a script says that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError(String);

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot read `{}` of a script for the fake", self.0)
    }
}

impl std::error::Error for ScriptError {}

/// What jobs do that say nothing themselves.
#[derive(Debug, Clone, PartialEq)]
pub enum Behaviour {
    /// All the same.
    Same(Script),
    /// Durations and ends drawn from a seed and the job's token: the same job always does the same.
    Seeded {
        /// The seed.
        seed: u64,
        /// The longest time in a state.
        longest: Duration,
        /// How many of a hundred fail.
        failing: u64,
    },
}

impl Behaviour {
    /// The script of a job: `own`, texts that may hold one, count first.
    pub(crate) fn script<'a>(
        &self,
        token: &str,
        own: impl IntoIterator<Item = &'a str>,
    ) -> Result<Script, ScriptError> {
        let base = match self {
            Self::Same(script) => script.clone(),
            Self::Seeded {
                seed,
                longest,
                failing,
            } => drawn(*seed, token, *longest, *failing),
        };
        match own.into_iter().find_map(|text| text.split_once("fake:")) {
            Some((_, text)) => base.told(text.lines().next().unwrap_or_default()),
            None => Ok(base),
        }
    }
}

fn drawn(seed: u64, token: &str, longest: Duration, failing: u64) -> Script {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(token.as_bytes());
    let mut bytes = hasher.finalize_xof();
    let mut number = |below: u64| {
        let mut eight = [0; 8];
        bytes.fill(&mut eight);
        u64::from_le_bytes(eight) % below.max(1)
    };
    let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    let mut duration = || Duration::from_millis(number(longest));
    Script {
        waiting: duration(),
        pending: duration(),
        scheduled: duration(),
        running: duration(),
        stops: duration(),
        billed: duration(),
        fails: (number(100) < failing).then(|| "drawn to fail".to_owned()),
        ..Script::default()
    }
}

impl Script {
    /// This script, but for what `text` says.
    ///
    /// # Errors
    /// If a word of it cannot be read.
    pub fn told(mut self, text: &str) -> Result<Self, ScriptError> {
        let text = text.trim().trim_end_matches("*/").trim();
        for word in text
            .split(';')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let bad = || ScriptError(word.to_owned());
            let (name, value) = word.split_once('=').ok_or_else(bad)?;
            self.set(name.trim(), value.trim()).ok_or_else(bad)?;
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "waiting" => self.waiting = duration(value)?,
            "pending" => self.pending = duration(value)?,
            "scheduled" => self.scheduled = duration(value)?,
            "running" => self.running = duration(value)?,
            "fails" => self.fails = Some(value.to_owned()),
            "failures" => self.failures = value.parse().ok()?,
            "stops" => self.stops = duration(value)?,
            "billed" => self.billed = duration(value)?,
            "vcpu" => self.vcpu = value.parse().ok()?,
            "memory" => self.memory = value.parse().ok()?,
            "storage" => self.storage = value.parse().ok()?,
            "scanned" => self.scanned = value.parse().ok()?,
            "category" => self.category = value.parse().ok()?,
            "columns" => self.columns = columns(value)?,
            "rows" => {
                let row = |row: &str| row.split(',').map(str::to_owned).collect();
                self.rows = value.split('/').map(row).collect();
            }
            _ => return None,
        }
        Some(())
    }
}

fn columns(text: &str) -> Option<Vec<(String, String)>> {
    let column = |column: &str| {
        let (name, kind) = column.split_once(':')?;
        Some((name.to_owned(), kind.to_owned()))
    };
    text.split(',').map(column).collect()
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let millis = match text.get(digits.len()..)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Behaviour, Script};

    #[test]
    fn a_script_is_found_in_an_argument_or_a_comment() {
        let same = Behaviour::Same(Script::default());
        let texts = [
            "--date=2026-01-01",
            "fake:running=2m;fails=out of memory;billed=3s",
        ];
        let script = same.script("token", texts).unwrap();
        assert_eq!(script.running, Duration::from_mins(2));
        assert_eq!(script.fails.as_deref(), Some("out of memory"));
        assert_eq!(script.billed, Duration::from_secs(3));
        let query = ["select 1 /* fake:rows=1,a/2,b;columns=n:bigint,s:varchar */"];
        let script = same.script("token", query).unwrap();
        assert_eq!(script.rows, [["1", "a"], ["2", "b"]]);
        assert_eq!(script.columns[1], ("s".to_owned(), "varchar".to_owned()));
        for bad in ["fake:running=2", "fake:runing=2s", "fake:running"] {
            assert!(same.script("token", [bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_seed_and_a_token_always_draw_the_same() {
        let seeded = |seed| Behaviour::Seeded {
            seed,
            longest: Duration::from_secs(100),
            failing: 50,
        };
        let draw = |seed, token: &str| seeded(seed).script(token, []).unwrap();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        let tokens = 0..1_000;
        let failing = tokens.filter(|token| draw(7, &token.to_string()).fails.is_some());
        assert!((400..600).contains(&failing.count()));
    }
}
