//! "Did you mean": the nearest of the known names, within a budget of work for a whole file.

/// Steps of edit distances that one file may cost: a second at the most.
const STEPS_MAX: usize = 100_000_000;

/// Finds near names until its budget is spent.
#[derive(Debug)]
pub(crate) struct Suggester {
    steps: usize,
}

impl Default for Suggester {
    fn default() -> Self {
        Self { steps: STEPS_MAX }
    }
}

impl Suggester {
    /// The known name nearest to `name`, if one is near: at most a third of its characters differ.
    pub(crate) fn nearest<'k>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Option<&'k str> {
        let chars = name.chars().count();
        let allowed = (chars / 3).max(1);
        let mut best: Option<(usize, &str)> = None;
        for candidate in known {
            let distance = self.distance(name, chars, candidate, allowed)?;
            if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, candidate));
            }
        }
        best.map(|(_, candidate)| candidate)
    }

    /// The distance, or more than `allowed`; `None` when the budget is spent.
    fn distance(
        &mut self,
        name: &str,
        chars: usize,
        candidate: &str,
        allowed: usize,
    ) -> Option<usize> {
        let other = candidate.chars().count();
        self.steps = self.steps.checked_sub(other + 1)?;
        if chars.abs_diff(other) > allowed || name.eq_ignore_ascii_case(candidate) {
            return Some(if name.eq_ignore_ascii_case(candidate) {
                0
            } else {
                usize::MAX
            });
        }
        self.steps = self.steps.checked_sub(chars * other)?;
        Some(strsim::osa_distance(name, candidate))
    }

    /// ``did you mean `name`?``, if one is near.
    pub(crate) fn hint<'k>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Option<String> {
        let nearest = self.nearest(name, known)?;
        Some(format!("did you mean {}?", crate::fault::quoted(nearest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_letter_is_near_and_another_word_is_not() {
        let known = ["extract", "check", "load"];
        let mut suggester = Suggester::default();
        assert_eq!(suggester.nearest("etxract", known), Some("extract"));
        assert_eq!(suggester.nearest("LOAD", known), Some("load"));
        assert_eq!(suggester.nearest("publish", known), None);
    }

    #[test]
    fn a_spent_budget_ends_the_suggestions() {
        let mut suggester = Suggester { steps: 10 };
        assert_eq!(suggester.nearest("lod", ["load"; 100]), None);
    }
}
