//! Files that a run leaves behind. Knows nothing of what stands in them.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::Failure;

/// Better before the run than after it. What is in the file stays until there is something new.
pub fn check_writable(path: &Path) -> Result<(), Failure> {
    let is_new = !path.exists();
    File::options().append(true).create(true).open(path).map_err(|error| cannot_write(path, &error))?;
    if is_new {
        let _ = fs::remove_file(path); // should that fail, an empty file is no harm
    }
    Ok(())
}

/// What there is now stands in the file.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}
