//! What is asked, and in which order: projects, then the workflows, schedules and parameters of each, then what ids are called.

use serde_json::{Value, json};

use super::ask::{Answer, Asker};
use super::progress::Progress;
use super::store::Store;
use super::words::{LISTS, Words};
use crate::client::encode;
use crate::failure::{Failure, REFUSED};

/// Entries of a page.
const PAGE: usize = 100;
/// Pages of a list.
const PAGES_MAX: usize = 10_000;
/// What is kept of the parameters of a connection: nothing that lets anybody in.
const OF_CONNECTIONS: [&str; 4] = ["address", "database", "host", "port"];

const NO_SUCH_LIST: &str = "this version has no such list";

/// What became of a list.
#[derive(Debug)]
enum Pages {
    /// Its entries.
    Read(Vec<Value>),
    /// The server has none.
    Missing,
    /// The user may not read it, or the server cannot: in its own words.
    Declined(String),
}

/// A project, or a workflow in one.
#[derive(Debug)]
struct Named {
    code: i64,
    name: String,
    version: i64,
}

/// Reads everything, or the workflows of one project, and what they may name.
pub(super) fn crawl(asker: &Asker, store: Store, only: Option<&str>) -> Result<(), Failure> {
    let mut crawl = Crawl {
        asker,
        store,
        progress: Progress::new(),
        words: None,
    };
    crawl.progress.expect("reading projects", 1);
    let projects = crawl.pages("projects", "projects")?;
    crawl.progress.step();
    let projects = chosen(named(&projects), only)?;
    for project in &projects {
        crawl.project(project)?;
    }
    crawl
        .progress
        .expect("reading what ids are called", LISTS.len());
    for list in &LISTS {
        crawl.list(list)?;
        crawl.progress.step();
    }
    crawl.store.complete()
}

/// The projects to read: all, or the one of a name.
fn chosen(projects: Vec<Named>, only: Option<&str>) -> Result<Vec<Named>, Failure> {
    let Some(only) = only else {
        if projects.is_empty() {
            let message = "the user of the token sees no project";
            let hint = "let somebody authorise it for the projects, or use a token of somebody who sees them";
            return Err(Failure::new(REFUSED, message).hint(hint));
        }
        return Ok(projects);
    };
    let distances = projects
        .iter()
        .map(|project| (strsim::osa_distance(only, &project.name), &*project.name));
    let near = distances
        .filter(|(distance, _)| *distance <= (only.chars().count() / 3).max(1))
        .min();
    let near = near.map(|(_, name)| name.to_owned());
    let known: Vec<_> = projects
        .iter()
        .take(10)
        .map(|project| format!("`{}`", project.name))
        .collect();
    let known = known.join(", ");
    let found: Vec<_> = projects
        .into_iter()
        .filter(|project| project.name == only)
        .collect();
    if found.is_empty() {
        let failure = Failure::new(
            REFUSED,
            format!("the user of the token sees no project `{only}`"),
        );
        return Err(match near {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => failure,
            None => failure.hint(format!("it sees {known}")),
        });
    }
    Ok(found)
}

#[derive(Debug)]
struct Crawl<'a> {
    asker: &'a Asker,
    store: Store,
    progress: Progress,
    /// What the server calls things, once that is known.
    words: Option<Words>,
}

