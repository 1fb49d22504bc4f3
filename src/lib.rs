#![forbid(unsafe_code)]
#![warn(missing_docs)]
//! stub
pub mod deadlines;
pub mod protocol;
pub mod relay;
pub mod time;
pub mod wire;
