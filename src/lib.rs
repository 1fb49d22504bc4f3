#![forbid(unsafe_code)]
#![warn(missing_docs)]
//! stub
pub mod deadlines;
pub mod kernel;
pub mod protocol;
pub mod relay;
pub mod server;
pub mod time;
pub mod wire;
