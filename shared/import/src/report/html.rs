//! Reports as a page of HTML: one file, no scripts, nothing fetched.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::{Entry, Level, Report, Topic};

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Import report</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }
div { overflow-x: auto }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #d0d7de; overflow-wrap: anywhere; min-width: 7rem }
th { background: #f6f8fa }
td.n, th.n { text-align: right; min-width: 4rem }
code { font-size: 90% }
summary { cursor: pointer; padding: .2rem 0 }
.advice { color: #57606a; display: block; margin-left: 1.1rem }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } th { background: #161b22 } th, td { border-color: #30363d } .advice { color: #8d96a0 } }
</style></head><body>
<h1>Import report</h1>
"#;

impl Report {
    /// A page that shows everything the report says.
    pub fn html(&self) -> String {
        let mut page = HEAD.to_owned();
        self.workflows_table(&mut page);
        let ignored: usize = self.ignored.values().sum();
        let _ = writeln!(
            page,
            "<p>{} values: {} carried over, {ignored} of no consequence (copies, ids, defaults), {} only reported.</p>",
            self.leaves, self.used, self.reported
        );
        for level in Level::ALL {
            let mut topics: IndexMap<Topic, Vec<&Entry>> = IndexMap::new();
            for entry in self.of(level) {
                topics.entry(entry.topic).or_default().push(entry);
            }
            let _ = writeln!(page, "<h2>{}</h2>", level.title());
            if topics.is_empty() {
                page.push_str("<p>Nothing.</p>\n");
            }
            for (topic, entries) in topics {
                section(topic, &entries, &mut page);
            }
        }
        if self.more > 0 {
            let _ = writeln!(page, "<p>{} further entries are not listed.</p>", self.more);
        }
        page.push_str("</body></html>\n");
        page
    }

    fn workflows_table(&self, page: &mut String) {
        page.push_str("<div><table><tr><th>workflow</th><th>file</th><th>read as</th><th class=n>tasks</th><th class=n>edges</th><th class=n>without an executor</th><th class=n>not carried over</th><th class=n>with a difference</th></tr>\n");
        for summary in &self.workflows {
            let count = |level| {
                let of = |entry: &&Entry| entry.workflow.as_deref() == Some(&*summary.workflow);
                self.of(level).filter(of).count()
            };
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td><code>{}</code></td><td>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td></tr>",
                escaped(&summary.workflow),
                escaped(&summary.file_name),
                summary.version,
                summary.tasks,
                summary.edges,
                summary.external,
                count(Level::NotCarried),
                count(Level::CarriedWithDifference)
            );
        }
        page.push_str("</table></div>\n");
    }
}

fn section(topic: Topic, entries: &[&Entry], page: &mut String) {
    let _ = writeln!(
        page,
        "<details><summary>{} × {}\n<span class=advice>→ {}</span></summary>\n<div><table><tr><th>workflow</th><th>where</th><th>what</th></tr>",
        entries.len(),
        escaped(topic.title()),
        escaped(topic.advice())
    );
    for entry in entries {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
            escaped(entry.workflow.as_deref().unwrap_or_default()),
            escaped(&super::display::place(entry)),
            escaped(&entry.message)
        );
    }
    page.push_str("</table></div></details>\n");
}

/// A text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
