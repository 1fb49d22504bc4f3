//! The law of the framing read aloud, over a whole stream at once. Knows no split, no buffer and no hurry, and
//! names nothing of the crate: it is the other witness.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// What a stream is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    pub magic: [u8; 4],
    pub max_payload: u32,
    pub max_skip: u64,
}

/// What a stream says, in order.
#[derive(Debug, Default, PartialEq)]
pub struct Reading<'s> {
    pub found: Vec<Found<'s>>,
    pub skipped: u64,
}

#[derive(Debug, PartialEq)]
pub enum Found<'s> {
    Frame(Cow<'s, [u8]>),
    /// Too much junk. The last thing found.
    Magic,
    /// A claim beyond the law. The last thing found.
    Oversize(u32),
    Command([u8; 12]),
    Checksum {
        command: [u8; 12],
        length: u32,
        claimed: [u8; 4],
        found: [u8; 4],
    },
}

/// What stands at one place of a stream.
enum Sight<'s> {
    /// The stream ends before anybody can say.
    Unfinished,
    NoMagic,
    /// Magic, but no header; and how far it reaches if it is believed.
    BadHeader(Found<'s>, usize),
    BadChecksum(Found<'s>, usize),
    Frame(&'s [u8]),
}

/// Reads a stream from its first byte until it ends or nobody can say where the next frame begins.
pub fn read<'s>(stream: &'s [u8], law: &Law) -> Reading<'s> {
    let mut reading = Reading::default();
    let mut at = 0;
    let mut gap = 0; // bytes of junk since the last valid frame
    while let Some(rest) = stream.get(at..) {
        let junk = match look(rest, law) {
            Sight::Unfinished => break,
            Sight::Frame(frame) => {
                reading.found.push(Found::Frame(Cow::Borrowed(frame)));
                at += frame.len();
                gap = 0;
                continue;
            }
            Sight::NoMagic => 1,
            Sight::BadHeader(..) if gap > 0 => 1,
            Sight::BadChecksum(_, len) if gap > 0 => len,
            Sight::BadHeader(offence, len) | Sight::BadChecksum(offence, len) => {
                let is_last = matches!(offence, Found::Oversize(_));
                reading.found.push(offence);
                if is_last {
                    break;
                }
                at += len;
                continue;
            }
        };
        at += junk;
        // counted up to the first byte too many
        let counted = (junk as u64).min((law.max_skip - gap).saturating_add(1));
        gap += counted;
        reading.skipped += counted;
        if gap > law.max_skip {
            reading.found.push(Found::Magic);
            break;
        }
    }
    reading
}

fn look<'s>(rest: &'s [u8], law: &Law) -> Sight<'s> {
    if rest.len() < 4 && law.magic.starts_with(rest) {
        return Sight::Unfinished;
    }
    if !rest.starts_with(&law.magic) {
        return Sight::NoMagic;
    }
    if rest.len() < 24 {
        return Sight::Unfinished;
    }
    let command: [u8; 12] = rest[4..16].try_into().unwrap();
    let length = u32::from_le_bytes(rest[16..20].try_into().unwrap());
    let claimed: [u8; 4] = rest[20..24].try_into().unwrap();
    let len = 24 + length as usize;
    if length > law.max_payload {
        return Sight::BadHeader(Found::Oversize(length), len);
    }
    if !is_command(&command) {
        return Sight::BadHeader(Found::Command(command), len);
    }
    if rest.len() < len {
        return Sight::Unfinished;
    }
    let found = checksum(&rest[24..len]);
    if found != claimed {
        return Sight::BadChecksum(Found::Checksum { command, length, claimed, found }, len);
    }
    Sight::Frame(&rest[..len])
}

/// Printable bytes, then NULs, and nothing behind the first NUL.
fn is_command(raw: &[u8; 12]) -> bool {
    let mut padding = false;
    raw.iter().all(|&byte| {
        padding |= byte == 0;
        if padding { byte == 0 } else { (0x20..=0x7e).contains(&byte) }
    })
}

fn checksum(payload: &[u8]) -> [u8; 4] {
    Sha256::digest(Sha256::digest(payload))[..4].try_into().unwrap()
}
