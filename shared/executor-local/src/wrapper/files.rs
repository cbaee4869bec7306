//! Files that a script finds in its folder.

use std::fs;
use std::io;
use std::path::{Component, Path};

use porpoise_ports::executor::Job;

/// Copies them there, so that whatever the script does to them stays its own. An error says what the job's owner can do
/// about it.
pub(super) fn put(job: &Job, work: &Path) -> Result<(), String> {
    let put = |(name, source): (&String, &String)| {
        one(name, source, work).map_err(|why| format!("the file `{name}` cannot be had: {why}"))
    };
    job.files.iter().try_for_each(put)
}

fn one(name: &str, source: &str, work: &Path) -> Result<(), String> {
    let inside = Path::new(name).components();
    if name.is_empty()
        || !inside
            .into_iter()
            .all(|part| matches!(part, Component::Normal(_)))
    {
        return Err("it would not be in the folder of the task".to_owned());
    }
    if !source.starts_with('/') {
        return Err(format!(
            "`{source}` is no absolute path of this machine, and processes have their files from there"
        ));
    }
    let found = fs::metadata(source).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            format!("there is no `{source}` on this machine")
        } else {
            format!("`{source}`: {error}")
        }
    })?;
    // a pipe would never end
    if !found.is_file() {
        return Err(format!("`{source}` is no file"));
    }
    let to = work.join(name);
    let folder = to.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| fs::copy(source, &to))
        .map_err(|error| format!("`{source}` cannot be copied: {error}"))?;
    Ok(())
}
