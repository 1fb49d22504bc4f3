//! Fuzzes the ban file.

#![no_main]

#[path = "../checks/ban_file.rs"]
mod ban_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ban_file::check(bytes));
