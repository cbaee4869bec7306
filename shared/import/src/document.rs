//! Files that were read, and what is made of them together.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use porpoise_model::Name;
use porpoise_model::limits::DEFINITION_BYTES_MAX;
use porpoise_model::workflow::Workflow;

use crate::fault::{ImportFaults, Problems, short};
use crate::json::{NodeId, Tree};
use crate::map::Owners;
use crate::mapping::{self, Applied, Catalogue, List, Mapping, Met, Plan};
use crate::secret::{Hidden, Secrets};
use crate::shape::Element;
use crate::shape::python::{Python, Remark};
use crate::version::Form;
use crate::{Imported, ImportedWorkflow, Input, Options};
use crate::{attach, envelope, file_name, json, map, project_parameter, shape, sweep};

/// A file whose workflows are in the one shape.
#[derive(Debug)]
pub(crate) struct Document<'f> {
    name: Arc<str>,
    text: &'f str,
    pub(crate) tree: Tree,
    pub(crate) elements: Vec<Element>,
    /// Texts with more in them than their JSON.
    pub(crate) trailing: Vec<NodeId>,
    /// The secrets of each element, or of the list, which are in the tree no more.
    pub(crate) hidden: Vec<Vec<Hidden>>,
    /// What there was to say before anything was mapped.
    pub(crate) remarks: Vec<Remark>,
    /// The files from which it took texts.
    paths: Vec<String>,
    /// What it is a list of, if it holds no workflows.
    pub(crate) list: Option<List>,
}

/// Reads all files, or gives the faults of each.
pub(crate) fn read_all<'f>(
    inputs: &[Input<'f>],
    options: &Options,
) -> Result<Vec<Document<'f>>, Vec<ImportFaults>> {
    let mut secrets = Secrets::default();
    let mut documents: Vec<Document<'f>> = Vec::new();
    let mut faults = Vec::new();
    for input in inputs {
        match read(input, options, &mut secrets) {
            Ok(document) => documents.push(document),
            Err(found) => faults.push((input, found)),
        }
    }
    // What a file of the SDK takes its text from need not be a workflow itself.
    let is_part = |input: &Input<'_>| {
        let paths = documents.iter().flat_map(|document| &document.paths);
        input.is_found && paths.into_iter().any(|path| path == input.path)
    };
    faults.retain(|(input, _)| !is_part(input));
    let faults: Vec<_> = faults.into_iter().map(|(_, faults)| faults).collect();
    if faults.is_empty()
        && !documents.is_empty()
        && documents
            .iter()
            .all(|document| document.elements.is_empty())
    {
        let problem = Problems::one(None, "there is no workflow in these files".to_owned());
        let first = inputs.first().map_or("", |input| input.name);
        return Err(vec![problem.locate(first, "", None)]);
    }
    if faults.is_empty() {
        attach::schedules(&mut documents);
        Ok(documents)
    } else {
        Err(faults)
    }
}

fn read<'f>(
    input: &Input<'f>,
    options: &Options,
    secrets: &mut Secrets,
) -> Result<Document<'f>, ImportFaults> {
    let at_start = |problems: Problems| problems.locate(input.name, "", None);
    let text = json::text(input.bytes).map_err(at_start)?;
    let refused = |problems: &Problems, tree: &Tree| {
        problems.locate(input.name, text, tree.places.as_deref())
    };
    if is_yaml(input.name) {
        return read_yaml(input, text, options, secrets);
    }
    let mut tree = json::parse(text).map_err(|problems| problems.locate(input.name, text, None))?;
    if let Some(list) = List::of(&tree) {
        let mut document = finished(input, text, (tree, Vec::new()), Vec::new(), secrets);
        document.list = Some(list);
        if list == List::Parameters {
            let values = project_parameter::values(&document.tree);
            let hidden = secrets.hide_values(&mut document.tree, &values);
            document.hidden.push(hidden);
        }
        return Ok(document);
    }
    let raw = match envelope::elements(&tree) {
        Ok(raw) => raw,
        Err(_) if input.is_found && envelope::is_nothing(&tree) => Vec::new(),
        Err(problems) => return Err(refused(&problems, &tree)),
    };
    if input.is_found && raw.iter().all(|id| Form::of(tree.at(*id)).is_none()) {
        return Ok(finished(
            input,
            text,
            (tree, Vec::new()),
            Vec::new(),
            secrets,
        ));
    }
    let mut problems = Problems::default();
    let trailing = envelope::expand(&mut tree, &raw, &mut problems);
    let elements = if problems.is_empty() {
        shape::shape(&mut tree, &raw, options.from_version, &mut problems)
    } else {
        Vec::new()
    };
    if !problems.is_empty() {
        return Err(refused(&problems, &tree));
    }
    Ok(finished(input, text, (tree, elements), trailing, secrets))
}