impl Crawl<'_> {
    fn project(&mut self, project: &Named) -> Result<(), Failure> {
        let Named { code, name, .. } = project;
        let words = self.words(*code)?;
        let path = format!("projects/{code}/{}", words.definition());
        let workflows = named(&self.pages(&path, &format!("{code}/workflows"))?);
        let schedules = format!("projects/{code}/schedules");
        self.pages(&schedules, &format!("{code}/schedules"))?;
        self.parameters(project)?;
        let what = format!(
            "reading project `{name}`: {}",
            many(workflows.len(), "workflow")
        );
        self.progress.expect(&what, workflows.len());
        for workflow in &workflows {
            self.workflow(&path, *code, workflow)?;
            self.progress.step();
        }
        Ok(())
    }

    /// What all workflows of the project can name; versions before 3.2 have no such thing.
    fn parameters(&mut self, Named { code, name, .. }: &Named) -> Result<(), Failure> {
        let path = format!("projects/{code}/project-parameter");
        let why = match self.pages_if_there(&path, &format!("{code}/parameters"))? {
            Pages::Read(_) => return Ok(()),
            Pages::Missing if self.words == Some(Words::Process) => return Ok(()),
            Pages::Missing => NO_SUCH_LIST.to_owned(),
            Pages::Declined(why) => why,
        };
        let text = format!("parameters of project `{name}` are not read: {why}");
        self.progress.say(&text);
        Ok(())
    }

    /// With its tasks; not asked again if this version is there from before an interruption.
    fn workflow(&mut self, path: &str, project: i64, workflow: &Named) -> Result<(), Failure> {
        let Named {
            code,
            name,
            version,
        } = workflow;
        let file = format!("{project}/{code}.json");
        if self
            .store
            .kept(&file)
            .is_some_and(|kept| version_of(&kept) == Some(*version))
        {
            self.store.see(&file);
            return Ok(());
        }
        match self.asker.ask(&format!("{path}/{code}"))? {
            Answer::Said(bytes, value) if is_whole(&value) => self.store.keep(&file, &bytes),
            Answer::Said(..) | Answer::NoSuchPath => {
                self.progress.say(&format!(
                    "workflow `{name}` is not there any more: left out"
                ));
                Ok(())
            }
            Answer::Declined(said) => {
                let message = format!("DolphinScheduler does not tell workflow `{name}` ({code})");
                Err(Failure::new(REFUSED, message).cause(said))
            }
        }
    }

    /// What the server calls workflows: older names first, for most servers are older.
    fn words(&mut self, project: i64) -> Result<Words, Failure> {
        if let Some(words) = self.words {
            return Ok(words);
        }
        let mut said = Vec::new();
        for words in Words::ALL {
            let path = format!(
                "projects/{project}/{}?pageNo=1&pageSize=1",
                words.definition()
            );
            match self.asker.ask(&path)? {
                Answer::Said(..) => {
                    self.progress
                        .say(&format!("DolphinScheduler {}", words.versions()));
                    self.words = Some(words);
                    return Ok(words);
                }
                Answer::NoSuchPath => said.push(format!("it has no `{}`", words.definition())),
                Answer::Declined(why) => said.push(why),
            }
        }
        let message = "DolphinScheduler does not list the workflows of a project";
        let hint = "versions from 2.0 on are read; of older ones import exports";
        Err(Failure::new(REFUSED, message)
            .cause(said.join("; "))
            .hint(hint))
    }

    /// A list that may be missing: then ids keep their numbers.
    fn list(&mut self, list: &super::words::List) -> Result<(), Failure> {
        let why = if list.paged {
            match self.pages_if_there(list.path, list.file)? {
                Pages::Read(_) => return Ok(()),
                Pages::Missing => NO_SUCH_LIST.to_owned(),
                Pages::Declined(why) => why,
            }
        } else {
            match self.asker.ask(list.path)? {
                Answer::Said(bytes, _) => {
                    return self.store.keep(&format!("{}.json", list.file), &bytes);
                }
                Answer::NoSuchPath => NO_SUCH_LIST.to_owned(),
                Answer::Declined(said) => said,
            }
        };
        self.progress
            .say(&format!("{} keep their ids: {why}", list.noun));
        Ok(())
    }

    /// The entries of all pages of a list.
    fn pages(&mut self, path: &str, file: &str) -> Result<Vec<Value>, Failure> {
        let why = match self.pages_if_there(path, file)? {
            Pages::Read(items) => return Ok(items),
            Pages::Missing => NO_SUCH_LIST.to_owned(),
            Pages::Declined(why) => why,
        };
        let message = format!("DolphinScheduler does not list `{path}`");
        Err(Failure::new(REFUSED, message).cause(why))
    }

    fn pages_if_there(&mut self, path: &str, file: &str) -> Result<Pages, Failure> {
        let mut all = Vec::new();
        for number in 1..=PAGES_MAX {
            let page = format!(
                "{path}?pageNo={number}&pageSize={PAGE}&searchVal={}",
                encode("")
            );
            let (bytes, value) = match self.asker.ask(&page)? {
                Answer::Said(bytes, value) => (bytes, value),
                Answer::NoSuchPath => return Ok(Pages::Missing),
                Answer::Declined(said) => return Ok(Pages::Declined(said)),
            };
            let bytes = without_secrets(&value).unwrap_or(bytes);
            self.store.keep(&format!("{file}-{number}.json"), &bytes)?;
            let data = value.get("data");
            let items = data.and_then(|data| data.get("totalList")).or(data);
            let items = items.and_then(Value::as_array).cloned().unwrap_or_default();
            let total = data.and_then(|data| data.get("total")?.as_u64());
            let is_last = items.len() < PAGE
                && total.is_none_or(|total| {
                    usize::try_from(total).is_ok_and(|total| all.len() + items.len() >= total)
                });
            let is_empty = items.is_empty();
            all.extend(items);
            if is_last || is_empty {
                break;
            }
        }
        Ok(Pages::Read(all))
    }
}

/// An answer without what lets people into data sources; none if it has no connections.
fn without_secrets(answer: &Value) -> Option<Vec<u8>> {
    let mut answer = answer.clone();
    let items = answer
        .get_mut("data")?
        .get_mut("totalList")?
        .as_array_mut()?;
    let mut changed = false;
    for connection in items
        .iter_mut()
        .filter_map(|item| item.get_mut("connectionParams"))
    {
        let kept = connection
            .as_str()
            .and_then(|text| serde_json::from_str::<Value>(text).ok());
        let kept = kept.as_ref().and_then(Value::as_object);
        let kept = kept
            .into_iter()
            .flatten()
            .filter(|(key, _)| OF_CONNECTIONS.contains(&key.as_str()));
        let kept: serde_json::Map<_, _> = kept
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        *connection = json!(Value::from(kept).to_string());
        changed = true;
    }
    changed.then(|| serde_json::to_vec(&answer).ok()).flatten()
}

/// Codes, names and versions of entries.
fn named(items: &[Value]) -> Vec<Named> {
    let named = |item: &Value| {
        Some(Named {
            code: item.get("code")?.as_i64()?,
            name: item.get("name")?.as_str()?.to_owned(),
            version: item
                .get("version")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
        })
    };
    let mut found: Vec<Named> = items.iter().filter_map(named).collect();
    // an entry that moves from page to page while they are read is there twice
    found.sort_by_key(|named| named.code);
    found.dedup_by_key(|named| named.code);
    found
}

fn definition(answer: &Value) -> Option<&Value> {
    let data = answer.get("data")?;
    data.get("processDefinition")
        .or_else(|| data.get("workflowDefinition"))
}

fn is_whole(answer: &Value) -> bool {
    definition(answer).is_some_and(Value::is_object)
}

fn version_of(answer: &Value) -> Option<i64> {
    definition(answer)?.get("version")?.as_i64()
}

fn many(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
