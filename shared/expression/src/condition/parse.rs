//! The tree of a condition: operators by their precedence, each from left to right.
//!
//! Operators of one precedence that follow each other are one node, however many they are. So the tree is as deep as
//! parentheses and signs are nested, and whatever descends it needs a stack of a known size.

use super::lex::{Part, Token, What, fault, tokens};
use super::{CONDITION_BYTES_MAX, CONDITION_NESTING_MAX, ConditionFault};

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Number(f64),
    Text(Vec<Part>),
    Name(String),
    Bool(bool),
    Null,
    Not(Box<Self>),
    Minus(Box<Self>),
    Plus(Box<Self>),
    /// Its first operand, and what follows it: operators of one level, and what stands behind each.
    Chain(Box<Self>, Vec<(Operator, Self)>),
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Same,
    NotSame,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// What binds least comes first. Source: ECMA-262, 13.6 to 13.13.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[
        ("===", Operator::Same),
        ("!==", Operator::NotSame),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
    ],
    &[
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("%", Operator::Remainder),
    ],
];

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Node, ConditionFault> {
    if text.len() > CONDITION_BYTES_MAX {
        let message = format!("longer than {CONDITION_BYTES_MAX} bytes");
        return Err(fault(message, 0..text.len()));
    }
    let tokens = tokens(text)?;
    let mut reader = Reader {
        tokens: tokens.into_iter().peekable(),
        end: text.len(),
        depth: 0,
    };
    let node = reader.level(0)?;
    match reader.tokens.next() {
        None => Ok(node),
        Some(token) => {
            let message = "an operator such as `==` or `&&` is missing before this".to_owned();
            Err(fault(message, token.span))
        }
    }
}

struct Reader {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    end: usize,
    depth: usize,
}

impl Reader {
    fn level(&mut self, level: usize) -> Result<Node, ConditionFault> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let first = self.level(level + 1)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(operators) {
            rest.push((operator, self.level(level + 1)?));
        }
        Ok(if rest.is_empty() {
            first
        } else {
            Node::Chain(Box::new(first), rest)
        })
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        let of = |token: &Token| {
            let What::Sign(sign) = token.what else {
                return None;
            };
            operators.iter().find(|(text, _)| *text == sign)
        };
        let (_, operator) = self.tokens.peek().and_then(of)?;
        self.tokens.next();
        Some(*operator)
    }

    fn unary(&mut self) -> Result<Node, ConditionFault> {
        let Some(token) = self.tokens.next() else {
            let message = "a value is missing at the end".to_owned();
            return Err(fault(message, self.end..self.end));
        };
        self.depth += 1;
        if self.depth > CONDITION_NESTING_MAX {
            let message = format!("more than {CONDITION_NESTING_MAX} levels deep");
            return Err(fault(message, token.span));
        }
        let node = match token.what {
            What::Number(number) => Node::Number(number),
            What::Text(parts) => Node::Text(parts),
            What::Name(name) => Node::Name(name),
            What::True => Node::Bool(true),
            What::False => Node::Bool(false),
            What::Null => Node::Null,
            What::Sign("!") => Node::Not(Box::new(self.unary()?)),
            What::Sign("-") => Node::Minus(Box::new(self.unary()?)),
            What::Sign("+") => Node::Plus(Box::new(self.unary()?)),
            What::Sign("(") => {
                let node = self.level(0)?;
                match self.tokens.next() {
                    Some(Token {
                        what: What::Sign(")"),
                        ..
                    }) => node,
                    Some(other) => {
                        return Err(fault("a `)` is missing before this".to_owned(), other.span));
                    }
                    None => {
                        let message = "this `(` is never closed".to_owned();
                        return Err(fault(message, token.span));
                    }
                }
            }
            What::Sign(sign) => {
                let message = format!("a value is missing before `{sign}`");
                return Err(fault(message, token.span));
            }
        };
        self.depth -= 1;
        Ok(node)
    }
}
