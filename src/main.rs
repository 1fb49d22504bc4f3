//! Parse, run, exit code.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    peer_relay::cli::run(std::env::args_os())
}
