//! What a [`Usage`](porpoise_ports::usage::Usage) costs: a price for each line, and a bill that prints every one.
//!
//! Left out on purpose: free tiers, discounts and taxes (a bill is the most that the counted use can cost), what jobs
//! themselves consume at their targets, and what a network costs, since there is none.
//!
//! Start reading at [`Bill::of`]; the prices, each with its source, are in `price.rs`.

mod bill;
mod price;

pub use bill::{Bill, Row};
pub use price::{HOURS_OF_A_MONTH, Price, Processor, price};
