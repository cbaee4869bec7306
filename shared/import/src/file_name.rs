//! Names of definition files.

use std::collections::BTreeMap;

/// Characters of a name before its ending.
const CHARS_MAX: usize = 80;

/// Names that Windows keeps for devices.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A file name for each workflow, no two alike, also where case does not count.
///
/// Letters and digits of any script stay, everything else becomes `-`: no name leaves its folder or hides.
pub(crate) fn unique<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut taken = BTreeMap::new();
    names.map(|name| free(&slug(name), &mut taken)).collect()
}

/// `taken` holds the last number that each stem was given: a file of one name takes no longer.
fn free(slug: &str, taken: &mut BTreeMap<String, usize>) -> String {
    let mut stem = slug.to_owned();
    let mut number = taken.get(&slug.to_lowercase()).copied().unwrap_or(1);
    while taken.contains_key(&stem.to_lowercase()) {
        number += 1;
        stem = format!("{slug}-{number}");
    }
    taken.insert(slug.to_lowercase(), number);
    taken.entry(stem.to_lowercase()).or_insert(1);
    format!("{stem}.yaml")
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().take(CHARS_MAX) {
        if c.is_alphanumeric() || c == '_' {
            slug.push(c);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_matches('-');
    let lower = slug.to_lowercase();
    if slug.is_empty() || DEVICES.contains(&lower.as_str()) {
        return format!("workflow-{slug}").trim_end_matches('-').to_owned();
    }
    slug.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder_and_apart() {
        let names = [
            "../../etc/passwd",
            "a b",
            "a/b",
            "A-B",
            "市场茄子roi计算",
            "..",
            "/",
            "con",
            ".hidden",
        ];
        let files = unique(names.into_iter());
        assert_eq!(
            files,
            [
                "etc-passwd.yaml",
                "a-b.yaml",
                "a-b-2.yaml",
                "A-B-3.yaml",
                "市场茄子roi计算.yaml",
                "workflow.yaml",
                "workflow-2.yaml",
                "workflow-con.yaml",
                "hidden.yaml"
            ]
        );
    }
}
