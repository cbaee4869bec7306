//! `${…}` and `$[…]` in texts: names that have to be known, and outputs that have to come from upstream.

use indexmap::IndexMap;
use porpoise_expression::{Dialect, Instant, PROJECT_PREFIX, Piece, Template, builtin, date};
use porpoise_model::workflow::Task;
use porpoise_model::{Name, Value};

use super::context::{At, Reader};
use super::edge::Edges;
use super::order::{at as place_of, topological};
use super::reach::{Pair, unreached};
use crate::fault::{FaultKind, quoted};
use crate::tree::{NodeId, Spot, View};

/// Names that every run has beside those of [`builtin`], because they tell it from others.
const RUN_NAMES: [&str; 10] = [
    "system.task.instance.id",
    "system.task.definition.code",
    "system.task.definition.name",
    "system.task.execute.path",
    "system.workflow.instance.id",
    "system.workflow.definition.code",
    "system.workflow.definition.name",
    "system.project.code",
    "system.project.name",
    "system.run.id",
];
const BUILTINS: [&str; 4] = [
    "logical_date",
    "system.biz.date",
    "system.biz.curdate",
    "system.datetime",
];
/// Outputs that are candidates for "did you mean".
const CANDIDATES_MAX: usize = 1_000;

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// What is unknown belongs to the shell.
    Script,
    /// A parameter with this position in its list.
    Parameter(usize),
    Value,
    /// What a workflow hands on once all of its tasks have ended.
    Result,
}

/// Texts with expressions.
#[derive(Debug, Default)]
pub(crate) struct Texts(Vec<TextAt>);

#[derive(Debug)]
struct TextAt {
    path: String,
    node: NodeId,
    /// None for the workflow itself and its defaults.
    task: Option<u32>,
    r#use: Use,
}

/// What texts may refer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'w> {
    pub(crate) names: &'w IndexMap<Name, u32>,
    pub(crate) tasks: &'w [Option<Task>],
    pub(crate) parameters: &'w IndexMap<String, Value>,
    pub(crate) edges: &'w Edges,
}

/// What a name turned out to be.
#[derive(Debug)]
enum Meant<'a> {
    Known,
    /// An output that its task declares.
    Output(u32),
    /// An output that its task does not declare.
    Undeclared(&'a Task, &'a str),
    /// A parameter of the project: only a server knows which there are.
    OfProject,
    Unknown,
}

impl<'w> Known<'w> {
    fn task(&self, index: u32) -> Option<&'w Task> {
        self.tasks.get(place_of(index)).and_then(Option::as_ref)
    }

    /// Parameters win over built-ins, those over outputs, and those over parameters of the project.
    fn meant<'a>(&self, name: &'a str, user: Option<&Task>) -> Meant<'a>
    where
        'w: 'a,
    {
        let own = user.is_some_and(|task| task.parameters.contains_key(name));
        if own
            || self.parameters.contains_key(name)
            || RUN_NAMES.contains(&name)
            || builtin(name, &any_instant()).is_some()
        {
            return Meant::Known;
        }
        let mut undeclared = Meant::Unknown;
        // A task's name may hold dots, and so may an output's.
        for (dot, _) in name
            .match_indices('.')
            .take(porpoise_model::limits::NAME_CHARS_MAX)
        {
            let (producer, output) = (
                name.get(..dot).unwrap_or_default(),
                name.get(dot + 1..).unwrap_or_default(),
            );
            let Some(index) = self.names.get(producer) else {
                continue;
            };
            match self.task(*index) {
                // What is at fault in that task has been said.
                None => return Meant::Known,
                Some(task) if task.outputs.contains_key(output) => return Meant::Output(*index),
                Some(task) => undeclared = Meant::Undeclared(task, output),
            }
        }
        match undeclared {
            Meant::Unknown if name.starts_with(PROJECT_PREFIX) => Meant::OfProject,
            Meant::Known
            | Meant::Output(_)
            | Meant::Undeclared(..)
            | Meant::OfProject
            | Meant::Unknown => undeclared,
        }
    }

    /// Whether a name is that of all that a mapped task hands on, as `DolphinScheduler` calls it: `dynamic.out(TASK)`.
    fn is_dynamic(&self, name: &str) -> bool {
        let task = name.strip_prefix("dynamic.out(");
        let task = task.and_then(|rest| rest.strip_suffix(')'));
        task.is_some_and(|task| self.names.contains_key(task))
    }

    /// Names that could have been meant.
    fn candidates(&self, user: Option<&Task>) -> Vec<String> {
        let own = user
            .into_iter()
            .flat_map(|task| task.parameters.keys().cloned());
        let outputs = self.tasks.iter().flatten().flat_map(|task| {
            let name = |output: &String| format!("{}.{output}", task.name);
            task.outputs.keys().map(name)
        });
        let builtins = BUILTINS.iter().chain(&RUN_NAMES).map(ToString::to_string);
        let parameters = self.parameters.keys().cloned();
        own.chain(parameters)
            .chain(builtins)
            .chain(outputs.take(CANDIDATES_MAX))
            .collect()
    }
}

