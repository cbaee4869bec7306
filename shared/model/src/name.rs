//! Names that people give to projects, workflows, tasks, pools and parameters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::limits::NAME_CHARS_MAX;

/// A name in any script: NFC, 1 to 255 characters, no control characters, no white space at its ends.
///
/// Names are for people; keys, paths, job and schedule names use ids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// More characters than [`NAME_CHARS_MAX`].
    #[error("a name has at most {NAME_CHARS_MAX} characters, this one has {0}")]
    TooLong(usize),
    /// A control, format-override or line-separator character.
    #[error("a name must not contain the control character {0:?} (at character {1})")]
    Control(char, usize),
    /// Blank at the beginning or the end.
    #[error("a name must not begin or end with white space")]
    Blank,
}

impl Name {
    /// The text, in NFC.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, line and paragraph separators, and the marks that turn the direction of what follows.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl FromStr for Name {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ParseNameError::Empty);
        }
        // A character is at most 4 bytes: longer texts are refused before they are normalised.
        if text.len() > NAME_CHARS_MAX * 4 {
            return Err(ParseNameError::TooLong(text.chars().count()));
        }
        if let Some((at, c)) = text.chars().enumerate().find(|(_, c)| is_control(*c)) {
            return Err(ParseNameError::Control(c, at + 1));
        }
        let normal: Arc<str> = if is_nfc(text) {
            text.into()
        } else {
            text.nfc().collect::<String>().into()
        };
        let chars = normal.chars().count();
        if chars > NAME_CHARS_MAX {
            return Err(ParseNameError::TooLong(chars));
        }
        if normal.trim() != &*normal {
            return Err(ParseNameError::Blank);
        }
        Ok(Self(normal))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<C> Encode<C> for Name {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Name {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_kept() {
        for text in ["daily-sales", "依赖节点", "Übersicht (2)", "a/b c", "نقل"] {
            assert_eq!(
                text.parse::<Name>().unwrap().as_str(),
                text.nfc().collect::<String>()
            );
        }
    }

    #[test]
    fn equal_looking_names_are_equal() {
        assert_eq!("e\u{301}".parse::<Name>(), "é".parse::<Name>());
    }

    #[test]
    fn what_could_hide_or_break_lines_is_refused() {
        assert_eq!("".parse::<Name>(), Err(ParseNameError::Empty));
        assert_eq!(
            "a\nb".parse::<Name>(),
            Err(ParseNameError::Control('\n', 2))
        );
        assert_eq!(
            "a\u{202e}b".parse::<Name>(),
            Err(ParseNameError::Control('\u{202e}', 2))
        );
        assert_eq!(" a".parse::<Name>(), Err(ParseNameError::Blank));
        assert_eq!(
            "x".repeat(256).parse::<Name>(),
            Err(ParseNameError::TooLong(256))
        );
    }
}
