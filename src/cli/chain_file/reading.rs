//! A chain's file read, record by record, when the relay starts. Knows files and records; knows no rule of a chain.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant as SystemInstant};

use super::records::{self, BEGINNING};
use crate::cli::units::grouped;
use crate::protocol::bunkercoin::{Bunkercoin, MAX_ELEMENT};

/// Bytes read at a time.
const PIECE: u64 = 256 * 1024;
/// No record is longer: what claims to be is damaged.
const LONGEST_RECORD: usize = 2 * MAX_ELEMENT;
/// While a long file is checked, how often the log says how far it has come.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What reading a file has come to.
struct Found {
    /// Bytes that are good.
    good: u64,
    /// What was wrong behind them.
    fault: Option<String>,
}

/// Reads a file into an empty chain; there may be none. Says how many of its bytes are good. What is behind them is put
/// aside: whoever had a disk fail in the middle may want it.
pub fn read_into(path: &Path, chain: &mut Bunkercoin) -> Result<u64, String> {
    let text = |error: io::Error| format!("{}: {error}", path.display());
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(text(error)),
        Ok(found) if !found.is_file() => return Err(format!("{} is no file", path.display())),
        Ok(_) => {}
    }
    let mut file = File::open(path).map_err(text)?;
    let len = file.metadata().map_err(text)?.len();
    let mut beginning = Vec::new();
    (&file).take(BEGINNING.len() as u64).read_to_end(&mut beginning).map_err(text)?;
    if beginning.len() < BEGINNING.len() && BEGINNING.starts_with(&beginning) {
        return Ok(0); // killed when it had hardly begun
    }
    if beginning != BEGINNING {
        return Err("the file `chain` is no chain of ours; left untouched. Move it away".into());
    }
    let found = replay(&mut file, len, chain).map_err(text)?;
    if let Some(fault) = found.fault {
        let aside = path.with_extension("cut");
        file.seek(SeekFrom::Start(found.good)).map_err(text)?;
        io::copy(&mut file, &mut File::create(&aside).map_err(text)?).map_err(text)?;
        log::warn!(
            "{}: {fault}; the last {} bytes are put aside, in {}; {} blocks are good",
            path.display(),
            grouped(len - found.good),
            aside.display(),
            grouped(chain.height() as u64)
        );
    }
    Ok(found.good)
}

/// Every record is checked by every rule.
fn replay(file: &mut File, len: u64, chain: &mut Bunkercoin) -> io::Result<Found> {
    let (mut at, mut told) = (BEGINNING.len() as u64, SystemInstant::now());
    let mut good = at;
    let (mut held, mut from) = (Vec::new(), 0);
    loop {
        let Some((record, record_len)) = records::read(&held[from..]) else {
            let is_too_long = held.len() - from > LONGEST_RECORD;
            held.drain(..from);
            from = 0;
            if is_too_long || file.take(PIECE).read_to_end(&mut held)? == 0 {
                let is_over = held.is_empty();
                let fault = match is_over {
                    false => Some("a record that is damaged or not whole".into()),
                    true => (good < at).then(|| "a longer chain that was not written to its end".into()),
                };
                return Ok(Found { good, fault });
            }
            continue;
        };
        if let Err(unfit) = chain.restore(record) {
            return Ok(Found { good, fault: Some(format!("a record that cannot be: {unfit}")) });
        }
        from += record_len;
        at += record_len as u64;
        if !chain.is_branching() {
            good = at; // a branch that never became the chain is nothing
        }
        if told.elapsed() >= TELL_EVERY {
            told = SystemInstant::now();
            let percent = at * 100 / len;
            log::info!("checking the chain: {} blocks, {percent} %", grouped(chain.height() as u64));
        }
    }
}
