//! Fuzzes every parser of what people write, but for the ban file's.

#![no_main]

#[path = "../checks/inputs.rs"]
mod inputs;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inputs::check(bytes));
