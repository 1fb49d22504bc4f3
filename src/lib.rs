#![forbid(unsafe_code)]
#![warn(missing_docs)]
//! stub
pub mod deadlines;
pub mod time;
pub mod wire;
