//! What is run: shapes of workflows whose shell tasks write down that they began and that they ended.

use std::path::Path;

use porpoise_model::RunState;
use serde_json::{Value, json};

pub const PROJECT: &str = "chaos";
/// The pool of [`Shape::pooled`], and its slots.
pub const POOL: &str = "narrow";
pub const SLOTS: usize = 2;
/// The workflow that a schedule starts each second.
pub const TICK: &str = "tick";

/// Written by the task itself, before and after its work: one `write` each, so lines are whole and in their true order.
const SCRIPT: &str = r#"code=0
test "$PORPOISE_ATTEMPT" -gt FAILS || code=7
echo "begin $PORPOISE_RUN_ID $PORPOISE_TASK $PORPOISE_ATTEMPT $$" >> "$MARKERS"
WORK
echo "end $PORPOISE_RUN_ID $PORPOISE_TASK $PORPOISE_ATTEMPT $$ $code" >> "$MARKERS"
exit $code
"#;
/// With what an attempt of [`SCRIPT`] fails.
pub const EXIT: i32 = 7;
/// Attempts that fail when a task never succeeds.
const ALWAYS: u32 = 1_000;

/// How a task ends if nobody interferes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Succeeded,
    Failed,
    UpstreamFailed,
}

#[derive(Debug, Clone, Default)]
pub struct Task {
    pub name: String,
    pub after: Vec<usize>,
    /// So many attempts fail.
    pub fails: u32,
    pub retries: u32,
    /// How long its work takes.
    pub milliseconds: u32,
    pub pooled: bool,
    /// Starts when what it comes after has ended, in whatever way.
    pub in_any_case: bool,
    /// A `noop`: leaves no marks.
    pub silent: bool,
}

/// What clients do to runs of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Nothing.
    LetAlone,
    /// Pause and resume, hold and release; rerun when it is over.
    Steer,
    /// Kill it while it runs.
    Kill,
}

#[derive(Debug, Clone)]
pub struct Shape {
    pub name: &'static str,
    pub tasks: Vec<Task>,
    /// One run at a time.
    pub serial: bool,
    pub treatment: Treatment,
    /// How often it is drawn, compared with the others.
    pub weight: u64,
}

fn task(name: impl Into<String>, after: impl IntoIterator<Item = usize>) -> Task {
    Task {
        name: name.into(),
        after: after.into_iter().collect(),
        ..Task::default()
    }
}

impl Shape {
    fn new(name: &'static str, tasks: Vec<Task>, treatment: Treatment, weight: u64) -> Self {
        Self {
            name,
            tasks,
            serial: false,
            treatment,
            weight,
        }
    }

    pub fn all() -> Vec<Self> {
        vec![
            Self::layered(),
            Self::chain(),
            Self::fan(),
            Self::flaky(),
            Self::doomed(),
            Self::pooled(),
            Self::serial(),
            Self::slow(),
            Self::victim(),
            Self::small(),
            Self::tick(),
        ]
    }

    /// 10 layers of 30, three upstreams each; some take their time, some fail once.
    fn layered() -> Self {
        let of = |layer: usize, place: usize| {
            let above = (1..=3).map(|step| (layer.wrapping_sub(1)) * 30 + (place + 7 * step) % 30);
            let above: Vec<usize> = if layer == 0 {
                Vec::new()
            } else {
                above.collect()
            };
            let number = layer * 30 + place;
            Task {
                milliseconds: if number.is_multiple_of(10) { 50 } else { 0 },
                fails: u32::from(number % 50 == 7),
                retries: 1,
                ..task(format!("l{layer}-{place}"), above)
            }
        };
        let tasks = (0..10).flat_map(|layer| (0..30).map(move |place| of(layer, place)));
        Self::new("layered", tasks.collect(), Treatment::Steer, 0)
    }

    fn chain() -> Self {
        let tasks = (0..20).map(|at: usize| Task {
            milliseconds: if at.is_multiple_of(5) { 30 } else { 0 },
            ..task(format!("c{at}"), at.checked_sub(1))
        });
        Self::new("chain", tasks.collect(), Treatment::Steer, 15)
    }

    /// One, then thirty, then a silent one where they meet, then one.
    fn fan() -> Self {
        let mut tasks = vec![task("first", [])];
        tasks.extend((1..=30).map(|at| task(format!("f{at}"), [0])));
        tasks.push(Task {
            silent: true,
            ..task("meet", 1..=30)
        });
        tasks.push(task("last", [31]));
        Self::new("fan", tasks, Treatment::Steer, 10)
    }

    /// Tasks that fail one to four times and then succeed.
    fn flaky() -> Self {
        let mut tasks = vec![task("first", [])];
        tasks.extend((1..=4).map(|fails| Task {
            fails,
            retries: 4,
            ..task(format!("fails-{fails}"), [0])
        }));
        tasks.push(task("last", 1..=4));
        Self::new("flaky", tasks, Treatment::Steer, 15)
    }

