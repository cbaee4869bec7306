//! Files that were read, and what is made of them together.

use std::sync::Arc;

use porpoise_model::Name;
use porpoise_model::limits::DEFINITION_BYTES_MAX;
use porpoise_model::workflow::Workflow;

use crate::fault::{ImportFaults, Problems, short};
use crate::json::{NodeId, Tree};
use crate::secret::{Hidden, Secrets};
use crate::shape::Element;
use crate::{Imported, ImportedWorkflow, Input, Options};
use crate::{envelope, file_name, json, map, shape, sweep};

/// A file whose workflows are in the one shape.
#[derive(Debug)]
pub(crate) struct Document<'f> {
    name: Arc<str>,
    text: &'f str,
    pub(crate) tree: Tree,
    pub(crate) elements: Vec<Element>,
    /// Texts with more in them than their JSON.
    pub(crate) trailing: Vec<NodeId>,
    /// The secrets of each element, which are in the tree no more.
    pub(crate) hidden: Vec<Vec<Hidden>>,
}

/// Reads all files, or gives the faults of each.
pub(crate) fn read_all<'f>(
    inputs: &[Input<'f>],
    options: &Options,
) -> Result<Vec<Document<'f>>, Vec<ImportFaults>> {
    let mut secrets = Secrets::default();
    let mut documents = Vec::new();
    let mut faults = Vec::new();
    for input in inputs {
        match read(input, options, &mut secrets) {
            Ok(document) => documents.push(document),
            Err(found) => faults.push(found),
        }
    }
    if faults.is_empty() {
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
    let mut tree = json::parse(text).map_err(|problems| problems.locate(input.name, text, None))?;
    let raw = envelope::elements(&tree).map_err(|problems| refused(&problems, &tree))?;
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
    let hidden = elements
        .iter()
        .map(|element| secrets.hide(&mut tree, element))
        .collect();
    Ok(Document {
        name: input.name.into(),
        text,
        tree,
        elements,
        trailing,
        hidden,
    })
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
    let mapped = map::workflows(&files, &project, options.timezone.as_deref());
    let (mapped, mut notes) = mapped.map_err(|problems| {
        let each = documents.iter().zip(&problems);
        each.filter(|(_, problems)| !problems.is_empty())
            .map(|(document, problems)| located(document, problems))
            .collect::<Vec<_>>()
    })?;
    for (document, mapped) in documents.iter().zip(&mapped) {
        let sizes = mapped.iter().try_for_each(|(_, workflow)| fits(workflow));
        sizes.map_err(|problems| vec![located(document, &problems)])?;
    }
    for (number, document) in documents.iter().enumerate() {
        notes.file = number;
        sweep::sweep(document, &mut notes);
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
    Ok(Imported { workflows, report })
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
