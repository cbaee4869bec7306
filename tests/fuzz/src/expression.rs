use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;
use porpoise_expression::{
    Dialect, EXPANSION_BYTES_MAX, Instant, Piece, Template, Unknown, render, resolve_parameters,
};

use crate::choice;

/// A text with placeholders, which may use parameters: the lines of the text before the last, `name=value`.
///
/// Its pieces are the text, nothing that is rendered is larger than it may be, and where unknown names stay, rendering
/// fails only for circles and sizes, which it does again.
pub fn expression(bytes: &[u8]) {
    let Some((first, text)) = choice(bytes) else {
        return;
    };
    let Some(dialect) = Dialect::ALL.get(first % Dialect::ALL.len()).copied() else {
        return;
    };
    let zone = if first & 0x80 == 0 {
        TimeZone::UTC
    } else {
        TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC)
    };
    let base = date(2024, 3, 31).at(2, 30, 0, 0);
    let Ok(instant) = Instant::local(base, zone) else {
        return;
    };
    let (above, last) = text.rsplit_once('\n').unwrap_or(("", text));
    let declared: Vec<(&str, &str)> = above.lines().filter_map(|l| l.split_once('=')).collect();
    let resolved = resolve_parameters(declared, [], &instant, dialect);
    let scope: BTreeMap<String, String> = resolved.into_iter().flatten().collect();

    let template = Template::parse(last);
    let whole: String = template
        .pieces()
        .map(|piece| written(&piece, last))
        .collect();
    assert_eq!(whole, last, "the pieces of a text are the text");
    for unknown in [Unknown::Keep, Unknown::Fault] {
        let rendered = render(&template, &scope, &instant, dialect, unknown);
        let again = render(&template, &scope, &instant, dialect, unknown);
        assert_eq!(rendered, again, "rendered twice");
        if let Ok(rendered) = rendered {
            let most = last.len() + EXPANSION_BYTES_MAX;
            assert!(rendered.len() <= most, "{} bytes", rendered.len());
            if template.is_literal() {
                assert_eq!(rendered, last, "nothing to render");
            }
        }
    }
}

fn written<'t>(piece: &Piece<'t>, text: &'t str) -> &'t str {
    match piece {
        Piece::Literal(literal) => literal,
        Piece::Parameter { span, .. } | Piece::Secret { span, .. } | Piece::Date { span, .. } => {
            text.get(span.clone()).unwrap_or_default()
        }
    }
}
