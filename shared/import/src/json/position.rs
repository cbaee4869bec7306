//! Where the values of a text begin.

/// The byte at which each value of valid JSON begins, in document order: the order of node ids.
pub(crate) fn starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    // For each open bracket, whether it is an object's.
    let mut open: Vec<bool> = Vec::new();
    let mut is_key = false;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                starts.push(at);
                open.push(byte == b'{');
                is_key = byte == b'{';
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => is_key = open.last().copied().unwrap_or(false),
            b':' => is_key = false,
            b'"' => {
                if !is_key {
                    starts.push(at);
                }
                skip_string(&mut bytes);
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => {
                starts.push(at);
                while bytes
                    .next_if(|(_, next)| !b",]} \t\r\n".contains(next))
                    .is_some()
                {}
            }
        }
    }
    starts
}

fn skip_string(bytes: &mut impl Iterator<Item = (usize, u8)>) {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

/// Line and column, from 1, the column in characters.
pub(crate) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let last = before.rsplit('\n').next().unwrap_or(before);
    (line, last.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_start_in_document_order() {
        let text = r#"{"a":[1,-2.5e3,"x\"],"], "b" : {"c":null,"d":{}},"e":true}"#;
        let found: Vec<char> = starts(text)
            .iter()
            .map(|at| text[*at..].chars().next().unwrap())
            .collect();
        assert_eq!(found, ['{', '[', '1', '-', '"', '{', 'n', '{', 't']);
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_and_column("ab\n依赖\"", 9), (2, 3));
    }
}
