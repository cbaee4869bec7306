//! Events of the target of tests: `job of …`, `job of … succeeded at …`, `bill of job of …`.

use porpoise_ports::executor::News;

use super::bill;

pub(super) fn read(event: &str) -> Option<News> {
    let (id, billed) = match event.strip_prefix("bill of ") {
        Some(id) => (id, true),
        None => (event, false),
    };
    let (id, succeeded) = match id.split_once(" succeeded at ") {
        Some((id, at)) => (id, at.parse().ok()),
        None => (id, None),
    };
    id.starts_with("job of ").then(|| News {
        external_id: id.to_owned(),
        state: None,
        succeeded,
        usage: billed.then(|| bill(8)),
    })
}