fn is_yaml(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| {
        ["yaml", "yml"]
            .iter()
            .any(|yaml| extension.eq_ignore_ascii_case(yaml))
    })
}

fn read_yaml<'f>(
    input: &Input<'f>,
    text: &'f str,
    options: &Options,
    secrets: &mut Secrets,
) -> Result<Document<'f>, ImportFaults> {
    let mut tree =
        json::parse_yaml(text).map_err(|problems| problems.locate(input.name, text, None))?;
    let mut python = Python::new(input, options);
    if input.is_found && !Python::is_workflow(&tree) {
        return Ok(finished(
            input,
            text,
            (tree, Vec::new()),
            Vec::new(),
            secrets,
        ));
    }
    let element = python.shape(&mut tree);
    match element {
        Some(element) if python.problems.is_empty() => {
            let mut document = finished(input, text, (tree, vec![element]), Vec::new(), secrets);
            document.remarks = python.remarks;
            document.paths = python.paths;
            Ok(document)
        }
        _ => Err(python
            .problems
            .locate(input.name, text, tree.places.as_deref())),
    }
}

fn finished<'f>(
    input: &Input<'f>,
    text: &'f str,
    (mut tree, elements): (Tree, Vec<Element>),
    trailing: Vec<NodeId>,
    secrets: &mut Secrets,
) -> Document<'f> {
    let hidden = elements
        .iter()
        .map(|element| secrets.hide(&mut tree, element))
        .collect();
    Document {
        name: input.name.into(),
        text,
        tree,
        elements,
        trailing,
        hidden,
        remarks: Vec::new(),
        paths: Vec::new(),
        list: None,
    }
}

