//! Every test of this package in one program, which compiles and links once.

mod conformance;
mod meter;
