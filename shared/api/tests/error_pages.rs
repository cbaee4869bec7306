//! Every code has a page, and every page a code.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use porpoise_api::Code;

const HEADINGS: [&str; 3] = ["What happened", "Why", "What to do"];
/// Lines of a page: somebody who met an error reads no more.
const LINES_MAX: usize = 40;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors")
}

fn page(code: Code) -> String {
    let path = folder().join(format!("{}.md", code.as_str()));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the first line of a page calls its code.
fn title(code: Code) -> String {
    let page = page(code);
    let first = page.lines().next().unwrap_or_default();
    let title = first.strip_prefix(&format!("# {}: ", code.as_str()));
    let title = title.unwrap_or_else(|| panic!("{} begins with `{first}`", code.as_str()));
    assert!(!title.is_empty() && !title.ends_with('.'), "{first}");
    title.to_owned()
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let files = fs::read_dir(folder()).unwrap();
    let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = files.collect();
    let codes = Code::ALL.iter().map(|code| format!("{}.md", code.as_str()));
    let wanted: BTreeSet<_> = codes.chain(["README.md".to_owned()]).collect();
    assert_eq!(files, wanted);
}

#[test]
fn codes_are_numbered_one_after_the_other() {
    for (at, code) in Code::ALL.into_iter().enumerate() {
        assert_eq!(code.as_str(), format!("PP{:04}", at + 1));
    }
}

#[test]
fn every_page_says_what_happened_and_why_and_what_to_do() {
    let mut titles = BTreeSet::new();
    for code in Code::ALL {
        assert!(titles.insert(title(code)), "{code:?}");
        let page = page(code);
        let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
        assert_eq!(headings.collect::<Vec<_>>(), HEADINGS, "{code:?}");
        let mut parts = page.split("\n## ").skip(1);
        assert!(parts.all(|part| part.lines().any(|line| line.len() > 20)));
        let told = page.split("## What to do").nth(1).unwrap();
        assert!(
            told.contains('`'),
            "{code:?} names no command, request or setting"
        );
        assert!(page.lines().count() <= LINES_MAX, "{code:?}");
    }
}

#[test]
fn the_index_of_the_pages_is_complete() {
    let mut index = "# Errors\n\nWhat a user can meet has a code that never changes its meaning: `error[PP0008]: …` on \
                     the command line, `code` in the problems of the API.\n\n| code | what |\n| --- | --- |\n"
        .to_owned();
    for code in Code::ALL {
        let (code, title) = (code.as_str(), title(code));
        writeln!(index, "| [{code}]({code}.md) | {title} |").unwrap();
    }
    let path = folder().join("README.md");
    if std::env::var_os("UPDATE_ERRORS").is_some() {
        fs::write(&path, &index).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == index,
        "docs/errors/README.md is not what the pages say; regenerate it with:\n    \
         UPDATE_ERRORS=1 cargo test -p porpoise-api --test all"
    );
}
