//! What an operator gets wrong, and the one line that helps him out.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use crate::support::run;

fn refused(args: &[&str]) -> String {
    run(args, &[]).error(2).into()
}

#[test]
fn what_is_said_of_odd_words_is_one_line() {
    assert_eq!(
        refused(&["--magic", "a\nb\u{1b}[2J"]),
        "--magic a\\nb\\u{1b}[2J: need 8 hex digits in wire order, as in f9beb4d9"
    );
    assert!(refused(&["--foo\nbar"]).starts_with("--foo\\nbar: no such option"));
}
