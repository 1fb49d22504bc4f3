//! Files that a run leaves and reads. Knows no figure.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

/// The directory of a script, made if need be.
pub fn directory(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("{}: cannot be made: {error}", path.display()))
}

/// Asked before anything runs: that the picture has no place is not to be found out at the end. Leaves what is there,
/// and nothing where nothing was: an empty file is no picture, should none be drawn.
pub fn check_writable(path: &Path) -> Result<(), String> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), directory)?;
    let was_there = path.symlink_metadata().is_ok();
    let opened = OpenOptions::new().append(true).create(true).open(path);
    let removed = opened.and_then(|_| if was_there { Ok(()) } else { fs::remove_file(path) });
    removed.map_err(|error| format!("{}: {error}", path.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_picture_can_be_written_is_seen_without_leaving_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b.svg");
        check_writable(&path).unwrap();
        assert!(path.parent().unwrap().is_dir() && !path.exists());
        write(&path, "an earlier one").unwrap();
        check_writable(&path).unwrap();
        assert_eq!(read(&path), "an earlier one");
        assert!(check_writable(directory.path()).is_err(), "a directory is no place");
    }
}
