#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| porpoise_fuzz::import(bytes));
