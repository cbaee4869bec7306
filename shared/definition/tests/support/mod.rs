//! What several tests share.

pub mod depend;
pub mod each;

/// A line for each fault and each note.
pub(crate) fn faults(text: &str) -> String {
    let (mut lines, notes) = match porpoise_definition::read("f.yaml", text.as_bytes()) {
        Ok(checked) => {
            let notes = checked.into_iter().flat_map(|checked| checked.notes);
            (Vec::new(), notes.collect::<Vec<_>>())
        }
        Err(faults) => (vec![faults.to_string()], faults.notes),
    };
    lines.extend(notes.iter().map(|note| format!("note {note}")));
    lines.join("\n")
}
