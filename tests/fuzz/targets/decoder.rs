//! Fuzzes the decoder against the naive one.

#![no_main]

#[path = "../checks/decoder.rs"]
mod decoder;
#[path = "../../decoder/feed.rs"]
mod feed;
#[path = "../../common/naive.rs"]
mod naive;
#[path = "../checks/tape.rs"]
mod tape;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoder::check(bytes));
