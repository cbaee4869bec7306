//! A call over HTTP.

use std::time::Duration;

use indexmap::IndexMap;
use porpoise_model::http::{Http, is_status};
use porpoise_model::limits::{ENTRIES_MAX, SCRIPT_BYTES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::Kind;
use serde_json::Value;

use super::context::{At, Entry, Fields, Reader};
use super::reference::Use;
use crate::fault::{FaultKind, quoted};
use crate::fields_of_kinds::{EXPECT, HTTP};
use crate::tree::View;
use crate::word;

impl Reader<'_> {
    pub(super) fn http(&mut self, at: At<'_>, task: u32) -> Option<Kind> {
        if self.scalar(at).is_some() {
            let url = self.url(at, task)?;
            return Some(Kind::Http(Box::new(Http {
                url,
                ..Http::default()
            })));
        }
        let fields = self.object(at, &HTTP)?;
        let url = fields.get("url").map(|at| self.url(at, task));
        let method = fields
            .get("method")
            .map(|at| self.word(at, word::METHODS))
            .map_or(Some(porpoise_model::http::Method::Get), |word| word);
        let query = self.pairs(&fields, "query", task);
        let headers = self.pairs(&fields, "headers", task);
        let body = fields
            .get("body")
            .map(|at| self.resolved(at, task, SCRIPT_BYTES_MAX));
        let json = fields
            .get("json")
            .map_or(Some(Value::Null), |at| self.json(at, task, Use::Value));
        if fields.get("body").is_some() && fields.get("json").is_some() {
            let message = "a call sends one thing, this one has a `body` already";
            self.fault(fields.key("json"), FaultKind::Conflict, message, None);
        }
        let mut http = Http {
            connect_timeout: self.wait(&fields, "connect_timeout"),
            timeout: self.wait(&fields, "timeout"),
            ..Http::default()
        };
        if let Some(at) = fields.get("expect") {
            self.expect(at, task, &mut http);
        }
        http.url = url??;
        http.method = method?;
        http.query = query?;
        http.headers = headers?;
        http.body = body.map_or(Some(None), |body| body.map(Some))?;
        http.json = json?;
        Some(Kind::Http(Box::new(http)))
    }

    /// An address that begins with its scheme, or with an expression.
    fn url(&mut self, at: At<'_>, task: u32) -> Option<String> {
        let url = self.resolved(at, task, VALUE_BYTES_MAX)?;
        let lower = url.to_ascii_lowercase();
        if !["http://", "https://", "${"]
            .iter()
            .any(|start| lower.starts_with(start))
        {
            let message = format!("{} is no address", quoted(&url));
            let hint = "it begins with `https://` or `http://`".to_owned();
            self.fault(at, FaultKind::BadValue, message, Some(hint));
            return None;
        }
        Some(url)
    }

    fn expect(&mut self, at: At<'_>, task: u32, http: &mut Http) {
        let Some(fields) = self.object(at, &EXPECT) else {
            return;
        };
        if let Some(at) = fields.get("status") {
            if let View::List(items) = self.tree.view(at.node) {
                for (index, item) in items.iter().enumerate() {
                    http.status
                        .extend(self.status(at.index(index, *item), task));
                }
            } else {
                http.status.extend(self.status(at, task));
            }
        }
        http.contains = fields
            .get("contains")
            .and_then(|at| self.resolved(at, task, VALUE_BYTES_MAX));
        http.lacks = fields
            .get("lacks")
            .and_then(|at| self.resolved(at, task, VALUE_BYTES_MAX));
    }

    /// `200`, `2xx`, `any`, or an expression.
    fn status(&mut self, at: At<'_>, task: u32) -> Option<String> {
        let text = self.resolved(at, task, VALUE_BYTES_MAX)?;
        if text.contains("${") || is_status(&text) {
            return Some(text);
        }
        let message = format!("{} is no status", quoted(&text));
        let hint = "write it like `200`, `2xx`, or `any`".to_owned();
        self.fault(at, FaultKind::BadValue, message, Some(hint));
        None
    }

    /// Texts by name.
    fn pairs(
        &mut self,
        fields: &Fields<'_>,
        name: &'static str,
        task: u32,
    ) -> Option<IndexMap<String, String>> {
        let Some(at) = fields.get(name) else {
            return Some(IndexMap::new());
        };
        let entries = self.entries(at)?;
        if !self.at_most(at, entries.len(), ENTRIES_MAX) {
            return None;
        }
        let mut pairs = IndexMap::new();
        let count = entries.len();
        for Entry { name, value, .. } in entries {
            if let Some(text) = self.resolved(at.key(name, value), task, SCRIPT_BYTES_MAX) {
                pairs.insert(name.to_owned(), text);
            }
        }
        (pairs.len() == count).then_some(pairs)
    }

    /// A text that may hold expressions, and references to secrets: the call is made where both are known.
    fn resolved(&mut self, at: At<'_>, task: u32, bytes_max: usize) -> Option<String> {
        let text = self.text(at, bytes_max)?;
        self.text_with(at, text, Some(task), Use::Value);
        Some(text.to_owned())
    }

    fn wait(&mut self, fields: &Fields<'_>, name: &'static str) -> Option<Duration> {
        let at = fields.get(name)?;
        let wait = self.duration(at)?;
        if wait.is_zero() {
            let message = "nothing can happen in no time";
            self.fault(at, FaultKind::OutOfRange, message, None);
            return None;
        }
        Some(wait)
    }
}
