use porpoise_expression::{Condition, Operand};

use crate::choice;

/// A condition of a switch: it holds or not, or says why that cannot be told, and the same the next time.
pub fn condition(bytes: &[u8]) {
    let Some((first, text)) = choice(bytes) else {
        return;
    };
    let condition = match Condition::parse(text) {
        Ok(condition) => condition,
        Err(fault) => {
            let (start, end) = (fault.span.start, fault.span.end);
            assert!(
                start <= end && end <= text.len(),
                "{start}..{end} of {text:?}"
            );
            return;
        }
    };
    let value_of = |name: &str| match (first + name.len()) % 4 {
        0 => Some(Operand::Number(name.len().to_string())),
        1 => Some(Operand::Truth("true".to_owned())),
        2 => Some(Operand::Text(name.to_owned())),
        _ => None,
    };
    let holds = condition.holds(value_of);
    assert_eq!(condition.holds(value_of), holds, "evaluated twice");
}
