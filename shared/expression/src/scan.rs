//! Finds placeholders in a text: one pass, whatever the text is.

use std::ops::Range;

/// The outermost `${...}` of `text`, in order, brackets included.
///
/// A `{` inside a placeholder has its own `}`, so `${a${b}}` and `${a{b}}` are one each. A `${` without its `}` is
/// plain text and hides nothing that follows.
pub(crate) fn parameters(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open: Vec<Option<usize>> = Vec::new(); // where a `${` starts; `None` for a `{`
    let mut previous = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if previous == b'$' => open.push(Some(at.saturating_sub(1))),
            b'{' if !open.is_empty() => open.push(None),
            b'}' => {
                if let Some(Some(start)) = open.pop() {
                    while found.pop_if(|inner| inner.start > start).is_some() {}
                    found.push(start..at.saturating_add(1));
                }
            }
            _ => {}
        }
        previous = byte;
    }
    found
}

/// The innermost `$[...]` of `text`, in order, brackets included. A `[` inside has its own `]`.
///
/// `skipped` are ranges, in order, in which nothing is looked for; they may lie inside of what is found.
pub(crate) fn dates(text: &str, skipped: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, usize)> = None; // where the `$[` starts, and how many `[` are open in it
    let mut previous = 0;
    let mut skipped = skipped.iter().peekable();
    for (at, byte) in text.bytes().enumerate() {
        while skipped.next_if(|range| range.end <= at).is_some() {}
        if skipped.peek().is_some_and(|range| range.contains(&at)) {
            previous = 0;
            continue;
        }
        match (byte, open) {
            (b'[', _) if previous == b'$' => open = Some((at.saturating_sub(1), 0)),
            (b'[', Some((start, inner))) => open = Some((start, inner.saturating_add(1))),
            (b']', Some((start, 0))) => {
                found.push(start..at.saturating_add(1));
                open = None;
            }
            (b']', Some((start, inner))) => open = Some((start, inner.saturating_sub(1))),
            _ => {}
        }
        previous = byte;
    }
    found
}

/// What stands between the two characters that open a placeholder and the one that closes it.
pub(crate) fn inside(placeholder: &str) -> &str {
    let end = placeholder.len().saturating_sub(1);
    placeholder.get(2..end).unwrap_or_default()
}

/// The part of `text` in `range`, which lies on character boundaries because placeholders do.
pub(crate) fn part(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter_texts(text: &str) -> Vec<&str> {
        parameters(text)
            .into_iter()
            .map(|span| &text[span])
            .collect()
    }

    fn date_texts(text: &str) -> Vec<&str> {
        dates(text, &[])
            .into_iter()
            .map(|span| &text[span])
            .collect()
    }

    #[test]
    fn only_the_outermost_parameters_are_found() {
        assert_eq!(parameter_texts("x${a${b}}y${c}{d}"), ["${a${b}}", "${c}"]);
        assert_eq!(parameter_texts("${a{b}}}"), ["${a{b}}"]);
        assert_eq!(parameter_texts("$${依赖}"), ["${依赖}"]);
    }

    #[test]
    fn an_unclosed_parameter_hides_nothing_that_follows() {
        assert_eq!(parameter_texts("${a ${b} { ${c}"), ["${b}", "${c}"]);
        assert!(parameters("${").is_empty());
        assert!(parameters("}{}$").is_empty());
    }

    #[test]
    fn the_innermost_dates_are_found() {
        assert_eq!(date_texts("$[a[b]c] $[x $[y]] ]"), ["$[a[b]c]", "$[y]"]);
        assert_eq!(date_texts("$[]$[z"), ["$[]"]);
    }

    #[test]
    fn skipped_ranges_hide_brackets() {
        let spans = dates("$[a]$[b]$[c]$[d]", &[4..8, 12..16]);
        assert_eq!(spans, [0..4, 8..12]);
        let spans = dates("$[a ]] b]$[]", &[4..6, 6..7]);
        assert_eq!(spans, [0..9, 9..12]);
    }
}