/// The workflows of all files, or the faults of each.
pub(crate) fn import(
    documents: &[Document<'_>],
    options: &Options,
) -> Result<Imported, Vec<ImportFaults>> {
    let located = |document: &Document<'_>, problems: &Problems| {
        let places = document.tree.places.as_deref();
        problems.locate(&document.name, document.text, places)
    };
    let of_all = |problems: Problems| {
        let first = documents.first();
        first
            .map(|first| located(first, &problems))
            .into_iter()
            .collect::<Vec<_>>()
    };
    let project = project(options).map_err(of_all)?;
    let files: Vec<_> = documents
        .iter()
        .map(|document| (&document.tree, &*document.elements))
        .collect();
    let catalogue = catalogue(documents);
    let by_code = match &options.project {
        Some(_) => BTreeMap::new(),
        None => catalogue.projects(),
    };
    let owners = Owners {
        default: project,
        by_code,
    };
    let none = Mapping::default();
    let mapping = options.mapping.as_ref().unwrap_or(&none);
    let foreign = mapping.workflows();
    let mapped = map::workflows(&files, &owners, options, &foreign);
    let (mut mapped, mut notes) = mapped.map_err(|problems| {
        let each = documents.iter().zip(&problems);
        each.filter(|(_, problems)| !problems.is_empty())
            .map(|(document, problems)| located(document, problems))
            .collect::<Vec<_>>()
    })?;
    let met = met(documents);
    let plan = plan(&catalogue, &mapped, &met);
    let mut applied = Applied::default();
    for (number, ((document, mapped), met)) in
        documents.iter().zip(&mut mapped).zip(&met).enumerate()
    {
        notes.file = number;
        for ((_, workflow), met) in mapped.iter_mut().zip(met) {
            notes.workflow = Some(workflow.name.as_str().into());
            mapping::apply(
                workflow,
                met,
                &document.tree,
                mapping,
                &catalogue,
                &mut notes,
                &mut applied,
            );
        }
    }
    notes.workflow = None;
    mapping::unused(mapping, &plan, &applied, &mut notes);
    for (document, mapped) in documents.iter().zip(&mapped) {
        let sizes = mapped.iter().try_for_each(|(_, workflow)| fits(workflow));
        sizes.map_err(|problems| vec![located(document, &problems)])?;
    }
    let parameters = project_parameter::collect(documents, &owners, &mut notes);
    project_parameter::say_secrets_in_scripts(documents, &mapped, &parameters, &mut notes);
    for (number, (document, mapped)) in documents.iter().zip(&mapped).enumerate() {
        notes.file = number;
        let names = mapped.iter().map(|(_, workflow)| workflow.name.as_str());
        sweep::sweep(document, names, &mut notes);
    }
    let mapped: Vec<_> = mapped.into_iter().flatten().collect();
    let names = mapped.iter().map(|(_, workflow)| workflow.name.as_str());
    let file_names = file_name::unique(names);
    let workflows: Vec<_> = file_names
        .into_iter()
        .zip(mapped)
        .map(|(file_name, (version, workflow))| ImportedWorkflow {
            file_name,
            version,
            workflow,
        })
        .collect();
    let files: Vec<_> = documents
        .iter()
        .map(|document| (Arc::clone(&document.name), &document.tree))
        .collect();
    let report = notes.into_report(&files, &workflows);
    Ok(Imported {
        workflows,
        report,
        plan,
        pools: applied.pools,
        parameters,
    })
}

/// What the workflows of each file name, in their order.
fn met(documents: &[Document<'_>]) -> Vec<Vec<Vec<Met>>> {
    let codes = documents
        .iter()
        .map(|document| mapping::known_codes(&document.tree, &document.elements));
    let known = codes.flatten().collect();
    let of = |document: &Document<'_>| {
        let elements = document.elements.iter();
        let met = elements.map(|element| mapping::of_element(&document.tree, element, &known));
        met.collect()
    };
    documents.iter().map(of).collect()
}

/// What lists say.
fn catalogue(documents: &[Document<'_>]) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for document in documents {
        if let Some(list) = document.list {
            catalogue.add(list, &document.tree);
        }
    }
    catalogue
}

/// Everything that the workflows name, with what lists say of it.
fn plan(catalogue: &Catalogue, mapped: &[map::Mapped], met: &[Vec<Vec<Met>>]) -> Plan {
    let workflows = mapped.iter().flatten().map(|(_, workflow)| workflow);
    let named = workflows.zip(met.iter().flatten()).map(|(workflow, met)| {
        let tasks = workflow.tasks.iter().map(|task| task.name.as_str());
        (workflow.name.as_str(), tasks.collect(), met.as_slice())
    });
    Plan::of(named, catalogue)
}

/// A definition file has a size that it must not pass, or nobody could read it.
fn fits(workflow: &Workflow) -> Result<(), Problems> {
    let bytes = porpoise_definition::write(workflow).len();
    if bytes <= DEFINITION_BYTES_MAX {
        return Ok(());
    }
    let name = &workflow.name;
    let message = format!(
        "the definition of `{name}` would have {bytes} bytes, at most {DEFINITION_BYTES_MAX} are allowed"
    );
    Err(Problems::one(Some("split the workflow"), message))
}

fn project(options: &Options) -> Result<Name, Problems> {
    let text = options.project.as_deref().unwrap_or("default");
    text.parse().map_err(|error| {
        let message = format!("`{}` cannot be the name of a project: {error}", short(text));
        Problems::one(None, message)
    })
}