    /// One task never succeeds; what follows it cannot run, what cleans up does.
    fn doomed() -> Self {
        let never = Task {
            fails: ALWAYS,
            retries: 2,
            ..task("never", [0])
        };
        let clean = Task {
            in_any_case: true,
            ..task("clean", [1, 2, 3])
        };
        let tasks = vec![
            task("first", []),
            never,
            task("beside", [0]),
            task("below", [1, 2]),
            clean,
        ];
        Self::new("doomed", tasks, Treatment::Steer, 10)
    }

    /// Tasks that share two slots with those of all other runs.
    fn pooled() -> Self {
        let mut tasks = vec![task("first", [])];
        tasks.extend((1..=5).map(|at| Task {
            pooled: true,
            milliseconds: 20,
            fails: u32::from(at == 3),
            retries: 1,
            ..task(format!("p{at}"), [0])
        }));
        tasks.push(task("last", 1..=5));
        Self::new("pooled", tasks, Treatment::LetAlone, 10)
    }

    fn serial() -> Self {
        let tasks = vec![task("a", []), task("b", [0]), task("c", [1])];
        let shape = Self::new("serial", tasks, Treatment::LetAlone, 10);
        Self {
            serial: true,
            ..shape
        }
    }

    /// Jobs that outlive a server or two.
    fn slow() -> Self {
        let mut tasks = vec![task("first", [])];
        tasks.extend((1..=4).map(|at| Task {
            milliseconds: 700 * at,
            ..task(format!("s{at}"), [0])
        }));
        tasks.push(task("last", 1..=4));
        Self::new("slow", tasks, Treatment::Steer, 10)
    }

    /// Runs that are killed.
    fn victim() -> Self {
        let mut tasks = vec![task("first", [])];
        tasks.extend((1..=5).map(|at| Task {
            milliseconds: 400 * at,
            ..task(format!("v{at}"), [0])
        }));
        tasks.push(task("last", 1..=5));
        Self::new("victim", tasks, Treatment::Kill, 10)
    }

    /// Submitted twenty at a time.
    fn small() -> Self {
        let tasks = vec![
            task("a", []),
            task("b", [0]),
            task("c", [0]),
            task("d", [1, 2]),
        ];
        Self::new("small", tasks, Treatment::LetAlone, 10)
    }

    /// Nobody submits it.
    fn tick() -> Self {
        let tasks = vec![task("a", []), task("b", [0])];
        Self::new(TICK, tasks, Treatment::LetAlone, 0)
    }

    pub fn find(&self, name: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// How each task ends if nobody interferes.
    pub fn ends(&self) -> Vec<End> {
        let mut ends: Vec<End> = Vec::new();
        for task in &self.tasks {
            let runs = task.in_any_case || task.after.iter().all(|at| ends[*at] == End::Succeeded);
            ends.push(match runs {
                false => End::UpstreamFailed,
                true if task.fails > task.retries => End::Failed,
                true => End::Succeeded,
            });
        }
        ends
    }

    /// How a run ends if nobody interferes.
    pub fn end(&self) -> RunState {
        if self.ends().iter().all(|end| *end == End::Succeeded) {
            RunState::Succeeded
        } else {
            RunState::Failed
        }
    }

    /// As a definition file, with the file to which its tasks write unless a run names another.
    pub fn definition(&self, markers: &Path) -> Value {
        let tasks: serde_json::Map<_, _> = self
            .tasks
            .iter()
            .map(|task| (task.name.clone(), self.written(task)))
            .collect();
        let concurrency = if self.serial {
            "serial_wait"
        } else {
            "parallel"
        };
        let mut written = json!({
            "workflow": self.name,
            "project": PROJECT,
            "concurrency": concurrency,
            "parameters": { "MARKERS": markers },
            "tasks": tasks,
        });
        if self.name == TICK {
            written["schedule"] = json!({ "cron": "* * * * * ?" });
        }
        written
    }

    fn written(&self, task: &Task) -> Value {
        let after = task.after.iter().map(|at| self.tasks[*at].name.clone());
        let mut written = json!({ "after": after.collect::<Vec<_>>() });
        if task.silent {
            written["noop"] = json!({});
        } else {
            let work = match task.milliseconds {
                0 => ":".to_owned(),
                time => format!("sleep {}.{:03}", time / 1000, time % 1000),
            };
            let script = SCRIPT.replace("FAILS", &task.fails.to_string());
            written["shell"] = json!(script.replace("WORK", &work));
        }
        if task.retries > 0 {
            written["retries"] = json!(task.retries);
            written["retry_delay"] = json!("100ms");
        }
        if task.pooled {
            written["pool"] = json!(POOL);
        }
        if task.in_any_case {
            written["trigger"] = json!("all_done");
        }
        written
    }
}
