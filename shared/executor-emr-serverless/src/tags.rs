//! Tags of job runs: by them bills are split, and people find runs in the console.

use std::collections::BTreeMap;

/// Limits of a tag. Source: the service model's `TagKey`, `TagValue` and `TagMap`.
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;
const TAGS_MAX: usize = 200;

/// Labels that are ours get a prefix, so that they never meet those of users.
const OURS: &[&str] = &["project", "workflow", "task", "run"];

/// The tags of a job: its labels, and what its request says, which wins. What a tag can't hold becomes `_`.
pub(crate) fn tags(
    labels: &BTreeMap<String, String>,
    own: Option<BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let labels = labels.iter().map(|(name, value)| {
        let name = if OURS.contains(&name.as_str()) {
            format!("porpoise:{name}")
        } else {
            fitting(name, KEY_CHARS_MAX)
        };
        (name, fitting(value, VALUE_CHARS_MAX))
    });
    // names that begin so are not ours to give
    let allowed = |(name, _): &(String, String)| {
        !name.is_empty() && !name.to_ascii_lowercase().starts_with("aws:")
    };
    let mut tags: BTreeMap<String, String> = labels.filter(allowed).collect();
    let own = own.unwrap_or_default();
    let room = TAGS_MAX.saturating_sub(own.len());
    while tags.len() > room {
        tags.pop_first();
    }
    tags.extend(own);
    tags
}

fn fitting(text: &str, chars_max: usize) -> String {
    let allowed = |char: char| char.is_ascii_alphanumeric() || " /_.:=+@-".contains(char);
    let chars = text.chars().take(chars_max);
    chars
        .map(|char| if allowed(char) { char } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::tags;

    fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn labels_become_tags_that_the_service_takes() {
        let labels = map([
            ("project", "retail"),
            ("run", "abc"),
            ("cost_centre", "4711 (DE)"),
            ("aws:x", "never"),
            ("größe", "ü"),
        ]);
        let own = map([("cost_centre", "own"), ("team", "data")]);
        let wanted = map([
            ("cost_centre", "own"),
            ("gr__e", "_"),
            ("porpoise:project", "retail"),
            ("porpoise:run", "abc"),
            ("team", "data"),
        ]);
        assert_eq!(tags(&labels, Some(own)), wanted);
        assert_eq!(tags(&labels, None)["cost_centre"], "4711 _DE_");
    }
}
