//! How a message is spelt in the other framing, in the judge's own words. Knows bytes.

use sha2::{Digest, Sha256};

use crate::wire::Magic;

/// A line as the frame that others get of it.
pub fn frame(magic: Magic, line: &[u8]) -> Vec<u8> {
    let mut frame = magic.0.to_vec();
    frame.extend_from_slice(b"msg\0\0\0\0\0\0\0\0\0");
    frame.extend_from_slice(&(line.len() as u32).to_le_bytes()); // a line is no longer than a payload
    frame.extend_from_slice(&Sha256::digest(Sha256::digest(line))[..4]);
    frame.extend_from_slice(line);
    frame
}

/// A payload as the line that others get of it: what is a character and harms nobody stays.
pub fn line(payload: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    let mut rest = payload;
    while let [first, behind @ ..] = rest {
        match character(rest) {
            Some((c, len)) if !is_harmful(c) => {
                line.extend_from_slice(&rest[..len]);
                rest = &rest[len..];
            }
            _ => {
                let digits = b"0123456789abcdef";
                let (high, low) = (digits[usize::from(first / 16)], digits[usize::from(first % 16)]);
                line.extend_from_slice(&[b'\\', b'x', high, low]);
                rest = behind;
            }
        }
    }
    line.push(b'\n');
    line
}

/// The character at the front, if one is there whole, and its bytes.
fn character(bytes: &[u8]) -> Option<(char, usize)> {
    let len = match bytes.first()? {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let text = std::str::from_utf8(bytes.get(..len)?).ok()?;
    text.chars().next().map(|c| (c, len))
}

/// What a terminal obeys, ends a line, or turns the writing round.
fn is_harmful(c: char) -> bool {
    matches!(c as u32, 0..0x20 | 0x7f..0xa0 | 0x2028..=0x202e | 0x2066..=0x2069)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::wire::{Command, Frame, Network, printable};

    #[test]
    fn the_judge_spells_as_the_relay_does() {
        let magic = Network::PRIVATE.magic;
        let pieces: [&[u8]; 9] = [
            b"text",
            b"\n",
            b"\x1b[2J",
            b"\xff",
            b"\xe2\x82",
            "\u{202e}\u{9f}\u{a0}".as_bytes(),
            "\u{2027}\u{2028}\u{202f}".as_bytes(),
            "\u{6f22}\u{1f980}".as_bytes(),
            b"\xed\xa0\x80\xc0\x9b\xf5",
        ];
        for seed in 0..3000 {
            let mut rng = Rng::new(seed);
            let mut payload: Vec<u8> =
                (0..rng.below(6)).flat_map(|_| pieces[rng.below(9) as usize].to_vec()).collect();
            payload.truncate(rng.below(payload.len() as u64 + 1) as usize);
            let spelt = format!("{}\n", printable(&payload));
            assert_eq!(String::from_utf8(line(&payload)).unwrap(), spelt, "{}", payload.escape_ascii());
            assert_eq!(frame(magic, &payload), Frame::encode(magic, Command::MSG, &payload).as_bytes());
        }
    }
}
