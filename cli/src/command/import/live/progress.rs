//! How far it is: a bar on a terminal, lines elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{interactive, note};

/// Tells how far it is.
#[derive(Debug)]
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(interactive().then(|| {
            let bar = ProgressBar::new(0);
            let style =
                ProgressStyle::with_template("{bar:30.cyan/blue} {pos}/{len} {elapsed} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        }))
    }

    /// Something is said: above the bar, if there is one.
    pub(super) fn say(&self, text: &str) {
        match &self.0 {
            Some(bar) => bar.println(text),
            None => note(text),
        }
    }

    /// So many more are to be read.
    pub(super) fn expect(&self, what: &str, count: usize) {
        match &self.0 {
            Some(bar) => {
                bar.inc_length(u64::try_from(count).unwrap_or_default());
                bar.set_message(what.to_owned());
            }
            None => note(what),
        }
    }

    pub(super) fn step(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
