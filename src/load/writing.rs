//! How a payload says whose message it is: in bytes, or in text where lines are in play, which carry nothing else as
//! it is. Knows no message.

use super::maker::{MessageId, SMALLEST_PAYLOAD};
use crate::rng::Rng;

/// Bytes of what says whose it is.
const NAME_LEN: usize = SMALLEST_PAYLOAD as usize;
/// A name's fields as text: characters of the tag, the sender and the number, six bits in each.
const TAG_TEXT: usize = 4;
const SENDER_TEXT: usize = 4;
/// The first of the 64 characters that texts are made of. None of them is a control character or a space, a
/// backslash is one of them: what a relay would escape does not occur, and what it might by mistake does.
const FIRST_CHARACTER: u8 = b'0';

/// What says whose a message is: its payload begins with this.
pub type Name = [u8; NAME_LEN];

/// How payloads are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Any bytes.
    Bytes,
    /// Printable characters, a byte each.
    Text,
}

impl Writing {
    /// Says that the message is of the run with this tag, and which one. Text has room for 2^24 senders and 2^48
    /// messages of each.
    pub fn name(self, tag: u32, id: MessageId) -> Name {
        let mut name = [0; NAME_LEN];
        match self {
            Self::Bytes => {
                name[..4].copy_from_slice(&tag.to_le_bytes());
                name[4..8].copy_from_slice(&id.sender.to_le_bytes());
                name[8..].copy_from_slice(&id.number.to_le_bytes());
            }
            Self::Text => {
                let (front, number) = name.split_at_mut(TAG_TEXT + SENDER_TEXT);
                let (tag_text, sender) = front.split_at_mut(TAG_TEXT);
                spell(tag.into(), tag_text);
                spell(id.sender.into(), sender);
                spell(id.number, number);
            }
        }
        name
    }

    /// Which message of the run with this tag has such a name, if one can have it.
    pub fn named(self, tag: u32, name: &Name) -> Option<MessageId> {
        match self {
            Self::Bytes => {
                let word = |at| u32::from_le_bytes(*name[at..].first_chunk().expect("4 of 16 bytes"));
                let number = u64::from_le_bytes(*name.last_chunk().expect("8 of 16 bytes"));
                (word(0) == tag).then(|| MessageId { sender: word(4), number })
            }
            Self::Text => {
                let (front, number) = name.split_at(TAG_TEXT + SENDER_TEXT);
                let mut wanted = [0; TAG_TEXT];
                spell(tag.into(), &mut wanted);
                let sender = front.strip_prefix(&wanted)?;
                Some(MessageId { sender: read(sender)? as u32, number: read(number)? }) // 24 bits
            }
        }
    }

    /// Fills what is left of a payload.
    pub fn fill(self, rng: &mut Rng, to: &mut [u8]) {
        rng.fill(to);
        if self == Self::Text {
            to.iter_mut().for_each(|byte| *byte = character(*byte));
        }
    }
}

/// The one of the 64 characters that these six bits are.
fn character(bits: u8) -> u8 {
    FIRST_CHARACTER + (bits & 0x3f)
}

/// The last bits of a number, as many as there is room for.
fn spell(mut number: u64, to: &mut [u8]) {
    for place in to.iter_mut().rev() {
        *place = character(number as u8);
        number >>= 6;
    }
}

fn read(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |number, &byte| {
        let bits = byte.checked_sub(FIRST_CHARACTER).filter(|bits| *bits < 64)?;
        Some(number << 6 | u64::from(bits))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        for writing in [Writing::Bytes, Writing::Text] {
            for (sender, number) in
                [(0, 0), (7, 63), (64, 64), (9999, 1 << 40), ((1 << 24) - 1, (1 << 48) - 1)]
            {
                let id = MessageId { sender, number };
                let name = writing.name(0xfedc_ba98, id);
                assert_eq!(writing.named(0xfedc_ba98, &name), Some(id), "{writing:?}");
                assert_eq!(writing.named(0xfedc_ba99, &name), None, "{writing:?}: another run's");
            }
        }
    }

    #[test]
    fn no_byte_of_a_text_is_any_other() {
        let name = Writing::Text.name(3, MessageId { sender: 5, number: 77 });
        for at in 0..NAME_LEN {
            for byte in (0..=255).filter(|byte| *byte != name[at]) {
                let mut other = name;
                other[at] = byte;
                assert_ne!(Writing::Text.named(3, &other), Writing::Text.named(3, &name));
            }
        }
    }

    #[test]
    fn a_text_is_shown_as_it_is() {
        let mut text = vec![0; 10_000];
        Writing::Text.fill(&mut Rng::new(7), &mut text);
        assert_eq!(crate::wire::printable(&text).as_bytes(), text);
        assert!(text.contains(&b'\\') && text.iter().all(|byte| (b'0'..=b'o').contains(byte)));
    }
}
