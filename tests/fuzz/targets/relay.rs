//! Fuzzes a whole relay.

#![no_main]

#[path = "../checks/account.rs"]
mod account;
#[path = "../../common/naive.rs"]
mod naive;
#[path = "../checks/relay.rs"]
mod relay;
#[path = "../checks/tape.rs"]
mod tape;
#[path = "../checks/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| relay::check(bytes));