impl Reader<'_> {
    /// Keeps the place of a text that may hold expressions.
    pub(crate) fn text_with(&mut self, at: At<'_>, text: &str, task: Option<u32>, r#use: Use) {
        if text.contains("${") || text.contains("$[") {
            self.texts.0.push(TextAt {
                path: at.path.to_string(),
                node: at.node,
                task,
                r#use,
            });
        }
    }

    /// Checks all texts that were kept.
    pub(crate) fn references(&mut self, known: Known<'_>) {
        let texts = std::mem::take(&mut self.texts).0;
        let mut distant = Vec::new();
        for (position, text) in texts.iter().enumerate() {
            let View::Scalar(scalar) = self.tree.view(text.node) else {
                continue;
            };
            let template = Template::parse(scalar.text);
            for reference in template.references() {
                let found = Found {
                    text,
                    offset: reference.span.start,
                    name: reference.name,
                };
                self.reference(known, &found, scalar.text, |pair| {
                    distant.push((pair, position, found.offset));
                });
            }
            if text.r#use != Use::Script && self.strict {
                self.dates(text, &template);
            }
        }
        self.circles(known, &texts);
        let Some(order) = &known.edges.order else {
            return;
        };
        let pairs: Vec<_> = distant.iter().map(|(pair, _, _)| *pair).collect();
        let after: Vec<_> = known.edges.after.iter().map(Vec::as_slice).collect();
        for index in unreached(&after, order, &pairs) {
            if let Some((pair, position, offset)) = distant.get(index)
                && let Some(text) = texts.get(*position)
            {
                self.not_upstream(known, text, *pair, *offset);
            }
        }
    }

    /// Parameters of the workflow whose values refer to each other, or to themselves.
    fn circles(&mut self, known: Known<'_>, texts: &[TextAt]) {
        let mut uses = vec![Vec::new(); known.parameters.len()];
        let mut places = vec![None; known.parameters.len()];
        for text in texts.iter().filter(|text| text.task.is_none()) {
            let (Use::Parameter(position), View::Scalar(scalar)) =
                (text.r#use, self.tree.view(text.node))
            else {
                continue;
            };
            let template = Template::parse(scalar.text);
            let used = template
                .references()
                .filter_map(|reference| known.parameters.get_index_of(reference.name));
            let used: Vec<_> = used.filter_map(|index| u32::try_from(index).ok()).collect();
            if let (Some(slot), Some(place)) = (uses.get_mut(position), places.get_mut(position)) {
                *slot = used;
                *place = Some(text);
            }
        }
        let selves = (0_u32..)
            .zip(&uses)
            .filter(|(index, used)| used.contains(index))
            .map(|(index, _)| vec![index]);
        let mut circles: Vec<_> = selves.collect();
        let uses: Vec<_> = uses.iter().map(Vec::as_slice).collect();
        circles.extend(topological(&uses).err().unwrap_or_default());
        for mut circle in circles {
            // In the direction of the references: each uses the next.
            if let Some((_, rest)) = circle.split_first_mut() {
                rest.reverse();
            }
            circle.extend(circle.first().copied());
            let name = |index: &u32| {
                known
                    .parameters
                    .get_index(place_of(*index))
                    .map_or("", |(name, _)| name)
            };
            let path = circle.iter().map(name).collect::<Vec<_>>().join(" -> ");
            let place = circle
                .first()
                .and_then(|first| places.get(place_of(*first)).copied().flatten());
            if let Some(text) = place {
                let message = format!("parameters refer to each other: {}", quoted(&path));
                self.problem(
                    &Found {
                        text,
                        offset: 0,
                        name: "",
                    },
                    FaultKind::Cycle,
                    message,
                    None,
                );
            }
        }
    }

    fn reference(
        &mut self,
        known: Known<'_>,
        found: &Found<'_>,
        script: &str,
        distant: impl FnOnce(Pair),
    ) {
        let text = found.text;
        let user = text.task.and_then(|index| known.task(index));
        if !self.strict && known.is_dynamic(found.name) {
            return;
        }
        match known.meant(found.name, user) {
            Meant::Known => {}
            Meant::Output(_) if text.r#use == Use::Result => {}
            Meant::Output(above) => match text.task {
                Some(below) if above == below => {
                    self.problem(
                        found,
                        FaultKind::UnknownOutput,
                        "a task cannot use its own output".into(),
                        None,
                    );
                }
                Some(below) => {
                    let direct = known.edges.after.get(place_of(below));
                    if direct.is_none_or(|after| after.binary_search(&above).is_err()) {
                        distant(Pair { above, below });
                    }
                }
                None => {
                    let hint = "use it in a task that follows".to_owned();
                    let message = "the output of a task is not known here".to_owned();
                    self.problem(found, FaultKind::UnknownOutput, message, Some(hint));
                }
            },
            Meant::Undeclared(task, output) => {
                let hint = self
                    .suggester
                    .hint(output, task.outputs.keys().map(String::as_str));
                let name = quoted(task.name.as_str());
                let hint = hint.unwrap_or_else(|| {
                    format!("add {} to the `outputs` of {name}", quoted(output))
                });
                let message = format!("task {name} declares no output {}", quoted(output));
                self.problem(found, FaultKind::UnknownOutput, message, Some(hint));
            }
            Meant::OfProject if self.strict && text.r#use == Use::Script => {
                let name = quoted(&format!("${{{}}}", found.name));
                let message = format!("{name} is left to the script, which cannot name it");
                let hint =
                    "give the task a parameter with that value, and let the script read that";
                let (spot, path) = (self.spot(text, found.offset), text.path.clone());
                self.note_at(spot, path, message, Some(hint.to_owned()));
            }
            Meant::OfProject => {}
            // A task that could not be read may have parameters of its own.
            Meant::Unknown if text.task.is_some() && user.is_none() => {}
            Meant::Unknown if text.r#use == Use::Script => self.near(known, found, user, script),
            Meant::Unknown => {
                let candidates = known.candidates(user);
                let hint = self
                    .suggester
                    .hint(found.name, candidates.iter().map(String::as_str));
                let message = format!("no parameter named {}", quoted(found.name));
                self.problem(found, FaultKind::UnknownParameter, message, hint);
            }
        }
    }

    /// A name in a script that is nearly a known one, and not a variable that the script sets itself.
    fn near(&mut self, known: Known<'_>, found: &Found<'_>, user: Option<&Task>, script: &str) {
        let chars = found.name.chars().count();
        let is_variable = user.is_some_and(|task| task.env.contains_key(found.name));
        if chars < 3 || is_variable || script.contains(&format!("{}=", found.name)) {
            return;
        }
        let candidates = known.candidates(user);
        let Some(nearest) = self
            .suggester
            .nearest(found.name, candidates.iter().map(String::as_str))
        else {
            return;
        };
        if strsim::osa_distance(nearest, found.name) > (chars / 5).max(1) {
            return;
        }
        let hint = format!("did you mean {}?", quoted(nearest));
        let message = format!(
            "{} is left to the script: no parameter has that name",
            quoted(found.name)
        );
        self.note_at(
            self.spot(found.text, found.offset),
            found.text.path.clone(),
            message,
            Some(hint),
        );
    }

    fn not_upstream(&mut self, known: Known<'_>, text: &TextAt, pair: Pair, offset: usize) {
        let name = known.task(pair.above).map_or("", |task| task.name.as_str());
        let message = format!("task {} is not upstream of this one", quoted(name));
        let hint = format!("add {} to `after`", quoted(name));
        let found = Found { text, offset, name };
        self.problem(&found, FaultKind::UnknownOutput, message, Some(hint));
    }

    /// A fault; in a script, and in a workflow of another system, a note.
    fn problem(
        &mut self,
        found: &Found<'_>,
        kind: FaultKind,
        message: String,
        hint: Option<String>,
    ) {
        let spot = self.spot(found.text, found.offset);
        let path = found.text.path.clone();
        if found.text.r#use == Use::Script || !self.strict {
            self.note_at(spot, path, message, hint);
        } else {
            self.fault_at(spot, path, kind, message, hint);
        }
    }

    /// Date expressions that can never be evaluated.
    fn dates(&mut self, text: &TextAt, template: &Template) {
        for piece in template.pieces() {
            if let Piece::Date { expression, span } = piece
                && !expression.contains("${")
                && let Some(message) = date_problem(expression)
            {
                let spot = self.spot(text, span.start);
                self.fault_at(
                    spot,
                    text.path.clone(),
                    FaultKind::BadExpression,
                    message,
                    None,
                );
            }
        }
    }

    fn spot(&self, text: &TextAt, offset: usize) -> Spot {
        self.tree.spot_within(text.node, offset)
    }
}

/// A name within a text.
#[derive(Debug)]
struct Found<'a> {
    text: &'a TextAt,
    offset: usize,
    name: &'a str,
}

fn date_problem(expression: &str) -> Option<String> {
    let error = date::evaluate(expression, &any_instant(), Dialect::Porpoise1).err()?;
    Some(format!("{}: {error}", quoted(&format!("$[{expression}]"))))
}

/// What names and dates are tried with: whether they are known does not depend on it.
fn any_instant() -> Instant {
    Instant::at(jiff::Timestamp::UNIX_EPOCH, jiff::tz::TimeZone::UTC)
}
