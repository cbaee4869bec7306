//! Lists that tasks are mapped over.

use porpoise_model::limits::{MAPPED_ELEMENTS_MAX, MAPPED_PARALLEL_MAX};
use porpoise_model::workflow::{Each, Items};

/// What a task is mapped over, as `bits` say; often nothing.
pub(crate) fn each(bits: u32) -> Option<Each> {
    let bits = bits / 4;
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let text = |text: &str, separator: Option<&str>| Items::Text {
        text: text.to_owned(),
        separator: separator.map(ToOwned::to_owned),
    };
    let items = [
        Items::Values(texts(&["eu", "01", "true", "a, b", "", " x", "~"])),
        Items::Values(Vec::new()),
        text(r#"[1, "two"]"#, None),
        text("${system.datetime}", None),
        text("a;b\n;c", Some(";")),
        text("", Some(" ")),
    ];
    let chosen = (0_u32..).zip(items).filter(|(at, _)| bits >> at & 1 == 1);
    let lists = chosen.map(|(at, items)| (format!("list {at}"), items));
    let mut each = Each::of(lists.collect());
    if each.lists.is_empty() {
        return None;
    }
    if bits.is_multiple_of(3) {
        each.without = texts(&["b", "07"]);
    }
    each.at_most = [1, 7, MAPPED_ELEMENTS_MAX][usize::try_from(bits % 3).unwrap()];
    each.parallel = [1, MAPPED_PARALLEL_MAX][usize::try_from(bits % 2).unwrap()];
    Some(each)
}
