//! Counts: whole numbers with `+ - * / ( )` and signs. Division drops the remainder.

use std::iter::Peekable;
use std::str::CharIndices;

use super::fault::{DateError, DateFault};

/// How far a sign reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signs {
    /// As everywhere: `-3+1` is -2. Spaces mean nothing.
    HoldForOne,
    /// As DolphinScheduler reads it: over all that follows within the brackets, so `-3+1` is -4. And a character that
    /// is no operator, a space or a dot, turns the number to its left into 0.
    HoldForAll,
}

/// How deep brackets and signs may be nested.
const DEPTH_MAX: usize = 32;

pub(super) fn calculate(text: &str, signs: Signs) -> Result<i64, DateError> {
    let mut reader = Reader {
        chars: text.char_indices().peekable(),
        end: text.len(),
        depth: 0,
        signs,
    };
    let value = reader.sum()?;
    match reader.peek() {
        None => Ok(value),
        Some((at, c)) => Err(DateFault::Unexpected(c).at(at)),
    }
}

struct Reader<'a> {
    chars: Peekable<CharIndices<'a>>,
    end: usize,
    depth: usize,
    signs: Signs,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<(usize, char)> {
        if self.signs == Signs::HoldForOne {
            while self.chars.next_if(|(_, c)| *c == ' ').is_some() {}
        }
        self.chars.peek().copied()
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<(usize, char)> {
        self.peek();
        self.chars.next_if(|(_, c)| wanted(*c))
    }

    fn sum(&mut self) -> Result<i64, DateError> {
        let mut value = self.product()?;
        while let Some((at, sign)) = self.next_if(|c| matches!(c, '+' | '-')) {
            let other = self.product()?;
            let result = match sign {
                '+' => value.checked_add(other),
                _ => value.checked_sub(other),
            };
            value = result.ok_or_else(|| DateFault::TooLarge.at(at))?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<i64, DateError> {
        let mut value = self.factor()?;
        while let Some((at, sign)) = self.next_if(|c| matches!(c, '*' | '/')) {
            let other = self.factor()?;
            let result = match sign {
                '*' => value.checked_mul(other),
                _ if other == 0 => return Err(DateFault::DivisionByZero.at(at)),
                _ => value.checked_div(other),
            };
            value = result.ok_or_else(|| DateFault::TooLarge.at(at))?;
        }
        Ok(value)
    }

    fn factor(&mut self) -> Result<i64, DateError> {
        match self.peek() {
            None => Err(DateFault::Incomplete.at(self.end)),
            Some((at, sign @ ('+' | '-'))) => {
                self.chars.next();
                let value = self.deeper(at, |reader| match reader.signs {
                    Signs::HoldForOne => reader.factor(),
                    Signs::HoldForAll => reader.sum(),
                })?;
                let value = if sign == '-' {
                    value.checked_neg()
                } else {
                    Some(value)
                };
                value.ok_or_else(|| DateFault::TooLarge.at(at))
            }
            Some((at, '(')) => {
                self.chars.next();
                let value = self.deeper(at, Self::sum)?;
                if self.next_if(|c| c == ')').is_none() {
                    return Err(self.unexpected());
                }
                self.and_foreign_operators(value)
            }
            Some((at, c)) if c.is_ascii_digit() => {
                let value = self.number(at)?;
                self.and_foreign_operators(value)
            }
            Some((at, c)) => Err(DateFault::Unexpected(c).at(at)),
        }
    }

    fn number(&mut self, at: usize) -> Result<i64, DateError> {
        let mut value: i32 = 0;
        while let Some((_, digit)) = self.chars.next_if(|(_, c)| c.is_ascii_digit()) {
            let digit = digit
                .to_digit(10)
                .and_then(|digit| i32::try_from(digit).ok());
            value = digit
                .and_then(|digit| value.checked_mul(10)?.checked_add(digit))
                .ok_or_else(|| DateFault::TooLarge.at(at))?;
        }
        Ok(i64::from(value))
    }

    /// What follows a number that DolphinScheduler takes for an operator of the lowest rank whose result is 0.
    fn and_foreign_operators(&mut self, value: i64) -> Result<i64, DateError> {
        let known = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '*' | '/' | '(' | ')');
        if self.signs == Signs::HoldForOne {
            return Ok(value);
        }
        match self.next_if(|c| !known(c)) {
            None => Ok(value),
            Some((at, _)) => self.deeper(at, Self::sum).map(|_| 0),
        }
    }

    fn deeper(
        &mut self,
        at: usize,
        read: impl FnOnce(&mut Self) -> Result<i64, DateError>,
    ) -> Result<i64, DateError> {
        if self.depth >= DEPTH_MAX {
            return Err(DateFault::TooDeep.at(at));
        }
        self.depth = self.depth.saturating_add(1);
        let value = read(self)?;
        self.depth = self.depth.saturating_sub(1);
        Ok(value)
    }

    fn unexpected(&mut self) -> DateError {
        match self.peek() {
            None => DateFault::Incomplete.at(self.end),
            Some((at, c)) => DateFault::Unexpected(c).at(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<i64, DateError> {
        calculate(text, Signs::HoldForOne)
    }

    fn all(text: &str) -> Result<i64, DateError> {
        calculate(text, Signs::HoldForAll)
    }

    #[test]
    fn products_come_before_sums_and_both_go_from_left_to_right() {
        for calculated in [one, all] {
            assert_eq!(calculated("2+3*4-5"), Ok(9));
            assert_eq!(calculated("100/7*7"), Ok(98));
            assert_eq!(calculated("10-3-2"), Ok(5));
            assert_eq!(calculated("(2-(1+4))*3"), Ok(-9));
            assert_eq!(calculated("-7/2"), Ok(-3));
        }
    }

    #[test]
    fn a_sign_holds_for_one_number_or_for_all_that_follow() {
        assert_eq!(one("-3+1"), Ok(-2));
        assert_eq!(all("-3+1"), Ok(-4));
        assert_eq!(one("2*-3+1"), Ok(-5));
        assert_eq!(all("2*-3+1"), Ok(-8));
        assert_eq!(all("(-3+1)+1"), Ok(-3));
        assert_eq!(one("--+-2"), Ok(-2));
    }

    #[test]
    fn spaces_mean_nothing_or_make_a_zero() {
        assert_eq!(one(" 1 + 2 "), Ok(3));
        assert_eq!(all("1 2"), Ok(0));
        assert_eq!(all("4*1.5+3"), Ok(0));
        assert!(all("1 + 2").is_err());
        assert_eq!(one("1.5"), Err(DateFault::Unexpected('.').at(1)));
    }

    #[test]
    fn what_cannot_be_calculated_is_a_fault_with_its_place() {
        assert_eq!(one(""), Err(DateFault::Incomplete.at(0)));
        assert_eq!(one("1+"), Err(DateFault::Incomplete.at(2)));
        assert_eq!(one("(1"), Err(DateFault::Incomplete.at(2)));
        assert_eq!(one("1)"), Err(DateFault::Unexpected(')').at(1)));
        assert_eq!(one("1/(2-2)"), Err(DateFault::DivisionByZero.at(1)));
        assert_eq!(one("2147483648"), Err(DateFault::TooLarge.at(0)));
        assert_eq!(
            one("2147483647*2147483647*2147483647"),
            Err(DateFault::TooLarge.at(21))
        );
        let deep = "(".repeat(1000);
        assert_eq!(one(&deep), Err(DateFault::TooDeep.at(32)));
    }
}
