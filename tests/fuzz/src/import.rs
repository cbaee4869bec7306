use porpoise_import::{Imported, Options, Version, import as import_file};

/// A file is imported or refused. What is imported is a definition that can be read, and is the same the next time.
///
/// The first byte chooses what the file is called, and the version that is said to have written it.
pub fn import(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let first = usize::from(*first);
    let name = match first % 3 {
        0 => "file.json",
        1 => "file.yaml",
        _ => "file.zip",
    };
    let options = Options {
        from_version: Version::ALL.get(first / 3 % 8).copied(),
        ..Options::default()
    };
    let Ok(imported) = import_file(name, rest, &options) else {
        return;
    };
    let again = import_file(name, rest, &options).map(|again| texts(&again));
    assert_eq!(again.ok(), Some(texts(&imported)), "imported twice");
    for (file, text) in texts(&imported) {
        if let Err(faults) = porpoise_definition::read(&file, text.as_bytes()) {
            panic!("{file} cannot be read: {faults}\n{text}");
        }
    }
}

fn texts(imported: &Imported) -> Vec<(String, String)> {
    let workflows = imported.workflows.iter();
    workflows
        .map(|workflow| (workflow.file_name.clone(), workflow.definition()))
        .collect()
}
