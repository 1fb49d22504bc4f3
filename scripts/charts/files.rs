//! Files that a run leaves and reads. Knows no figure.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

/// The directory of a script, made if need be.
pub fn directory(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("{}: cannot be made: {error}", path.display()))
}

/// Asked before anything runs: that the picture has no place is not to be found out at the end.
pub fn check_writable(path: &Path) -> Result<(), String> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), directory)?;
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).map_err(|error| format!("{}: {error}", path.display()))
}

/// A file that a process writes to.
pub fn create(path: &Path) -> Result<File, String> {
    File::create(path).map_err(|error| format!("{}: {error}", path.display()))
}

pub fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// What stands there, as far as it can be read.
pub fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
