//! A bill, line by line.

use std::fmt;

use porpoise_ports::usage::{Line, Usage};
use serde_json::{Value, json};

use crate::price::{Price, Processor, price};

/// A line of a bill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Which.
    pub line: Line,
    /// What was counted.
    pub pieces: u64,
    /// What it costs.
    pub price: Price,
    /// What all of it costs.
    pub dollars: f64,
}

/// What a usage costs. It prints as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Bill {
    /// The lines of which something was used.
    pub rows: Vec<Row>,
}

impl Bill {
    /// What a usage costs, by functions on such a processor.
    pub fn of(usage: &Usage, processor: Processor) -> Self {
        let rows = usage.lines().map(|(line, pieces)| {
            let price = price(line, processor);
            Row {
                line,
                pieces,
                price,
                dollars: units(pieces, price) * price.dollars,
            }
        });
        Self {
            rows: rows.collect(),
        }
    }

    /// The sum.
    pub fn dollars(&self) -> f64 {
        self.rows.iter().map(|row| row.dollars).sum()
    }

    /// What one line costs.
    pub fn dollars_of(&self, line: Line) -> f64 {
        let rows = self.rows.iter();
        rows.filter(|row| row.line == line)
            .map(|row| row.dollars)
            .sum()
    }

    /// For programs. Dollars are numbers with as many digits as they have.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "line": row.price.name,
                "units": units(row.pieces, row.price),
                "unit": row.price.unit,
                "price": row.price.dollars,
                "dollars": row.dollars,
                "source": row.price.source,
            })
        });
        json!({ "lines": rows.collect::<Vec<Value>>(), "dollars": self.dollars() })
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "exact up to 2^53 pieces, and nobody pays for the last one of more"
)]
fn units(pieces: u64, price: Price) -> f64 {
    pieces as f64 / price.pieces
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let price = row.price;
            writeln!(
                f,
                "{:<28}{:>16.6} {:<22}{:>14} {:>12.4}",
                price.name,
                units(row.pieces, price),
                price.unit,
                format!("${}", price.dollars),
                row.dollars
            )?;
        }
        writeln!(f, "{:<28}{:>66.4}", "sum", self.dollars())
    }
}
